"""Training speed alone and beside a process that keeps one core busy, by the number of threads.

Threads that wait for one another spin, and lose their turn to the busy process: 2 may be slower than 1. Of
`auto`, the number is found anew in each surrounding and round, as a run that starts there finds it.

python -m benchmarks.busy
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from statistics import median

import click
import torch

from gan.config import override
from training import threads
from training.recipes import fit, load_preset
from training.state import TrainState, create
from training.step import train_step

LOOP = "while True: pass"


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many processes that compute without end, within the block."""
    started = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def images_a_second(state: TrainState, number: int, seconds: float) -> float:
    """Training with `number` threads for that long, after a step that is not counted."""
    config = state.config
    real = torch.rand(config.batch, *state.discriminator.image_shape) * 2 - 1
    steps, begun = -1, time.perf_counter()
    with threads.of(number):
        while steps <= 0 or time.perf_counter() - begun < seconds:
            train_step(state, real, None)
            state.nimg += config.batch
            steps += 1
            if steps == 0:
                begun = time.perf_counter()
    return steps * config.batch / (time.perf_counter() - begun)


def measured(
    state: TrainState, choices: Sequence[int | None], seconds: float, rounds: int, most: int
) -> dict[tuple[int | None, int], list[tuple[float, int]]]:
    """(images a second, threads) of every round, by choice (None: auto) and number of busy processes."""
    found: dict[tuple[int | None, int], list[tuple[float, int]]] = {}
    for _ in range(rounds):
        for others in (0, 1):
            with busy(others):
                for choice in choices:
                    number = choice or threads.fewest(threads.timed(threads.rehearsal(state), most))
                    speed = images_a_second(state, number, seconds)
                    found.setdefault((choice, others), []).append((speed, number))
    return found


@click.command(epilog="Example: python -m benchmarks.busy --seconds 4")
@click.option("--preset", default="stylegan2-tiny", show_default=True, help="Name of a preset.")
@click.option("--resolution", default=32, show_default=True, help="Pixels a side.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="One setting of the preset.")
@click.option("--threads", "most", default=2, show_default=True, help="The most; half of it, ... and auto.")
@click.option("--seconds", default=6.0, show_default=True, help="Seconds of a timing.")
@click.option("--rounds", default=5, show_default=True, help="Timings a median, in turn.")
def main(
    preset: str, resolution: int, settings: tuple[str, ...], most: int, seconds: float, rounds: int
) -> None:
    """Print a row for 1, 2, ... threads and one for auto: images a second alone, beside one busy process."""
    config = fit(override(load_preset(preset), settings), shape=(3, resolution, resolution), c_dim=0)
    state = create(config, "cpu")
    counts = [1]
    while counts[-1] * 2 <= most:
        counts.append(counts[-1] * 2)
    found = measured(state, [*counts, None], seconds, rounds, most)
    click.echo("| `threads` | images/s alone | beside a busy process | of alone |\n|---|---|---|---|")
    for choice in (*counts, None):
        alone, beside = (median(speed for speed, _ in found[choice, others]) for others in (0, 1))
        numbers = ({number for _, number in found[choice, others]} for others in (0, 1))
        name = choice or f"auto: {' and '.join('/'.join(map(str, sorted(n))) for n in numbers)}"
        click.echo(f"| {name} | {alone:.1f} | {beside:.1f} | {beside / alone:.2f} |")


if __name__ == "__main__":
    main()
