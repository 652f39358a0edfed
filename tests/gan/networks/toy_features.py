"""A feature network of 116 numbers in a file of its own, for the tests of what looks through one."""

from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gan.networks.features import STRIDES, FeatureNetwork

CHANNELS = (2, 3, 4, 5)


class Toy(nn.Module):
    """Of each stride: softplus of a 1x1 convolution of the means over squares of that side."""

    channels = CHANNELS

    def __init__(self, path: Path):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(3, width, 1) for width in CHANNELS)
        self.load_state_dict(load_file(path))

    def forward(self, x: Tensor) -> list[Tensor]:
        pairs = zip(self.convs, STRIDES, strict=True)
        return [F.softplus(conv(F.avg_pool2d(x, stride, ceil_mode=True))) for conv, stride in pairs]


def write(path: Path, seed: int = 0) -> Path:
    """A file of weights for it."""
    rng, tensors = torch.Generator().manual_seed(seed), {}
    for scale, width in enumerate(CHANNELS):
        tensors[f"convs.{scale}.weight"] = torch.randn(width, 3, 1, 1, generator=rng)
        tensors[f"convs.{scale}.bias"] = torch.randn(width, generator=rng)
    save_file(tensors, path)
    return path


def add(setitem: Callable, table: dict, folder: Path) -> list[str]:
    """Put it into the table as `toy`; the settings of a discriminator that looks through it at 32 pixels."""
    setitem(table, "toy", FeatureNetwork(build=Toy, licence="CC0"))
    path = write(folder / "toy.safetensors")
    return [
        "type=projected",
        "backbone=toy",
        f"weights={path}",
        "feature_resolution=32",
        "mixed_channels=4",
        "head_channels=4",
    ]
