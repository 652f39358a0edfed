"""Every operator on its own arguments, for what is tested of all alike: layouts, transforms, forward mode."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ops.bias_act import NAMES, bias_act_ref
from ops.filtered_lrelu import filtered_lrelu_ref
from ops.grid_sample import grid_sample_ref
from ops.registration import call
from ops.scale_bias_act import scale_bias_act_ref
from ops.spectral_norm import power_iteration_ref
from ops.upfirdn2d import setup_filter, upfirdn2d_ref


class Case(NamedTuple):
    """An operator, its arguments, and what it is by definition.

    tensors: those that it is differentiated by, by index.  definition: of the operator's own arguments, its
    first result; written out here, not taken from what is registered.
    """

    name: str
    args: tuple
    tensors: tuple[int, ...]
    definition: Callable[..., Tensor]
    result: int | None = None  # which of several results; None: there is one

    def operator(self) -> Any:
        """torch.ops.gan.<name>, once the kernels are loaded."""
        return getattr(torch.ops.gan, self.name).default


def draw(*size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Standard normal."""
    return torch.randn(size, dtype=torch.float64).to(dtype)


def cases(dtype: torch.dtype = torch.float64) -> list[Case]:
    """One for each operator that is differentiated and is not the derivative of another one."""
    x, f = draw(2, 3, 6, 4, dtype=dtype), setup_filter((1, 3, 3, 1))
    lowpass = setup_filter((1, 3, 3, 1), separable=True)
    places = torch.rand(2, 5, 3, 2, dtype=torch.float64) * 1.8 - 0.9
    grid = places.to(torch.float64 if dtype == torch.float64 else torch.float32)
    curved, bent = NAMES.index("swish"), NAMES.index("lrelu")
    scale, noise = draw(2, 3, dtype=dtype), draw(2, 24, dtype=dtype)
    weight, u, v = draw(4, 3, 2, 2, dtype=dtype), draw(4, dtype=dtype), draw(12, dtype=dtype)
    resampled = (2, 1, 1, 2, 3, 0, 1, 2, False, 1.5)
    return [
        Case("bias_act", (x, draw(3, dtype=dtype), 1, curved, 0.0, 1.3, 2.0), (0, 1), _bias_act),
        Case("bias_act", (x, draw(3, dtype=dtype), 1, bent, 0.2, 1.3, 1.0), (0, 1), _bias_act),
        Case(
            "scale_bias_act",
            (x, scale, noise, draw(3, dtype=dtype), curved, 0.0, 1.3, 2.0),
            (0, 1, 2, 3),
            _scale_bias_act,
        ),
        Case("upfirdn2d", (x, f, *resampled), (0,), upfirdn2d_ref),
        Case(
            "filtered_lrelu",
            (x, draw(3, dtype=dtype), lowpass, f, 2, 2, [3, 2, 2, 3], 1.4, 0.2, 0.5, False, True),
            (0, 1),
            _filtered_lrelu,
            0,
        ),
        Case("grid_sample", (x, grid), (0, 1), grid_sample_ref),
        Case("power_iteration", (weight, u, v, 0, 2, 1e-12), (0,), _sigma, 2),
    ]


def first(case: Case) -> Callable[..., Tensor]:
    """The operator as eager code calls it, reduced to the result that is differentiated."""

    def function(*args: Any) -> Tensor:
        found = call(case.name, *args)
        return found if case.result is None else found[case.result]

    return function


def dispatched(case: Case) -> Callable[..., Tensor]:
    """The same by the dispatcher."""

    def function(*args: Any) -> Tensor:
        found = case.operator()(*args)
        return found if case.result is None else found[case.result]

    return function


def _bias_act(x, b, dim, act, alpha, gain, limit):
    return bias_act_ref(x, b, dim, NAMES[act], alpha, gain, None if limit < 0 else limit)


def _scale_bias_act(x, scale, noise, b, act, alpha, gain, limit):
    return scale_bias_act_ref(x, scale, noise.reshape(-1, 1, *x.shape[2:]), b, NAMES[act], alpha, gain, limit)


def _filtered_lrelu(x, b, fu, fd, up, down, padding, gain, slope, limit, flip, _):
    return filtered_lrelu_ref(x, fu, fd, b, up, down, padding, gain, slope, limit, flip)


def _sigma(*args):
    return power_iteration_ref(*args)[2]
