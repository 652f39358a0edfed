"""What surrounds the convolution of a modulated layer, in one pass over memory.  x: [N, C, H, W].

The backward pass writes dx and, on the way, sums the gradients of scale, noise and bias. Its own derivative
(path length regularisation) goes through the plain-torch definition.
"""

import functools

import torch
from torch import Tensor

from ops.autograd import by_definition, pullback, through_twin
from ops.bias_act import NAMES, activation, bias_act_ref
from ops.library import fused
from ops.registration import Operator, call, dense, record


def scale_bias_act(
    x: Tensor,
    scale: Tensor,
    noise: Tensor | None = None,
    b: Tensor | None = None,
    act: str = "linear",
    alpha: float | None = None,
    gain: float | None = None,
    clamp: float | None = None,
) -> Tensor:
    """clamp(gain * act(x * scale + noise + b), -clamp, clamp), same shape and dtype as x.

    Args:
        x: [N, C, H, W].
        scale: [N, C], cast to x's dtype as noise and b are.
        noise: [N, 1, H, W] or [H, W], or None.
        b: [C], or None.
        act, alpha, gain, clamp: as in `bias_act`.

    Raises:
        ValueError: shapes that do not fit x, an unknown `act`, or a negative clamp.
    """
    index, alpha, gain = activation(act, alpha, gain, clamp)
    n, c, h, w = x.shape
    if scale.shape != (n, c) or (b is not None and b.shape != (c,)):
        given = [list(t.shape) for t in (scale, b) if t is not None]
        raise ValueError(f"scale must be [{n}, {c}] and b [{c}] for x {list(x.shape)}; got {given}")
    if noise is not None and not _fits(noise, x):
        raise ValueError(f"noise must be [{n}, 1, {h}, {w}] or [{h}, {w}]; got {list(noise.shape)}")
    scale = scale.to(x.dtype)
    noise, b = (None if t is None else t.to(x.dtype) for t in (noise, b))
    if not fused(x):
        return scale_bias_act_ref(x, scale, noise, b, act, alpha, gain, clamp)
    noise = None if noise is None else noise.reshape(-1, h * w)
    if b is None:
        b = x.new_zeros(c) if by_definition(x) or type(x) is not Tensor else _zeros(c, x.dtype, x.device)
    limit = -1.0 if clamp is None else clamp
    return call("scale_bias_act", x, scale, noise, b, index, alpha, gain, limit)


@functools.lru_cache(maxsize=256)
def _zeros(count: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """One tensor for all calls, which none of them writes to."""
    with torch.inference_mode(False):
        return torch.zeros(count, dtype=dtype, device=device)


def _fits(noise: Tensor, x: Tensor) -> bool:
    """Whether noise is [N, 1, H, W], [1, 1, H, W] or [H, W]; a trace leaves N open."""
    if noise.ndim != 4:
        return noise.shape == x.shape[2:]
    return noise.shape[1:] == (1, *x.shape[2:]) and (noise.shape[0] == x.shape[0] or noise.shape[0] == 1)


def scale_bias_act_ref(
    x: Tensor,
    scale: Tensor,
    noise: Tensor | None,
    b: Tensor | None,
    act: str,
    alpha: float,
    gain: float,
    clamp: float | None,
) -> Tensor:
    """The definition, in plain PyTorch: any device, any order of derivative."""
    scale = scale[:, :, None, None]
    x = x * scale if noise is None else torch.addcmul(noise, x, scale)
    return bias_act_ref(x, b, 1, act, alpha, gain, clamp)


def _keep(ctx, inputs, output):
    ctx.save_for_backward(*inputs[:4])
    ctx.options = inputs[4:]


def _backward(ctx, dy):
    x, _, noise, _ = inputs = ctx.saved_tensors
    if torch.is_grad_enabled():  # this gradient will be differentiated
        return tuple(through_twin(_twin, (*inputs, *ctx.options), dy, ctx.needs_input_grad))
    dx, dscale, db, dnoise = call("scale_bias_act_dx", dy, *inputs, *ctx.options)
    if noise is not None:
        dnoise = (dnoise if len(noise) == len(x) else dnoise.sum(0, keepdim=True)).to(x.dtype)
    db = db.sum(0).to(x.dtype) if ctx.needs_input_grad[3] else None
    return dx, dscale.to(x.dtype), None if noise is None else dnoise, db, *[None] * 4


def _twin(x, scale, noise, b, act, alpha, gain, limit):
    noise = None if noise is None else noise.view(-1, 1, *x.shape[2:])
    return scale_bias_act_ref(x, scale, noise, b, NAMES[act], alpha, gain, None if limit < 0 else limit)


def _twin_dx(dy, x, scale, noise, b, *options):
    """Sums per sample: of every sample's own scale, noise and bias."""
    sums = _type_of_sums(x)
    x_, scale, b = x.to(sums), scale.to(sums), b.to(sums).expand(len(x), -1)
    noise = None if noise is None else noise.to(sums).expand(len(x), -1)

    def value(x: Tensor, scale: Tensor, noise: Tensor | None, b: Tensor) -> Tensor:
        return _twin(
            x * scale[:, :, None, None] + b[:, :, None, None], torch.ones_like(b), noise, None, *options
        )

    wanted = (0, 1, 3) if noise is None else (0, 1, 3, 2)
    dx, *rest = pullback(value, (x_, scale, noise, b), dy.to(sums), wanted)
    return dx.to(x.dtype), *rest, *([dx.new_empty(0, x[0, 0].numel())] if noise is None else [])


def _type_of_sums(x: Tensor) -> torch.dtype:
    return torch.float64 if x.dtype == torch.float64 else torch.float32


def _fake_dx(dy, x, scale, noise, b, *_):
    sums = _type_of_sums(x)
    n, c, h, w = x.shape
    per_pixel = x.new_empty(0 if noise is None else n, h * w, dtype=sums)
    return (
        torch.empty_like(dense(x)),
        x.new_empty(n, c, dtype=sums),
        x.new_empty(n, c, dtype=sums),
        per_pixel,
    )


record(
    Operator(
        "scale_bias_act",
        fake=lambda x, *_: torch.empty_like(dense(x)),
        twin=_twin,
        samples=lambda *_: (0, 1, 2),
        setup_context=_keep,
        backward=_backward,
    )
)
record(Operator("scale_bias_act_dx", fake=_fake_dx, twin=_twin_dx, samples=lambda *_: (0, 1, 2, 3)))
