"""Low-pass filters and layer plan of the alias-free generator (Karras et al. 2021, section 3, appendix C)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gan.shapes import Base, size_at


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
    import scipy.signal  # slow to load
    import scipy.special

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
    size: int  # pixels a side with the base (4, 4), margins included: it names the layer
    shape: tuple[int, int]  # rows and columns of pixels, margins included
    channels: int


def bands(
    *,
    resolution: int,
    base: Base,
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
    `critical` layers before it keep, so that their cut-off is half the sampling rate (section 3.2); with
    critical 0 only the output has it. Sizes and rates follow from them.
    Frequencies are per side of a square image; an image of another base holds base / 4 of that side along
    each axis, at the same rates. ValueError for a rate at which that is no whole number of pixels, and for
    layers so few that, with critical 0, the last before ToRGB, which does not resample, has a lower rate.
    """
    last_cutoff = resolution / 2
    progress = np.minimum(np.arange(layers + 1) / (layers - critical), 1)
    cutoffs = first_cutoff * (last_cutoff / first_cutoff) ** progress
    stops = first_stopband * (last_cutoff * last_stopband_rel / first_stopband) ** progress
    rates = np.exp2(np.ceil(np.log2(np.minimum(stops * 2, resolution))))
    if rates[-2] < resolution:
        raise ValueError(
            f"critical {critical} with layers {layers} samples the layer before ToRGB at {rates[-2]:g} of "
            f"{resolution} pixels a side; raise critical or layers"
        )
    half_widths = np.maximum(stops, rates / 2) - cutoffs
    sides, margins = rates.astype(int), np.full(layers + 1, margin * 2)
    sides[-2:], margins[-2:] = resolution, 0
    if (np.outer(sides, base) % 4).any():
        raise ValueError(
            f"first_stopband {first_stopband:g} gives a layer of {sides.min()} pixels a side, of which "
            f"base {list(base)} takes no whole number; raise it above 1"
        )
    shapes = [size_at(base, side) for side in sides.tolist()]
    widths = np.maximum(np.rint(np.minimum(channel_base / 2 / cutoffs, channel_max)), 1)
    widths[-1] = channels
    rows = zip(cutoffs, half_widths, rates, sides, shapes, margins, widths, strict=True)
    return [
        Band(float(c), float(h), int(r), int(s + m), (height + int(m), width + int(m)), int(w))
        for c, h, r, s, (height, width), m, w in rows
    ]
