"""Time and memory of a training step by precision and recomputation, each in a process of its own.

python -m benchmarks.precision --preset stylegan2-small --resolution 64 --batch 8 --device cpu
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

import multiprocessing
import resource
import statistics
import time
from pathlib import Path

import click
import torch

from gan.config import override
from training.config import RunConfig, fit, load_preset
from training.memory import Undo
from training.state import TrainState, create
from training.step import train_step

SETTINGS = {
    "float32": (),
    "bf16": ("precision=bf16",),
    "bf16, 4 highest": ("precision=bf16", "half_resolutions=4"),
    "fp16": ("precision=fp16",),
    "float32, recomputed": ("checkpoint_activations=true",),
    "bf16, recomputed": ("precision=bf16", "checkpoint_activations=true"),
}


def measure(config: RunConfig, device: str, threads: int, steps: int) -> dict[str, float]:
    """Milliseconds of a step with the losses only and with every penalty, of an undo copy, and GiB at most.

    Memory is what the steps need beyond the networks' weights before the first one.
    """
    torch.set_num_threads(threads)
    state = create(config, torch.device(device))
    real = torch.randn(config.batch, *state.discriminator.image_shape, device=device)
    before = _used(device)
    state.nimg = config.batch  # no lazy penalty is due in the steps 1, 2, ...
    train_step(state, real, None, every=True)
    if state.scaler_g.is_enabled():  # let the scale come down to one that does not skip steps
        for _ in range(20):
            train_step(state, real, None, every=True)
    found = {"all phases": _median(lambda: train_step(state, real, None, every=True), device, steps)}
    found["losses"] = _median(lambda: train_step(state, real, None), device, steps)
    found["copy"] = _median(lambda: Undo(state), device, steps)
    found["GiB"] = _peak(device) - before
    return found | {"skipped": float(_skipped(state, real))}


def _skipped(state: TrainState, real: torch.Tensor) -> bool:
    terms = train_step(state, real, None, every=True)
    return any(value > 0 for name, value in terms.items() if name.startswith("skipped/"))


def _median(work, device: str, repeats: int) -> float:
    times = []
    for _ in range(repeats):
        _wait(device)
        started = time.perf_counter()
        work()
        _wait(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize()


def _used(device: str) -> float:
    """GiB allocated now."""
    if device != "cpu":
        return torch.cuda.memory_allocated() / 2**30
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**30


def _peak(device: str) -> float:
    """GiB allocated at most so far; of the whole process on the CPU."""
    if device != "cpu":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@click.command(epilog="Example: python -m benchmarks.precision --preset stylegan2 --resolution 64 --batch 4")
@click.option("--preset", default="stylegan2-small", show_default=True, help="Name of a preset.")
@click.option("--resolution", default=64, show_default=True, help="Pixels a side.")
@click.option("--batch", default=8, show_default=True, help="Images a step.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--steps", default=5, show_default=True, help="Steps a median.")
@click.option("--only", multiple=True, type=click.Choice(list(SETTINGS)), help="These rows; repeatable.")
def main(
    preset: str, resolution: int, batch: int, device: str, threads: int, steps: int, only: tuple[str, ...]
) -> None:
    """Print one row per setting."""
    config = override(load_preset(preset), [f"batch={batch}"])
    config = fit(config, shape=(3, resolution, resolution), classes=0)
    click.echo(f"| `{preset}`, {resolution}x{resolution}, batch {batch}, {device} | losses | with penalties |"
               " memory | copy to undo |\n|---|---|---|---|---|")  # fmt: skip
    for name in only or SETTINGS:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            arguments = (override(config, SETTINGS[name]), device, threads, steps)
            found = pool.apply(measure, arguments)
        skipped = " (steps were skipped)" if found["skipped"] else ""
        times = (f"{found[key]:.0f} ms" for key in ("losses", "all phases"))
        click.echo(
            f"| {name}{skipped} | {' | '.join(times)} | {found['GiB']:.2f} GiB | {found['copy']:.1f} ms |"
        )


if __name__ == "__main__":
    main()
