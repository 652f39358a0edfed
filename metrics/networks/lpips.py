"""LPIPS, the learned perceptual distance of two images (Zhang et al. 2018, eq. 1), on VGG16.

d(a, b) = sum over stages l of mean over positions of w_l . (f_l(a) - f_l(b))^2, where f_l is the stage's
activation scaled to unit length over its channels and w_l >= 0 was fitted to human judgements (version 0.1).
"""

from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.errors import UserError, install
from gan.files import sha256
from metrics.networks import vgg, weights
from metrics.resize import SCALES

_PACKAGE, _FILE = "lpips", "weights/v0.1/vgg.pth"
_SHA256 = "a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868"  # of that file in lpips 0.1.4


class Lpips(nn.Module):
    """Distance of images with values in -1..1; differentiable with respect to them. sha256: of both files."""

    def __init__(self, net: vgg.Vgg16, heads: Mapping[str, Tensor], sha256: str = ""):
        """heads: `lin<l>.model.1.weight` [1, C, 1, 1] of the five stages. Raises UserError for others."""
        super().__init__()
        self.net, self.sha256 = net, sha256
        for index, channels in enumerate(vgg.CHANNELS):
            head = heads.get(f"lin{index}.model.1.weight")
            if head is None or head.shape != (1, channels, 1, 1) or head.min() < 0:
                name = f"lin{index}.model.1.weight"
                raise UserError(
                    f"no LPIPS heads of VGG16: {name} must be [1, {channels}, 1, 1], not negative"
                )
            self.register_buffer(f"root{index}", head.float().sqrt())
        mean, deviation = (torch.tensor(row).view(3, 1, 1) for row in SCALES["imagenet"])
        self.register_buffer("mean", mean)
        self.register_buffer("deviation", deviation)
        self.eval().requires_grad_(False)

    def features(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, D] such that the squared distance of two rows is LPIPS of the two images."""
        x = (127.5 * (images + 1) - self.mean) / self.deviation
        parts = []
        for index, f in enumerate(self.net.stages(x)):
            f = F.normalize(f, dim=1, eps=1e-10) * self.get_buffer(f"root{index}")
            parts.append(f.flatten(1) / (f.shape[2] * f.shape[3]) ** 0.5)
        return torch.cat(parts, dim=1)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Two batches [N, 3, H, W] -> distances [N], >= 0; 0 for equal images."""
        return (self.features(a) - self.features(b)).square().sum(dim=1)


def build(
    device: torch.device, vgg_file: str | Path | None = None, heads_file: str | Path | None = None
) -> Lpips:
    """The published distance, or one with other files. Raises UserError that says which file is needed."""
    heads_path = Path(heads_file) if heads_file is not None else heads_of_package()
    path, digest = weights.find(vgg.FILE, vgg_file)
    try:
        net = vgg.Vgg16(weights.read(path))
    except RuntimeError as error:
        raise UserError(f"{path} does not hold torchvision's VGG16") from error
    return Lpips(net, weights.read(heads_path), f"{digest}+{sha256(heads_path)}").to(device)


def heads_of_package() -> Path:
    """The heads that the PyPI package lpips ships. Raises UserError where it is absent or another version."""
    path = weights.packaged(_PACKAGE, _FILE)
    if path is None:
        raise UserError(f"LPIPS needs the heads of the package lpips; {install('metrics')}")
    if sha256(path) != _SHA256:
        raise UserError(f"{path} is damaged or another version; pip install --force-reinstall lpips==0.1.4")
    return path
