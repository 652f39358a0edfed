"""Clients of a loaded server: what they ask, what must come, and what they met."""

import contextlib
import http.client
import io
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan.jobs.marking.metadata import Origin, marked
from gan.jobs.marking.secret import secret_of
from gan.jobs.marking.watermark import Watermark
from gan.jobs.sampling import sample
from gan.jobs.serving.database import Database
from gan.jobs.serving.keys import Keys
from gan.jobs.serving.models import facts_of
from gan.jobs.serving.watermarking import payload_of
from gan.models import checkpoint
from gan.sampling import BATCH, images

LATE = 600.0  # seconds after which a client gives an answer up
LOOK = 0.25  # seconds between two looks at the server's memory


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
    """The images of seeds 0 to `pool` - 1 without a server, as its answers must have them.

    watermarked: how many of them carry a watermark.
    """

    def __init__(self, model: str, state: Path, signed: bool, pool: int) -> None:
        self._facts, self._signed, self.watermarked = facts_of(model), signed, 0
        drawn = sample(model, list(range(pool)), device="cpu")
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
        connection.close()  # the server would, where the wait is longer than it keeps an idle one
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
