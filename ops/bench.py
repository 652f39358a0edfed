"""Kernels against their plain-torch definitions: the same inputs, one process, alternating, medians.

A function too short for the clock is repeated within a timing; a GPU is waited for at its ends. The shapes
are those of StyleGAN2 and StyleGAN3-T at 256x256.
"""

import contextlib
import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ops.bias_act import bias_act
from ops.filtered_lrelu import filtered_lrelu
from ops.grid_sample import grid_sample
from ops.scale_bias_act import scale_bias_act
from ops.status import kernel_state
from ops.toolchain import KernelError
from ops.upfirdn2d import downsample2d, filter2d, setup_filter, upsample2d

Function = Callable[..., Tensor]
CPU = torch.device("cpu")
SHORTEST = 0.005  # seconds of a timing


class Case(NamedTuple):
    """One operator on one shape of input, in one memory format."""

    name: str
    function: Function  # (x, other inputs) -> result
    shape: tuple[int, int, int, int]
    others: tuple[tuple[int, ...], ...] = ()  # shapes of the other inputs
    layout: torch.memory_format = torch.contiguous_format

    def inputs(self, device: torch.device, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Unit normal inputs that require gradients; the same numbers in every call."""
        rng = torch.Generator(device).manual_seed(0)
        x, *others = (
            torch.randn(shape, generator=rng, device=device).to(dtype) for shape in (self.shape, *self.others)
        )
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


def cases(batch: int = 4, device: torch.device = CPU) -> list[Case]:
    """What the networks ask of each operator; the first axis of every input is `batch`."""
    f, up12, up24 = (f.to(device) for f in (setup_filter((1, 3, 3, 1)), _lowpass(12), _lowpass(24)))
    motion = torch.tensor([[[0.9, 0.2, 0.1], [-0.2, 0.9, 0.0]]], device=device).expand(batch, -1, -1)
    grid = torch.nn.functional.affine_grid(motion, [batch, 3, 524, 524], align_corners=False)
    nhwc = torch.channels_last

    def lrelu(x: Tensor, b: Tensor) -> Tensor:
        return bias_act(x, b, act="lrelu", clamp=256)

    def modulated(x: Tensor, scale: Tensor, noise: Tensor, b: Tensor) -> Tensor:
        return scale_bias_act(x, scale, noise, b, act="lrelu", clamp=256)

    def up2(x: Tensor) -> Tensor:
        return upsample2d(x, f)

    def down2(x: Tensor) -> Tensor:
        return downsample2d(x, f)

    def smoothed(x: Tensor) -> Tensor:
        return filter2d(x, f, padding=(-1, 0, -1, 0))

    def filtered(up: int, fu: Tensor, padding: int) -> Function:
        return lambda x, b: filtered_lrelu(x, fu, up12, b, up, 2, padding, clamp=256)

    def sample(x: Tensor) -> Tensor:
        return grid_sample(x, grid.to(x.dtype))

    found = []
    for side, channels in ((256, 64), (64, 256)):
        shape = (batch, channels, side, side)
        half = (batch, channels, side // 2, side // 2)
        odd = (batch, channels, side + 1, side + 1)  # of a transposed convolution
        epilogue = ((batch, channels), (batch, 1, side, side), (channels,))
        for layout in (torch.contiguous_format, nhwc):
            found += [
                Case("bias_act lrelu", lrelu, shape, ((channels,),), layout),
                Case("scale_bias_act lrelu", modulated, shape, epilogue, layout),
                Case("upsample2d 4x4", up2, half, (), layout),
                Case("downsample2d 4x4", down2, shape, (), layout),
                Case("filter2d 4x4", smoothed, odd, (), layout),
            ]
    found += [
        Case("filtered_lrelu up 2, down 2", filtered(2, up12, 11), (batch, 256, 84, 84), ((256,),)),
        Case("filtered_lrelu up 2, down 2", filtered(2, up12, 11), (batch, 64, 276, 276), ((64,),)),
        Case("filtered_lrelu up 4, down 2", filtered(4, up24, 23), (batch, 256, 52, 52), ((256,),)),
        Case("grid_sample", sample, (batch, 3, 524, 524)),
    ]
    return found


def measure(
    device: torch.device = CPU,
    dtype: torch.dtype = torch.float32,
    *,
    batch: int = 4,
    repeats: int = 7,
    only: str = "",
    watch: Callable[[Sequence[Case]], Iterable[Case]] = iter,
) -> dict[str, Any]:
    """Time every operator whose name contains `only`, with and without its kernel and its derivative.

    watch: wraps the cases, to show how far the work is.
    Returns the device's name, the dtype, copy_bytes_per_second, and one row a case: operator, shape, layout,
    and for forward and with_gradient plain_ms, fused_ms, speedup and of_copy, the share of that rate.
    Raises KernelError if no name contains `only`, or there are no kernels for this device.
    """
    chosen = [case for case in cases(batch, device) if only in case.name]
    if not chosen:
        names = ", ".join(dict.fromkeys(case.name for case in cases(batch)))
        raise KernelError(f"no operator's name contains '{only}'; they are: {names}")
    if kernel_state(device.type)["state"] not in ("ready", "unbuilt"):
        raise KernelError(f"there are no kernels to time on {device}; `gan ops status` says why")
    rate = copy_bandwidth(device)
    rows = []
    for case in watch(chosen):
        inputs = case.inputs(device, dtype)
        forward = compare(case, inputs, gradient=False, repeats=repeats)
        both = compare(case, inputs, gradient=True, repeats=repeats)
        rows.append(_row(case, forward, both, rate))
    gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if gpu else f"{torch.get_num_threads()} threads"
    dtype_name = str(dtype).removeprefix("torch.")
    return {"device": name, "dtype": dtype_name, "copy_bytes_per_second": rate, "rows": rows}


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as a Markdown table, milliseconds with and without kernels."""
    lines = [
        "| Operator | x | Layout | Forward, plain | fused | | Copy | With gradient, plain | fused | |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        forward, both = row["forward"], row["with_gradient"]
        lines.append(
            f"| {row['operator']} | {'x'.join(map(str, row['shape']))} | {row['layout']} "
            f"| {forward['plain_ms']:.3g} ms | {forward['fused_ms']:.3g} ms | {forward['speedup']:.1f}x "
            f"| {forward['of_copy']:.0%} "
            f"| {both['plain_ms']:.3g} ms | {both['fused_ms']:.3g} ms | {both['speedup']:.1f}x |"
        )
    return "\n".join(lines)


def compare(case: Case, inputs: list[Tensor], *, gradient: bool, repeats: int = 7) -> Timing:
    """Time the operator with and without kernels, alternating; `gradient` adds the first derivative."""
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

    return Timing(*medians((plain, kernels), repeats, result.device), traffic * (2 if gradient else 1))


def medians(
    functions: Sequence[Callable[[], object]], repeats: int, device: torch.device = CPU
) -> list[float]:
    """Median seconds of each function, called in turn, after a call or two each to warm up."""
    counts = [_repetitions(function, device) for function in functions]
    seconds: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats):
        for function, count, taken in zip(functions, counts, seconds, strict=True):
            taken.append(_seconds(function, count, device))
    return [statistics.median(taken) for taken in seconds]


def copy_bandwidth(device: torch.device = CPU, repeats: int = 9) -> float:
    """Bytes per second that a copy, too large for the caches, reads and writes together."""
    size = 1 << (30 if device.type == "cuda" else 26)
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    [seconds] = medians([lambda: target.copy_(source)], repeats, device)
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


def _row(case: Case, forward: Timing, both: Timing, rate: float) -> dict[str, Any]:
    layout = "NHWC" if case.layout == torch.channels_last else "NCHW"
    row = {"operator": case.name, "shape": list(case.shape), "layout": layout}
    for name, timing in (("forward", forward), ("with_gradient", both)):
        row[name] = {
            "plain_ms": timing.plain * 1e3,
            "fused_ms": timing.fused * 1e3,
            "speedup": timing.speedup,
            "of_copy": timing.traffic / timing.fused / rate,
        }
    return row


def _repetitions(function: Callable[[], object], device: torch.device) -> int:
    """Calls that fill a timing; the first call, which may compile and allocate, does not count."""
    first = _seconds(function, 1, device)
    return 1 if first > 10 * SHORTEST else math.ceil(SHORTEST / _seconds(function, 1, device))


def _seconds(function: Callable[[], object], count: int, device: torch.device) -> float:
    """Seconds a call, of so many in a row."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    begun = time.perf_counter()
    for _ in range(count):
        function()
    wait()
    return (time.perf_counter() - begun) / count


def _lowpass(taps: int) -> Tensor:
    """A separable low-pass of that many taps; which one does not matter to the time."""
    return setup_filter(torch.hann_window(taps + 2, periodic=False)[1:-1], separable=True)
