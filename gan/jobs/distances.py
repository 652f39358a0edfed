"""Perceptual distances by name, as maps from images to rows whose squared distance they are.

    pixels              mean square of pixels, and of means over 4x4 of them; no network
    efficientnet-lite0  of EfficientNet-Lite0's maps at four scales, at unit length over their channels
    st-lpips            shift-tolerant LPIPS (Ghildyal and Liu 2022)
    lpips               LPIPS on VGG16 (Zhang et al. 2018), with the user's weights

A network sees the RGB view of images, enlarged to 64 pixels of the shorter side where it has fewer, and
averaged down to 256 where it has a multiple of that (as Karras et al. 2020, appendix D, do it).

Letters: N images, C channels, H rows, W columns, R of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gan.errors import UsageError
from gan.images import rgb_view
from gan.latents.starts import Embed
from gan.networks import features
from gan.registry import table
from metrics.networks import Networks, st_lpips, weight_files, weights
from metrics.networks.extractors import packaged_weights

DEFAULT = "efficientnet-lite0"
LEAST, MOST = 64, 256  # pixels of the shorter side that a network sees
COARSE = 4  # pixels a side of the means


@dataclass(frozen=True)
class Distance:
    """embed: [N, C, H, W], about -1..1 -> [N, R].  sha256: of the weights, "" for none."""

    name: str
    sha256: str
    embed: Embed


def distance(name: str, device: torch.device, given: Sequence[str] = ()) -> Distance:
    """The distance of that name, its network on a device.

    given: files of weights, as `metrics.networks.weight_files` reads them; for lpips only.
    Raises UsageError for an unknown name, and for files that it does not take; UserError, with the remedy,
    where weights or packages are missing.
    """
    build = DISTANCES[name]
    if given and name != "lpips":
        raise UsageError(f"--weights {given[0]}: only the distance lpips takes files; leave it out")
    return build(device, given)


def framed(images: Tensor) -> Tensor:
    """What a network sees of images [N, C, H, W] -> [N, 3, H', W'], about -1..1."""
    shown = rgb_view(images)
    short = min(shown.shape[2:])
    if short < LEAST:
        return F.interpolate(shown, scale_factor=LEAST / short, mode="bilinear", align_corners=False)
    factor = short // MOST
    return F.avg_pool2d(shown, factor) if factor > 1 else shown


def _pixels(device: torch.device, given: Sequence[str]) -> Distance:
    def embed(images: Tensor) -> Tensor:
        coarse = F.avg_pool2d(images, min(COARSE, *images.shape[2:]))
        return torch.cat([part.flatten(1) / part[0].numel() ** 0.5 for part in (images, coarse)], dim=1)

    return Distance("pixels", "", embed)


def _lite(device: torch.device, given: Sequence[str]) -> Distance:
    net, digest = features.load("efficientnet-lite0")
    net = net.to(device)

    def embed(images: Tensor) -> Tensor:
        maps = (F.normalize(f, dim=1, eps=1e-10) for f in net(framed(images)))
        return torch.cat([f.flatten(1) / f[0, 0].numel() ** 0.5 for f in maps], dim=1)

    return Distance("efficientnet-lite0", digest, embed)


def _st_lpips(device: torch.device, given: Sequence[str]) -> Distance:
    path = packaged_weights("st-lpips-vgg")
    net = st_lpips.StLpipsVgg(weights.read(path)).to(device)
    return Distance("st-lpips", st_lpips.SHA256, lambda images: net.rows(framed(images)))


def _lpips(device: torch.device, given: Sequence[str]) -> Distance:
    net = Networks(device, weight_files(given, ["lpips", "vgg16"]))["lpips"]
    return Distance("lpips", net.sha256, lambda images: net.features(framed(images)))


DISTANCES = table(
    "distance",
    {
        "efficientnet-lite0": _lite,
        "st-lpips": _st_lpips,
        "lpips": _lpips,
        "pixels": _pixels,
    },
)
