"""Feature networks that a discriminator looks through: by name, frozen, with their maps at four scales.

A name is a row of FEATURE_NETWORKS, or `torchvision:NAME` or `timm:NAME` for a network of that library, whose
weights are in a file that the user has. A network takes images [N, 3, H, W] in [-1, 1] and gives four maps
[N, C, h, w], of 1/4, 1/8, 1/16 and 1/32 of the size; `channels` are their C.
"""

import functools
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gan.errors import UsageError, UserError, install, unknown
from gan.files import sha256
from gan.networks.efficientnet_lite import CHANNELS, EfficientNetLite
from gan.networks.packaged import PACKAGED, Package, checked, read
from gan.registry import table

STRIDES = (4, 8, 16, 32)
PROBE = 256  # pixels of a side at which maps of different strides differ in size
LIBRARIES = ("torchvision", "timm")
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # means and deviations of colours in [0, 1]


@dataclass(frozen=True, kw_only=True)
class FeatureNetwork:
    """A row: how the network is made of the file of its weights, and the package that has this file, if one.

    licence: of the weights.
    """

    build: Callable[[Path], nn.Module]
    licence: str
    package: Package | None = None


class Lite(nn.Module):
    """EfficientNet-Lite on images in [-1, 1]; depth: see `EfficientNetLite`."""

    channels = CHANNELS

    def __init__(self, path: Path, depth: float):
        super().__init__()
        net = EfficientNetLite(depth)
        _fill(net.load_published, path)
        self.net = net.fold()

    def forward(self, x: Tensor) -> list[Tensor]:
        return self.net.scales((x * 127.5 + 0.5) / 128)  # pixels of 0..255, minus 127, over 128


