"""Small networks and image sets whose scores can be computed by hand: what end-to-end cases are run on."""

import numpy as np
import torch
from torch import nn

from metrics.networks import Networks

DIM, CLASSES = 6, 4


class Standin:
    """Reads its features from the first pixels of the image, each head others, and multiplies by a factor.

    pool: channel 0 / 32. fc2: channel 1 / 64. logits_unbiased: channel 2 / 16. logits: that and a bias.
    """

    sha256, convention, precision = "0" * 64, "standin", "float32"

    def __init__(self, name: str):
        self.name = name
        self.heads = {"pool": DIM, "fc2": DIM, "logits": CLASSES, "logits_unbiased": CLASSES}

    def prepare(self, images):
        return [images[:, :, 0, :DIM].float()]

    def features(self, prepared):
        x = prepared[0]
        classes = x[:, 2, :CLASSES] / 16
        bias = torch.arange(CLASSES)
        heads = {
            "pool": x[:, 0] / 32,
            "fc2": x[:, 1] / 64,
            "logits_unbiased": classes,
            "logits": classes + bias,
        }
        return heads


class Perceptual(nn.Module):
    """In place of LPIPS: the squared difference of the means of channel 0."""

    sha256 = "1" * 64

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(3, 1, 1))

    def features(self, images):
        return images[:, 0].flatten(1) / images[0, 0].numel() ** 0.5

    def forward(self, a, b):
        return (a - b)[:, 0].mean(dim=(1, 2)).square()


class Standins(Networks):
    """`built` has the names of what was asked for."""

    def _build(self, name):
        return Perceptual() if name == "lpips" else Standin(name)

    @property
    def built(self) -> set[str]:
        return set(self._built)


def pictures(n: int, seed: int, mean: float = 100, spread: float = 40) -> torch.Tensor:
    """uint8 [n, 3, 1, 6], normal values."""
    rng = np.random.RandomState(seed)
    return torch.from_numpy(rng.normal(mean, spread, (n, 3, 1, DIM)).clip(0, 255).astype(np.uint8))


def flat(values: list[int]) -> torch.Tensor:
    """uint8 [N, 3, 16, 16]: every picture has one value throughout."""
    return torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 16, 16).contiguous()


class Curved(nn.Module):
    """A style generator in float64: w = sinh z, and the pixels are w^2 / 2, so that no path is straight."""

    z_dim, c_dim, num_ws, resolution = 4, 0, 1, 16

    class Synthesis(nn.Module):
        def forward(self, ws, noise="const"):
            return (ws[:, 0].square() / 2).repeat_interleave(4, 1)[:, None, None].expand(-1, 3, 16, -1)

    def __init__(self):
        super().__init__()
        self.synthesis = self.Synthesis()
        self.unit = nn.Parameter(torch.ones((), dtype=torch.float64))

    def mapping(self, z, c=None):
        return (self.unit * z).sinh()[:, None]


class Tilted(nn.Module):
    """A generator whose input can be moved: a flat picture, brighter by what the matrix says."""

    z_dim, c_dim, num_ws = 4, 0, 1

    class Synthesis(nn.Module):
        def __init__(self):
            super().__init__()
            self.input = nn.Module()
            self.input.register_buffer("transform", torch.eye(3))
            self.unit = nn.Parameter(torch.ones(()))

        def forward(self, ws, noise="const"):
            x = brightness(self.input.transform)
            return x.expand(len(ws), 3, 64, 64).clone()

    def __init__(self):
        super().__init__()
        self.synthesis = self.Synthesis()

    def mapping(self, z, c=None):
        return z[:, None]


def brightness(matrix: torch.Tensor) -> torch.Tensor:
    """Of a `Tilted` picture: other for a shift to the right than to the left, and for turns either way."""
    across, turn = matrix[0, 2], matrix[0, 1]
    return 0.25 + torch.where(across > 0, 2 * across, across) + torch.where(turn > 0, turn / 4, turn / 8)
