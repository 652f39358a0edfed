"""Scores: images per second against the convolutions alone, and the arithmetic after them.

The convolution floor is Inception's convolutions called by themselves, on tensors of the same shapes, in the
better of both memory formats. The network's weights come from a formula: the time is that of the published
ones. KID and precision/recall run in a process of their own, whose peak memory Linux tells.

    python -m benchmarks.metrics --threads 2
    python -m benchmarks.metrics --threads 1 --intervals 50000
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from unittest import mock

import click
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

from benchmarks.networks import Call, floor, recorded
from gan.jobs.scoring import DatasetImages
from metrics import evaluate, frechet_distance, kernel_distance, precision_recall
from metrics.blockwise import BlockFrechet, BlockKernel
from metrics.conventions import CONVENTIONS
from metrics.features import Moments
from metrics.jackknife import replicates
from metrics.neighbour_blocks import manifold_blocks
from metrics.networks import Networks
from metrics.networks.extractors import extractor_for
from metrics.networks.inception import SIZE
from ops.bench import medians
from tests.golden.inception import formula_weights
from training.data.images import open_dataset

BATCH = 8  # images per call of the network, the fastest here
ROWS, FEATURES = 10_000, 2048  # of the arithmetic
NETWORK = extractor_for("inception", CONVENTIONS["nv"])


def write_folder(folder: Path, count: int, seed: int) -> Path:
    """A folder of random PNGs as large as Inception's input."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for index in range(count):
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(folder / f"{index:06}.png")
    return folder


def forward_rates(networks: Networks, repeats: int) -> tuple[float, float]:
    """Images per second of the convolutions alone, and of the whole forward pass."""
    extractor = networks[NETWORK]
    x = extractor.prepare(torch.randint(0, 256, (BATCH, 3, SIZE, SIZE), dtype=torch.uint8))
    calls: list[Call] = []
    with recorded(calls):
        extractor.features(x)
    layouts = (torch.contiguous_format, torch.channels_last)
    floors = [floor(calls, layout, torch.float32, False, networks.device) for layout in layouts]
    with torch.inference_mode():
        seconds, *least = medians((lambda: extractor.features(x), *floors), repeats)
    return BATCH / min(least), BATCH / seconds


def end_to_end(folders: tuple[Path, Path], networks: Networks) -> tuple[float, float]:
    """Seconds of FID of folder against folder: all of it, and of that the distance itself."""
    taken = []

    def timed(real: Moments, fake: Moments, ddof: int) -> float:
        begun = time.perf_counter()
        distance = frechet_distance(real, fake, ddof=ddof)
        taken.append(time.perf_counter() - begun)
        return distance

    with mock.patch("metrics.catalogue.frechet_distance", timed), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # few images
        begun = time.perf_counter()
        real, fake = (open_dataset(folder) for folder in folders)
        sources, count = (DatasetImages(real), DatasetImages(fake)), len(fake)
        evaluate(*sources, ["fid"], num_fakes=count, data_sha256=real.sha256, networks=networks)
        return time.perf_counter() - begun, taken[0]


def print_rates(images: int, repeats: int, networks: dict[str, Networks]) -> None:
    """The table of images per second; the floor is measured before and after the folders."""
    with tempfile.TemporaryDirectory() as place, mock.patch.dict(os.environ, GAN_CACHE=place):
        folders = (write_folder(Path(place, "a"), images, 0), write_folder(Path(place, "b"), images, 1))
        before = forward_rates(networks["float32"], repeats)
        seconds, distance = end_to_end(folders, networks["float32"])
        after = forward_rates(networks["float32"], repeats)
    least, forward = (sum(pair) / 2 for pair in zip(before, after, strict=True))
    half = forward_rates(networks["bf16"], repeats)[1]
    up_to_moments = 2 * images / (seconds - distance)
    rows = [
        ("convolutions alone", least, ""),
        ("forward pass", forward, ">= 0.95"),
        (f"FID of {images} against {images} PNGs, up to the moments", up_to_moments, ">= 0.9"),
        ("the same with the distance, which no number of images makes longer", 2 * images / seconds, ""),
        ("forward pass, bf16", half, ""),
    ]
    click.echo(f"| Inception, {SIZE}x{SIZE} | images/s | of the floor | goal |\n|---|---|---|---|")
    for name, rate, goal in rows:
        click.echo(f"| {name} | {rate:.2f} | {rate / least:.2f} | {goal} |")


