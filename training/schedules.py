"""Values that follow from the configuration or the image count."""


def lazy_adam(lr: float, beta1: float, beta2: float, interval: int | None) -> tuple[float, float, float]:
    """(lr, beta1, beta2) of Adam when a penalty runs every `interval` steps (Karras et al. 2020, appendix B).

    With c = k / (k + 1), lr * c and beta ** c make k + 1 updates weigh as much as k updates of an optimiser
    that regularises in every step. None: no separate penalty step, values unchanged.
    """
    if interval is None:
        return lr, beta1, beta2
    c = interval / (interval + 1)
    return lr * c, beta1**c, beta2**c


def default_r1_gamma(resolution: int, batch: int) -> float:
    """0.0002 * resolution^2 / batch: the published rule of thumb (Karras et al. 2020b, appendix C)."""
    return 0.0002 * resolution**2 / batch
