"""`gan serve keys`, `gan serve audit` and what `gan serve` itself understands."""

import getpass
import json
import os

import pytest
from click.testing import CliRunner

from gan.cli.main import main
from gan.jobs.serving.audit import FILE, Audit
from gan.jobs.serving.database import Database
from gan.jobs.serving.keys import Keys


@pytest.fixture
def gan(tmp_path, monkeypatch):
    """gan(words): what the command line answers in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(main, ["serve", *words])


def test_a_key_is_shown_once(gan, tmp_path):
    made = gan("keys", "create", "me", "--attest-age", "--per-day", "5")
    assert made.exit_code == 0 and made.stdout.count("\n") == 1 and "shown once" in made.stderr
    key = made.stdout.strip()
    database = Database(tmp_path / "serve")
    found = Keys(database).verify(key)
    database.close()
    assert (found.name, found.terms, found.per_day) == ("me", "1", 5) and found.attested and found.attested_by
    shown = gan("keys", "list").stdout
    assert found.number in shown and "valid" in shown and "terms 1" in shown and "0 of 5 today" in shown
    assert key.split("_", 2)[2] not in shown + gan("keys", "list", "--json").stdout


def test_a_key_without_an_attestation_says_so(gan):
    made = gan("keys", "create", "me")
    assert "without --attest-age it makes images only where" in made.stderr
    assert "not attested" in gan("keys", "list").stdout


def test_a_user_without_a_name_can_attest(gan, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: {}["LOGNAME"])
    assert gan("keys", "create", "me", "--attest-age").exit_code == 0
    (line,) = gan("keys", "list", "--json").stdout.splitlines()
    assert json.loads(line)["attested_by"] == f"user {os.getuid()}"


def test_roles_of_keys(gan):
    made = gan("keys", "create", "reader", "--role", "operator")
    assert made.exit_code == 0 and "--attest-age" not in made.stderr  # it makes no images anyway
    assert "reader  operator  valid" in gan("keys", "list").stdout
    assert gan("keys", "create", "x", "--role", "root").exit_code == 2


def test_keys_as_json(gan):
    gan("keys", "create", "me", "--attest-age", "--terms", "2026")
    (line,) = gan("keys", "list", "--json").stdout.splitlines()
    record = json.loads(line)
    assert (record["name"], record["state"], record["terms"], record["used_today"]) == (
        "me",
        "valid",
        "2026",
        0,
    )


def test_revoking(gan):
    gan("keys", "create", "me")
    assert gan("keys", "revoke", "me").stdout.startswith("revoked me (")
    assert "revoked" in gan("keys", "list").stdout
    wrong = gan("keys", "revoke", "you")
    assert wrong.exit_code == 2 and "gan serve keys list" in wrong.stderr


def test_the_log_as_json(gan, tmp_path):
    audit = Audit(tmp_path / "serve")
    audit.append({"event": "made"})
    audit.close()
    found = json.loads(gan("audit", "verify", "--json").stdout)
    assert found == {"lines": 1, "head": audit.head}
    assert gan("audit", "verify", "--head", audit.head).exit_code == 0
    log = tmp_path / "serve" / FILE
    log.write_text(log.read_text().replace("made", "gone"))
    broken = gan("audit", "verify")
    assert broken.exit_code == 1 and "line 1 is not what was written" in broken.stderr


def test_models_need_no_subcommand(gan):
    missing = gan("nothing/here")
    assert missing.exit_code == 1 and "no model at nothing/here" in missing.stderr
    assert gan("run", "nothing/here").stderr == missing.stderr
    assert "no model to serve" in gan("--port", "8001").stderr
    assert "gan serve keys create me --attest-age" in gan("--help").stdout
