"""StyleGAN2 at 64x64 against the convolutions alone: what the rest of the network costs.

The floor is the same convolutions and transposed convolutions, recorded from the network, called by
themselves on tensors of the same shapes, in the better of both memory formats. ToRGB is a matrix product and
not part of it. Everything runs in one process, in turn.

    python -m benchmarks.networks --threads 2
"""

import os

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line does, before torch starts

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest import mock

import click
import torch
import torch.nn.functional as F
from torch import Tensor

from gan.stylegan2 import DiscriminatorConfig, GeneratorConfig
from ops.bench import medians

CONVOLUTIONS = ("conv2d", "conv_transpose2d")


class Call(NamedTuple):
    """One convolution of a network; options as given, by position and by name."""

    name: str
    x: torch.Size
    weight: torch.Size
    positional: tuple
    named: dict[str, Any]


@contextmanager
def recorded(calls: list[Call]) -> Iterator[None]:
    """Append every call of a convolution inside to `calls`; depthwise ones are filters, and left out."""

    def recorder(name: str, function: Callable) -> Callable:
        def record(x: Tensor, weight: Tensor, *positional: Any, **named: Any) -> Tensor:
            groups = named.get("groups", 1)
            if groups == 1 and weight.shape[1] > 1:
                calls.append(Call(name, x.shape, weight.shape, positional, named))
            return function(x, weight, *positional, **named)

        return record

    with mock.patch.multiple(F, **{name: recorder(name, getattr(F, name)) for name in CONVOLUTIONS}):
        yield


def floor(calls: list[Call], layout: torch.memory_format, dtype: torch.dtype, gradient: bool) -> Callable:
    """A function that makes the same calls, with both gradients where `gradient`."""
    work = []
    for call in calls:
        tensors = [torch.randn(shape).to(dtype, memory_format=layout) for shape in (call.x, call.weight)]
        work.append((getattr(F, call.name), [t.requires_grad_(gradient) for t in tensors], call))

    def run() -> None:
        for function, tensors, call in work:
            y = function(*tensors, *call.positional, **call.named)
            if gradient:
                torch.autograd.grad(y, tensors, torch.ones_like(y))

    return run


def tasks(batch: int, dtype: torch.dtype) -> dict[str, tuple[Callable[[], object], bool]]:
    """Name -> (work, whether with gradient) on networks of 24 M parameters each, 512 channels at most."""
    torch.manual_seed(0)
    size = {"resolution": 64, "channel_base": 16384, "channel_max": 512}
    generator, discriminator = GeneratorConfig(**size).build(), DiscriminatorConfig(**size).build()
    with torch.no_grad():
        ws = generator.mapping(torch.randn(batch, generator.z_dim))
    images = torch.randn(batch, 3, 64, 64, requires_grad=True)
    half = torch.autocast("cpu", dtype, enabled=dtype != torch.float32)

    def draw() -> Tensor:
        with half:
            return generator.synthesis(ws)

    def inference() -> None:
        with torch.inference_mode():
            draw()

    def generate() -> None:
        generator.zero_grad()
        y = draw()
        y.backward(torch.ones_like(y))

    def discriminate() -> None:
        discriminator.zero_grad()
        with half:
            logits = discriminator(images)
        logits.backward(torch.ones_like(logits))

    return {
        "generator forward": (inference, False),
        "generator forward + backward": (generate, True),
        "discriminator forward + backward": (discriminate, True),
    }


def difference(batch: int) -> float:
    """Mean absolute difference, in levels of 255, of images drawn in bfloat16 and in float32."""
    torch.manual_seed(0)
    generator = GeneratorConfig(resolution=64, channel_base=16384, channel_max=512).build()
    with torch.inference_mode():
        ws = generator.mapping(torch.randn(batch, generator.z_dim))
        exact = generator.synthesis(ws)
        with torch.autocast("cpu", torch.bfloat16):
            return float((generator.synthesis(ws).float() - exact).abs().mean() * 127.5)


def measure(batch: int, dtype: torch.dtype, repeats: int) -> Iterator[tuple[str, float, float]]:
    """(name, seconds of the network, seconds of the floor) for every task."""
    for name, (work, gradient) in tasks(batch, dtype).items():
        calls: list[Call] = []
        with recorded(calls):
            work()
        floors = [
            floor(calls, layout, dtype, gradient) for layout in (torch.contiguous_format, torch.channels_last)
        ]
        with torch.set_grad_enabled(gradient):
            seconds, *lowest = medians((work, *floors), repeats)
        yield name, seconds, min(lowest)


@click.command(epilog="Example: python -m benchmarks.networks --threads 2 --repeats 7")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--batch", default=8, show_default=True, help="Images per call.")
@click.option("--repeats", default=7, show_default=True, help="Timings a median.")
def main(threads: int, batch: int, repeats: int) -> None:
    """Print the table for float32 and, by autocast, bfloat16."""
    torch.set_num_threads(threads)
    click.echo("| StyleGAN2, 64x64 | dtype | network | convolutions alone | ratio |\n|---|---|---|---|---|")
    for dtype in (torch.float32, torch.bfloat16):
        for name, seconds, least in measure(batch, dtype, repeats):
            kind = str(dtype).removeprefix("torch.")
            click.echo(f"| {name} | {kind} | {seconds:.3f} s | {least:.3f} s | {seconds / least:.2f} |")
    click.echo(f"\nbfloat16 moves the image by {difference(batch):.2f} of 255 levels on average.")


if __name__ == "__main__":
    main()
