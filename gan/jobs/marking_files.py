"""Marks for pictures that are there already: watermark, metadata, and a signature, in new files.

The pictures are read as strangers' files are, upright and as sRGB, and written in their own format: a PNG
without loss, JPEG and WebP once more at quality 95. What else their metadata held is left out.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gan.errors import UsageError, UserError
from gan.files import atomic_bytes
from gan.jobs import uploads
from gan.jobs.marking import certificates, manifest
from gan.jobs.marking.coding import Payload
from gan.jobs.marking.metadata import Origin, marked
from gan.jobs.marking.secret import secret_of
from gan.jobs.marking.watermark import Watermark
from gan.jobs.serving.models import facts_of
from gan.jobs.serving.settings import STATE
from gan.jobs.verifying import content
from training.data.faults import escaped

KEY = 0  # of a watermark by `gan mark`, which no API key asked for


@dataclass(frozen=True, kw_only=True)
class MarkedFile:
    """A file that was written. watermark, signed: whether it carries them; metadata it always does.

    why: what is missing, and why; "" where nothing is.
    """

    source: str
    path: str
    watermark: bool
    signed: bool
    why: str


def mark(
    images: Sequence[str | Path],
    out: str | Path,
    state: str | Path | None = None,
    model: str | Path | None = None,
) -> list[MarkedFile]:
    """Write each picture with its marks into the folder `out`, under its own name.

    state: folder with the secret of the watermark, made where there is none, and the certificate, without
    which nothing is signed; None for the default of the settings.  model: that made the pictures, if known.
    Raises UsageError before anything is written where a file of that name is there already or two pictures
    share a name; UserError, naming the picture, for one that cannot be read or written.
    """
    folder, target = Path(STATE if state is None else state), Path(out)
    sources = list(map(Path, images))
    _check_names(sources, target)
    origin = Origin() if model is None else _origin(model)
    marks = _Marks(folder, origin)
    found = []
    for source in sources:
        name = escaped(str(source))
        try:
            upload = uploads.opened(content(source))
        except UserError as error:
            raise UserError(f"{name}: {error}") from error
        data, watermark, why = marks.on(upload)
        path = target / source.name
        atomic_bytes(path, data)
        signed = marks.signer is not None
        found.append(
            MarkedFile(source=name, path=escaped(str(path)), watermark=watermark, signed=signed, why=why)
        )
    return found


def line(file: MarkedFile) -> str:
    """Of a file, for people."""
    marks = ["metadata", *["watermark"] * file.watermark, *["C2PA"] * file.signed]
    return f"{file.path}: {', '.join(marks)}" + (f" ({file.why})" if file.why else "")


def record(file: MarkedFile) -> dict[str, Any]:
    """Of a file, as JSON has it."""
    return asdict(file)


class _Marks:
    """What a folder has to mark with."""

    def __init__(self, folder: Path, origin: Origin) -> None:
        identity = certificates.load(folder)
        self.signer = None if identity is None else manifest.Signer(identity)
        self._unsigned = f"not signed: no certificate in {folder}: gan serve certificate create --name NAME"
        self._watermark = Watermark(secret_of(folder))
        self._origin = origin
        self._payload = Payload(key=KEY, model=int(origin.digest[:4] or "0", 16))

    def on(self, upload: uploads.Upload) -> tuple[bytes, bool, str]:
        """(file, whether it carries the watermark, what it lacks)."""
        image = upload.image
        carried = self._watermark.embed(image, self._payload)
        data = marked(image if carried is None else carried, upload.form, self._origin)
        if self.signer is not None:
            data = self.signer.sign(data, upload.form, self._origin)
        missing = [] if carried is not None else ["no watermark: this picture cannot carry it"]
        missing += [] if self.signer is not None else [self._unsigned]
        return data, carried is not None, "; ".join(missing)


def _check_names(sources: Sequence[Path], target: Path) -> None:
    used: set[str] = set()
    for source in sources:
        path = target / source.name
        if path.exists():
            raise UsageError(f"there is {escaped(str(path))} already: name another folder with --out")
        if source.name.casefold() in used:
            raise UsageError(f"two pictures are named {escaped(source.name)}: mark them one folder at a time")
        used.add(source.name.casefold())


def _origin(model: str | Path) -> Origin:
    facts = facts_of(model)
    return Origin(model=facts.name, digest=facts.digest)
