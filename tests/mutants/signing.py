"""Mistakes of marks and of who looks at them: whose signature counts, what is fetched, what is believed."""

from tests.mutants.planting import Mutant

MARKING = "tests/gan/jobs/marking/test_"
JOBS = "tests/gan/jobs/"
WEB = "tests/gan/web/test_serve_verify.py::test_"
ROOM = "gan/jobs/marking/"

MUTANTS = (
    Mutant(
        "any signer of a known authority is ours",
        f"{ROOM}manifest.py",
        'state = "trusted" if own else "valid"',
        'state = "trusted"',
        (f"{MARKING}manifest.py::test_another_signer_of_the_same_authority_is_not_ours",),
    ),
    Mutant(
        "any valid signature is ours",
        f"{ROOM}manifest.py",
        '            state = "valid"\n        action',
        '            state = "trusted"\n        action',
        (f"{MARKING}manifest.py::test_a_forged_manifest_of_the_same_name_is_not_trusted",),
    ),
    Mutant(
        "manifests are fetched",
        f"{ROOM}manifest.py",
        '"remote_manifest_fetch": False',
        '"remote_manifest_fetch": True',
        (f"{MARKING}manifest.py::test_nothing_is_fetched",),
    ),
    Mutant(
        "thumbnails in signed files",
        f"{ROOM}manifest.py",
        '"thumbnail": {"enabled": False}',
        '"thumbnail": {"enabled": True}',
        (f"{MARKING}manifest.py::test_a_signed_file_is_trusted_and_says_what_it_is",),
    ),
    Mutant(
        "texts of strangers as they are",
        f"{ROOM}manifest.py",
        'c if c.isprintable() else "\\N{REPLACEMENT CHARACTER}"',
        'c if c.isascii() else "\\N{REPLACEMENT CHARACTER}"',
        (f"{MARKING}manifest.py::test_texts_of_strangers_are_cut",),
    ),
    Mutant(
        "a key that everybody reads",
        f"{ROOM}certificates.py",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644",
        (f"{MARKING}certificates.py::test_a_test_certificate",),
    ),
    Mutant(
        "a key of another certificate",
        f"{ROOM}certificates.py",
        "if private.public_key() != leaf.public_key():",
        "if private.public_key() is None:",
        (f"{MARKING}certificates.py::test_what_cannot_be_used",),
    ),
    Mutant(
        "earlier certificates are forgotten",
        f"{ROOM}certificates.py",
        'KEPT = "certificate*.pem"',
        'KEPT = "certificate.pem"',
        (f"{MARKING}certificates.py::test_an_earlier_certificate_is_kept_and_known",),
    ),
    Mutant(
        "a secret of the watermark that is lost to another process",
        f"{ROOM}secret.py",
        "os.link(temporary, path)",
        "os.replace(temporary, path)",
        (f"{MARKING}secret.py::test_of_two_that_make_it_one_prevails",),
    ),
    Mutant(
        "a signature that must be and is not",
        "gan/jobs/serving/signing.py",
        'return None, False, replace(verdict, action="block", reason=UNSIGNED)',
        "return data, False, verdict",
        (f"{JOBS}serving/test_signing.py::test_a_signature_that_fails",),
    ),
    Mutant(
        "signed before it is marked",
        "gan/jobs/serving/finishing.py",
        "    data, signed, verdict = signing.sign(made.data, job.order.file_form, origin, made.verdict)\n",
        "    data, signed, verdict = made.data, signing.signer is not None, made.verdict\n",
        (f"{WEB}an_image_of_the_server_is_its_own",),
    ),
    Mutant(
        "what clients typed is a proof",
        "gan/jobs/serving/audit.py",
        "if digest in (hashes := line.get(name) or ()):",
        "if (hashes := [*(line.get(name) or ()), digest]):",
        (f"{JOBS}test_verifying.py::test_what_clients_typed_into_the_log_is_no_proof",),
    ),
    Mutant(
        "edited lines are a proof",
        "gan/jobs/serving/audit.py",
        'line.get("event") == MADE and line["hash"] == _hash(line)',
        'line.get("event") == MADE and line["hash"]',
        (f"{JOBS}test_verifying.py::test_what_clients_typed_into_the_log_is_no_proof",),
    ),
    Mutant(
        "a changed file is ours",
        "gan/jobs/verifying.py",
        'if found.state == "trusted":',
        'if found.state in ("trusted", "invalid"):',
        (f"{JOBS}test_verifying.py::test_a_changed_byte_is_invalid_and_still_watermarked",),
    ),
    Mutant(
        "claims are a proof",
        "gan/jobs/verifying.py",
        'return Finding(state="said", text=text, facts=facts)',
        'return Finding(state="said", text=text, facts=facts, ours=True, confidence=0.5)',
        (f"{JOBS}test_verifying.py::test_claims_are_said_and_no_proof",),
    ),
    Mutant(
        "a file of any size is read",
        "gan/jobs/verifying.py",
        "return file.read(uploads.MOST_BYTES + 1)",
        "return file.read(10 * uploads.MOST_BYTES)",
        (f"{JOBS}test_verifying.py::test_no_more_of_a_file_is_read_than_is_looked_at",),
    ),
    Mutant(
        "originals are written over",
        "gan/jobs/marking_files.py",
        "        if path.exists():\n",
        "        if path.is_symlink():\n",
        (f"{JOBS}test_marking_files.py::test_nothing_is_written_over",),
    ),
    Mutant(
        "signatures before the watermark",
        "gan/jobs/marking_files.py",
        "data = marked(image if carried is None else carried, upload.form, self._origin)",
        "data = marked(image, upload.form, self._origin)",
        (f"{JOBS}test_marking_files.py::test_every_format_carries_every_mark",),
    ),
    Mutant(
        "pictures of strangers are read",
        "gan/web/serve/edge.py",
        'if scope["path"] in STREAMED:',
        'if scope["path"] in STREAMED and await self._whole(receive):',
        (f"{WEB}a_body_is_read_for_a_known_key_alone",),
    ),
    Mutant(
        "looks without end",
        "gan/web/serve/verifying.py",
        "if self._inside >= MOST:",
        "if self._inside < 0:",
        (f"{WEB}pictures_at_once_are_bounded",),
    ),
    Mutant(
        "looks that no rate counts",
        "gan/web/serve/verifying.py",
        "await asyncio.to_thread(self._service.usage.charge, key, 0)",
        "await asyncio.to_thread(self._service.usage.used, key)",
        (f"{WEB}any_key_may_ask_within_its_rate",),
    ),
    Mutant(
        "a stranger learns which key asked",
        "gan/jobs/serving/service.py",
        'return found.without("key", "line")',
        "return found",
        (f"{WEB}an_image_of_the_server_is_its_own",),
    ),
    Mutant(
        "on and off of YAML are no words",
        "gan/config.py",
        '(word := "on" if value else "off") in args',
        '(word := "yes" if value else "no") in args',
        (f"{JOBS}serving/test_settings.py::test_on_and_off_are_words_as_they_are_typed",),
    ),
    Mutant(
        "an unreadable file is just not ours",
        "gan/cli/verify.py",
        "context.exit(2)",
        "context.exit(1)",
        ("tests/gan/cli/test_marks.py::test_exit_codes",),
    ),
)
