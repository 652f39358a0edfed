"""A server under twice the load that it takes: is every answer the right one, and what does it cost?

    python -m benchmarks.serving runs/00000-demo-openmoji-32

`gan serve` runs as a process of its own on loopback. Clients, twice as many as the images that it queues and
draws at once, ask as soon as they are answered; who is refused (429) waits as long as Retry-After says, and
asks again. Each image is compared with the one that is made directly: the bytes of its file where no mark is
on, its pixels, with the watermark, where it is signed. Plain: no filter and no mark. Marked: content filter,
watermark, C2PA by a test certificate. Bare is the generator alone on batches of eight, before and after.

Seconds of the processor tell what a shared machine's clock does not: those of the server's process, all
threads, beside those of the bare generator.
"""

import contextlib
import http.client
import io
import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.cli.common import echo_json
from gan.jobs.marking import certificates
from gan.jobs.marking.metadata import Origin, marked
from gan.jobs.marking.secret import secret_of
from gan.jobs.marking.watermark import Watermark
from gan.jobs.sampling import sample
from gan.jobs.serving.administration import create
from gan.jobs.serving.audit import MADE, verify
from gan.jobs.serving.keys import Database, Keys
from gan.jobs.serving.models import facts_of
from gan.jobs.serving.watermarking import payload_of
from gan.models import checkpoint
from gan.sampling import BATCH, images

POOL = 256  # different seeds that are asked for
LATE = 120.0  # seconds after which a client gives an answer up
LOOK = 0.25  # seconds between two looks at the server's memory
OFF = ("content_filter=off", "watermark=off", "c2pa=off")


@dataclass
class Tally:
    """What clients met.

    begun: orders.  seconds: of each answer with images.  statuses: of all answers, 0 for none.
    """

    begun: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    wrong: int = 0
    memory: list[tuple[int, float]] = field(default_factory=list)  # (answers, MiB) in the order of time


class Direct:
    """The images of POOL seeds without a server, as its answers must have them."""

    def __init__(self, model: str, state: Path, signed: bool) -> None:
        self._facts, self._signed = facts_of(model), signed
        drawn = sample(model, list(range(POOL)), device="cpu")
        if signed:
            database = Database(state)
            (key,) = Keys(database).all()
            database.close()
            watermark, payload = Watermark(secret_of(state)), payload_of(key, self._facts.digest)
            carried = [watermark.embed(image, payload) for image in drawn]
            drawn = [image if mark is None else mark for image, mark in zip(drawn, carried, strict=True)]
            self.watermarked = sum(mark is not None for mark in carried)
        self._expected = [self._known(image, seed) for seed, image in enumerate(drawn)]

    def _known(self, image: Tensor, seed: int) -> bytes:
        if self._signed:
            return image.permute(1, 2, 0).numpy().tobytes()
        return marked(image, "png", Origin(model=self._facts.name, digest=self._facts.digest, seed=seed))

    def is_right(self, seeds: Sequence[int], answer: bytes) -> bool:
        """Whether a PNG, or a zip of several, holds the images of these seeds and no others."""
        files = [answer]
        if len(seeds) > 1:
            with zipfile.ZipFile(io.BytesIO(answer)) as found:
                names = [f"seed{seed:04d}.png" for seed in seeds]
                if set(found.namelist()) != {*names, "manifest.json"}:
                    return False
                files = [found.read(name) for name in names]
        seen = [_pixels(file) if self._signed else file for file in files]
        return seen == [self._expected[seed] for seed in seeds]


def _pixels(file: bytes) -> bytes:
    return np.array(Image.open(io.BytesIO(file), formats=("PNG",))).tobytes()


@contextlib.contextmanager
def server(model: str, state: Path, queue: int, given: Sequence[str]) -> Iterator[tuple[str, int]]:
    """(address, number of the process) of a `gan serve`, which is ended by SIGTERM."""
    words = [*given, f"queue={queue}", f"most_images={min(queue, BATCH)}", f"deadline_seconds={LATE / 2:g}"]
    command = [sys.executable, "-m", "gan", "serve", model, "--port", "0", "--state", str(state)]
    command += [part for word in words for part in ("--set", word)]
    with subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError("the server did not start; its reason is above")
            yield address, process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(LATE)
            except subprocess.TimeoutExpired:
                process.kill()


def asked(
    address: str,
    key: str,
    direct: Direct,
    orders: Iterable[Sequence[int]],
    clients: int,
    process: int,
    seconds: float = math.inf,
) -> Tally:
    """Send all orders, each until it is answered, by so many clients at once.

    None is begun after `seconds`.
    """
    tally, alone, late = Tally(), threading.Lock(), time.monotonic() + seconds
    waiting = itertools.takewhile(lambda _: time.monotonic() < late, orders)

    def client() -> None:
        link = urlsplit(address)
        connection = http.client.HTTPConnection(link.hostname or "", link.port, timeout=LATE)
        while True:
            with alone:
                seeds = next(waiting, None)
                tally.begun += seeds is not None
            if seeds is None:
                connection.close()
                return
            _until_answered(connection, key, seeds, direct, tally, alone)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        with alone:
            tally.memory.append((tally.statuses[200], resident(process)))
        time.sleep(LOOK)
    return tally


