"""Images a second of processor time that `gan data prepare` makes, beside plain Pillow on the same files.

Plain Pillow decodes, crops, resizes (Lanczos) and encodes a PNG, at its own compression and at ours. What is
measured of `prepare` is all of its processes, scan to finished zip, a large set less a small one, so that the
start of processes does not count. Both take turns; files are made of two photographs (scikit-learn).

With --small, instead: so many PNGs of 16 px in a zip, scanned and decided on; peak memory of the main one.

    python -m benchmarks.preparing
"""

import io
import os
import resource
import statistics
import tempfile
import time
import zipfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
from PIL import Image

from gan.jobs.preparation import prepare
from training.preparation.convert import LEVEL, Form, placement
from training.preparation.request import request

SIDE = 256  # pixels of the images that are made
PILLOW = 6  # PNG's compression unless Pillow is told another


def write_photographs(folder: Path, count: int) -> list[Path]:
    """JPEGs of 640x480 px, each of four parts of photographs, so that none is a copy of another."""
    from sklearn.datasets import load_sample_images

    rng = np.random.default_rng(0)
    originals = load_sample_images().images  # uint8 [427, 640, 3] each
    folder.mkdir()
    paths = [folder / f"{index:06}.jpg" for index in range(count)]
    for path in paths:
        whole = np.empty((480, 640, 3), np.uint8)
        for top, left in ((0, 0), (0, 320), (240, 0), (240, 320)):
            y, x = rng.integers(0, 427 - 240), rng.integers(0, 640 - 320)
            part = originals[rng.integers(2)][y : y + 240, x : x + 320]
            whole[top : top + 240, left : left + 320] = part[:, :: rng.choice((-1, 1))]
        Image.fromarray(whole).save(path, quality=int(rng.integers(80, 95)))
    return paths


def plain(paths: list[Path], level: int) -> float:
    """Seconds of processor time of decoding, cropping, resizing and encoding, and nothing else."""
    begun = time.process_time()
    for path in paths:
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            box, _ = placement(image.height, image.width, Form(height=SIDE, width=SIDE))
            small = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS, box)
            small.save(io.BytesIO(), "PNG", compress_level=level)
    return time.process_time() - begun


def prepared(source: Path, out: Path, *, dry_run: bool = False, **options: str) -> tuple[float, int]:
    """Seconds of processor time of all processes of a preparation, and the files that it keeps."""
    begun = _processor_seconds()
    wanted = request(**{"resolution": str(SIDE), **options})
    made = prepare([source], out, wanted, workers=1, force=True, dry_run=dry_run)
    return _processor_seconds() - begun, made["kept"]


def _processor_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def compare(count: int, rounds: int) -> None:
    """Print the rates of each round, and their medians."""
    rates: dict[str, list[float]] = {"Pillow": [], f"Pillow, level {LEVEL}": [], "prepare": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_photographs(folder / "large", count)
        (folder / "small").mkdir()
        few = paths[: count // 8]
        for path in few:
            os.link(path, folder / "small" / path.name)
        for turn in range(rounds):
            part = paths[: len(paths) // 2]
            rates["Pillow"].append(len(part) / plain(part, PILLOW))
            rates[f"Pillow, level {LEVEL}"].append(len(part) / plain(part, LEVEL))
            sets = [prepared(folder / size, folder / f"{size}{turn}.zip") for size in ("large", "small")]
            seconds, files = (large - little for large, little in zip(*sets, strict=True))
            rates["prepare"].append(files / seconds)
            click.echo("  ".join(f"{what}: {found[-1]:.1f} images/s" for what, found in rates.items()))
    middles = {what: statistics.median(found) for what, found in rates.items()}
    for what, rate in middles.items():
        share = "" if what == "prepare" else f"; prepare is at {middles['prepare'] / rate:.2f} of it"
        click.echo(f"{what}: {rate:.1f} images/s{share}")


def scan_small(count: int) -> None:
    """Print peak memory and time of scanning a zip of so many tiny PNGs."""
    with tempfile.TemporaryDirectory() as name:
        path, rng = Path(name) / "small.zip", np.random.default_rng(0)
        with zipfile.ZipFile(path, "w") as archive:
            for index in range(count):
                stream = io.BytesIO()
                Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(stream, "PNG")
                archive.writestr(f"{index // 1000:05d}/{index:08d}.png", stream.getvalue())
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # a process whose peak is of this alone
            peak, seconds = pool.submit(_peak, path).result()
    click.echo(f"{count:,} files: {seconds:.0f} s of processor time, {peak / 2**10:.0f} MiB at the most")


def _peak(path: Path) -> tuple[int, float]:
    """KiB of the main process of a scan, and seconds of all."""
    seconds, _ = prepared(path, path.with_name("out.zip"), dry_run=True, resolution="16", copies="exact")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, seconds


@click.command()
@click.option("--images", "count", default=320, show_default=True, help="Photographs.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--small", type=int, help="Tiny files to scan instead.")
def main(count: int, rounds: int, small: int | None) -> None:
    """Print the figures of docs/BENCHMARKS.md."""
    if small:
        scan_small(small)
    else:
        compare(count, rounds)


if __name__ == "__main__":
    main()
