"""The libraries of compiled kernels: whether they serve a tensor, and loading them.

The first call that kernels may serve builds and loads the library for that type of device. The one for the
CPU defines the schemas of all operators, which are then registered as described (ops/registration.py).
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

import torch
from torch import Tensor

from ops import build, registration
from ops.toolchain import KernelError

MODES = ("auto", "fused", "reference")
TARGETS = ("cpu", "cuda")  # types of device that have kernels
_DTYPES = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})


class ModeError(KernelError):
    """$GAN_OPS has a value that means nothing."""

    exit_code = 2


# Only what is registered is here: other threads call its operators without waiting for the lock.
_loaded: dict[str, Path] = {}
_refused: dict[str, str] = {}  # target -> why it has no kernels in this process
_lock = threading.RLock()
_plain: ContextVar[bool] = ContextVar("plain", default=False)


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Plain PyTorch serves in here, whatever $GAN_OPS says: a trace then holds no operator of ours."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


def mode() -> str:
    """$GAN_OPS: auto (kernels where they can be had), fused (or an error), reference (plain torch)."""
    if _plain.get():
        return "reference"
    value = os.environ.get("GAN_OPS") or "auto"
    if value not in MODES:
        raise ModeError(f"GAN_OPS must be one of {', '.join(MODES)}; got {value!r}")
    return value


def fused(x: Tensor) -> bool:
    """Whether kernels serve `x`: floating types on the CPU and on CUDA; the first call builds them.

    Where they cannot be had it says so once on stderr and returns False; with GAN_OPS=fused it raises
    KernelError. Transparent to torch.compile and torch.export.
    """
    return x.dtype in _DTYPES and _ready(x.device.type)


def serves(dtype: torch.dtype, device: torch.device) -> bool:
    """As `fused`, for operators without a floating input: may kernels make this dtype on this device?"""
    return dtype in _DTYPES and _ready(device.type)


def load(target: str, *, compiling: bool = True) -> Path:
    """Load the library for "cpu" or "cuda" and return its path.

    compiling: it may be built for that; if that fails it is not tried again in this process. Raises
    KernelError with the reason and the remedy.
    """
    with _lock:
        if target in _refused:
            raise KernelError(_refused[target])
        if target not in _loaded:
            try:
                if target == "cuda":
                    load("cpu", compiling=compiling)  # it defines the schemas of both
                _load(target, compiling)
            except KernelError as error:
                if compiling:
                    _refused[target] = str(error)
                raise
        return _loaded[target]


def loaded() -> dict[str, Path]:
    """Type of device -> library, of those that this process has loaded."""
    return dict(_loaded)


def use(path: str | Path) -> None:
    """For tests: load this library, which defines the schemas, in place of the built one for the CPU.

    Raises KernelError if one is loaded already, or if this one does not load.
    """
    with _lock:
        if "cpu" in _loaded:
            raise KernelError(f"kernels are loaded already, from {_loaded['cpu']}")
        _open("cpu", Path(path))


def _ready(target: str) -> bool:
    """Whether kernels for that type of device are to be used and loaded."""
    chosen = mode()
    if chosen == "reference" or target not in TARGETS:
        return False
    if target in _loaded:
        return True
    if chosen == "auto" and target in _refused:
        return False
    if target == "cuda" and not torch.cuda.is_available():  # a fake tensor: nothing will run
        return False
    try:
        load(target)
    except KernelError as error:
        if chosen == "fused":
            raise
        print(f"gan: warning: plain PyTorch serves on {target}: {error}", file=sys.stderr)
    return target in _loaded


# What torch.compiler.assume_constant_result does, which takes a second to load the compiler for it.
_ready._dynamo_marked_constant = True


def _load(target: str, compiling: bool) -> None:
    """Load what was built here, else what came with the wheel, if it fits and loads, else build it."""
    if path := build.built(target):
        return _open(target, path)
    if path := build.prebuilt(target):
        try:
            return _open(target, path)
        except KernelError as error:
            print(f"gan: warning: {error}", file=sys.stderr)
    if not compiling:
        raise KernelError(f"the {target} kernels are not built; gan ops build")
    _open(target, build.build(target))


def _open(target: str, path: Path) -> None:
    try:
        torch.ops.load_library(path)
    except OSError as error:
        raise KernelError(
            f"{path} does not load: {error.__cause__ or error}; try: gan ops build --force"
        ) from error
    registration.register()
    _loaded[target] = path
