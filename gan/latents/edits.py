"""Pure edits of styles and latents: truncation, mixing, shifts of layers and channels, attribute arithmetic.

Every function leaves its arguments as they were. What needs no layers takes z [N, D] as well as ws.

Letters: N samples, L style inputs (layers) of the synthesis network, D latent size; ws is [N, L, D].
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from gan.errors import UsageError


def truncate(ws: Tensor, center: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
    """Truncation trick (Karras et al. 2019, appendix B): center + psi * (w - center) before layer `cutoff`.

    ws: [N, L, D]. center: [D], the average w; or [N, D], one for each sample, such as that of its class or
    the nearest of several (`gan.latents.centers`). psi: 1 changes nothing, 0 gives the centre, above 1
    exaggerates. cutoff: number of layers that are changed, None for all. Returns [N, L, D].
    """
    layers = torch.arange(ws.shape[1], device=ws.device)
    changed = layers < (ws.shape[1] if cutoff is None else cutoff)  # [L]
    center = center.to(ws) if center.ndim == 1 else center.to(ws)[:, None]
    return torch.where(changed[:, None], torch.lerp(center, ws, psi), ws)


def mix(ws_a: Tensor, ws_b: Tensor, start: int, stop: int | None = None) -> Tensor:
    """Style mixing (Karras et al. 2019, section 3.1): layers [start, stop) from b, the others from a.

    ws_a, ws_b: [N, L, D], or N = 1 for one of them (broadcast). stop: None for L. Returns [N, L, D].
    Raises UsageError unless 0 <= start <= stop <= L.
    """
    count = ws_a.shape[1]
    stop = count if stop is None else stop
    if not 0 <= start <= stop <= count:
        raise UsageError(f"cannot mix layers [{start}, {stop}) of {count}; use 0 <= start <= stop <= {count}")
    layers = torch.arange(count, device=ws_a.device)
    from_b = (layers >= start) & (layers < stop)  # [L]
    return torch.where(from_b[:, None], ws_b, ws_a)


def mix_layers(ws_a: Tensor, ws_b: Tensor, layers: Sequence[int]) -> Tensor:
    """As `mix`, for any set of layers. UsageError for a layer that does not exist."""
    return torch.where(_mask(ws_a, layers, None), ws_b, ws_a)


def blend(ws_a: Tensor, ws_b: Tensor, amount: Tensor | float) -> Tensor:
    """a + amount * (b - a): soft mixing, by layer or by channel.

    ws_a, ws_b: [N, L, D], or N = 1 for one of them. amount: a number, [L] of each layer, or [L, D] of each
    channel of each layer; 0 is a, 1 is b. Returns [N, L, D].
    """
    if isinstance(amount, Tensor):
        amount = amount.to(ws_a)
        amount = amount[:, None] if amount.ndim == 1 else amount
    return torch.lerp(ws_a, ws_b, amount)


def shift(
    ws: Tensor,
    direction: Tensor,
    amount: Tensor | float,
    layers: Sequence[int] | None = None,
    channels: Sequence[int] | None = None,
) -> Tensor:
    """w + amount * direction, in the named layers and channels only.

    ws: [N, L, D], or z [N, D]. direction: [D], or [L, D] of each layer. amount: a number, or [N] of each
    sample. layers, channels: numbers from 0 on; None is all. Returns the shape of ws.
    Raises UsageError for a layer or channel that does not exist, and for layers of z, which has none.
    """
    if isinstance(amount, Tensor) and amount.ndim:
        amount = amount.to(ws).view(-1, *[1] * (ws.ndim - 1))
    return torch.where(_mask(ws, layers, channels), ws + amount * direction.to(ws), ws)


def assign(
    ws: Tensor,
    value: Tensor | float,
    layers: Sequence[int] | None = None,
    channels: Sequence[int] | None = None,
) -> Tensor:
    """ws with `value` in the named layers and channels.

    value: a number, or what broadcasts against ws [N, L, D] (or z [N, D]). Otherwise as `shift`.
    """
    value = torch.as_tensor(value, dtype=ws.dtype, device=ws.device)
    return torch.where(_mask(ws, layers, channels), value, ws)


def attribute(having: Tensor, lacking: Tensor) -> Tensor:
    """Direction of an attribute: mean of the latents that have it minus the mean of those that lack it.

    Vector arithmetic of Radford et al. 2016, section 6.3.2. having: [M, ..., D]. lacking: [M', ..., D].
    Returns [..., D], to be added by `shift`. UsageError where one of the two is empty.
    """
    if not (len(having) and len(lacking)):
        raise UsageError(
            f"{len(having)} latents have the attribute and {len(lacking)} lack it; give one of each or more"
        )
    return having.mean(dim=0) - lacking.mean(dim=0)


def analogy(base: Tensor, minus: Tensor, plus: Tensor) -> Tensor:
    """base - minus + plus: man with glasses - man + woman. All [..., D] of shapes that broadcast."""
    return base - minus + plus


def without(direction: Tensor, others: Tensor) -> Tensor:
    """The part of a direction that changes none of the others: its projection on their complement.

    Conditional manipulation (Shen et al. 2020, "Interpreting the Latent Space of GANs for Semantic Face
    Editing", section 2.3). direction: [D]. others: [M, D], linearly dependent ones allowed. Returns [D].
    """
    _, values, basis = torch.linalg.svd(others.to(direction), full_matrices=False)  # [R], [R, D]
    threshold = values.max() * max(others.shape) * torch.finfo(values.dtype).eps if len(values) else 0
    basis = basis[values > threshold]
    return direction - basis.T @ (basis @ direction)


def parse_layers(text: str, count: int) -> list[int]:
    """'0-3,6' -> [0, 1, 2, 3, 6]: layers of a model that has `count` of them, each once, in order.

    'all' and open ranges such as '8-' go to the last one. UsageError for anything else.
    """
    if text.strip() == "all":
        return list(range(count))
    layers: set[int] = set()
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        start, stop = _layer(first, text), _layer(last, text) if last else (count - 1 if dash else None)
        stop = start if stop is None else stop
        if not start <= stop < count:
            raise UsageError(
                f"layers '{text}': this model has layers 0 to {count - 1}; '{part.strip()}' is none"
            )
        layers.update(range(start, stop + 1))
    return sorted(layers)


def _layer(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"layers '{whole}': '{text}' is no number; write for example 0-3 or 0,2,8-")
    return int(text)


def _mask(ws: Tensor, layers: Sequence[int] | None, channels: Sequence[int] | None) -> Tensor:
    """Where an edit applies: bool [L, D] for ws, [D] for z."""
    if layers is not None and ws.ndim < 3:
        raise UsageError("z has no layers: leave the layers out, or edit w")
    mask = torch.ones(ws.shape[1:], dtype=torch.bool, device=ws.device)
    for name, axis, chosen in (("layer", -2, layers), ("channel", -1, channels)):
        if chosen is None:
            continue
        size = ws.shape[axis]
        if wrong := [i for i in chosen if not 0 <= i < size]:
            raise UsageError(f"{name} {wrong[0]} does not exist; there are 0 to {size - 1}")
        inside = torch.zeros(size, dtype=torch.bool, device=ws.device)
        inside[list(chosen)] = True
        mask &= inside[:, None] if axis == -2 else inside
    return mask
