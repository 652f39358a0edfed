"""EXTRACTORS: name -> function that builds the frozen feature network on a device.

The name stands for one network and one way to prepare pixels. Another way is another name and another
`convention`, never an option, so that two numbers with the same provenance are comparable. The weights are
the published ones unless a file is given; the sha256 of what was read goes with every number.
"""

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gan.errors import UserError
from gan.files import sha256
from gan.networks import packaged
from gan.networks.efficientnet_lite import FEATURES, EfficientNetLite
from gan.registry import table
from metrics.conventions import CONVENTIONS, Convention
from metrics.features import Extractor
from metrics.images import BATCH, filled
from metrics.networks import backbones, inception, st_lpips, vgg, weights
from metrics.resize import described, prepared, rgb

PACKAGED = packaged.PACKAGED | {
    "st-lpips-vgg": packaged.Package(
        pip="stlpips-pytorch",
        module=st_lpips.PACKAGE,
        file=st_lpips.FILE,
        sha256=st_lpips.SHA256,
        size="64 MB",
        licence="BSD-2",
    ),
}

INCEPTION_FILE = weights.WeightFile(
    name="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
    "pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    what="inception (91 MB)",
)

FLOAT32, BF16 = PRECISIONS = ("float32", "bf16")

Weights = str | Path | None
Prepare = Callable[[Tensor], Tensor]


def prepare(images: Tensor, size: int) -> Tensor:
    """uint8 [N, C, H, W] -> float32 [N, 3, size, size] in 0..255, of their `rgb` view.

    Bicubic (a = -0.5 as in Pillow) with antialiasing when shrinking, clamped, not rounded back to uint8.
    Raises UserError for another shape, TypeError for another dtype.
    """
    x = rgb(images)[:, : 1 if images.shape[1] < 3 else 3].to(torch.float32)  # grey is resized once
    if x.shape[2:] != (size, size):
        x = F.interpolate(x, size=(size, size), mode="bicubic", antialias=True).clamp_(0, 255)
    return x.expand(-1, 3, -1, -1)


class NetExtractor:
    """A network that maps prepared images to a dictionary of heads, in float32 or, after `to_bf16`, bfloat16.

    batch: images per call of the network on a CPU, where more are slower because they leave the caches; a
    divisor of `metrics.images.BATCH`, which is what other devices get.
    """

    def __init__(
        self,
        name: str,
        digest: str,
        convention: str,
        heads: Mapping[str, int],
        ready: Prepare,
        net: nn.Module,
        device: torch.device,
        batch: int = 16,
    ):
        self.name, self.sha256, self.convention, self.heads = name, digest, convention, heads
        self._ready, self._net, self._device = ready, net.to(device), device
        self._batch = batch if device.type == "cpu" else BATCH
        self.precision = FLOAT32

    def to_bf16(self) -> "NetExtractor":
        """From now on convolutions and matrix products are in bfloat16, and the name says so."""
        self.name, self.precision = f"{self.name}-{BF16}", BF16
        return self

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """uint8 [N, C, H, W] -> head -> float32 [N, D], on the network's device."""
        rows = self.features(self.prepare(images))
        return {head: part[: len(images)] for head, part in rows.items()}

    @torch.inference_mode()
    def prepare(self, images: Tensor) -> list[Tensor]:
        """uint8 [N, C, H, W] -> parts [batch, 3, size, size] on the network's device, the last one filled up.

        In parts, because large tensors are mapped anew by the system each time: slow on a CPU.
        """
        ready = (filled(self._ready(part), self._batch) for part in images.split(self._batch))
        return [part.contiguous(memory_format=torch.channels_last) for part in ready]

    @torch.inference_mode()
    def features(self, prepared: Sequence[Tensor]) -> dict[str, Tensor]:
        """What `prepare` gave -> head -> float32 [N or more, D], on the network's device."""
        with (
            torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == BF16),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            parts = [self._net(part) for part in prepared]
        return {head: torch.cat([part[head] for part in parts]).float() for head in self.heads}


