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
from ops.bench import medians, using

SIZE = {"resolution": 64, "channel_base": 16384, "channel_max": 512}
CONFIGS = (GeneratorConfig(**SIZE), DiscriminatorConfig(**SIZE))
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


def floor(
    calls: list[Call], layout: torch.memory_format, dtype: torch.dtype, gradient: bool, device: torch.device
) -> Callable:
    """A function that makes the same calls, with both gradients where `gradient`."""
    work = []
    for call in calls:
        tensors = [
            torch.randn(shape, device=device).to(dtype, memory_format=layout)
            for shape in (call.x, call.weight)
        ]
        work.append((getattr(F, call.name), [t.requires_grad_(gradient) for t in tensors], call))

    def run() -> None:
        for function, tensors, call in work:
            y = function(*tensors, *call.positional, **call.named)
            if gradient:
                torch.autograd.grad(y, tensors, torch.ones_like(y))

    return run


def tasks(
    batch: int, dtype: torch.dtype, device: torch.device
) -> dict[str, tuple[Callable[[], object], bool]]:
    """Name -> (work, whether with gradient) on networks of 24 M parameters each, 512 channels at most."""
    torch.manual_seed(0)
    generator, discriminator = (config.build().to(device) for config in CONFIGS)
    with torch.no_grad():
        ws = generator.mapping(torch.randn(batch, generator.z_dim, device=device))
    images = torch.randn(batch, 3, 64, 64, device=device, requires_grad=True)
    half = torch.autocast(device.type, dtype, enabled=dtype != torch.float32)

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


def difference(batch: int, device: torch.device) -> float:
    """Mean absolute difference, in levels of 255, of images drawn in bfloat16 and in float32."""
    torch.manual_seed(0)
    generator = CONFIGS[0].build().to(device)
    with torch.inference_mode():
        ws = generator.mapping(torch.randn(batch, generator.z_dim, device=device))
        exact = generator.synthesis(ws)
        with torch.autocast(device.type, torch.bfloat16):
            return float((generator.synthesis(ws).float() - exact).abs().mean() * 127.5)


def measure(
    batch: int, dtype: torch.dtype, repeats: int, device: torch.device
) -> Iterator[tuple[str, float, float, float]]:
    """(name, seconds of the network, without kernels, of the floor) for every task."""
    for name, (work, gradient) in tasks(batch, dtype, device).items():
        calls: list[Call] = []
        with recorded(calls):
            work()
        layouts = (torch.contiguous_format, torch.channels_last)
        floors = [floor(calls, layout, dtype, gradient, device) for layout in layouts]

        def plain(work: Callable[[], object] = work) -> None:
            with using("reference"):
                work()

        with torch.set_grad_enabled(gradient):
            seconds, reference, *lowest = medians((work, plain, *floors), repeats, device)
        yield name, seconds, reference, min(lowest)


@click.command(epilog="Example: python -m benchmarks.networks --threads 2 --repeats 7")
@click.option("--device", default="cpu", show_default=True, help="cpu or cuda.")
@click.option("--threads", default=2, show_default=True, help="Threads of PyTorch.")
@click.option("--batch", default=8, show_default=True, help="Images per call.")
@click.option("--repeats", default=7, show_default=True, help="Timings a median.")
def main(device: str, threads: int, batch: int, repeats: int) -> None:
    """Print the table for float32 and, by autocast, bfloat16."""
    torch.set_num_threads(threads)
    where = torch.device(device)
    heads = ("StyleGAN2, 64x64", "dtype", "plain PyTorch", "network", "convolutions alone", "ratio")
    click.echo(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for dtype in (torch.float32, torch.bfloat16):
        for name, seconds, plain, least in measure(batch, dtype, repeats, where):
            kind = str(dtype).removeprefix("torch.")
            times = " | ".join(f"{value * 1e3:.4g} ms" for value in (plain, seconds, least))
            click.echo(f"| {name} | {kind} | {times} | {seconds / least:.2f} |")
    click.echo(f"\nbfloat16 moves the image by {difference(batch, where):.2f} of 255 levels on average.")


if __name__ == "__main__":
    main()
