"""The compiled kernels as operators: loading, derivatives, whether they serve a tensor, calling them.

An operator's file records its derivative when it is imported. The first call that kernels may serve builds
and loads the library for that type of device, which defines the schemas, and registers what was recorded:

    torch.ops.gan.*           with derivatives at the dispatcher: for torch.compile, torch.export and others
    torch.ops.gan_kernels.*   the kernels alone; `call` gives them the same derivatives at a third of the cost
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ops import build
from ops.toolchain import KernelError

MODES = ("auto", "fused", "reference")
TARGETS = ("cpu", "cuda")  # types of device that have kernels
_DTYPES = frozenset({torch.float32, torch.float64, torch.float16, torch.bfloat16})


class ModeError(KernelError):
    """$GAN_OPS has a value that means nothing."""

    exit_code = 2


class Derivative(NamedTuple):
    """What torch.library.register_fake and register_autograd take."""

    fake: Callable
    setup_context: Callable | None
    backward: Callable | None


_recorded: dict[str, Derivative] = {}
_registered: dict[str, torch.library.Library] = {}  # they hold the registrations alive
_kernels: dict[str, Callable] = {}  # name -> torch.ops.gan_kernels.<name>
_functions: dict[str, type[torch.autograd.Function]] = {}  # name -> the kernel with its derivative
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
    KernelError. Raises NotImplementedError if x carries a tangent of forward-mode differentiation, which
    kernels would lose. Transparent to torch.compile and torch.export.
    """
    if not serves(x.dtype, x.device):
        return False
    if forward_ad._current_level >= 0:
        _refuse_tangents("the fused kernels", (x,))
    return True


def serves(dtype: torch.dtype, device: torch.device) -> bool:
    """As `fused`, for operators without a floating input: may kernels make this dtype on this device?"""
    return dtype in _DTYPES and _ready(device.type)


def call(name: str, *args: Any) -> Any:
    """gan::<name>(*args) with its derivative, for tensors that `fused` has accepted."""
    if torch.compiler.is_compiling():
        return getattr(torch.ops.gan, name)(*args)
    if forward_ad._current_level >= 0:
        _refuse_tangents(f"gan::{name}", args)
    if torch.is_grad_enabled() and any(isinstance(arg, Tensor) and arg.requires_grad for arg in args):
        return _functions[name].apply(*args)
    return _kernels[name](*args)


def derivative(
    name: str, *, fake: Callable, setup_context: Callable | None = None, backward: Callable | None = None
) -> None:
    """Record shape function and gradient of gan::<name>, registered once a library defines that operator.

    The arguments are those of torch.library.register_fake and register_autograd. An operator without
    `backward` raises when differentiated; all raise when a tangent of forward mode reaches them.
    """
    with _lock:
        _recorded[name] = Derivative(fake, setup_context, backward)
        if _loaded:
            _register()


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
    _loaded[target] = path
    _register()


def _register() -> None:
    """Register what is recorded for operators that exist by now."""
    for name, record in _recorded.items():
        if name not in _registered and hasattr(torch.ops.gan, name):
            operator = f"gan::{name}"
            torch.library.register_fake(operator, record.fake)
            torch.library.register_fake(f"gan_kernels::{name}", record.fake)
            _kernels[name] = getattr(torch.ops.gan_kernels, name).default
            _functions[name] = _function(name, _kernels[name], record)
            _registered[name] = _Guarding("gan", "IMPL")
            torch.library.register_autograd(
                operator, record.backward, setup_context=record.setup_context, lib=_registered[name]
            )


def _function(name: str, kernel: Callable, record: Derivative) -> type[torch.autograd.Function]:
    """The kernel with the derivative that was recorded for it."""

    class Differentiable(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            output = kernel(*args)
            if record.setup_context:
                record.setup_context(ctx, args, output)
            return output

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Any:
            if record.backward is None:
                raise NotImplementedError(f"gan::{name} has no derivative")
            return record.backward(ctx, *gradients)

    return Differentiable


class _Guarding(torch.library.Library):
    """Tangents of forward mode are refused by every function registered here.

    They would be lost in silence: torch has no way to give such an operator a forward-mode formula.
    """

    def impl(self, op_name: str, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False) -> None:
        def guarded(*args: Any) -> Any:
            if forward_ad._current_level >= 0:
                _refuse_tangents(f"gan::{op_name}", args)
            return fn(*args)

        super().impl(op_name, guarded, dispatch_key, with_keyset=with_keyset)


def _refuse_tangents(what: str, tensors: tuple) -> None:
    for tensor in tensors:
        if isinstance(tensor, Tensor) and forward_ad.unpack_dual(tensor).tangent is not None:
            raise NotImplementedError(
                f"{what} cannot be differentiated in forward mode; set GAN_OPS=reference, or call the plain "
                "form of the operator (<name>_ref)"
            )
