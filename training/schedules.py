"""Values that follow from the configuration and the number of images seen."""

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A value that moves from `start` to `end` within `kimg` thousand images, and stays there.

    shape: cosine (half a wave, flat at both ends; Loshchilov and Hutter 2017, eq. 5), linear, or exponential
    (linear in the logarithm).  warmup_kimg: before all that, a straight line from 0 to `start`.
    """

    start: float
    end: float
    kimg: float
    shape: Literal["cosine", "linear", "exponential"] = "cosine"
    warmup_kimg: float = 0.0

    def __post_init__(self) -> None:
        if self.kimg < 0 or self.warmup_kimg < 0:
            raise ValueError(f"kimg and warmup_kimg must be >= 0; got {self.kimg} and {self.warmup_kimg}")
        if self.shape == "exponential" and not (self.start > 0 and self.end > 0):
            raise ValueError(f"shape exponential needs start and end > 0; got {self.start} and {self.end}")

    def at(self, nimg: int) -> float:
        """The value once `nimg` images have been seen."""
        kimg = nimg / 1000
        if kimg < self.warmup_kimg:
            return self.start * kimg / self.warmup_kimg
        kimg -= self.warmup_kimg
        done = min(kimg / self.kimg, 1.0) if self.kimg else 1.0
        if self.shape == "cosine":
            done = (1 - math.cos(math.pi * done)) / 2
        if self.shape == "exponential":
            return self.start ** (1 - done) * self.end**done
        return self.start * (1 - done) + self.end * done


def value_at(value: float | Schedule, nimg: int) -> float:
    """A setting that may be a constant, once `nimg` images have been seen."""
    return value.at(nimg) if isinstance(value, Schedule) else value


def extremes(value: float | Schedule) -> tuple[float, float]:
    """Smallest and largest value that a setting takes, the way up from 0 of a warm-up apart."""
    both = (value.start, value.end) if isinstance(value, Schedule) else (value, value)
    return min(both), max(both)


def lazy_adam(lr: float, beta1: float, beta2: float, interval: int | None) -> tuple[float, float, float]:
    """(lr, beta1, beta2) of Adam when a penalty runs every `interval` steps (Karras et al. 2020, appendix B).

    With c = k / (k + 1), lr * c and beta ** c make k + 1 updates weigh as much as k updates of an optimiser
    that regularises in every step. None: no separate penalty step, values unchanged.
    """
    if interval is None:
        return lr, beta1, beta2
    c = interval / (interval + 1)
    return lr * c, beta1**c, beta2**c


def default_r1_gamma(pixels: int, batch: int) -> float:
    """0.0002 * pixels / batch: the published rule of thumb for squares (Karras et al. 2020b, appendix C)."""
    return 0.0002 * pixels / batch


def default_ema_kimg(batch: int) -> float:
    """batch * 10 / 32: half-life of the weight average (configurations of Karras et al. 2020b and 2021)."""
    return batch * 10 / 32


def default_blur_fade_kimg(batch: int) -> float:
    """batch * 200 / 32: the 200,000 images of Karras et al. 2021 (section 3.2) at their batch of 32."""
    return batch * 200 / 32


def default_magnitude_beta(batch: int) -> float:
    """0.5 ^ (batch / 20,000) per batch: a half-life of 20,000 images (Karras et al. 2021)."""
    return 0.5 ** (batch / 20_000)
