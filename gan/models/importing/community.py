"""The StyleGAN2 layout of many PyTorch projects: by torch.save, a mapping of g_ema or g, d, latent_avg.

The state of a generator alone is read, too, and so are names that all begin with `module.`.

Its mathematics is StyleGAN2's without clamping. Names differ, some weights have an axis more, and filters of
upsampling contain their gain of 4. It scales modulated 3x3 weights by 1 / sqrt(fan-in), ours does not: that
is without effect but for the 1e-8 under the root of the demodulation, which divides by the scale.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from gan.foreign import printable
from gan.models.importing import storages
from gan.models.importing.storages import Network, StoredTensor, Weight
from gan.models.importing.unpickler import Budget, Call, Globals, Refused, arguments, named

ROLES = {"generator": ("g_ema", "g"), "discriminator": ("d",)}
MAX_TENSORS = 4_096
MAX_WIDTH = 4_096  # of styles
AVERAGED = 4_096  # styles whose mean is the average where the file has none
KNOWN: Globals = {
    **storages.TENSORS,
    **storages.STORAGES,
    ("argparse", "Namespace"): Call(lambda args: dict(arguments(args))),  # options of the training program
}
PREFIX = "module."
REMEDY = (
    'save the state of a StyleGAN2 generator in this layout as torch.save({"g_ema": state}, "model.pt"), '
    "and give that file"
)
_LAYER = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "noise.weight": "noise_strength",
    "activate.bias": "bias",
}
_TO_RGB = {
    "conv.weight": "weight",
    "conv.modulation.weight": "affine.weight",
    "conv.modulation.bias": "affine.bias",
    "bias": "bias",
}


@dataclass(frozen=True)
class _Reshaped:
    """A tensor of the file in another shape."""

    tensor: StoredTensor
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if math.prod(self.shape) != math.prod(self.tensor.shape):
            raise Refused("it is damaged: a weight of a layer has axes that it should not have")

    def array(self, budget: Budget) -> np.ndarray:
        """A contiguous float32 copy."""
        return self.tensor.array(budget).reshape(self.shape)


@dataclass(frozen=True)
class _Known:
    """Numbers that follow from others."""

    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.values.shape

    def array(self, budget: Budget) -> np.ndarray:
        """A contiguous float32 copy."""
        budget.spend_bytes(self.values.nbytes)
        return np.array(self.values, np.float32, order="C")


@dataclass(frozen=True)
class _Drawn:
    """Standard normal numbers that a file lacks, the same in every import."""

    shape: tuple[int, ...]
    seed: int

    def array(self, budget: Budget) -> np.ndarray:
        """A contiguous float32 copy."""
        budget.spend_bytes(4 * math.prod(self.shape))
        return np.random.default_rng(self.seed).standard_normal(self.shape, np.float32)


FILTER = _Known(np.outer([1, 3, 3, 1], [1, 3, 3, 1]).astype(np.float32) / 64)


def is_legacy(data: memoryview) -> bool:
    """Whether a file begins like those that torch.save wrote before it wrote zip archives."""
    return bytes(data[:14]) == b"\x80\x02\x8a\x0a" + storages.MAGIC.to_bytes(10, "little")


def read_archive(file: BinaryIO, size: int, budget: Budget) -> tuple[dict[str, Network], list[str]]:
    """Networks by role, and remarks, of a zip archive; `file` must stay open while weights are read."""
    return _networks(storages.archive(file, size, KNOWN, budget), budget)


def read_legacy(data: memoryview, budget: Budget) -> tuple[dict[str, Network], list[str]]:
    """The same of a file in the older container."""
    return _networks(storages.legacy(data, KNOWN, budget), budget)


def _networks(content: Any, budget: Budget) -> tuple[dict[str, Network], list[str]]:
    if type(content) is not dict:
        raise Refused(f"it holds no mapping of networks: {REMEDY}")
    states = _states(content)
    if "generator" not in states:
        raise Refused(f"it holds {named(content)}, and no generator: {REMEDY}")
    found, notes = {}, []
    for role, (entry, tensors) in states.items():
        generates = role == "generator"
        rest = _without_filters(tensors, 4 if generates else 1, budget)
        found[role] = (_generator if generates else _discriminator)(rest, entry)
        if not generates:
            continue
        if missing := _add_noise(found[role]):
            notes.append(f"Noise: the file lacks {missing} constant maps, so they are drawn here")
        average = content.get("latent_avg")
        if type(average) is StoredTensor:
            found[role].weights["mapping.w_avg"] = _Reshaped(average, (math.prod(average.shape),))
        else:
            found[role].weights["mapping.w_avg"] = _Known(_average(found[role], budget))
            notes.append(
                f"Average of w: the file has none, so it is the mean of {AVERAGED:,} styles drawn here"
            )
    return found, notes


def _states(content: dict[Any, Any]) -> dict[str, tuple[str, dict[str, StoredTensor]]]:
    """Role -> entry and tensors by name, for the networks that there are; a bare state is a generator's."""
    if "input.input" in _unwrapped(content):
        content = {"g_ema": content}
    found = {}
    for role, entries in ROLES.items():
        entry = next((name for name in entries if type(content.get(name)) is dict), None)
        if entry is None:
            continue
        tensors = _unwrapped(content[entry])
        fits = len(tensors) <= MAX_TENSORS and all(type(t) is StoredTensor for t in tensors.values())
        if not fits or not all(type(name) is str for name in tensors):
            raise Refused(f"its entry {entry} is no state of a network, but holds {named(tensors)}: {REMEDY}")
        found[role] = entry, tensors
    return found


