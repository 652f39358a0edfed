"""C2PA manifests: a picture signed as AI-generated, and what a signature in a picture is worth.

By the package c2pa-python (extra `marks`), after the C2PA specification 2.1: an action `c2pa.created` whose
digital source type is IPTC's trainedAlgorithmicMedia, with the model's digest and the seed. The signature
covers every byte of the file but its own: it comes last, after all other marks, and is lost where somebody
saves the picture again. Nothing is fetched from a network: there is no time stamp of an authority, so that
the time in a manifest is what the signer's clock said, and nobody asks whether a certificate was revoked.
"""

import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

from PIL import Image

import gan
from gan.errors import UserError, install
from gan.jobs.marking.certificates import Identity, Trust
from gan.jobs.marking.metadata import MEDIA, SOURCE, Origin

State = Literal["trusted", "valid", "invalid", "absent"]
CREATED = "c2pa.created"
_ACTIONS = ("c2pa.actions.v2", "c2pa.actions")
_MOST_TEXT = 200  # characters of what a stranger's manifest says
_MARK = b"c2pa"  # of every manifest's box


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What the last manifest of a file says, and whether it may be believed.

    state: trusted is signed by the operator, and not a byte changed since. valid: the same, by somebody else,
    whose name anybody may have typed. invalid: file or manifest were changed, or the certificate has ended.
    absent: there is none. The rest is what the manifest says, cut to 200 printable characters; only `trusted`
    makes it true.
    signer: name in the certificate.  when: by the signer's clock.  failures: in the words of C2PA.
    """

    state: State
    signer: str | None = None
    when: str | None = None
    generated: bool = False
    digest: str | None = None
    seed: int | None = None
    failures: tuple[str, ...] = ()


class Signer:
    """Signs files for an identity; from any thread. Tries it first on a picture of its own.

    Raises UserError where the package is missing, or C2PA takes no such certificate.
    """

    def __init__(self, identity: Identity) -> None:
        c2pa = _package()
        self.identity = identity
        self._lock = threading.Lock()
        self._context = _context(Trust())
        try:
            info = c2pa.C2paSignerInfo(identity.algorithm, identity.chain, identity.key, None)
            self._signer = c2pa.Signer.from_info(info)
        except c2pa.C2paError as error:
            raise _refusal(identity, error) from error
        buffer = io.BytesIO()
        Image.new("L", (8, 8)).save(buffer, "PNG")
        self.sign(buffer.getvalue(), "png", Origin())

    def sign(self, data: bytes, form: str, origin: Origin, when: datetime | None = None) -> bytes:
        """A png, jpeg or webp with a manifest of now; nothing may touch the file after that.

        when: None for now.  Raises UserError where it cannot be signed.
        """
        c2pa = _package()
        signed = io.BytesIO()
        described = _described(origin, when or datetime.now(timezone.utc))
        try:
            with self._lock, c2pa.Builder(described, self._context) as builder:
                builder.sign(self._signer, MEDIA[form], io.BytesIO(data), signed)
        except c2pa.C2paError as error:
            raise _refusal(self.identity, error) from error
        return signed.getvalue()


class Reader:
    """Reads manifests of anybody's files; from any thread. Raises UserError where the package is missing."""

    def __init__(self, trust: Trust) -> None:
        self._package, self._trust = _package(), trust
        self._context = _context(trust)

    def read(self, data: bytes, form: str) -> Credentials:
        """Of the bytes of a png, jpeg or webp, of bounded size. Never raises for what is in them."""
        try:
            found = self._package.Reader.try_create(MEDIA[form], io.BytesIO(data), context=self._context)
            if found is None:
                return Credentials(state="absent")
            with found:
                return self._judged(found)
        except Exception as error:  # whatever a stranger's file brings out of the package
            if _MARK not in data:  # a picture that this reader does not know its way in, and no manifest
                return Credentials(state="absent")
            return Credentials(state="invalid", failures=(_text(_line(error)) or "unreadable",))

    def _judged(self, found: Any) -> Credentials:
        manifest = _mapping(found.get_active_manifest())
        results = _mapping(_mapping(found.get_validation_results()).get("activeManifest"))
        failures = tuple(_text(_mapping(each).get("code")) or "?" for each in results.get("failure") or ())
        signature = _mapping(manifest.get("signature_info"))
        state: State = "invalid"
        if found.get_validation_state() == "Trusted":
            own = str(signature.get("cert_serial_number")) in self._trust.serials
            state = "trusted" if own else "valid"
        elif found.get_validation_state() == "Valid":
            state = "valid"
        action = _created(manifest)
        said = _mapping(action.get("parameters"))
        seed = said.get("gan.seed")
        return Credentials(
            state=state,
            signer=_text(signature.get("common_name")) or _text(signature.get("issuer")),
            when=_text(action.get("when")),
            generated=action.get("digitalSourceType") == SOURCE,
            digest=_text(said.get("gan.digest")),
            seed=seed if type(seed) is int else None,
            failures=failures[:20],
        )


def available() -> bool:
    """Whether the package is installed."""
    try:
        _package()
    except UserError:
        return False
    return True


def _described(origin: Origin, when: datetime) -> dict[str, Any]:
    """The manifest of a picture, as the package takes it."""
    program = {"name": "gan-workbench", "version": gan.__version__}
    known = {"gan.model": origin.model, "gan.digest": origin.digest, "gan.seed": origin.seed}
    action = {
        "action": CREATED,
        "when": when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "digitalSourceType": SOURCE,
        "softwareAgent": program,
        "parameters": {name: value for name, value in known.items() if value not in ("", None)},
    }
    actions = {"label": _ACTIONS[0], "data": {"actions": [action]}}
    return {"claim_generator_info": [program], "assertions": [actions]}


def _created(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """The action that made the picture; an empty one where there is none."""
    for assertion in map(_mapping, manifest.get("assertions") or ()):
        if assertion.get("label") in _ACTIONS:
            actions = map(_mapping, _mapping(assertion.get("data")).get("actions") or ())
            return next((each for each in actions if each.get("action") == CREATED), {})
    return {}


def _context(trust: Trust) -> Any:
    """Without a network, thumbnails, or anybody's list of trust but the operator's own."""
    c2pa = _package()
    verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    anchors = {"user_anchors": trust.anchors} if trust.anchors else {}
    return c2pa.Context.from_dict(
        {"builder": {"thumbnail": {"enabled": False}}, "verify": verify, "trust": anchors}
    )


def _package() -> Any:
    """The module c2pa; UserError where it, or the native library within, is missing."""
    try:
        import c2pa
    except (ImportError, OSError, RuntimeError) as error:
        raise UserError(f"signatures need the package c2pa-python; {install('marks')}") from error
    return c2pa


def _mapping(value: Any) -> Mapping[str, Any]:
    """What should be an object of JSON; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    """A stranger's text on one line, cut; None for what is none."""
    if not isinstance(value, str) or not value:
        return None
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value[:_MOST_TEXT])


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _refusal(identity: Identity, error: Exception) -> UserError:
    return UserError(
        f"C2PA cannot sign as {identity.name} ({_line(error)}): give a certificate for signing C2PA, or make"
        " a test one: gan serve certificate create --name NAME"
    )
