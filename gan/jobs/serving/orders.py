"""What is asked for and what is made of it, as all parts of a server speak of it."""

from dataclasses import dataclass

from gan.errors import UsageError
from gan.jobs.serving.filters import Verdict
from gan.jobs.serving.keys import Key
from gan.jobs.serving.moves import Move


@dataclass(frozen=True, kw_only=True)
class Order:
    """model: a name.  form: png, webp, jpeg, or zip for several.  label: as `Facts.label` takes it.

    moves: along directions.  size: pixels of the longer side, None as the model has it.
    inner: format of the files in a zip.
    """

    model: str
    seeds: tuple[int, ...]
    label: int | str | tuple[float, ...] | None = None
    psi: float = 1.0
    form: str = "png"
    moves: tuple[Move, ...] = ()
    size: int | None = None
    inner: str = "png"

    @property
    def file_form(self) -> str:
        """Format of each image."""
        return self.inner if self.form == "zip" else self.form


@dataclass(frozen=True, kw_only=True)
class Job:
    """An order that was accepted. key: whose it is.  digest: sha256 of the model's weights.

    urgent: whether somebody waits for it.
    """

    key: Key
    order: Order
    digest: str
    urgent: bool = True


@dataclass(frozen=True, kw_only=True)
class Made:
    """An image as a file, None where its verdict holds it back.

    marked: whether it carries the watermark.  signed: whether C2PA signs it.  pixels: hash of those of a PNG,
    which saving it again without loss keeps.
    """

    seed: int
    verdict: Verdict
    data: bytes | None
    marked: bool = False
    signed: bool = False
    pixels: str | None = None


def check_order(order: Order, most: int) -> None:
    """UsageError for no image or more than `most`, a seed that is named twice, and several in one file."""
    if not 1 <= len(order.seeds) <= most:
        raise UsageError(f"{len(order.seeds)} images were asked for: ask for 1 to {most}")
    if len(set(order.seeds)) < len(order.seeds):
        raise UsageError("a seed is named twice: its image is the same, ask for it once")
    if len(order.seeds) > 1 and order.form != "zip":
        raise UsageError(f"a {order.form} holds one image: ask for the format zip, or for one seed")
