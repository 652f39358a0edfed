"""A server under twice the load that it takes: is every answer the right one, and what does it cost?

    python -m benchmarks.serving runs/00000-demo-openmoji-32
    python -m benchmarks.serving --preset stylegan2-small --side 128 --requests 150 --pool 32

`gan serve` runs as a process of its own on loopback. Clients, twice as many as the images that it queues and
draws at once, ask as soon as they are answered; who is refused (429) waits as long as Retry-After says, and
asks again. Each image is compared with the one that is made directly: the bytes of its file where no mark is
on, its pixels, with the watermark, where it is signed. Plain: no filter and no mark. Marked: content filter,
watermark, C2PA by a test certificate. Bare is the generator alone on batches of eight, before and after. A
preset is drawn with random weights: what it costs does not depend on them.

Seconds of the processor tell what a shared machine's clock does not: those of the server's process, all
threads, beside those of the bare generator.
"""

import contextlib
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np
import torch

from benchmarks.serving_clients import LATE, Direct, Tally, asked, bare, processor_seconds, server
from gan import config
from gan.cli.common import echo_json
from gan.errors import UsageError
from gan.jobs.marking import certificates
from gan.jobs.serving.administration import create
from gan.jobs.serving.audit import MADE, verify
from gan.jobs.serving.models import facts_of
from gan.models import checkpoint
from gan.sampling import BATCH
from training.recipes import fit, load_preset

OFF = ("content_filter=off", "watermark=off", "c2pa=off")
ON = ("content_filter=on", "watermark=auto", "c2pa=on")