def _unwrapped(tensors: dict[Any, Any]) -> dict[Any, Any]:
    """Without `module.`, which networks in DataParallel put before all names."""
    if tensors and all(type(name) is str and name.startswith(PREFIX) for name in tensors):
        return {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    return tensors


def _without_filters(
    tensors: Mapping[str, StoredTensor], gain: int, budget: Budget
) -> dict[str, StoredTensor]:
    """The tensors without the filters of resampling, which must all be `FILTER` times `gain`."""
    for name, tensor in tensors.items():
        if name.endswith(".kernel") and (
            tensor.shape != FILTER.shape or not np.allclose(tensor.array(budget), FILTER.values * gain)
        ):
            raise Refused(f"its filter {printable(name)} is not the usual one, of the taps 1, 3, 3, 1")
    return {name: tensor for name, tensor in tensors.items() if not name.endswith(".kernel")}


def _shape(tensors: Mapping[str, StoredTensor], name: str, axes: int) -> tuple[int, ...]:
    """Sizes of a tensor that the config follows from."""
    tensor = tensors.get(name)
    if tensor is None or len(tensor.shape) != axes:
        raise Refused(f"it is no StyleGAN2 network in the community's layout: {name} is missing or unlike it")
    return tensor.shape


def _widths(widths: dict[int, int]) -> dict[str, Any]:
    """Fields of the config that give these channels, by level; if none do, the weights will not fit."""
    finest = max(widths)
    return {
        "type": "stylegan2",
        "resolution": finest,
        "channel_max": max(widths.values()),
        "channel_base": widths[finest] * finest,
        "conv_clamp": None,
    }


def _generator(tensors: Mapping[str, StoredTensor], entry: str) -> Network:
    layers = sum(re.fullmatch(r"style\.\d+\.weight", name) is not None for name in tensors)
    w_dim, z_dim = _shape(tensors, "style.1.weight", 2)
    widths = {4: _shape(tensors, "input.input", 4)[1]}
    while (name := f"convs.{2 * len(widths) - 1}.conv.weight") in tensors:
        widths[2 * max(widths)] = _shape(tensors, name, 5)[1]
    channels = _shape(tensors, "to_rgb1.conv.weight", 5)[1]
    config = {"channels": channels, "z_dim": z_dim, "w_dim": w_dim, "mapping": {"layers": layers}}
    weights = dict(_generator_weight(name, tensor) for name, tensor in tensors.items())
    for level in widths:
        parts = ["", "conv1.", *(["conv0."] if level > 4 else [])]
        weights |= {f"synthesis.b{level}.{part}resample_filter": FILTER for part in parts}
    return Network(_widths(widths) | config, weights, entry)


def _add_noise(found: Network) -> int:
    """Draw the constant maps that the file lacks; how many these are."""
    lacking = [
        (name.removesuffix("strength") + "const", int(match[1]))
        for name in found.weights
        if (match := re.fullmatch(r"synthesis\.b(\d+)\.conv[01]\.noise_strength", name))
    ]
    lacking = [(name, level) for name, level in lacking if name not in found.weights]
    for seed, (name, level) in enumerate(lacking):
        found.weights[name] = _Drawn((level, level), seed)
    return len(lacking)


def _generator_weight(name: str, tensor: StoredTensor) -> tuple[str, Weight]:
    """Our name and numbers for one tensor."""
    if match := re.fullmatch(r"style\.([1-9]\d?)\.(weight|bias)", name):
        return f"mapping.fc{int(match[1]) - 1}.{match[2]}", tensor
    if name == "input.input":
        return "synthesis.b4.const", _Reshaped(tensor, tensor.shape[1:])
    if match := re.fullmatch(r"noises\.noise_(\d\d?)", name):
        number = int(match[1])
        path = f"synthesis.b{2 ** ((number + 5) // 2)}.conv{(number + 1) % 2}"
        return f"{path}.noise_const", _Reshaped(tensor, tensor.shape[2:])
    if match := re.fullmatch(r"(conv1|convs\.(\d\d?))\.(.+)", name):
        number = 0 if match[2] is None else int(match[2]) + 1
        path = f"synthesis.b{2 ** ((number + 5) // 2)}.conv{(number + 1) % 2}"
        if match[3] in _LAYER:
            return f"{path}.{_LAYER[match[3]]}", _reshaped(match[3], tensor)
    if match := re.fullmatch(r"(to_rgb1|to_rgbs\.(\d\d?))\.(.+)", name):
        level = 4 if match[2] is None else 2 ** (int(match[2]) + 3)
        if match[3] in _TO_RGB:
            return f"synthesis.b{level}.torgb.{_TO_RGB[match[3]]}", _reshaped(match[3], tensor)
    raise Refused(f"it is no StyleGAN2 generator in the community's layout: {printable(name)} is unknown")


def _reshaped(what: str, tensor: StoredTensor) -> Weight:
    """A tensor of a layer in the shape that ours has."""
    if what == "conv.weight":  # [1, out, in, k, k]
        return _Reshaped(tensor, tensor.shape[1:])
    if what == "noise.weight":  # [1]
        return _Reshaped(tensor, tensor.shape[1:])
    if what == "bias":  # [1, channels, 1, 1]
        return _Reshaped(tensor, tensor.shape[1:2])
    return tensor


def _average(found: Network, budget: Budget) -> np.ndarray:
    """Mean of w over standard normal z [AVERAGED, z_dim], float64; as gan.networks.mapping computes it."""
    if found.config["z_dim"] > MAX_WIDTH:
        raise Refused(f"its latents have {found.config['z_dim']:,} values, more than {MAX_WIDTH:,}")
    x = np.random.default_rng(0).standard_normal((AVERAGED, found.config["z_dim"]))
    x /= np.sqrt(np.square(x).mean(axis=1, keepdims=True) + 1e-8)
    for i in range(found.config["mapping"]["layers"]):
        weight, bias = (found.weights.get(f"mapping.fc{i}.{part}") for part in ("weight", "bias"))
        fits = weight is not None and bias is not None and weight.shape[1:] == x.shape[1:]
        if not fits or bias.shape != weight.shape[:1] or bias.shape[0] > MAX_WIDTH:
            raise Refused("it is damaged: the layers of its mapping network do not follow on each other")
        x = x @ (weight.array(budget).T * (0.01 / x.shape[1] ** 0.5)) + bias.array(budget) * 0.01
        x = np.where(x > 0, x, x * 0.2) * 2**0.5
    return x.mean(axis=0)


def _discriminator(tensors: Mapping[str, StoredTensor], entry: str) -> Network:
    first, channels = _shape(tensors, "convs.0.0.weight", 4)[:2]
    blocks = sum(re.fullmatch(r"convs\.\d\d?\.conv1\.0\.weight", name) is not None for name in tensors)
    widths = {2 ** (blocks + 2): first}
    for i in range(1, blocks + 1):
        widths[2 ** (blocks + 2 - i)] = _shape(tensors, f"convs.{i}.conv2.1.weight", 4)[0]
    finest = max(widths)
    weights: dict[str, Weight] = {_discriminator_name(name, finest): t for name, t in tensors.items()}
    for level in sorted(widths)[1:]:
        parts = ["", "conv0.", "conv1.", "skip.", *(["fromrgb."] if level == finest else [])]
        weights |= {f"b{level}.{part}resample_filter": FILTER for part in parts}
    weights["b4.conv.resample_filter"] = FILTER
    extra = max(_shape(tensors, "final_conv.0.weight", 4)[1] - widths.get(4, 0), 0)
    return Network(_widths(widths) | {"channels": channels, "mbstd_channels": extra}, weights, entry)


_BLOCK = {
    "conv1.0.weight": "conv0.weight",
    "conv1.1.bias": "conv0.bias",
    "conv2.1.weight": "conv1.weight",
    "conv2.2.bias": "conv1.bias",
    "skip.1.weight": "skip.weight",
}
_HEAD = {
    "final_conv.0.weight": "b4.conv.weight",
    "final_conv.1.bias": "b4.conv.bias",
    "final_linear.0.weight": "b4.fc.weight",
    "final_linear.0.bias": "b4.fc.bias",
    "final_linear.1.weight": "b4.out.weight",
    "final_linear.1.bias": "b4.out.bias",
}


def _discriminator_name(name: str, finest: int) -> str:
    """Our name of a tensor that is no filter."""
    if name in _HEAD:
        return _HEAD[name]
    if match := re.fullmatch(r"convs\.0\.(0\.weight|1\.bias)", name):
        return f"b{finest}.fromrgb.{match[1][2:]}"
    if (match := re.fullmatch(r"convs\.([1-9]\d?)\.(.+)", name)) and match[2] in _BLOCK:
        return f"b{finest >> (int(match[1]) - 1)}.{_BLOCK[match[2]]}"
    raise Refused(f"it is no StyleGAN2 discriminator in the community's layout: {printable(name)} is unknown")
