"""A whole training step of a preset, with kernels and in plain PyTorch on contiguous tensors, in turn.

python -m benchmarks.step --threads 2
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

from collections.abc import Callable
from unittest import mock

import click
import torch

from ops.bench import medians, using
from training.recipes import fit, load_preset
from training.state import create
from training.step import train_step


def trainer(preset: str, resolution: int, steps: int, device: torch.device) -> Callable[[], None]:
    """A function that trains for so many steps on noise, from a fresh state."""
    config = fit(load_preset(preset), shape=(3, resolution, resolution), c_dim=0)
    state = create(config, device)
    images = torch.randn(config.batch, 3, resolution, resolution, device=device)

    def run() -> None:
        for _ in range(steps):
            train_step(state, images, None)
            state.nimg += config.batch

    return run


@click.command(epilog="Example: python -m benchmarks.step --preset stylegan2-tiny --threads 2")
@click.option("--preset", default="stylegan2-tiny", show_default=True, help="Name of a preset.")
@click.option("--resolution", default=32, show_default=True, help="Pixels a side.")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--steps", default=16, show_default=True, help="Steps a timing; a multiple of R1's interval.")
@click.option("--repeats", default=9, show_default=True, help="Timings a median.")
def main(preset: str, resolution: int, device: str, threads: int, steps: int, repeats: int) -> None:
    """Print one row: milliseconds a step of both, and their ratio."""
    torch.set_num_threads(threads)
    where = torch.device(device)
    kernels, plain = (trainer(preset, resolution, steps, where) for _ in range(2))

    def reference() -> None:
        with using("reference"), mock.patch("gan.networks.stylegan2.fast_layout", lambda x: x):
            plain()

    fused, slow = (
        seconds / steps * 1e3 for seconds in medians((kernels, reference), repeats, torch.device(device))
    )
    click.echo("| Training step of | plain PyTorch, contiguous | kernels | |\n|---|---|---|---|")
    click.echo(
        f"| `{preset}` at {resolution}x{resolution} | {slow:.1f} ms | {fused:.1f} ms | {slow / fused:.2f}x |"
    )


if __name__ == "__main__":
    main()
