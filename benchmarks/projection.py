"""Projection: steps per second beside the bare forward and backward pass that a step cannot do without.

The bare pass renders the same latents and takes the gradient of the same distance, alone: no noise on
latents, no descent, nothing kept. Both are timed in turn, of one picture at 64x64 and of a batch.

    python -m benchmarks.projection --threads 2
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

from collections.abc import Callable

import click
import torch
from torch import nn

from gan.jobs.distances import DEFAULT, DISTANCES, distance
from gan.latents.projection import Projection, Settings
from gan.networks.stylegan2 import GeneratorConfig
from ops.bench import medians

STEPS = 10_000  # more than are timed
PHASES = {"Adam": 1.0, "L-BFGS": 0.0}  # part of the steps that is Adam's


def generator(resolution: int, base: int) -> nn.Module:
    """A StyleGAN2 of that size."""
    torch.manual_seed(0)
    return GeneratorConfig(resolution=resolution, channel_base=base).build().eval().requires_grad_(False)


def calls(net: nn.Module, name: str, adam: float, batch: int) -> tuple[Callable[[], object], ...]:
    """(one step of a projection, the bare pass of as many pictures)."""
    embed = distance(name, torch.device("cpu")).embed
    settings = Settings(steps=STEPS, adam=adam, space="w+", samples=500)
    with torch.no_grad():
        pictures = net(torch.randn(batch, net.z_dim)).clamp(-1, 1)
    steps = Projection(net, pictures, embed, settings).run()
    rows = embed(pictures)
    latents = torch.randn(batch, net.num_ws, net.w_dim, requires_grad=True)

    def bare() -> None:
        latents.grad = None
        (embed(net.synthesis(latents)) - rows).square().sum().backward()

    return (lambda: next(steps)), bare


@click.command()
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--repeats", default=15, show_default=True, help="Timings of each, of which the median counts.")
@click.option("--resolution", default=64, show_default=True, help="Pixels of a side.")
@click.option("--channel-base", default=8192, show_default=True, help="Of the generator.")
@click.option("--batch", default=1, show_default=True, help="Pictures at a time.")
@click.option("--distance", "name", default=DEFAULT, show_default=True, help=", ".join(DISTANCES))
def main(threads: int, repeats: int, resolution: int, channel_base: int, batch: int, name: str) -> None:
    """Print a row for each of the two kinds of steps."""
    torch.set_num_threads(threads)
    net = generator(resolution, channel_base)
    print(f"{name}, {resolution}x{resolution}, {batch} picture(s), {threads} thread(s)")
    print("| steps of | a second | bare forward + backward | share |\n|---|---|---|---|")
    for phase, adam in PHASES.items():
        step, bare = medians(calls(net, name, adam, batch), repeats)
        print(f"| {phase} | {1 / step:.2f} | {1 / bare:.2f} | {bare / step:.2f} |", flush=True)


if __name__ == "__main__":
    main()
