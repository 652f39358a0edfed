"""Time and memory of a training step by precision and recomputation; each is timed in its own process.

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
from training.config import RunConfig
from training.losses.penalties import r1_penalty
from training.memory import Undo
from training.recipes import fit, load_preset
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
    """Milliseconds and GiB of a step with the losses only and with every penalty; ms of a copy to undo one.

    Memory is what the steps need at most beyond what was there before the first one.
    """
    torch.set_num_threads(threads)
    state = create(config, torch.device(device))
    real = torch.randn(config.batch, *state.discriminator.image_shape, device=device)
    state.nimg, before = config.batch, _used(device)  # no lazy penalty is due in step 1
    found = {}
    for name, every in (("losses", False), ("penalties", True)):
        train_step(state, real, None, every)
        for _ in range(20):  # in fp16 the scale comes down to one that skips no step
            if not _skipped(state, real, every):
                break
        found[name] = _median(lambda every=every: train_step(state, real, None, every), device, steps)
        found[f"{name} GiB"] = _peak(device) - before
    return found | {"copy": _median(lambda: Undo(state), device, steps)}


def saved(config: RunConfig, device: str) -> list[float]:
    """MiB kept for the backward pass of D's logits of a batch, and of its R1 penalty, weights not counted.

    Counted from what autograd saves, each storage once: the same on every machine.
    """
    state = create(config, torch.device(device))
    network = state.discriminator.requires_grad_(True)
    images = torch.randn(config.batch, *network.image_shape, device=device, requires_grad=True)
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    kept: dict[int, torch.Tensor] = {}  # they stay alive here, so that no place is counted for two

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    def total() -> float:
        return sum(t.untyped_storage().nbytes() for at, t in kept.items() if at not in weights) / 2**20

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        logits = network(images)
        found = [total()]
        r1_penalty(images, logits)
        return [*found, total()]


def _skipped(state: TrainState, real: torch.Tensor, every: bool) -> bool:
    if not state.scaler_g.is_enabled():
        return False
    terms = train_step(state, real, None, every)
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
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="As for gan train; repeatable."
)
@click.option("--activations", is_flag=True, help="Count what the backward pass keeps; no timing.")
@click.option("--only", multiple=True, type=click.Choice(list(SETTINGS)), help="These rows; repeatable.")
def main(
    preset: str,
    resolution: int,
    batch: int,
    device: str,
    threads: int,
    steps: int,
    assignments: tuple[str, ...],
    activations: bool,
    only: tuple[str, ...],
) -> None:
    """Print one row per setting."""
    config = override(load_preset(preset), [f"batch={batch}", *assignments])
    config = fit(config, shape=(3, resolution, resolution), c_dim=0)
    title = f"`{preset}`, {resolution}x{resolution}, batch {batch}, {device}"
    columns = ["D keeps", "R1 keeps"] if activations else ["losses", "with penalties", "copy to undo"]
    click.echo(f"| {title} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name in only or SETTINGS:
        chosen = override(config, SETTINGS[name])
        if activations:
            cells = [f"{mebibytes:.1f} MiB" for mebibytes in saved(chosen, device)]
        else:
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found = pool.apply(measure, (chosen, device, threads, steps))
            both = (f"{found[key]:.0f} ms, {found[f'{key} GiB']:.2f} GiB" for key in ("losses", "penalties"))
            cells = [*both, f"{found['copy']:.1f} ms"]
        click.echo(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
