"""Spectral normalisation of weights: W / sigma(W), sigma the largest singular value by power iteration.

Miyato et al. 2018 (https://arxiv.org/abs/1802.05957), algorithm 1. The weight is seen as the matrix
[rows, rest] whose rows run along one of its axes. Buffers, numbers and gradients are those of
torch.nn.utils.parametrizations.spectral_norm, so that either reads the other's state.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ops.autograd import transformed, without_autocast
from ops.library import fused
from ops.registration import Operator, call, record

_FIRST_STEPS = 15  # before training, from random vectors


def power_iteration(
    weight: Tensor, u: Tensor, v: Tensor, dim: int = 0, steps: int = 1, eps: float = 1e-12
) -> tuple[Tensor, Tensor, Tensor]:
    """`steps` times u = normalize(W v), v = normalize(W^T u); then sigma = u^T W v.

    The gradient of sigma is u v^T: u and v are constants. normalize(a) = a / max(|a|, eps).

    Args:
        weight: at least two axes, not empty. Not copied if contiguous or, with dim = 0, channels_last.
        u: [weight.shape[dim]].
        v: [product of the other sizes], in the order of the weight's axes.
        dim: the axis of the rows.
        steps: 0 leaves u and v as they are.
        eps: least norm that is divided by.

    Returns:
        u, v and sigma [], new tensors of the weight's dtype.

    Raises:
        ValueError: shapes that do not fit, or a negative number of steps.
    """
    if weight.ndim < 2 or not -weight.ndim <= dim < weight.ndim or weight.numel() == 0:
        raise ValueError(f"weight must have two axes or more, among them {dim}; got {list(weight.shape)}")
    if steps < 0:
        raise ValueError(f"steps must be >= 0; got {steps}")
    dim = dim % weight.ndim
    rows, rest = weight.shape[dim], weight.numel() // weight.shape[dim]
    if u.shape != (rows,) or v.shape != (rest,):
        raise ValueError(f"u, v must be [{rows}], [{rest}]; got {list(u.shape)}, {list(v.shape)}")
    u, v = u.detach().to(weight.dtype), v.detach().to(weight.dtype)
    if not fused(weight):
        return power_iteration_ref(weight, u, v, dim, steps, eps)
    if (
        dim
        or transformed()
        or weight.is_contiguous()
        or not weight.is_contiguous(memory_format=torch.channels_last)
    ):
        return call("power_iteration", weight, u, v, dim, steps, eps)
    # The columns in the order of memory: [in, kh, kw] becomes [kh, kw, in].
    v = v.view(weight.shape[1:]).movedim(0, -1).reshape(-1)
    u, v, sigma = call("power_iteration", weight.movedim(1, -1), u, v, 0, steps, eps)
    return u, v.view(*weight.shape[2:], -1).movedim(-1, 0).reshape(-1), sigma


def power_iteration_ref(
    weight: Tensor, u: Tensor, v: Tensor, dim: int, steps: int, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The definition, in plain PyTorch: any device, any order of derivative."""
    matrix = weight.movedim(dim, 0).flatten(1)
    u, v = u.detach().clone(), v.detach().clone()
    constant = matrix.detach()  # of tangents of forward mode, too
    with without_autocast(weight):
        for _ in range(steps):
            u = F.normalize(constant.mv(v), dim=0, eps=eps)
            v = F.normalize(constant.T.mv(u), dim=0, eps=eps)
        return u, v, u.dot(matrix.mv(v))