@dataclass(frozen=True, kw_only=True)
class Load:
    """requests: of each mode.  each: images of a request.  queue: of the server.  pool: different seeds.

    seconds: of each run of the bare generator.  minutes: after which no request is begun.
    """

    requests: int
    each: int
    queue: int
    pool: int
    seconds: float
    minutes: float

    @property
    def clients(self) -> int:
        """Twice as many as the server queues and draws at once."""
        return max(2, 2 * (self.queue + BATCH) // self.each)


def measured(model: str, mode: str, load: Load) -> dict[str, object]:
    """A record of one mode, "plain" or "marked"."""
    draw = random.Random(0)
    orders = [tuple(draw.sample(range(load.pool), load.each)) for _ in range(load.requests)]
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        key = create(
            str(state), "load", per_minute=10**6, per_day=10**9, days=None, terms="1", attested_by="load"
        )
        if mode == "marked":
            certificates.create(state, "Benchmark")
        direct, before = Direct(model, state, mode == "marked", load.pool), bare(model, load.seconds)
        with server(model, state, load.queue, OFF if mode == "plain" else ON) as (address, process):
            if asked(address, key, direct, orders[:1], 1, process).statuses[200] != 1:  # reads the model
                raise RuntimeError(f"no first image within {LATE / 2:g} s: is this machine busy?")
            used, began = processor_seconds(process), time.perf_counter()
            tally = asked(address, key, direct, orders, load.clients, process, 60 * load.minutes)
            wall, used = time.perf_counter() - began, processor_seconds(process) - used
        after = bare(model, load.seconds)
        verify(state)
        lines = (json.loads(line) for line in (state / "audit.jsonl").read_text().splitlines())
        logged = sum(line["event"] == MADE for line in lines) - 1
    images, pace = tally.statuses[200] * load.each, (before[0] + after[0]) / 2
    processor = (before[1] + after[1]) / 2
    return {
        "model": facts_of(model).name,
        "mode": mode,
        **asdict(load),
        "requests": tally.begun,
        "clients": load.clients,
        "watermarked": direct.watermarked / load.pool,
        "answered": tally.statuses[200],
        "logged": logged,
        "lost": tally.begun - tally.statuses[200],
        "wrong": tally.wrong,
        "refused": tally.statuses[429],
        "statuses": dict(tally.statuses),
        "images_per_second": images / wall,
        "bare": pace,
        "ratio": images / wall / pace,
        "processor_ms": 1000 * used / max(images, 1),
        "bare_processor_ms": 1000 / processor,
        "processor_ratio": images / max(used, 1e-9) / processor,
        "times": [float(np.percentile(tally.seconds or [0.0], part)) for part in (50, 95, 99)],
        "memory": _first_and_last(tally),
        "load": os.getloadavg()[0],
    }


def _first_and_last(tally: Tally) -> tuple[float, float]:
    """MiB of memory when a tenth was answered, and at the end."""
    settled = [size for answers, size in tally.memory if answers >= tally.begun / 10 and size]
    return (settled[0], settled[-1]) if settled else (0.0, 0.0)


@contextlib.contextmanager
def model_of(run: str | None, preset: str | None, side: int) -> Iterator[str]:
    """The run, or a checkpoint of a preset's generator with random weights. UsageError for both or none."""
    if (run is None) == (preset is None):
        raise UsageError("give a MODEL, or --preset and --side")
    if run is not None:
        yield run
        return
    torch.manual_seed(0)
    recipe = fit(load_preset(str(preset)), shape=(3, side, side), c_dim=0)
    about = {"kimg": 0.0, "generator": config.to_dict(recipe.generator), "discriminator": None, "run": {}}
    about["data"] = {"name": "none", "sha256": "", "classes": [], "licence": None}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"{preset}-{side}"
        network = recipe.generator.build()
        checkpoint.write(
            place / "checkpoints" / "000000", config=about, generator=network, discriminator=None, card=""
        )
        yield str(place)


def told(row: dict[str, object]) -> str:
    """A line of the table."""
    times, memory = (", ".join(f"{x:.3g}" for x in row[name]) for name in ("times", "memory"))  # type: ignore[attr-defined]
    cells = [row["mode"], f"{row['requests']:,} x {row['each']}", row["lost"], row["wrong"], row["refused"]]
    figures = "images_per_second", "bare", "ratio", "processor_ms", "bare_processor_ms", "processor_ratio"
    cells += [f"{row[name]:.3g}" for name in figures]
    return f"| {' | '.join(map(str, [*cells, times, memory]))} | {row['load']:.1f} |"


@click.command(epilog="Example: python -m benchmarks.serving runs/00000-demo-openmoji-32 --requests 1000")
@click.argument("model", required=False)
@click.option("--preset", help="Instead of a model: its generator, with random weights.")
@click.option("--side", default=128, show_default=True, help="Pixels a side of the preset's images.")
@click.option("--requests", type=click.IntRange(1), default=10_000, show_default=True, help="Of each mode.")
@click.option("--each", default="1", show_default=True, help="Images of a request, 8 at most; 1,8: of both.")
@click.option("--queue", type=click.IntRange(1, 24), default=24, show_default=True, help="Of the server.")
@click.option("--pool", type=click.IntRange(8), default=256, show_default=True, help="Different seeds.")
@click.option("--modes", default="plain,marked", show_default=True, help="Without and with filter and marks.")
@click.option("--seconds", default=5.0, show_default=True, help="Of each run of the bare generator.")
@click.option("--minutes", default=60.0, show_default=True, help="After which no more requests are begun.")
@click.option("--json", "as_json", is_flag=True, help="Print a record a line.")
def main(
    model: str | None,
    preset: str | None,
    side: int,
    requests: int,
    each: str,
    queue: int,
    pool: int,
    modes: str,
    seconds: float,
    minutes: float,
    as_json: bool,
) -> None:
    """Load a server of MODEL on loopback, with 64 clients at most, and compare every answer."""
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # of the server
    if not as_json:
        click.echo("| Mode | Requests x images | Lost | Wrong | 429 | Images/s | Bare | Ratio", nl=False)
        click.echo(" | Processor, ms an image | Bare | Ratio | p50, p95, p99, s | MiB first, last | Load |")
        click.echo("|---" * 14 + "|")
    with model_of(model, preset, side) as place:
        for images in map(int, each.split(",")):
            load = Load(
                requests=requests, each=images, queue=queue, pool=pool, seconds=seconds, minutes=minutes
            )
            for mode in modes.split(","):
                row = measured(place, mode, load)
                echo_json(row) if as_json else click.echo(told(row))


if __name__ == "__main__":
    main()
