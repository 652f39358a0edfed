"""Filters of the augmentation pipe, built from the formulae of Daubechies' wavelets.

Low-passes have unit sum; h is orthogonal to its own even shifts: sum_k h[k] h[k + 2m] = [m == 0] / 2. So
upsampling by h and downsampling by its mirror image is the identity.
"""

import itertools
import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

BANDS = 4  # of the filter bank, from low to high frequencies
BANK_RADIUS = 21  # of its 43 taps
BAND_ENERGY = (10 / 13, 1 / 13, 1 / 13, 1 / 13)  # expected share of each, for a spectrum of 1/f


@cache
def symlet(moments: int) -> Tensor:
    """Least asymmetric Daubechies low-pass with that many vanishing moments: float64 [2 * moments], sum 1.

    Daubechies, Ten Lectures on Wavelets (1992), sections 6.1 and 8.1.1: h(z) is ((1 + z) / 2)^N times a
    factor of P(y) = sum_k C(N - 1 + k, k) y^k at y = (2 - z - 1/z) / 4, which keeps z or 1/z of every root.
    Of all choices this is the one nearest to its mirror image whose centre of mass lies before the middle.
    """
    polynomial = [math.comb(moments - 1 + k, k) for k in reversed(range(moments))]
    choices = []
    for y in np.roots(polynomial):
        if y.imag > -1e-9:  # one of each conjugate pair
            both = np.roots([1, 4 * y - 2, 1])
            choices.append([(z,) if abs(y.imag) < 1e-9 else (z, z.conjugate()) for z in both])
    found = []
    for chosen in itertools.product(*choices):
        h = np.poly([-1.0] * moments + [z for roots in chosen for z in roots]).real
        h /= h.sum()
        if h @ np.arange(2 * moments) < moments - 0.5:
            found.append((np.square(h - h[::-1]).sum(), h))
    return torch.from_numpy(min(found, key=lambda pair: pair[0])[1])


@cache
def filter_bank() -> Tensor:
    """Four band-passes that add up to a single tap of 1: float32 [4, 43], each symmetric.

    With h the low-pass of two vanishing moments and g its high-pass, their autocorrelations L and H split a
    signal in two (L + H = 1); splitting the lower half thrice gives bands [0, 1/8], [1/8, 1/4], [1/4, 1/2]
    and [1/2, 1] of the Nyquist frequency (Karras et al. 2020b, appendix B, image-space filtering).
    """
    h = symlet(2).numpy() * math.sqrt(2)
    g = h * (-1.0) ** np.arange(len(h))
    low, high = (np.convolve(f, f[::-1]) / 2 for f in (h, g))
    bank = np.eye(BANDS, 1)
    for band in range(1, BANDS):
        spread = np.zeros((BANDS, 2 * bank.shape[1] - 1))
        spread[:, ::2] = bank
        bank = np.stack([np.convolve(row, low) for row in spread])
        margin = (bank.shape[1] - len(high)) // 2
        bank[band, margin : margin + len(high)] += high
    return torch.from_numpy(bank.astype(np.float32))
