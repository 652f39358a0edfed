"""StyleGAN2 against the convolutions alone: what the rest of the network costs.

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
from torch import Tensor, nn

from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig
from ops.bench import medians, using

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


def networks(resolution: int, device: torch.device) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator with 512 channels at most; of 24 M parameters each at 64x64."""
    size = {"resolution": resolution, "channel_base": 16384, "channel_max": 512}
    torch.manual_seed(0)
    return GeneratorConfig(**size).build().to(device), DiscriminatorConfig(**size).build().to(device)


def inputs(generator: nn.Module, batch: int) -> tuple[Tensor, Tensor]:
    """Styles and images of normal noise; the images require gradients."""
    device = generator.mapping.w_avg.device
    with torch.no_grad():
        ws = generator.mapping(torch.randn(batch, generator.z_dim, device=device))
    return ws, torch.randn(batch, *generator.image_shape, device=device, requires_grad=True)


def tasks(
    generator: nn.Module, discriminator: nn.Module, batch: int, dtype: torch.dtype
) -> dict[str, tuple[Callable[[], object], bool]]:
    """Name -> (work, whether with gradient)."""
    ws, images = inputs(generator, batch)
    device = ws.device
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


def difference(generator: nn.Module, batch: int) -> float:
    """Mean absolute difference, in levels of 255, of images drawn in bfloat16 and in float32."""
    ws, _ = inputs(generator, batch)
    with torch.inference_mode():
        exact = generator.synthesis(ws)
        with torch.autocast(ws.device.type, torch.bfloat16):
            return float((generator.synthesis(ws).float() - exact).abs().mean() * 127.5)


def measure(
    models: tuple[nn.Module, nn.Module], batch: int, dtype: torch.dtype, repeats: int, device: torch.device
) -> Iterator[tuple[str, float, float, float]]:
    """(name, seconds of the network, without kernels, of the floor) for every task."""
    for name, (work, gradient) in tasks(*models, batch, dtype).items():
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
@click.option("--resolution", default=64, show_default=True, help="Pixels a side.")
@click.option("--batch", default=8, show_default=True, help="Images per call.")
@click.option("--repeats", default=7, show_default=True, help="Timings a median.")
def main(device: str, threads: int, resolution: int, batch: int, repeats: int) -> None:
    """Print the table for float32 and, by autocast, bfloat16."""
    torch.set_num_threads(threads)
    where = torch.device(device)
    models = networks(resolution, where)
    name = f"StyleGAN2, {resolution}x{resolution}, batch {batch}"
    heads = (name, "dtype", "plain PyTorch", "network", "convolutions alone", "ratio")
    click.echo(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for dtype in (torch.float32, torch.bfloat16):
        for task, seconds, plain, least in measure(models, batch, dtype, repeats, where):
            kind = str(dtype).removeprefix("torch.")
            times = " | ".join(f"{value * 1e3:.4g} ms" for value in (plain, seconds, least))
            click.echo(f"| {task} | {kind} | {times} | {seconds / least:.2f} |")
    shift = difference(models[0], batch)
    click.echo(f"\nbfloat16 moves the image by {shift:.2f} of 255 levels on average.")


if __name__ == "__main__":
    main()
