"""How filters of `gan serve` behave on harmless pictures, on a model's own output, and on copies.

    python -m benchmarks.filters runs/00000-demo-openmoji-32 --data data/openmoji-32.zip

Scores of the content filter on photographs of scikit-image and scikit-learn (whole, and five crops each), on
OpenMoji glyphs at 256 pixels and on samples of a model: all of them harmless, so that whatever reaches a
threshold is a false positive. Whether it finds what it should cannot be measured without such pictures, and
there are none here. For nearness to training images: how many samples are met, and how many training images
that were altered a little.
"""

import io
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from PIL import Image
from scipy.stats import beta

from benchmarks import sources
from gan.jobs.sampling import sample
from gan.jobs.serving.memorised import Memorised, threshold
from training.data.images import open_dataset
from training.preparation.content import ContentFilter

THRESHOLDS = (0.2, 0.5, 0.8)
PERCENTILES = (1.0, 5.0, 25.0, 50.0)
Score = Callable[[np.ndarray], float]


class Met(NamedTuple):
    """How many of `count` pictures were met, and the highest share that this leaves possible (95 %)."""

    met: int
    count: int

    @property
    def at_most(self) -> float:
        """The upper end of the one-sided interval of Clopper and Pearson."""
        return 1.0 if self.met == self.count else float(beta.ppf(0.95, self.met + 1, self.count - self.met))

    def __str__(self) -> str:
        return f"{self.met} (< {100 * self.at_most:.2g} %)"


def photographs() -> Iterator[np.ndarray]:
    """uint8 [H, W, 3]: each whole, then its corners and its middle at half the side."""
    from sklearn.datasets import load_sample_images

    for name in sources.PHOTOGRAPHS:
        yield from parts(np.asarray(sources.photograph(name)))
    for image in load_sample_images().images:
        yield from parts(image)


def faces() -> Iterator[np.ndarray]:
    """uint8 [25, 25, 3]: a hundred small faces of Labeled Faces in the Wild."""
    import skimage.data

    for face in skimage.data.lfw_subset()[:100]:
        yield rgb(np.round(255 * face / face.max()).astype(np.uint8))


def glyphs(step: int) -> Iterator[np.ndarray]:
    """uint8 [256, 256, 3]: every `step`-th glyph of OpenMoji."""
    for codes in sources.glyphs()[::step]:
        yield np.asarray(sources.glyph(codes, 256))


def parts(image: np.ndarray) -> Iterator[np.ndarray]:
    """The whole of a picture, and five crops of half its side."""
    image = rgb(image)
    height, width = image.shape[0] // 2, image.shape[1] // 2
    yield image
    for top, left in ((0, 0), (0, width), (height, 0), (height, width), (height // 2, width // 2)):
        yield np.ascontiguousarray(image[top : top + height, left : left + width])


def rgb(image: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of a picture in grey or with transparency, too."""
    return np.asarray(Image.fromarray(image).convert("RGB"))


def row(name: str, scores: list[float]) -> str:
    """A line of the table: how many reach each threshold, and the scores' median and largest."""
    counts = [str(Met(sum(score >= limit for score in scores), len(scores))) for limit in THRESHOLDS]
    middle, largest = statistics.median(scores), max(scores)
    return f"| {name} | {len(scores)} | {' | '.join(counts)} | {middle:.3f} | {largest:.3f} |"


def content_table(score: Score, sources: Mapping[str, Iterator[np.ndarray]]) -> str:
    """Markdown: a row per source of pictures."""
    limits = " | ".join(f"score >= {limit}" for limit in THRESHOLDS)
    lines = [f"| Pictures | count | {limits} | median | largest |", "|---" * 7 + "|"]
    return "\n".join(
        [*lines, *(row(name, [score(each) for each in found]) for name, found in sources.items())]
    )


def _jpeg(image: np.ndarray) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream, formats=("JPEG",)))


def _resized(image: np.ndarray) -> np.ndarray:
    size = image.shape[1], image.shape[0]
    small = Image.fromarray(image).resize((size[0] * 3 // 4, size[1] * 3 // 4), Image.Resampling.BICUBIC)
    return np.asarray(small.resize(size, Image.Resampling.BICUBIC))


ALTERED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "training images themselves": lambda image: image,
    "JPEG 75": _jpeg,
    "5 % darker": lambda image: (image * 0.95).round().astype(np.uint8),
    "shifted by a pixel": lambda image: np.roll(image, 1, axis=1),
    "resized to 3/4 and back": _resized,
    "mirrored": lambda image: np.ascontiguousarray(image[:, ::-1]),
}


def memorised_table(near: Memorised, sources: Mapping[str, list[float]]) -> str:
    """Markdown: the share of pictures, by their distances, that each percentile meets."""
    limits = {p: threshold(near.rows, p) for p in PERCENTILES}
    head = " | ".join(f"percentile {p:g} ({limit:.3g})" for p, limit in limits.items())
    lines = [f"| Pictures | count | {head} | median distance |", "|---" * (3 + len(limits)) + "|"]
    for name, found in sources.items():
        shares = " | ".join(f"{100 * np.mean(np.array(found) <= limit):.1f} %" for limit in limits.values())
        lines.append(f"| {name} | {len(found)} | {shares} | {statistics.median(found):.3g} |")
    return "\n".join(lines)


def timed(work: Callable[[Any], object], given: list[Any]) -> float:
    """Median milliseconds of the processor of a call."""
    seconds = []
    for each in given:
        began = time.thread_time()
        work(each)
        seconds.append(time.thread_time() - began)
    return 1000 * statistics.median(seconds)


@click.command()
@click.argument("model")
@click.option("--data", required=True, help="The training set of the model.")
@click.option("--samples", default=1000, show_default=True)
@click.option("--copies", default=200, show_default=True, help="Training images that are altered.")
@click.option("--step", default=20, show_default=True, help="Every how many glyphs one is looked at.")
@click.option("--threads", default=1, show_default=True)
def main(model: str, data: str, samples: int, copies: int, step: int, threads: int) -> None:
    """Print both tables, and what a look at an image costs."""
    torch.set_num_threads(threads)
    made = sample(model, list(range(samples)), device="cpu")  # [N, C, H, W]
    pictures = list(made.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy())
    content = ContentFilter()
    sources = {
        "photographs, whole and in parts": photographs(),
        "small faces": faces(),
        "OpenMoji glyphs at 256 px": glyphs(step),
        "samples of the model": iter(pictures),
    }
    click.echo(content_table(content.score, sources) + "\n")
    near = Memorised(data, PERCENTILES[0])
    with_distances = {"samples of the model": [near.distance(image) for image in made]}
    dataset = open_dataset(data)
    chosen = [
        np.ascontiguousarray(dataset.raw(i * len(dataset) // copies).transpose(1, 2, 0))
        for i in range(copies)
    ]
    dataset.close()
    for name, alter in ALTERED.items():
        altered = [torch.from_numpy(alter(image).copy()).permute(2, 0, 1) for image in chosen]
        with_distances[name] = [near.distance(image) for image in altered]
    click.echo(f"{near.features}, {near.images} images\n\n{memorised_table(near, with_distances)}\n")
    click.echo(f"content: {timed(content.score, pictures[:50]):.1f} ms an image")
    click.echo(f"memorised: {timed(near.distance, list(made[:50])):.1f} ms an image")


if __name__ == "__main__":
    main()
