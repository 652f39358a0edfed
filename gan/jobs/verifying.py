"""Is this picture ours? What each mark in a file says, and how far that may be believed.

Four looks, none of which needs another: the C2PA signature, the watermark, the hashes in the audit log, and
what the metadata claims. A picture is ours where one of the first three says so. That none of them does
proves nothing: marks can be removed.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from gan.errors import UsageError, UserError
from gan.files import refusal
from gan.jobs import uploads
from gan.jobs.marking import certificates, manifest
from gan.jobs.marking.metadata import SOURCE
from gan.jobs.marking.secret import kept_secret
from gan.jobs.marking.watermark import Watermark
from gan.jobs.serving import audit
from gan.jobs.serving.settings import STATE
from training.data.faults import escaped
from training.preparation import hashes

_CLAIM = re.compile(rb"AI-generated image: ([\x20-\x7e]{1,300})")
UNCHECKED = "unchecked"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one look found.

    state: of c2pa: trusted, valid, invalid, absent; of watermark: found, absent; of exact: file, pixels,
    absent; of metadata: said, absent; of each: unchecked, where what is needed is missing.
    ours: whether it says that the picture is ours, with that confidence (0 to 1; None: it says nothing).
    text: all of it in words.  facts: what is known of the picture by it.
    """

    state: str
    text: str
    ours: bool = False
    confidence: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Of one picture. confidence: the highest of what says that it is ours, None where nothing does."""

    ours: bool
    confidence: float | None
    format: str
    width: int
    height: int
    sha256: str
    c2pa: Finding
    watermark: Finding
    exact: Finding
    metadata: Finding

    def without(self, *facts: str) -> "Verdict":
        """The same, but for facts of these names."""
        kept: dict[str, Any] = {
            name: replace(each, facts={k: value for k, value in each.facts.items() if k not in facts})
            for name, each in self.findings().items()
        }
        return replace(self, **kept)

    def findings(self) -> dict[str, Finding]:
        """By the name of the look."""
        return {name: getattr(self, name) for name in ("c2pa", "watermark", "exact", "metadata")}


class Verifier:
    """Looks at pictures with what a folder of a server's state has: certificates, secret, audit log.

    state: None for the default of the settings.  certificate: an own PEM file of the signer, where it is not
    in the folder. Raises UserError for files there that cannot be read.
    """

    def __init__(self, state: str | Path | None = None, certificate: str | Path | None = None) -> None:
        self._folder = Path(STATE if state is None else state)
        self._reader: manifest.Reader | None = None
        if manifest.available():
            self._reader = manifest.Reader(certificates.trust(self._folder, certificate))
        secret = kept_secret(self._folder)
        self._watermark = None if secret is None else Watermark(secret)

    def verify(self, data: bytes) -> Verdict:
        """Of the bytes of a PNG, JPEG or WebP. UsageError, one line, for others, and beyond bounds."""
        try:
            upload = uploads.opened(data)
        except UserError as error:
            raise UsageError(str(error)) from error
        digest = hashlib.sha256(data).hexdigest()
        findings: dict[str, Any] = {
            "c2pa": self._signature(data, upload.form),
            "watermark": self._mark(upload.image),
            "exact": self._exactly(digest, upload.pixels),
            "metadata": _claims(upload.info),
        }
        sure = [each.confidence or 0.0 for each in findings.values() if each.ours]
        height, width = upload.pixels.shape[:2]
        told: dict[str, Any] = {"width": width, "height": height, "format": upload.form, "sha256": digest}
        return Verdict(ours=bool(sure), confidence=max(sure, default=None), **told, **findings)

    def _signature(self, data: bytes, form: str) -> Finding:
        if self._reader is None:
            return Finding(state=UNCHECKED, text="signatures need the package c2pa-python")
        found = self._reader.read(data, form)
        facts = {k: value for k, value in asdict(found).items() if k != "state" and value not in (None, ())}
        who = found.signer or "somebody without a name"
        when = f", at {found.when} by the signer's clock (no time stamp)" if found.when else ""
        if found.state == "trusted":
            what = "as AI-generated" if found.generated else "as something else than AI-generated"
            text = f"signed by our certificate ({who}) {what}{when}; not a byte has changed since"
            return Finding(state="trusted", text=text, ours=True, confidence=1.0, facts=facts)
        texts = {
            "valid": f"signed by somebody whom we do not know, who says to be {who}{when}",
            "invalid": f"a manifest that does not hold ({', '.join(found.failures) or 'no reason given'})",
            "absent": "no C2PA manifest: saving a picture again removes it",
        }
        said = facts if found.state == "valid" else {}
        return Finding(state=found.state, text=texts[found.state], facts=said)

    def _mark(self, image: Tensor) -> Finding:
        if self._watermark is None:
            return Finding(state=UNCHECKED, text=f"no secret of a watermark in {self._folder}")
        found = self._watermark.detect(image)
        if found.payload is None:
            return Finding(state="absent", text="no watermark of ours: never there, or it did not survive")
        facts: dict[str, Any] = {"key": f"{found.payload.key:04x}", "model": f"{found.payload.model:04x}"}
        facts |= {"agreement": round(found.confidence, 4), "error": found.error}
        text = f"our watermark, of a model whose digest begins with {facts['model']}; an unmarked picture"
        text += f" reads so with a probability of {found.error:.1g}"
        return Finding(state="found", text=text, ours=True, confidence=1.0 - found.error, facts=facts)

    def _exactly(self, digest: str, pixels: np.ndarray) -> Finding:
        log = self._folder / audit.FILE
        if not log.is_file():
            return Finding(state=UNCHECKED, text=f"no audit log at {log}")
        found = audit.find(self._folder, [digest, pixel_hash(pixels)])
        if found is None:
            return Finding(state="absent", text="neither this file nor its pixels are in the audit log")
        line, place = found
        state = "file" if line["sha256"][place] == digest else "pixels"
        facts = {"line": line["number"], "when": line["time"], "model": line["model"]}
        facts |= {"digest": f"sha256:{line['digest']}", "seed": line["seeds"][place]}
        what = "this very file" if state == "file" else "a file of exactly these pixels"
        text = f"{what} left at {line['time']}: model {line['model']}, seed {facts['seed']}"
        return Finding(state=state, text=text, ours=True, confidence=1.0, facts=facts)


def pixel_hash(pixels: np.ndarray) -> str:
    """sha256 of uint8 [H, W, C], the same whether an opaque alpha channel is there or not."""
    opaque = pixels.shape[2] in (2, 4) and pixels[:, :, -1].min() == 255
    return hashes.exact(pixels[:, :, :-1] if opaque else pixels)


def _claims(info: dict[str, Any]) -> Finding:
    """What EXIF and XMP say, which anybody can write."""
    exif, xmp = (info.get(name, b"") for name in ("exif", "xmp"))
    exif, xmp = (each if isinstance(each, bytes) else b"" for each in (exif, xmp))
    said = _CLAIM.search(exif)
    generated = SOURCE.encode() in xmp
    if said is None and not generated:
        return Finding(state="absent", text="no claim of being AI-generated in EXIF or XMP")
    facts: dict[str, Any] = {"generated": True, **({"text": said[1].decode("ascii").strip()} if said else {})}
    text = f"says to be AI-generated{': ' + facts['text'] if said else ''}; anybody can write or remove that"
    return Finding(state="said", text=text, facts=facts)


def verify_files(
    images: Sequence[str | Path], state: str | Path | None = None
) -> list[tuple[str, Verdict | str]]:
    """(name, its verdict, or why there is none) of each file. state: as of Verifier."""
    verifier = Verifier(state)
    found: list[tuple[str, Verdict | str]] = []
    for path in map(Path, images):
        try:
            found.append((escaped(str(path)), verifier.verify(content(path))))
        except UserError as error:
            found.append((escaped(str(path)), str(error)))
    return found


def content(path: Path) -> bytes:
    """The bytes of a file, one more than are allowed at most. UserError where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(uploads.MOST_BYTES + 1)
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error


def lines(name: str, verdict: Verdict | str) -> list[str]:
    """A verdict for people."""
    if isinstance(verdict, str):
        return [f"{name}: not looked at: {verdict}"]
    found = verdict.findings()
    looks = ", ".join(look for look, each in found.items() if each.ours)
    head = f"{name}: ours, by {looks}" if looks else f"{name}: nothing says that it is ours"
    return [head, *(f"  {look:<10} {each.state:<10} {each.text}" for look, each in found.items())]
