"""Values that follow from the configuration or the image count."""

import math


def lazy_adam(lr: float, beta1: float, beta2: float, interval: int | None) -> tuple[float, float, float]:
    """(lr, beta1, beta2) of Adam when a penalty runs every `interval` steps (Karras et al. 2020, appendix B).

    With c = k / (k + 1), lr * c and beta ** c make k + 1 updates weigh as much as k updates of an optimiser
    that regularises in every step. None: no separate penalty step, values unchanged.
    """
    if interval is None:
        return lr, beta1, beta2
    c = interval / (interval + 1)
    return lr * c, beta1**c, beta2**c


def decay(start: float, end: float, progress: float) -> float:
    """`start` to `end` (both > 0) along half a cosine of the logarithm; past progress 1 it stays at `end`."""
    rest = 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    return end * (start / end) ** rest


def default_r1_gamma(resolution: int, batch: int) -> float:
    """0.0002 * resolution^2 / batch: the published rule of thumb (Karras et al. 2020b, appendix C)."""
    return 0.0002 * resolution**2 / batch