class _Heads(nn.Module):
    """A network with `features(x)` as its head "pool" and, where it has classes, `fc` of them as "logits"."""

    def __init__(self, net: nn.Module):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        pool = self.net.features(x)
        return {"pool": pool, **({"logits": self.net.fc(pool)} if hasattr(self.net, "fc") else {})}


def _bicubic_extractor(
    name: str,
    digest: str,
    size: int,
    heads: Mapping[str, int],
    net: nn.Module,
    device: torch.device,
    centre: tuple[float, float] = (127, 128),
) -> Extractor:
    """A network that is given `prepare(images, size)`, minus centre[0], over centre[1]."""

    def ready(images: Tensor) -> Tensor:
        x = prepare(images.to(device), size)
        return ((x - centre[0]) / centre[1]).contiguous(memory_format=torch.channels_last)

    return NetExtractor(name, digest, f"{size}px-bicubic-antialias", heads, ready, net, device)


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


def untrained(device: torch.device, given: Weights = None) -> Extractor:
    """64 random features at 32 px: needs no weights file. For tests, and to check that a pipeline runs.

    Raises UserError if a weights file is given.
    """
    if given is not None:
        raise UserError(f"the 'untrained' network has no weights to read from {given}; leave --weights out")
    net = _UntrainedNet()
    digest = hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in net.buffers())).hexdigest()
    return _bicubic_extractor("untrained", digest, 32, {"pool": 64}, _Heads(net), device)


def efficientnet_lite(name: str, depth: float, device: torch.device, given: Weights = None) -> Extractor:
    """EfficientNet-Lite trained on ImageNet, at 128 px: 1,280 features before the classifier, 1,000 logits.

    Raises UserError if the package of weights is absent, its file another one, or `given` does not fit.
    """
    path, digest = _packaged(name, given)
    net = EfficientNetLite(depth)
    with _fitting(path, name):
        net.load_published(weights.read(path))
    heads = {"pool": FEATURES, "logits": 1000}
    return _bicubic_extractor(name, digest, 128, heads, _Heads(net.fold()), device)


def st_lpips_vgg(device: torch.device, given: Weights = None) -> Extractor:
    """VGG16 of shift-tolerant LPIPS at 64 px, 1,472 features. Raises as `efficientnet_lite` does."""
    name = "st-lpips-vgg"
    path, digest = _packaged(name, given)
    net = st_lpips.StLpipsVgg(weights.read(path))
    heads, centre = {"pool": st_lpips.FEATURES}, (127.5, 127.5)
    return _bicubic_extractor(name, digest, st_lpips.SIZE, heads, net, device, centre)


def _packaged(name: str, given: Weights) -> tuple[Path, str]:
    """File and sha256 of weights that a package brings, or of those given."""
    if given is not None:
        return Path(given), sha256(given)
    return packaged.checked(name, PACKAGED[name], packaged_weights(name))


def packaged_weights(name: str) -> Path:
    """File with the weights of a network in PACKAGED. UserError, saying what to install, if absent."""
    return packaged.located(name, PACKAGED[name])


