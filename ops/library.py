"""The compiled kernels as operators `torch.ops.gan.*`: loading, derivatives, whether they serve a tensor.

An operator's file records its derivative when it is imported; the first call that may be served by a kernel
builds and loads the library, which defines the schemas, and registers what was recorded.
"""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ops.toolchain import KernelError

MODES = ("auto", "fused", "reference")
DTYPES = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})
TARGETS = ("cpu", "cuda")  # types of device that have kernels


class Derivative(NamedTuple):
    """What torch.library.register_fake and register_autograd take."""

    fake: Callable
    setup_context: Callable | None
    backward: Callable | None


_recorded: dict[str, Derivative] = {}
_registered: set[str] = set()
_loaded: dict[str, Path | None] = {}  # target -> library; None: there is none, and it was said why
_lock = threading.RLock()


def mode() -> str:
    """$GAN_OPS: auto (kernels where they can be had), fused (or an error), reference (plain torch)."""
    value = os.environ.get("GAN_OPS", "auto")
    if value not in MODES:
        raise ValueError(f"GAN_OPS must be one of {', '.join(MODES)}; got {value!r}")
    return value


def fused(x: Tensor) -> bool:
    """Whether the kernels serve `x`: they are built and loaded by the first call.

    Transparent to torch.compile and torch.export. Raises NotImplementedError if x carries a tangent of
    forward-mode differentiation, which the kernels would lose; KernelError if GAN_OPS=fused and there are
    no kernels.
    """
    if x.dtype not in DTYPES or x.device.type not in TARGETS or not _ready(x.device.type):
        return False
    if forward_ad._current_level >= 0:
        _refuse_tangent("the fused kernels", (x,))
    return True


def derivative(
    name: str, *, fake: Callable, setup_context: Callable | None = None, backward: Callable | None = None
) -> None:
    """Record shape function and gradient of gan::<name>, registered once a library defines that operator."""
    with _lock:
        _recorded[name] = Derivative(fake, setup_context, backward)
        if "cpu" in _loaded:
            _register()


def use(path: str | Path) -> None:
    """For tests: load this library, which defines the schemas, in place of the built one for the CPU.

    Raises KernelError if one is loaded already.
    """
    with _lock:
        if _loaded.get("cpu"):
            raise KernelError(f"kernels are loaded already, from {_loaded['cpu']}")
        _load("cpu", Path(path))


@torch.compiler.assume_constant_result
def _ready(target: str) -> bool:
    """Whether the kernels for that type of device are loaded, after an attempt to load them."""
    chosen = mode()
    if chosen == "reference":
        return False
    if target not in _loaded:
        with _lock:
            _attempt(target, chosen)
    return _loaded.get(target) is not None


def _attempt(target: str, chosen: str) -> None:
    from ops.build import build

    if target in _loaded:
        return
    try:
        _load(target, build(target))
    except KernelError as error:
        if chosen == "fused":
            raise
        _loaded[target] = None
        print(f"gan: warning: {error}; going on in plain PyTorch", file=sys.stderr)


def _load(target: str, path: Path) -> None:
    try:
        torch.ops.load_library(path)
    except OSError as error:
        raise KernelError(f"{path} does not load: {error.__cause__ or error}") from error
    _loaded[target] = path
    _register()


def _register() -> None:
    """Register what is recorded for operators that exist by now."""
    for name, (fake, setup_context, backward) in _recorded.items():
        if name in _registered or not hasattr(torch.ops.gan, name):
            continue
        torch.library.register_fake(f"gan::{name}", fake)
        if backward is not None:
            torch.library.register_autograd(f"gan::{name}", backward, setup_context=setup_context)
        _registered.add(name)


def _refuse_tangent(what: str, tensors: tuple) -> None:
    for tensor in tensors:
        if isinstance(tensor, Tensor) and forward_ad.unpack_dual(tensor).tangent is not None:
            raise NotImplementedError(
                f"{what} cannot be differentiated in forward mode; set GAN_OPS=reference for that"
            )
