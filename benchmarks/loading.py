"""Images a second from a zip, a folder, tars and an LMDB by 0, 1, 2 processes, beside the bare decode loop.

The images are photographs as far as a decoder can tell: smooth shapes under a little noise, as JPEG or PNG.
Each rate is of whole batches as training takes them, without a step; the bare loop decodes the same bytes
from memory, one image after another. Sets are kept from being decoded once and for all.

With --million, instead: a zip of so many members, opened and fingerprinted for the first and second time; its
memory is read from /proc, as Linux has it.

python -m benchmarks.loading
"""

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import click
import numpy as np
import torch
from PIL import Image

from training.data import images
from training.data.decoding import decode
from training.data.images import ImageDataset, open_dataset
from training.data.sampler import batches

SHARD = 1000  # images of a tar


def encoded(resolution: int, count: int, kind: str) -> dict[str, bytes]:
    """Files by name. kind: png or jpeg."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:resolution, :resolution] / resolution
    found = {}
    for i in range(count):
        waves = [np.sin(rng.uniform(2, 9) * (a * x + b * y)) for a, b in rng.uniform(-1, 1, (3, 2))]
        array = 127 + 100 * np.stack(waves, axis=2) + rng.normal(0, 4, (resolution, resolution, 3))
        stream = io.BytesIO()
        Image.fromarray(np.clip(array, 0, 255).astype(np.uint8)).save(stream, kind, quality=90)
        found[f"{i // SHARD:05d}/img{i:08d}.{'jpg' if kind == 'jpeg' else kind}"] = stream.getvalue()
    return found


def write_zip(path: Path, files: dict[str, bytes]) -> None:
    """Stored, as data sets are."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def write_folder(path: Path, files: dict[str, bytes]) -> None:
    """One file an image."""
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def write_tars(path: Path, files: dict[str, bytes]) -> None:
    """As WebDataset has them."""
    path.mkdir()
    names = list(files)
    for first in range(0, len(names), SHARD):
        with tarfile.open(path / f"{first // SHARD:06d}.tar", "w") as tar:
            for name in names[first : first + SHARD]:
                member = tarfile.TarInfo(Path(name).name)
                member.size = len(files[name])
                tar.addfile(member, io.BytesIO(files[name]))


def write_lmdb(path: Path, files: dict[str, bytes]) -> None:
    """A value for each image."""
    import lmdb

    size = 2 * sum(map(len, files.values())) + 2**24
    with lmdb.open(str(path), map_size=size) as environment, environment.begin(write=True) as transaction:
        for name, data in files.items():
            transaction.put(name.encode(), data)


WRITERS = {"zip": write_zip, "folder": write_folder, "tars": write_tars, "lmdb": write_lmdb}


def bare(files: Iterable[bytes], seconds: float) -> float:
    """Images a second of the decoder alone."""
    files, count, started = list(files), 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        decode(files[count % len(files)])
        count += 1
    return count / spent


def loaded(dataset: ImageDataset, workers: int, batch: int, seconds: float) -> float:
    """Images a second in batches; those that are ready after the first one came count for nothing."""
    feed = batches(dataset, batch_size=batch, seed=0, workers=workers)
    for _ in range(1 + 3 * workers):
        next(feed)
    count, started = 0, time.perf_counter()
    while (spent := time.perf_counter() - started) < seconds:
        next(feed)
        count += batch
    return count / spent


def rates(resolution: int, kind: str, count: int, batch: int, seconds: float, say: Callable) -> None:
    """One row for each format and number of processes."""
    files = encoded(resolution, count, kind)
    alone = bare(files.values(), seconds)
    say(f"| {resolution} {kind} | bare loop | - | {alone:.0f} | 1.00 |")
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITERS.items():
            path = Path(folder) / ("set.zip" if name == "zip" else name)
            try:
                write(path, files)
            except ImportError:
                say(f"| {resolution} {kind} | {name} | - | package absent | |")
                continue
            for workers in (0, 1, 2):
                dataset = open_dataset(path)
                rate = loaded(dataset, workers, batch, seconds)
                share = rate / alone / max(workers, 1)
                say(f"| {resolution} {kind} | {name} | {workers} | {rate:.0f} | {share:.2f} |")
                dataset.close()


OPENED = """
import sys, time
from pathlib import Path
from training.data.images import open_dataset

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])

before = peak()
started = time.perf_counter()
dataset = open_dataset(sys.argv[1])
opened = time.perf_counter()
dataset.sha256
done = time.perf_counter()
more = (peak() - before) // 1024
print(f"{opened - started:.2f} s to open, {done - opened:.2f} s to fingerprint, {more} MiB more at the peak")
"""


def large(members: int, say: Callable) -> None:
    """A zip of so many members, opened by two processes in turn, and what a worker keeps of it."""
    files = encoded(8, 1, "png")
    [data] = files.values()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "set.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for i in range(members):
                archive.writestr(f"{i // SHARD:05d}/img{i:08d}.png", data)
        time.sleep(2.5)  # until its times are sure to tell of changes
        environment = os.environ | {"GAN_CACHE": f"{folder}/cache"}
        for when in ("first time", "second time"):
            command = [sys.executable, "-c", OPENED, str(path)]
            told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            say(f"{members:,} members, {when}: {told.strip()}")
        os.environ["GAN_CACHE"] = environment["GAN_CACHE"]
        say(f"{members:,} members, a worker: {worker(open_dataset(path)) / 2**20:.0f} MiB of its own")


def worker(dataset: ImageDataset) -> int:
    """Bytes that a forked process which has read 2000 images shares with no other."""
    receiver, sender = os.pipe()
    if os.fork() == 0:
        feed = batches(dataset, batch_size=20, seed=0)
        for _ in range(100):
            next(feed)
        told = Path("/proc/self/smaps_rollup").read_text().split("Private_Dirty:")[1].split()[0]
        os.write(sender, told.encode())
        os._exit(0)
    os.wait()
    return 1024 * int(os.read(receiver, 100))


@click.command()
@click.option("--resolutions", default="64,256,1024", show_default=True)
@click.option("--kinds", default="png,jpeg", show_default=True)
@click.option("--images", "count", default=300, show_default=True, help="Of each set.")
@click.option("--batch", default=16, show_default=True)
@click.option("--seconds", default=2.0, show_default=True, help="Of each rate.")
@click.option("--million", "members", type=int, help="Members of a large zip to open instead.")
def main(resolutions: str, kinds: str, count: int, batch: int, seconds: float, members: int | None) -> None:
    """Print the table of docs/BENCHMARKS.md."""
    torch.set_num_threads(1)
    images.CACHE_BYTES = 0
    if members:
        large(members, click.echo)
        return
    click.echo("| images | format | processes | images/s | of the bare loop, per process |")
    click.echo("|---|---|---|---|---|")
    for resolution in map(int, resolutions.split(",")):
        for kind in kinds.split(","):
            rates(resolution, kind, count, batch, seconds, click.echo)


if __name__ == "__main__":
    main()
