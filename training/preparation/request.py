"""What a preparation is asked for: everything, beside the sources, that the bytes of the set depend on."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from PIL import ImageColor

from gan.errors import UsageError, unknown
from training.preparation import copies, decide, policies
from training.preparation import where as conditions
from training.preparation.content import THRESHOLD
from training.preparation.convert import CROPS, FILTERS, Form

LABELS = ("auto", "folders", "none")
SMALLEST, LARGEST = 4, 16_384  # pixels a side


@dataclass(frozen=True, kw_only=True)
class Request:
    """Options of a preparation.

    on: FAULT=POLICY. labels: of LABELS, or the path of a table. tables: of provenance. licence: of files of
    which nothing says one. vectors: fields that become a condition. where: a condition in words. val: the
    part held back. copies: one of `copies.HOW`. against: a second set, of which nothing may be in this one.
    blocklist: hashes of what must not be used. features: whether a network looks at each picture, so that
    outliers are known and near copies confirmed. faces: whether they are counted, in any case for a crop
    around one.
    """

    form: Form
    on: tuple[str, ...] = ()
    labels: str = "auto"
    tables: tuple[Path, ...] = ()
    licence: str | None = None
    vectors: tuple[str, ...] = ()
    where: str | None = None
    require: tuple[str, ...] = ()
    val: float = 0.0
    copies: str = "near"
    against: Path | None = None
    blocklist: Path | None = None
    content_filter: bool = False
    features: bool = False
    faces: bool = False

    def rules(self, columns: Iterable[str] | None = None) -> decide.Rules:
        """The options as `decide` takes them. Raises UsageError for those that mean nothing.

        columns: custom fields that files have, beside those of every record; None where they are not known
        yet, so that names in a condition are taken for granted.
        """
        for value, known in ((self.form.crop, CROPS), (self.form.filter, FILTERS), (self.copies, copies.HOW)):
            if value not in known:
                raise UsageError(unknown("choice", value, known))
        known = None if columns is None else {*decide.COLUMNS, *columns}
        return decide.Rules(
            height=self.form.height,
            width=self.form.width,
            policies=policies.parse(self.on),
            where=conditions.parse(self.where, known) if self.where else None,
            require=self.require,
            val=self.val,
            content=THRESHOLD if self.content_filter else None,
        )

    def told(self) -> dict[str, Any]:
        """The options as JSON has them."""
        return json.loads(json.dumps(asdict(self), default=str))


def request(
    *,
    resolution: str,
    channels: int = 3,
    crop: str = "centre",
    resampling: str = "lanczos",
    background: str = "white",
    on: Sequence[str] = (),
    labels: str = "auto",
    vectors: Sequence[str] = (),
    tables: Sequence[str | Path] = (),
    licence: str | None = None,
    require: Sequence[str] = (),
    where: str | None = None,
    val: float = 0.0,
    copies: str = "near",
    against: str | Path | None = None,
    blocklist: str | Path | None = None,
    content_filter: bool = False,
    features: bool = False,
    faces: bool = False,
) -> Request:
    """The request that words describe, as the command line has them. Raises UsageError for wrong ones.

    resolution: "256" or "384x512", height first. resampling: a filter of `convert`. See `Request`, `Form`.
    """
    height, width = size_of(resolution)
    form = Form(
        height=height,
        width=width,
        channels=channels,
        crop=crop,
        filter=resampling,
        background=colour_of(background),
    )
    return Request(
        form=form,
        on=tuple(on),
        labels=labels,
        tables=tuple(Path(table) for table in tables),
        licence=licence,
        vectors=tuple(vectors),
        where=where,
        require=tuple(require),
        val=val,
        copies=copies,
        against=None if against is None else Path(against),
        blocklist=None if blocklist is None else Path(blocklist),
        content_filter=content_filter,
        features=features,
        faces=faces or crop == "face",
    )


def size_of(text: str) -> tuple[int, int]:
    """(height, width) of "256" or "384x512". Raises UsageError."""
    parts = text.lower().split("x")
    if len(parts) > 2 or not all(part.isdecimal() for part in parts):
        raise UsageError(f"resolution {text!r}: write pixels a side, such as 256, or HEIGHTxWIDTH")
    height, width = int(parts[0]), int(parts[-1])
    if not all(SMALLEST <= side <= LARGEST for side in (height, width)):
        raise UsageError(f"resolution {text}: a side has {SMALLEST} to {LARGEST} pixels")
    return height, width


def colour_of(text: str) -> tuple[int, int, int]:
    """Red, green, blue of "white" or "#ff8000". Raises UsageError."""
    try:
        return ImageColor.getrgb(text)[:3]
    except ValueError as error:
        raise UsageError(f"colour {text!r}: write a name such as white, or #rrggbb") from error
