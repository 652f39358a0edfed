"""Seconds per kimg, memory, and how much of the time the GPU waits, of a preset's training step.

python -m benchmarks.gpu.training --preset stylegan2 --resolution 256 --batch 32 --device cuda
"""

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import click
import numpy as np
import torch

from gan.config import override
from gan.devices import pick
from training.data.images import open_dataset
from training.data.sampler import Batch, batches
from training.loop import advance, stepped
from training.recipes import fit, load_preset
from training.reporting import peak_memory
from training.state import TrainState, create


class Noise:
    """Images of noise, a few different ones, at no cost of decoding."""

    fingerprint = "noise"

    def __init__(self, side: int, count: int = 4096):
        self.side, self.count = side, count
        self._images = np.random.default_rng(0).integers(0, 256, (16, 3, side, side), dtype=np.uint8)

    def __len__(self) -> int:
        return self.count

    def image(self, i: int) -> np.ndarray:
        """One of sixteen, uint8 [3, side, side]."""
        return self._images[i % 16]


def made(
    preset: str, side: int, batch: int, settings: list[str], device: torch.device, workers: int
) -> tuple[TrainState, Iterator[Batch]]:
    """A fresh state, and its batches."""
    dataset = open_dataset(Noise(side))
    config = override(load_preset(preset), [f"batch={batch}", f"data.workers={workers}", *settings])
    state = create(fit(config, shape=dataset.shape, c_dim=0), device)
    feed = batches(dataset, batch_size=batch, seed=0, xflip=config.data.xflip, workers=workers)
    return state, feed


def run(state: TrainState, feed: Iterator[Batch], steps: int) -> float:
    """Seconds of so many steps, the work of the device included."""
    wait = torch.cuda.synchronize if state.device.type == "cuda" else lambda: None
    wait()
    begun = time.perf_counter()
    for _ in range(steps):
        stepped(state, *next(feed), lambda _: None)
        advance(state)
    wait()
    return time.perf_counter() - begun


def busy(state: TrainState, feed: Iterator[Batch], steps: int) -> tuple[float | None, list[str]]:
    """Share of the time in which the GPU computes, and its five longest kernels; None on a CPU."""
    if state.device.type != "cuda":
        return None, []
    with torch.profiler.profile(activities=list(torch.profiler.supported_activities())) as profile:
        seconds = run(state, feed, steps)
    kernels = [e for e in profile.key_averages() if e.self_device_time_total]
    kernels.sort(key=lambda event: -event.self_device_time_total)
    total = sum(event.self_device_time_total for event in kernels) / 1e6
    longest = [f"{e.key[:60]} {e.self_device_time_total / 1e6 / seconds:.1%}" for e in kernels[:5]]
    return total / seconds, longest


@click.command(
    epilog="Example: python -m benchmarks.gpu.training --preset stylegan2-tiny --resolution 32 --device cpu"
)
@click.option("--preset", default="stylegan2", show_default=True, help="Name of a preset.")
@click.option("--resolution", default=256, show_default=True, help="Pixels a side.")
@click.option("--batch", default=32, show_default=True, help="Images a step.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu or cuda.")
@click.option("--workers", default=0, show_default=True, help="Processes that decode.")
@click.option("--steps", default=16, show_default=True, help="Steps a timing; a multiple of R1's interval.")
@click.option("--repeats", default=3, show_default=True, help="Timings a median.")
@click.option("--memory", type=float, help="Share of the GPU's memory that may be used.")
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As for gan train.")
def main(
    preset: str,
    resolution: int,
    batch: int,
    device: str,
    workers: int,
    steps: int,
    repeats: int,
    memory: float | None,
    assignments: tuple[str, ...],
) -> None:
    """Print one JSON object."""
    place = pick(device)
    if memory and place.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(memory, place)
    state, feed = made(preset, resolution, batch, list(assignments), place, workers)
    run(state, feed, steps)
    seconds = [run(state, feed, steps) for _ in range(repeats)]
    share, kernels = busy(state, feed, steps)
    result: dict[str, Any] = {
        "preset": preset,
        "resolution": resolution,
        "batch": batch,
        "device": str(place),
    }
    result |= {"settings": list(assignments), "workers": workers, "micro_batch": state.micro_batch}
    result |= {"sec_per_kimg": round(statistics.median(seconds) / steps / batch * 1000, 3)}
    result |= {"spread": [round(s / steps / batch * 1000, 3) for s in sorted(seconds)]}
    result |= {"memory_gib": round(peak_memory(), 3), "busy": share, "kernels": kernels}
    click.echo(json.dumps(result))


if __name__ == "__main__":
    main()
