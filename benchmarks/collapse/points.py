"""25 Gaussians on a 5x5 grid, as "images" of one pixel.

The set of Srivastava et al. 2017 ("VEEGAN") and Lin et al. 2018 ("PacGAN"): means -4, -2, 0, 2, 4 in both
directions, deviation 0.05. A point is an image of one pixel with two channels; networks see it divided by 4.

Letters: N points.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gan.latents import z_from_seeds

SIDE, SPACING, DEVIATION, SCALE = 5, 2.0, 0.05, 4.0
POINTS = 100_000
SAMPLES = 2500  # of which modes and quality are taken (VEEGAN, PacGAN)


def centres() -> Tensor:
    """The means [25, 2]."""
    steps = (torch.arange(SIDE) - SIDE // 2) * SPACING
    return torch.cartesian_prod(steps, steps)


class GaussianGrid:
    """100,000 points; what training asks of a data set. An image is float32 [2, 1, 1], 0..255 for -4..4."""

    path = Path("gaussian-grid")
    in_memory = True
    name, licence, labels, shape = "25 Gaussians", "CC0", None, (2, 1, 1)

    def __init__(self):
        rng = np.random.default_rng(0)
        means = centres().numpy()[rng.integers(0, SIDE**2, POINTS)]
        self.points = (means + DEVIATION * rng.standard_normal((POINTS, 2))).astype(np.float32)
        self.classes: list[str] = []
        self.vectors, self.counts, self.slug = None, np.zeros(0), self.path.stem
        self.sha256 = hashlib.sha256(self.points.tobytes()).hexdigest()

    def conditions(self, numbers: Sequence[int]) -> np.ndarray:
        """None: -1 for each."""
        return np.full(len(numbers), -1)

    def __len__(self) -> int:
        return POINTS

    def image(self, i: int) -> np.ndarray:
        """Point `i` as float32 [2, 1, 1]."""
        return ((self.points[i] / SCALE + 1) * 127.5)[:, None, None]


@torch.inference_mode()
def drawn(generator: nn.Module, samples: int = SAMPLES) -> Tensor:
    """Points [N, 2] of the seeds 0, 1, ..., in the units of the grid, on the CPU."""
    z = z_from_seeds(range(samples), generator.z_dim)
    device = next(generator.parameters()).device
    return generator(z.to(device)).flatten(1).cpu() * SCALE


def score(points: Tensor) -> dict[str, float]:
    """modes: means with a high-quality point. quality: share of points within 3 deviations of a mean."""
    distance, nearest = torch.cdist(points, centres()).min(dim=1)
    good = distance <= 3 * DEVIATION
    return {"modes": int(nearest[good].unique().numel()), "quality": good.float().mean().item()}