class Tapped(nn.Module):
    """Any network of convolutions: of each stride, the last map of it, see `taps`.

    mean, std: of the colours in [0, 1] that it was trained on. Raises UserError for a network without maps of
    all four strides, such as a plain transformer.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, name: str, mean: tuple[float, ...], std: tuple[float, ...]):
        super().__init__()
        self.net = net.eval().requires_grad_(False)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1))
        self._maps: dict[int, Tensor] = {}
        found = taps(net, name)
        for stride in STRIDES:
            hook = functools.partial(self._keep, stride)
            net.get_submodule(found[stride]).register_forward_hook(hook)
        with torch.no_grad():
            self.channels = tuple(y.shape[1] for y in self(torch.zeros(1, 3, PROBE, PROBE)))

    def forward(self, x: Tensor) -> list[Tensor]:
        self.net((x / 2 + 0.5 - self.mean) / self.std)
        maps = [self._maps[stride] for stride in STRIDES]
        self._maps.clear()
        return maps

    def _keep(self, stride: int, _module: nn.Module, _inputs: tuple, y: Tensor) -> None:
        self._maps[stride] = y


def taps(net: nn.Module, name: str) -> dict[int, str]:
    """Stride -> name of the module that gives the last map of it.

    What happens inside of a block that changes the stride counts only where nothing else has that stride; a
    plain nn.Sequential is no block. UserError where a stride is missing, or 256 pixels are refused.
    """
    strides: dict[str, int] = {}
    hooks = [
        module.register_forward_hook(functools.partial(_note, strides, path))
        for path, module in net.named_modules()
    ]
    try:
        with torch.no_grad():
            net(torch.zeros(1, 3, PROBE, PROBE))
    except (AssertionError, RuntimeError, ValueError) as error:
        raise UserError(f"{name} cannot see images of {PROBE}x{PROBE} ({error})") from error
    finally:
        for hook in hooks:
            hook.remove()
    blocks = {path for path, module in net.named_modules() if type(module) is not nn.Sequential}
    inside: dict[int, str] = {}
    between: dict[int, str] = {}
    for path, stride in strides.items():
        above = {path[:i] for i, mark in enumerate(path) if mark == "."} & blocks
        passing = all(strides.get(block, stride) == stride for block in above)
        (between if passing else inside)[stride] = path
    found = inside | between
    if missing := [stride for stride in STRIDES if stride not in found]:
        listed = ", ".join(f"1/{stride}" for stride in missing)
        raise UserError(f"{name} has no maps of {listed} of the image: choose a network of convolutions")
    return found


def _note(strides: dict[str, int], path: str, _module: nn.Module, _inputs: tuple, y: object) -> None:
    """Remember the stride of what a module gave last, in the order of the last calls."""
    strides.pop(path, None)
    if isinstance(y, Tensor) and y.ndim == 4 and y.shape[2] == y.shape[3]:
        stride, rest = divmod(PROBE, y.shape[2])
        if stride in STRIDES and not rest:
            strides[path] = stride


def source(name: str) -> FeatureNetwork:
    """The row of that name, or one for a network of a library. UsageError for an unknown name."""
    library, colon, network = name.partition(":")
    if colon and library in LIBRARIES:
        return FeatureNetwork(
            build=lambda path: _of_library(library, network, path),
            licence="unknown: that of the file of weights, which the user has",
        )
    if name not in FEATURE_NETWORKS:
        raise UsageError(
            unknown("feature network", name, [*FEATURE_NETWORKS, *(f"{x}:NAME" for x in LIBRARIES)])
        )
    return FEATURE_NETWORKS[name]


def licence(name: str) -> str:
    """Of the weights of that network, for people; also where its row is not there any more."""
    try:
        return source(name).licence
    except UsageError:
        return "unknown"


def weights_of(name: str, file: str = "") -> tuple[Path, str]:
    """File and sha256 of a network's weights: the one given, else that of its package.

    Raises UserError, with the remedy, where there is none.
    """
    row = source(name)
    if file:
        return Path(file), sha256(file)
    if row.package is None:
        raise UserError(f"{name} needs its weights: name their file with discriminator.weights")
    return checked(name, row.package)


def load(name: str, file: str = "", digest: str = "") -> tuple[nn.Module, str]:
    """The network with its weights, frozen, and the sha256 of their file.

    digest: that the file must have, "" for any. Raises UserError where it has another, or does not fit.
    """
    path, found = weights_of(name, file)
    if digest and found != digest:
        raise UserError(
            f"{path} has sha256 {found}, and the discriminator was trained on features of {digest}: name that"
            " file with discriminator.weights"
        )
    return source(name).build(path).eval().requires_grad_(False), found


def _of_library(library: str, network: str, path: Path) -> nn.Module:
    """A network of torchvision or timm with the weights in `path`. UsageError for a name that it lacks."""
    name = f"{library}:{network}"
    try:
        models = importlib.import_module("torchvision.models" if library == "torchvision" else library)
    except ImportError as error:
        raise UserError(f"{name} needs {library}, which is not installed; {install('metrics')}") from error
    known = models.list_models()
    if network not in known:
        raise UserError(unknown(f"network of {library}", network, known))
    state = read(path)
    if library == "timm":
        net = models.create_model(network, pretrained=False)
        mean, std = net.pretrained_cfg["mean"], net.pretrained_cfg["std"]
    else:
        known = inspect.signature(models.get_model_builder(network)).parameters
        more = {"init_weights": False} if "init_weights" in known else {}
        net, (mean, std) = models.get_model(network, weights=None, **more), IMAGENET
    _fill(net.load_state_dict, path, state)
    return Tapped(net, name, mean, std)


def _fill(load_state: Callable, path: Path, state: object = None) -> None:
    """Give a network its weights; UserError, naming the file, for those of another one."""
    try:
        load_state(read(path) if state is None else state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"the weights in {path} are of another network ({reason})") from error


FEATURE_NETWORKS = table(
    "feature network",
    {
        name: FeatureNetwork(
            build=functools.partial(Lite, depth=depth),
            licence=PACKAGED[name].licence,
            package=PACKAGED[name],
        )
        for name, depth in (("efficientnet-lite0", 1.0), ("efficientnet-lite1", 1.1))
    },
)
