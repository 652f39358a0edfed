"""From an image as the network drew it to the file that leaves, in STEPS, one after the other.

    judge       every filter looks at the image as it was drawn, whatever size was asked for
    withhold    what the verdict leaves of it: all, its blurred form, or nothing
    resize      to the size that was asked for
    watermark   into the pixels that leave
    encode      as a file that says what it is
    sign        over every byte of the file, so nothing may come after it

Each takes the work and returns it with its own part done; of an image that is held back nothing goes on.
`sign` is apart: it needs the private key, which stays in the process that answers clients. The others are
done wherever images are drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from torch import Tensor

from gan.jobs.marking.metadata import Origin, marked
from gan.jobs.serving.filters import Filters, Verdict, leaving
from gan.jobs.serving.orders import Job, Made
from gan.jobs.serving.signing import Signing
from gan.jobs.serving.sizes import sized
from gan.jobs.serving.times import Times
from gan.jobs.serving.watermarking import Watermarking
from gan.jobs.verifying import pixel_hash


@dataclass(frozen=True, kw_only=True)
class Work:
    """One image on its way. image: uint8 [C, H, W] as it is to leave, None where nothing is.

    The others are as in `Made`.
    """

    seed: int
    image: Tensor | None
    verdict: Verdict = field(default_factory=Verdict)
    marked: bool = False
    data: bytes | None = None
    pixels: str | None = None


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What steps work with.  times: of the steps, by name."""

    filters: Filters
    watermarking: Watermarking
    times: Times


Step = Callable[[Tools, Job, Work], Work]


def judge(tools: Tools, _: Job, work: Work) -> Work:
    """The verdict of all filters on what the network drew."""
    assert work.image is not None, "every image that is drawn is judged"
    return replace(work, verdict=tools.filters.verdict(work.image))


def withhold(_: Tools, __: Job, work: Work) -> Work:
    """What may leave of the image by its verdict."""
    assert work.image is not None, "it was judged a moment ago"
    return replace(work, image=leaving(work.image, work.verdict))


def resize(_: Tools, job: Job, work: Work) -> Work:
    """To the longer side that was asked for."""
    return work if work.image is None else replace(work, image=sized(work.image, job.order.size))


def watermark(tools: Tools, job: Job, work: Work) -> Work:
    """The mark of key and model, where the image can carry it; held back where it must and cannot."""
    if work.image is None:
        return work
    image, carries, verdict = tools.watermarking.mark(work.image, job.key, job.digest, work.verdict)
    return replace(work, image=image if verdict.allowed else None, marked=carries, verdict=verdict)


def encode(_: Tools, job: Job, work: Work) -> Work:
    """A file whose metadata say what it is, and the hash of the pixels of a PNG."""
    if work.image is None:
        return work
    form, told = job.order.file_form, str(work.verdict) if work.verdict.reason else ""
    origin = Origin(model=job.order.model, digest=job.digest, seed=work.seed, verdict=told)
    pixels = pixel_hash(work.image.permute(1, 2, 0).numpy()) if form == "png" else None
    return replace(work, data=marked(work.image, form, origin), pixels=pixels)


STEPS: tuple[Step, ...] = (judge, withhold, resize, watermark, encode)


def finished(tools: Tools, job: Job, seed: int, image: Tensor) -> Made:
    """What STEPS make of an image, uint8 [C, H, W]: a file that is not signed yet, or none."""
    work = Work(seed=seed, image=image)
    for step in STEPS:
        with tools.times.of(step.__name__):
            work = step(tools, job, work)
    return Made(seed=seed, verdict=work.verdict, data=work.data, marked=work.marked, pixels=work.pixels)


def sign(signing: Signing, job: Job, made: Made) -> Made:
    """The file with the operator's signature, where it is to have one; held back where it must and cannot."""
    told = str(made.verdict) if made.verdict.reason else ""
    origin = Origin(model=job.order.model, digest=job.digest, seed=made.seed, verdict=told)
    data, signed, verdict = signing.sign(made.data, job.order.file_form, origin, made.verdict)
    return replace(
        made, data=data, signed=signed, verdict=verdict, pixels=None if data is None else made.pixels
    )
