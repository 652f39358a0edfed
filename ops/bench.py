"""Kernels against their plain-torch definitions: the same inputs, one process, alternating, medians.

The shapes are those of StyleGAN2 and StyleGAN3-T at 256x256.
"""

import contextlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ops.bias_act import bias_act
from ops.filtered_lrelu import filtered_lrelu
from ops.grid_sample import grid_sample
from ops.scale_bias_act import scale_bias_act
from ops.upfirdn2d import downsample2d, setup_filter, upsample2d

Function = Callable[..., Tensor]


class Case(NamedTuple):
    """One operator on one shape of input, in one memory format."""

    name: str
    function: Function  # (x, other inputs) -> result
    shape: tuple[int, int, int, int]
    others: tuple[tuple[int, ...], ...] = ()  # shapes of the other inputs
    layout: torch.memory_format = torch.contiguous_format

    def inputs(self) -> list[Tensor]:
        """Unit normal inputs that require gradients; the same numbers in every call."""
        rng = torch.Generator().manual_seed(0)
        x, *others = (torch.randn(shape, generator=rng) for shape in (self.shape, *self.others))
        return [t.requires_grad_() for t in (x.contiguous(memory_format=self.layout), *others)]


class Timing(NamedTuple):
    """Median seconds, plain and fused; bytes of inputs and results, each counted once."""

    plain: float
    fused: float
    traffic: int

    @property
    def speedup(self) -> float:
        """How many times faster the kernels are."""
        return self.plain / self.fused


def cases(batch: int = 4) -> list[Case]:
    """What the networks ask of each operator; the first axis of every input is `batch`."""
    f, up12, up24 = setup_filter((1, 3, 3, 1)), _lowpass(12), _lowpass(24)
    nhwc = torch.channels_last

    def lrelu(x: Tensor, b: Tensor) -> Tensor:
        return bias_act(x, b, act="lrelu", clamp=256)

    def modulated(x: Tensor, scale: Tensor, noise: Tensor, b: Tensor) -> Tensor:
        return scale_bias_act(x, scale, noise, b, act="lrelu", clamp=256)

    def up2(x: Tensor) -> Tensor:
        return upsample2d(x, f)

    def down2(x: Tensor) -> Tensor:
        return downsample2d(x, f)

    def filtered(up: int, fu: Tensor, padding: int) -> Function:
        return lambda x, b: filtered_lrelu(x, fu, up12, b, up, 2, padding, clamp=256)

    def sample(x: Tensor) -> Tensor:
        theta = torch.tensor([[[0.9, 0.2, 0.1], [-0.2, 0.9, 0.0]]]).expand(len(x), -1, -1)
        return grid_sample(x, torch.nn.functional.affine_grid(theta, list(x.shape), align_corners=False))

    found = []
    for side, channels in ((256, 64), (64, 256)):
        shape = (batch, channels, side, side)
        half = (batch, channels, side // 2, side // 2)
        epilogue = ((batch, channels), (batch, 1, side, side), (channels,))
        for layout in (torch.contiguous_format, nhwc):
            found += [
                Case("bias_act lrelu", lrelu, shape, ((channels,),), layout),
                Case("scale_bias_act lrelu", modulated, shape, epilogue, layout),
                Case("upsample2d 4x4", up2, half, (), layout),
                Case("downsample2d 4x4", down2, shape, (), layout),
            ]
    found += [
        Case("filtered_lrelu up 2, down 2", filtered(2, up12, 11), (batch, 256, 84, 84), ((256,),)),
        Case("filtered_lrelu up 2, down 2", filtered(2, up12, 11), (batch, 64, 276, 276), ((64,),)),
        Case("filtered_lrelu up 4, down 2", filtered(4, up24, 23), (batch, 256, 52, 52), ((256,),)),
        Case("grid_sample", sample, (batch, 3, 524, 524)),
    ]
    return found


def compare(case: Case, *, gradient: bool, repeats: int = 7) -> Timing:
    """Time the operator with and without kernels, alternating; `gradient` adds the first derivative."""
    inputs = case.inputs()
    with torch.no_grad():
        result = case.function(*inputs)
    traffic = sum(t.numel() * t.element_size() for t in (*inputs, result))
    upstream = torch.ones_like(result)

    def run() -> None:
        if gradient:
            torch.autograd.grad(case.function(*inputs), inputs, upstream)
        else:
            with torch.inference_mode():
                case.function(*inputs)

    def plain() -> None:
        with using("reference"):
            run()

    def kernels() -> None:
        with using("fused"):
            run()

    return Timing(*medians((plain, kernels), repeats), traffic * (2 if gradient else 1))


def medians(functions: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Median seconds of each function, called in turn, after one call each to warm up."""
    for function in functions:
        function()
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, taken in zip(functions, seconds, strict=True):
            begun = time.perf_counter()
            function()
            taken.append(time.perf_counter() - begun)
    return [statistics.median(taken) for taken in seconds]


def copy_bandwidth(size: int = 1 << 26, repeats: int = 9) -> float:
    """Bytes per second that a copy of `size` bytes reads and writes together."""
    source = torch.zeros(size, dtype=torch.uint8)
    target = torch.zeros_like(source)
    [seconds] = medians([lambda: target.copy_(source)], repeats)
    return 2 * size / seconds


@contextlib.contextmanager
def using(mode: str) -> Iterator[None]:
    """GAN_OPS has this value inside."""
    before = os.environ.get("GAN_OPS")
    os.environ["GAN_OPS"] = mode
    try:
        yield
    finally:
        if before is None:
            del os.environ["GAN_OPS"]
        else:
            os.environ["GAN_OPS"] = before


def _lowpass(taps: int) -> Tensor:
    """A separable low-pass of that many taps; which one does not matter to the time."""
    return setup_filter(torch.hann_window(taps + 2, periodic=False)[1:-1], separable=True)
