"""Low-pass filters and layer plan of the alias-free generator (Karras et al. 2021, section 3, appendix C)."""

from dataclasses import dataclass

import numpy as np
import scipy.signal
import scipy.special
import torch
from torch import Tensor


def lowpass(taps: int, cutoff: float, width: float, rate: float, radial: bool = False) -> Tensor | None:
    """Kaiser-windowed low-pass filter of unit sum: float32 [taps], or [taps, taps] where radial.

    Args:
        taps: number of taps per axis; 1 needs no filter and gives None.
        cutoff: frequency of half amplitude.
        width: of the transition band.
        rate: sampling rate; all three in the same unit.
        radial: a jinc of the distance from the centre, which treats all directions alike, in place of a
            separable sinc.
    """
    if taps == 1:
        return None
    if not radial:
        return torch.as_tensor(scipy.signal.firwin(taps, cutoff, width=width, fs=rate), dtype=torch.float32)
    x = (np.arange(taps) - (taps - 1) / 2) / rate
    r = np.hypot(*np.meshgrid(x, x))
    away = np.where(r == 0, 1, r)
    jinc = np.where(r == 0, np.pi * cutoff**2, scipy.special.j1(2 * np.pi * cutoff * away) * cutoff / away)
    beta = scipy.signal.kaiser_beta(scipy.signal.kaiser_atten(taps, width / (rate / 2)))
    window = np.kaiser(taps, beta)
    f = jinc * np.outer(window, window)
    return torch.as_tensor(f / f.sum(), dtype=torch.float32)


@dataclass(frozen=True)
class Band:
    """What the signal of one layer may hold: cut-off, half-width of the transition band, sampling rate."""

    cutoff: float
    half_width: float
    rate: int
    size: int  # pixels a side, margins included
    channels: int


def bands(
    *,
    resolution: int,
    layers: int,
    critical: int,
    first_cutoff: float,
    first_stopband: float,
    last_stopband_rel: float,
    margin: int,
    channel_base: int,
    channel_max: int,
    channels: int,
) -> list[Band]:
    """One band per layer, 0 to `layers`; the last is ToRGB's with `channels`.

    Cut-off and stop band grow geometrically from their first values to those of the output, which the last
    `critical` layers keep: there the cut-off is half the sampling rate. Sizes and rates follow from them.
    """
    last_cutoff = resolution / 2
    progress = np.minimum(np.arange(layers + 1) / (layers - critical), 1)
    cutoffs = first_cutoff * (last_cutoff / first_cutoff) ** progress
    stops = first_stopband * (last_cutoff * last_stopband_rel / first_stopband) ** progress
    rates = np.exp2(np.ceil(np.log2(np.minimum(stops * 2, resolution))))
    half_widths = np.maximum(stops, rates / 2) - cutoffs
    sizes = rates + margin * 2
    sizes[-2:] = resolution
    widths = np.rint(np.minimum(channel_base / 2 / cutoffs, channel_max))
    widths[-1] = channels
    rows = zip(cutoffs, half_widths, rates, sizes, widths, strict=True)
    return [Band(float(c), float(h), int(r), int(s), int(w)) for c, h, r, s, w in rows]
