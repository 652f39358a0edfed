"""Pure edits of styles: truncate, mix.  Every function leaves its arguments as they were.

Letters: N samples, L style inputs (layers) of the synthesis network, D latent size; ws is [N, L, D].
"""

import torch
from torch import Tensor

from gan.errors import UsageError


def truncate(ws: Tensor, w_avg: Tensor, psi: float, cutoff: int | None = None) -> Tensor:
    """Truncation trick (Karras et al. 2019, appendix B): w_avg + psi * (w - w_avg) before layer `cutoff`.

    ws: [N, L, D]. w_avg: [D]. psi: 1 changes nothing, 0 gives the average, above 1 exaggerates.
    cutoff: number of layers that are changed, None for all. Returns [N, L, D].
    """
    layers = torch.arange(ws.shape[1], device=ws.device)
    changed = layers < (ws.shape[1] if cutoff is None else cutoff)  # [L]
    return torch.where(changed[:, None], torch.lerp(w_avg.to(ws), ws, psi), ws)


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
