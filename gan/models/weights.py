"""Weights in safetensors: their shapes from a file's header, and the network that a config describes.

A file's config is only a claim. The network is first laid out without memory, on torch's meta device, and
compared with the names and shapes that the file really has; then it is made.
"""

import contextlib
import itertools
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from gan import config as configs
from gan import foreign
from gan.errors import CheckpointError, UsageError
from gan.foreign import printable
from gan.models import limits

MAX_HEADER = 16 * 2**20  # bytes
HIGHEST = 2**48  # number in a config where nothing is counted through
SLACK = 64  # parameters beyond twice the file's tensors: reparametrized ones are registered twice
OURS = "gan.networks."  # modules whose networks are laid out without memory; a plug-in's may not be able to
Shapes = dict[str, tuple[int, ...]]


def shapes(path: Path) -> Shapes:
    """Sizes of each tensor by name; no tensor is read. CheckpointError for a file that is no safetensors."""
    try:
        with path.open("rb") as file:
            header = int.from_bytes(file.read(8), "little")
        if header > MAX_HEADER:
            reason = foreign.explained(path, "a safetensors file") or "is no safetensors file: fetch it again"
            raise CheckpointError(f"{path} {reason}")
        with safe_open(path, "pt") as opened:
            return {name: tuple(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(unreadable(path, error)) from error


def tensors(path: Path) -> dict[str, Tensor]:
    """What the file holds, on the CPU: no more than its own size. CheckpointError as `shapes`."""
    shapes(path)
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(unreadable(path, error)) from error


def unreadable(path: Path, error: Exception) -> str:
    """One line for a safetensors file that cannot be read, with the remedy."""
    if found := foreign.explained(path, "a safetensors file"):
        return f"{path} {found}"
    return f"cannot read {path}: {' '.join(str(error).split())}; fetch or copy the file again"


def network(data: Any, role: str, variants: Callable[[str], type], folder: Path) -> nn.Module:
    """The network of a checkpoint folder that `data`, its part of config.json, describes, with its weights.

    variants: name of a family -> class of its config. Nothing that is larger than the file of weights allows
    is made, except by a plug-in's network that cannot be laid out without memory. Raises CheckpointError,
    naming the file, where the config makes no network or another one than the weights are of.
    """
    path = folder / f"{role}.safetensors"
    given = shapes(path)
    try:
        config = _config(data, role, variants)
        _check_fit(path, _planned(config, given), given)
        with torch.random.fork_rng(devices=[]):  # the weights drawn here are replaced: leave no trace
            made = config.build()
    except UsageError as error:
        raise CheckpointError(f"{folder / 'config.json'}: {error}") from error
    except (ValueError, ArithmeticError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0][:500]
        raise CheckpointError(
            f"{folder / 'config.json'}: its {role} makes no network ({reason}): fetch the checkpoint again"
        ) from error
    fill(made, path)
    return made


def fill(network: nn.Module, path: Path) -> None:
    """Give a network the weights in `path`. CheckpointError, naming the file, for those of another one."""
    _check_fit(path, _sizes(network.state_dict()), shapes(path))
    network.load_state_dict(tensors(path))


def _config(data: Any, role: str, variants: Callable[[str], type]) -> Any:
    """The config of a network. UsageError or ValueError for what is none."""
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        raise UsageError(f"{role}.type is missing")
    family = variants(data["type"])
    try:
        limits.check(data, -HIGHEST, HIGHEST)
        config: Any = configs.from_dict(family, data, role)
        limits.check_filters(config)
    except ValueError as error:
        raise UsageError(f"{role}: {error}: fetch the checkpoint again") from error
    return config


def _planned(config: Any, given: Shapes) -> Shapes:
    """Names and shapes of the network's state, laid out without memory; `given` where a plug-in's cannot."""
    try:
        with warnings.catch_warnings(), torch.random.fork_rng(devices=[]), torch.device("meta"):
            warnings.simplefilter("ignore")
            with _at_most(2 * len(given) + SLACK):
                return _sizes(config.build().state_dict())
    except Exception:
        if type(config).__module__.startswith(OURS):
            raise
        return given


@contextlib.contextmanager
def _at_most(count: int) -> Iterator[None]:
    """ValueError within where this thread's modules get more than `count` parameters."""
    numbers, thread = itertools.count(1), threading.get_ident()

    def counted(*_: object) -> None:
        if threading.get_ident() == thread and next(numbers) > count:
            raise ValueError("it describes a network of far more tensors than the file of its weights holds")

    handle = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()


def _sizes(state: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def misfit(wanted: Shapes, given: Shapes) -> str:
    """In what the tensors `given` differ from those of a network, the first three; "" where they fit."""
    problems = [f"{name} is missing" for name in wanted if name not in given]
    problems += [f"{printable(name)} is not part of the network" for name in given if name not in wanted]
    problems += [
        f"{name} is {list(given[name])}, the network has {list(shape)}"
        for name, shape in wanted.items()
        if name in given and given[name] != shape
    ]
    more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
    return f"{'; '.join(problems[:3])}{more}"


def _check_fit(path: Path, wanted: Shapes, given: Shapes) -> None:
    """CheckpointError for a file that differs from its network."""
    if found := misfit(wanted, given):
        raise CheckpointError(f"{path} does not fit its config.json: {found}")
