"""One frozen set of images under every convention on Inception: how far the conventions are apart.

The images are dead leaves (discs that hide each other, whose radii are such that edges come at all scales),
drawn in integers from seeds: the same on every machine, which the digest shows. Reals have discs down to 1/40
of the side, fakes down to 1/30. Inception's weights come from a formula (`tests.golden.inception`), not from
training: the values mean nothing, their differences show what a convention does.

    python -m benchmarks.conventions --threads 2
"""

import hashlib
import tempfile
import warnings
from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from metrics import evaluate
from metrics.conventions import CONVENTIONS
from metrics.images import ArrayImages
from metrics.networks import Networks
from tests.golden.inception import formula_weights

LEAVES = 150
REAL, FAKE = 40, 30  # the smallest disc is this part of the side
# What only differs in one thing: (convention, convention, that thing).
STEPS = (
    ("nv", "ttur", "covariance over N - 1 in place of N"),
    ("ttur", "tfid", "means in float32"),
    ("ttur", "pf", "bilinear between pixel centres, range to 1"),
    ("ttur", "clean", "Pillow's bicubic with antialiasing, means in float32"),
    ("pf", "stu", "mean of the fakes in float32"),
)


def leaves(seed: int, side: int, finest: int) -> np.ndarray:
    """LEAVES discs of random colours, uint8 [3, side, side]; radii are side / k, k from 2 to finest - 1."""
    rng = np.random.RandomState(seed)
    image = np.full((3, side, side), rng.randint(256), np.uint8)
    for _ in range(LEAVES):
        radius = side // rng.randint(2, finest)
        (x, y), colour = rng.randint(side, size=2), rng.randint(256, size=3)
        rows, columns = (np.arange(max(at - radius, 0), min(at + radius + 1, side)) for at in (y, x))
        inside = (rows[:, None] - y) ** 2 + (columns - x) ** 2 <= radius**2
        part = image[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        part[:, inside] = colour[:, None]
    return image


def sets(count: int, side: int) -> tuple[Tensor, Tensor]:
    """Reals and fakes, uint8 [count, 3, side, side] each."""
    return tuple(
        torch.from_numpy(np.stack([leaves(first + i, side, finest) for i in range(count)]))
        for first, finest in ((0, REAL), (count, FAKE))
    )


class Leaves(ArrayImages):
    """Each image is drawn from a seed of its own: their order means nothing."""

    random_order = True


def scores(real: Tensor, fake: Tensor, networks: Networks, names: list[str]) -> dict[tuple[str, str], float]:
    """(metric, convention) -> value, for FID and the Inception Score of the fakes.

    Where a tool has no Inception Score, ours on the same features.
    """
    requests = [f"fid[{name}]" for name in names]
    requests += [f"is[{name if 'is' in CONVENTIONS[name].scores else f'inception-{name}'}]" for name in names]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few images
        sets = (Leaves(images) for images in (real, fake))
        found = evaluate(*sets, requests, num_fakes=len(fake), networks=networks)
    told = [r["label"].partition("[")[2].removeprefix("inception-").partition("-")[0] for r in found]
    return {(r["metric"], name): r["value"] for r, name in zip(found, told, strict=True)}


def digest(*images: Tensor) -> str:
    """The beginning of the sha256 of all pixels."""
    return hashlib.sha256(b"".join(x.numpy().tobytes() for x in images)).hexdigest()[:16]


def apart(value: float, reference: float) -> str:
    """The difference in percent."""
    return f"{100 * (value / reference - 1):+.2g} %"


@click.command(epilog="Example: python -m benchmarks.conventions --threads 2 --side 64 --count 50")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--count", default=200, show_default=True, help="Images of each set.")
@click.option(
    "--side", "sides", multiple=True, default=(64, 512), show_default=True, help="Pixels; repeatable."
)
def main(threads: int, count: int, sides: tuple[int, ...]) -> None:
    """Print the values of every convention and the steps between them."""
    torch.set_num_threads(threads)
    names = [row.name for row in CONVENTIONS.values() if row.detector == "inception"]
    columns, more = {}, {}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "formula.safetensors")
        save_file(formula_weights(), path)
        for side in sides:
            real, fake = sets(count, side)
            click.echo(f"{count} + {count} images of {side} px, sha256 {digest(real, fake)}", err=True)
            columns[side] = scores(real, fake, Networks("cpu", {"inception": path}), names)
            more[side] = scores(real, fake, Networks("cpu", {"inception": path}, "bf16"), ["nv"])
    heads = [f"{metric}, {side} px" for side in sides for metric in ("fid", "is")]
    click.echo(f"| Convention | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
    for name in names:
        cells = [f"{columns[side][metric, name]:.6f}" for side in sides for metric in ("fid", "is")]
        click.echo(f"| `{name}` | {' | '.join(cells)} |")
    heads = [f"fid, {side} px" for side in sides]
    click.echo(f"\n| From | To | What changes | {' | '.join(heads)} |\n|---|---|---|{'---|' * len(heads)}")
    for a, b, what in STEPS:
        cells = [apart(columns[side]["fid", b], columns[side]["fid", a]) for side in sides]
        click.echo(f"| `{a}` | `{b}` | {what} | {' | '.join(cells)} |")
    cells = [apart(more[side]["fid", "nv"], columns[side]["fid", "nv"]) for side in sides]
    click.echo(f"| `nv` | `nv` | `--precision bf16` | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