def _until_answered(
    connection: http.client.HTTPConnection,
    key: str,
    seeds: Sequence[int],
    direct: Direct,
    tally: Tally,
    alone: threading.Lock,
) -> None:
    """One order. What is no answer counts as status 0, and the order as lost."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = json.dumps({"seeds": list(seeds), "format": "png" if len(seeds) == 1 else "zip"})
    while True:
        began = time.perf_counter()
        try:
            connection.request("POST", "/v1/images", body, headers)
            answer = connection.getresponse()
            data, status = answer.read(), answer.status
        except (OSError, http.client.HTTPException):
            connection.close()
            data, status = b"", 0
        seconds = time.perf_counter() - began
        right = status != 200 or direct.is_right(seeds, data)
        with alone:
            tally.statuses[status] += 1
            tally.wrong += not right
            if status == 200:
                tally.seconds.append(seconds)
        if status != 429:
            return
        time.sleep(float(answer.headers["retry-after"]))


def resident(process: int) -> float:
    """MiB of memory of a process; 0 where this is not Linux."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return int(text.split("VmRSS:")[1].split()[0]) / 1024 if "VmRSS:" in text else 0.0


def processor_seconds(process: int) -> float:
    """Of all threads of a process; 0 where this is not Linux."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(model: str, seconds: float) -> tuple[float, float]:
    """(images a second, images a second of the processor) of the generator alone, in batches of BATCH."""
    generator = checkpoint.read(facts_of(model).path).generator(torch.device("cpu"))
    next(images(generator, range(BATCH)))
    began, used, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        next(images(generator, range(count, count + BATCH)))
        count += BATCH
    return count / (time.perf_counter() - began), count / (time.process_time() - used)


def measured(
    model: str, mode: str, requests: int, each: int, queue: int, seconds: float, minutes: float
) -> dict[str, object]:
    """A record of one mode, "plain" or "marked". each: images of a request.  seconds: of each bare run.

    minutes: after which no request is begun.
    """
    draw, clients = random.Random(0), max(2, 2 * (queue + BATCH) // each)
    orders = [tuple(draw.sample(range(POOL), each)) for _ in range(requests)]
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        key = create(
            str(state), "load", per_minute=10**6, per_day=10**9, days=None, terms="1", attested_by="load"
        )
        if mode == "marked":
            certificates.create(state, "Benchmark")
        given = OFF if mode == "plain" else ("content_filter=on", "watermark=auto", "c2pa=on")
        direct, before = Direct(model, state, mode == "marked"), bare(model, seconds)
        with server(model, state, queue, given) as (address, process):
            if asked(address, key, direct, orders[:1], 1, process).statuses[200] != 1:  # reads the model
                raise RuntimeError(f"no first image within {LATE / 2:g} s: is this machine busy?")
            used, began = processor_seconds(process), time.perf_counter()
            tally = asked(address, key, direct, orders, clients, process, 60 * minutes)
            wall, used = time.perf_counter() - began, processor_seconds(process) - used
        after = bare(model, seconds)
        verify(state)
        lines = (json.loads(line) for line in (state / "audit.jsonl").read_text().splitlines())
        logged = sum(line["event"] == MADE for line in lines) - 1
    requests = tally.begun
    pace = tally.statuses[200] * each / wall
    return {
        "model": facts_of(model).name,
        "mode": mode,
        "requests": requests,
        "each": each,
        "clients": clients,
        "queue": queue,
        "answered": tally.statuses[200],
        "logged": logged,
        "lost": requests - tally.statuses[200],
        "wrong": tally.wrong,
        "refused": tally.statuses[429],
        "images_per_second": pace,
        "bare": (before[0] + after[0]) / 2,
        "ratio": pace / ((before[0] + after[0]) / 2),
        "processor_ratio": tally.statuses[200] * each / max(used, 1e-9) / ((before[1] + after[1]) / 2),
        "seconds": [float(np.percentile(tally.seconds or [0.0], part)) for part in (50, 95, 99)],
        "memory": _first_and_last(tally, requests),
        "load": os.getloadavg()[0],
    }


def _first_and_last(tally: Tally, requests: int) -> tuple[float, float]:
    """MiB of memory when a tenth was answered, and at the end."""
    settled = [size for answers, size in tally.memory if answers >= requests / 10 and size]
    return (settled[0], settled[-1]) if settled else (0.0, 0.0)


@click.command(epilog="Example: python -m benchmarks.serving runs/00000-demo-openmoji-32 --requests 1000")
@click.argument("model")
@click.option("--requests", type=click.IntRange(1), default=10_000, show_default=True, help="Of each mode.")
@click.option("--each", type=click.IntRange(1, BATCH), default=1, show_default=True, help="Images of one.")
@click.option("--queue", type=click.IntRange(1, 24), default=24, show_default=True, help="Of the server.")
@click.option("--modes", default="plain,marked", show_default=True, help="Without and with filter and marks.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each run of the bare generator.")
@click.option("--minutes", default=60.0, show_default=True, help="After which no more requests are begun.")
@click.option("--json", "as_json", is_flag=True, help="Print a record a line.")
def main(
    model: str,
    requests: int,
    each: int,
    queue: int,
    modes: str,
    seconds: float,
    minutes: float,
    as_json: bool,
) -> None:
    """Load a server of MODEL on loopback, with 64 clients at most, and compare every answer."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the server
    if not as_json:
        click.echo(
            "| Mode | Requests x images | Lost | Wrong | 429 | Images/s | Bare | Ratio | by processor time"
        )
        click.echo("| p50, p95, p99, s | MiB first, last | Load |\n" + "|---" * 12 + "|")
    for mode in modes.split(","):
        row = measured(model, mode, requests, each, queue, seconds, minutes)
        if as_json:
            echo_json(row)
            continue
        times, memory = (", ".join(f"{x:.3g}" for x in row[name]) for name in ("seconds", "memory"))
        cells = [mode, f"{requests:,} x {each}", row["lost"], row["wrong"], f"{row['refused']:,}"]
        cells += [f"{row[name]:.3g}" for name in ("images_per_second", "bare", "ratio", "processor_ratio")]
        click.echo(f"| {' | '.join(map(str, [*cells, times, memory]))} | {row['load']:.1f} |")


if __name__ == "__main__":
    main()