def rows_of(seed: int, shift: float = 0.0, count: int = ROWS) -> torch.Tensor:
    """Features of which none is negative, as Inception's: float32 [count, FEATURES]."""
    return (torch.randn(count, FEATURES, generator=torch.Generator().manual_seed(seed)) + shift).relu_()


def kid() -> None:
    """100 subsets of 1,000."""
    kernel_distance(rows_of(0), rows_of(1, 0.05))


def pr() -> None:
    """k = 3."""
    precision_recall(rows_of(0), rows_of(1, 0.05))


def interval(name: str, count: int) -> None:
    """The interval of a score in INTERVALS, of `count` reals and as many fakes."""
    for score in INTERVALS[name](rows_of(0, count=count), rows_of(1, 0.05, count)):
        replicates(score).estimate()


INTERVALS = {
    "Frechet distance": lambda real, fake: [BlockFrechet(real, fake)],
    "kernel distance": lambda real, fake: [BlockKernel(real, fake)],
    "precision, recall, density, coverage": lambda real, fake: manifold_blocks(real, fake, 3).values(),
}


def alone(function: Callable[[], None], threads: int) -> tuple[float, float]:
    """Seconds of a call, and peak GiB of a process that does nothing else."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measured, (function, threads))


def _measured(function: Callable[[], None], threads: int) -> tuple[float, float]:
    torch.set_num_threads(threads)
    begun = time.perf_counter()
    function()
    seconds = time.perf_counter() - begun
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return seconds, int(status.partition("VmHWM:")[2].split()[0]) / 2**20  # kB; not the parent's, as rusage


def print_arithmetic(threads: int) -> None:
    """The table of the steps after the network."""
    click.echo("\n| Step | time | goal | peak memory | goal |\n|---|---|---|---|---|")
    moments = []
    for seed in range(2):
        moments.append(Moments(FEATURES))
        moments[-1].add(rows_of(seed, 0.05 * seed))
    [seconds] = medians((lambda: frechet_distance(*moments),), 3)
    click.echo(f"| Frechet distance, {FEATURES} features | {seconds:.1f} s | <= 3 s | | |")
    for name, function in (("KID, 100 subsets of 1,000", kid), ("precision and recall, k = 3", pr)):
        seconds, peak = alone(function, threads)
        size = f"{ROWS:,} against {ROWS:,}, {FEATURES} features"
        click.echo(f"| {name}, {size} | {seconds:.1f} s | <= 60 s | {peak:.2f} GiB | < 2 GiB |")


def print_intervals(threads: int, count: int) -> None:
    """The table of intervals."""
    click.echo("| Interval | time | peak memory, features and all |\n|---|---|---|")
    for name in INTERVALS:
        seconds, peak = alone(partial(interval, name, count), threads)
        click.echo(f"| {name}, {count:,} against {count:,} | {seconds:.0f} s | {peak:.2f} GiB |")


@click.command(epilog="Example: python -m benchmarks.metrics --threads 2 --images 400")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--images", default=200, show_default=True, help="Images of each folder.")
@click.option("--repeats", default=5, show_default=True, help="Timings a median.")
@click.option("--intervals", default=0, metavar="ROWS", help="Only the intervals of that many features.")
def main(threads: int, images: int, repeats: int, intervals: int) -> None:
    """Print the tables of images per second and of the arithmetic."""
    torch.set_num_threads(threads)
    if intervals:
        print_intervals(threads, intervals)
        return
    with tempfile.TemporaryDirectory() as place:
        path = Path(place, "formula.safetensors")
        save_file(formula_weights(), path)
        networks = {how: Networks("cpu", {"inception": path}, how) for how in ("float32", "bf16")}
        for each in networks.values():
            each[NETWORK]  # read before the file goes
    print_rates(images, repeats, networks)
    print_arithmetic(threads)


if __name__ == "__main__":
    main()
