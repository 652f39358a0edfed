"""Adapters of the operator files: value, gradient and second order of every op."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

import ops
from gan.networks.layers import minibatch_std, normalize_2nd_moment
from gan.networks.lowpass import lowpass
from tests.golden.case import Case, Comparison, Family, FormatError, described
from tests.golden.derivatives import derivatives

EXACT = 1e-8  # float64 arithmetic throughout; a second derivative may nearly cancel
FILTERED = 2e-6  # a filter (a single tap of 1 included) times its gain is rounded to float32 before use
HALF = 2e-3  # float16 input and output

RESAMPLERS = {"filter2d": ops.filter2d, "upsample2d": ops.upsample2d, "downsample2d": ops.downsample2d}


def check_bias_act(case: Case) -> Iterator[Comparison]:
    op = partial(ops.bias_act, **_parameters(case, "dim", "act", "alpha", "gain", "clamp"))
    yield from _check(case, op, ("x", "b"), EXACT)


def check_setup_filter(case: Case) -> Iterator[Comparison]:
    parameters = _parameters(case, "normalize", "flip_filter", "gain", "separable")
    yield from case.compare({"f": ops.setup_filter(case.parameter("f"), **parameters)}, FILTERED)


def check_upfirdn2d(case: Case) -> Iterator[Comparison]:
    parameters = _parameters(case, "up", "down", "padding", "flip_filter", "gain")
    yield from _check(case, partial(ops.upfirdn2d, f=_filter(case), **parameters), ("x",), FILTERED)


def check_resample(case: Case) -> Iterator[Comparison]:
    parameters = _parameters(case, "padding", "flip_filter", "gain")
    parameters |= {key: case.meta[key] for key in ("up", "down") if key in case.meta}
    op = partial(RESAMPLERS[case.parameter("op")], f=_filter(case), **parameters)
    yield from _check(case, op, ("x",), FILTERED)


def check_conv2d_resample(case: Case) -> Iterator[Comparison]:
    parameters = _parameters(case, "up", "down", "padding", "groups", "flip_weight", "flip_filter")
    op = partial(ops.conv2d_resample, f=_filter(case), **parameters)
    tolerance = EXACT if case.parameter("filter_kind") == "none" else FILTERED
    yield from _check(case, op, ("x", "w"), tolerance)


def check_modulated_conv2d(case: Case) -> Iterator[Comparison]:
    parameters = _parameters(case, "up", "down", "padding", "demodulate", "flip_weight")
    taps = case.parameter("resample_filter")
    f = None if taps is None else ops.setup_filter(taps)

    def op(x: Tensor, w: Tensor, s: Tensor, noise: Tensor | None = None) -> Tensor:
        return ops.modulated_conv2d(x, w, s, noise, f=f, **parameters)

    if case.meta.get("dtype") == "float16":  # stored once for each of two ways to evaluate it
        y = op(case.tensor("x"), case.tensor("w"), case.tensor("s"))
        yield from case.compare({"y_fused": y, "y_nonfused": y}, HALF)
    else:
        yield from _check(case, op, ("x", "w", "s", "noise"), EXACT if f is None else FILTERED)


def check_filtered_lrelu(case: Case) -> Iterator[Comparison]:
    parameters = _parameters(case, "up", "down", "padding", "gain", "slope", "clamp", "flip_filter")
    op = partial(ops.filtered_lrelu, fu=_filter(case, "fu"), fd=_filter(case, "fd"), **parameters)
    yield from _check(case, op, ("x", "b"), FILTERED)


def check_prenormalized(case: Case) -> Iterator[Comparison]:
    padding = case.parameter("padding")
    padding = tuple(padding) if isinstance(padding, list) else padding
    fixed = {"demodulate": case.parameter("demodulate"), "padding": padding}

    def op(x: Tensor, w: Tensor, s: Tensor, input_gain: Tensor | None = None) -> Tensor:
        return ops.prenormalized_modulated_conv2d(x, w, s, input_gain=input_gain, **fixed)

    yield from _check(case, op, ("x", "w", "s", "input_gain"), EXACT)


def check_lowpass(case: Case) -> Iterator[Comparison]:
    names = ("numtaps", "cutoff", "width", "fs", "radial")
    f = lowpass(*(case.parameter(name) for name in names))
    if case.meta.get("result", "").startswith("identity"):
        yield Comparison("no filter", 0.0 if f is None else math.inf, FILTERED)
    else:
        yield from case.compare({"f": f}, FILTERED)


def check_minibatch_std(case: Case) -> Iterator[Comparison]:
    op = partial(minibatch_std, group=case.parameter("group_size"), channels=case.parameter("num_channels"))
    yield from _check(case, op, ("x",), EXACT)


def check_normalize_2nd_moment(case: Case) -> Iterator[Comparison]:
    yield from _check(case, partial(normalize_2nd_moment, **_parameters(case, "dim", "eps")), ("x",), EXACT)


def _check(
    case: Case, op: Callable[..., Tensor], inputs: tuple[str, ...], tolerance: float
) -> Iterator[Comparison]:
    if "y" not in case:
        raise FormatError(f"case {case.name}: array 'y' is missing")
    tensors = {name: case.tensor(name) for name in inputs if name in case}
    yield from case.compare(derivatives(op, tensors, case.tensor("gy")), tolerance)


def _parameters(case: Case, *names: str) -> dict:
    return {name: case.parameter(name) for name in names}


def _filter(case: Case, name: str = "f") -> Tensor | None:
    kind = case.parameter("filter_kind" if name == "f" else f"{name}_kind")
    return None if kind == "none" else case.tensor(name, torch.float32)


FAMILIES = (  # the first that recognises a case takes it
    Family("bias_act", described("act", "dim", "clamp"), check_bias_act),
    Family("setup_filter", described("f", "normalize", "separable"), check_setup_filter),
    Family("conv2d_resample", described("filter_kind", "groups", "flip_weight"), check_conv2d_resample),
    Family("resample", lambda case: case.meta.get("op") in RESAMPLERS, check_resample),
    Family("upfirdn2d", described("filter_kind", "up", "down", "gain"), check_upfirdn2d),
    Family(
        "modulated_conv2d", described("demodulate", "resample_filter", "flip_weight"), check_modulated_conv2d
    ),
    Family("minibatch_std", described("group_size", "num_channels"), check_minibatch_std),
    Family("normalize_2nd_moment", described("dim", "eps"), check_normalize_2nd_moment),
    Family("prenormalized_modulated_conv2d", described("demodulate", "input_gain_kind"), check_prenormalized),
    Family("filtered leaky ReLU", described("fu_kind", "fd_kind"), check_filtered_lrelu),
    Family("StyleGAN3 filter design", described("numtaps", "cutoff"), check_lowpass),
)