class SpectralNorm(nn.Module):
    """Parametrization W -> norm * W / sigma(W); in training mode every call moves u and v on.

    Attributes:
        _u, _v: [rows], [rest], named as torch names them; none for a weight with one axis, which is divided
            by its norm.
    """

    def __init__(
        self,
        weight: Tensor,
        n_power_iterations: int = 1,
        dim: int = 0,
        eps: float = 1e-12,
        norm: float = 1.0,
        bound: bool = False,
    ) -> None:
        """Random u and v, moved on 15 times.

        norm: largest singular value of the result.  bound: a weight whose own is smaller stays as it is, for
        weights that start at 0.

        Raises:
            ValueError: an axis that the weight does not have, or less than one iteration.
        """
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise ValueError(f"dim must be an axis of the weight, which has {weight.ndim}; got {dim}")
        if n_power_iterations < 1:
            raise ValueError(f"n_power_iterations must be >= 1; got {n_power_iterations}")
        self.n_power_iterations, self.dim, self.eps = n_power_iterations, dim % weight.ndim, eps
        self.norm, self.bound = norm, bound
        if weight.ndim > 1:
            weight = weight.detach()
            sizes = (weight.shape[dim], weight.numel() // weight.shape[dim])
            u, v = (F.normalize(weight.new_empty(size).normal_(), dim=0, eps=eps) for size in sizes)
            self.register_buffer("_u", u)
            self.register_buffer("_v", v)
            self.settle(weight)

    def forward(self, weight: Tensor) -> Tensor:
        """The normalised weight, differentiable twice."""
        if weight.ndim == 1:
            return self.norm * F.normalize(weight, dim=0, eps=self.eps)
        steps = self.n_power_iterations if self.training else 0
        u, v, sigma = power_iteration(weight, self._u, self._v, self.dim, steps, self.eps)
        if self.training:
            self._move(u, v)
        if self.bound:
            sigma = sigma.clamp(min=self.norm)
        # the backward of a product has fewer passes over the weight than that of a quotient
        return weight * (self.norm * sigma.reciprocal())

    @torch.no_grad()
    def _move(self, u: Tensor, v: Tensor) -> None:
        """Keep u and v; those of a weight of zeros are zeros, and would remain so when it no longer is."""
        if self.bound:
            u, v = torch.where(u.any(), u, self._u), torch.where(v.any(), v, self._v)
        self._u.copy_(u)
        self._v.copy_(v)

    def settle(self, weight: Tensor) -> None:
        """Move u and v on 15 times, for a weight that they do not come from; one without memory has none."""
        if weight.is_meta:
            return
        u, v, _ = power_iteration(weight, self._u, self._v, self.dim, _FIRST_STEPS, self.eps)
        self._move(u, v)

    @torch.no_grad()
    def sigma(self, weight: Tensor) -> Tensor:
        """[]: the estimate that W is divided by, with u and v as they are."""
        if weight.ndim == 1:
            return torch.linalg.vector_norm(weight).clamp(min=self.eps)
        return power_iteration(weight, self._u, self._v, self.dim, 0, self.eps)[2]


def spectral_norm(
    module: nn.Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12
) -> nn.Module:
    """`module` with its weight `name` divided by its largest singular value from now on.

    Rows run along the axis of outputs: the first one, of transposed convolutions the second.
    """
    transposed = isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    norm = SpectralNorm(getattr(module, name), n_power_iterations, dim=int(transposed), eps=eps)
    parametrize.register_parametrization(module, name, norm)
    return module


def sigma(module: nn.Module, name: str = "weight") -> Tensor:
    """[]: the present estimate of the largest singular value of a weight under `spectral_norm`, for logging.

    Raises:
        ValueError: the weight is not spectrally normalised as the first of its parametrizations.
    """
    steps = module.parametrizations[name] if parametrize.is_parametrized(module, name) else [None]
    if not isinstance(steps[0], SpectralNorm):
        raise ValueError(f"{type(module).__name__}.{name} has no spectral norm")
    return steps[0].sigma(steps.original)


def _keep(ctx, inputs, output):
    weight, _, _, ctx.dim, *_ = inputs
    u, v, _ = output
    ctx.mark_non_differentiable(u, v)
    ctx.save_for_backward(u, v)
    ctx.shape = weight.shape


def _backward(ctx, _, __, dsigma):
    u, v = ctx.saved_tensors
    rest = [size for axis, size in enumerate(ctx.shape) if axis != ctx.dim]
    dweight = torch.outer(dsigma * u, v).view(-1, *rest).movedim(0, ctx.dim)
    return dweight, *[None] * 5


record(
    Operator(
        "power_iteration",
        fake=lambda weight, u, v, *_: (
            torch.empty_like(u.contiguous()),
            torch.empty_like(v.contiguous()),
            weight.new_empty(()),
        ),
        twin=power_iteration_ref,
        setup_context=_keep,
        backward=_backward,
    )
)