@contextlib.contextmanager
def _fitting(path: Path, network: str) -> Iterator[None]:
    """Turn a state dict that does not fit into a UserError that names its file."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(f"{path} does not hold the weights of {network}: {_first_misfit(error)}") from error


def _first_misfit(error: RuntimeError) -> str:
    """The first complaint of `load_state_dict`, which are one per line after a heading."""
    lines = [line.strip() for line in str(error).splitlines()]
    return lines[min(1, len(lines) - 1)][:200]


def _published(
    name: str,
    file: weights.WeightFile,
    build: Callable[[Mapping[str, Tensor]], nn.Module],
    heads: Mapping[str, int],
    preparation: tuple[int, str, str],
    device: torch.device,
    given: Weights,
    batch: int,
) -> Extractor:
    """A network built from a file of weights; preparation: size, name in RESIZERS, name in SCALES."""
    path, digest = weights.find(file, given)
    with _fitting(path, name):
        net = build(weights.read(path))

    def ready(images: Tensor) -> Tensor:
        return prepared(images, *preparation, device)

    return NetExtractor(name, digest, described(*preparation), heads, ready, net, device, batch)


def inception_2015(
    preparation: tuple[int, str, str], device: torch.device, given: Weights = None
) -> Extractor:
    """The Inception network of 2015-12-05; heads 64, 192, 768, pool (2048), logits, logits_unbiased.

    given: a state dict with the published file's names.
    Raises UserError as `weights.find` does, and for weights of another network (torchvision's own have 1000
    classes).
    """

    def build(state: Mapping[str, Tensor]) -> nn.Module:
        return inception.Inception.from_weights(state).fold()

    name = "inception-2015-12-05"
    return _published(name, INCEPTION_FILE, build, inception.HEADS, preparation, device, given, batch=8)


def vgg16(resize: str, device: torch.device, given: Weights = None) -> Extractor:
    """VGG16's second fully connected layer, 4096 features, at 224 px: for precision and recall.

    Raises UserError as `weights.find` does, and for weights of another network.
    """
    preparation, heads = (vgg.SIZE, resize, "imagenet"), {"fc2": vgg.FEATURES}
    return _published("vgg16", vgg.FILE, vgg.Vgg16, heads, preparation, device, given, batch=8)


def dinov2(device: torch.device, given: Weights = None) -> Extractor:
    """DINOv2 ViT-L/14, 1024 features, prepared as the convention fd-dinov2 says.

    Raises UserError as `weights.find` does, for weights of another network, and where timm is absent.
    """
    backbones.installed("timm", "dinov2")  # said before a large file is fetched
    heads, preparation = {"pool": backbones.DINOV2_FEATURES}, _preparation(CONVENTIONS["fd-dinov2"])
    file = backbones.DINOV2_FILE
    return _published("dinov2", file, backbones.dinov2, heads, preparation, device, given, batch=8)


def clip(device: torch.device, given: Weights = None) -> Extractor:
    """CLIP ViT-B/32, 512 features, prepared as the convention clip-fid says.

    Raises UserError as `weights.find` does, for weights of another network, and where open_clip is absent.
    """
    backbones.installed("open_clip", "clip")
    heads, preparation = {"pool": backbones.CLIP_FEATURES}, _preparation(CONVENTIONS["clip-fid"])
    file = backbones.CLIP_FILE
    return _published("clip", file, backbones.clip, heads, preparation, device, given, batch=16)


def _preparation(convention: Convention) -> tuple[int, str, str]:
    return convention.size, convention.resize, convention.scale


def _inceptions() -> dict[str, Callable[..., Extractor]]:
    """Inception once for every preparation that a convention has."""
    rows = [row for row in CONVENTIONS.values() if row.detector == "inception"]
    return {
        extractor_for("inception", row): functools.partial(inception_2015, _preparation(row)) for row in rows
    }


def extractor_for(features: str, convention: Convention) -> str:
    """Name in EXTRACTORS of the network that a metric reads under a convention.

    features: "inception" for the convention's own detector; anything else is its own name.
    """
    if features != "inception":
        return features
    if convention.detector != "inception":
        return convention.detector
    return f"inception-{convention.resize}-{convention.scale}"


EXTRACTORS = table(
    "extractor",
    {
        "efficientnet-lite0": functools.partial(efficientnet_lite, "efficientnet-lite0", 1.0),
        "efficientnet-lite1": functools.partial(efficientnet_lite, "efficientnet-lite1", 1.1),
        "st-lpips-vgg": st_lpips_vgg,
        "untrained": untrained,
        "vgg16": functools.partial(vgg16, "bilinear"),
        "vgg16-tf1-bilinear": functools.partial(vgg16, "tf1-bilinear"),
        "dinov2": dinov2,
        "clip": clip,
        **_inceptions(),
    },
)
