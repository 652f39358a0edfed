"""Arithmetic of PyTorch's backends for a block of work: set within it, as before after it.

A GPU may round the operands of float32 convolutions and matrix products to 10 bits of mantissa (TF32), a CPU
to bfloat16, and cuDNN may choose by timing among algorithms whose last digits differ. Training takes that for
speed; a score that is a small difference of images must not.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

Read = TypeVar("Read")

WHOLE = ("ieee", "none")  # settings under which float32 operands stay float32


@contextlib.contextmanager
def backends(*, tf32: bool, benchmark: bool) -> Iterator[None]:
    """Whether cuDNN and matrix products may use TF32, and cuDNN choose its algorithms by timing them."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    try:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = benchmark, tf32, tf32
        yield
    finally:
        cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = before


@contextlib.contextmanager
def exact() -> Iterator[None]:
    """Float32 as float32: no TF32 and no bfloat16 inside of operators, fixed algorithms, no autocast.

    Autocast is off in this thread alone, as PyTorch keeps it by thread; the rest holds for all of them.
    """
    cudnn = torch.backends.cudnn
    before = cudnn.benchmark, cudnn.deterministic
    with _whole_operands(), torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
        try:
            cudnn.benchmark, cudnn.deterministic = False, True
            yield
        finally:
            cudnn.benchmark, cudnn.deterministic = before


def in_effect() -> str:
    """What float32 operators compute in now, in words for a record: "float32" where nothing is rounded."""
    rounded = sorted({getattr(owner, name) for owner, name in _knobs()} - {*WHOLE})
    cast = any(torch.is_autocast_enabled(device) for device in ("cpu", "cuda"))
    return "+".join([*(rounded or ["float32"]), *(["autocast"] if cast else [])])


@contextlib.contextmanager
def _whole_operands() -> Iterator[None]:
    """Both of PyTorch's interfaces are set: reading the older one fails where they disagree."""
    before = [getattr(owner, name) for owner, name in _knobs()]
    products = _readable(torch.get_float32_matmul_precision)
    convolutions = _readable(lambda: torch.backends.cudnn.allow_tf32)
    try:
        torch.set_float32_matmul_precision("highest")
        torch.backends.cudnn.allow_tf32 = False
        for owner, name in _knobs():
            setattr(owner, name, "ieee")
        yield
    finally:
        if products is not None:
            torch.set_float32_matmul_precision(products)
        if convolutions is not None:
            torch.backends.cudnn.allow_tf32 = convolutions
        for (owner, name), value in zip(_knobs(), before, strict=True):
            setattr(owner, name, value)


def _knobs() -> list[tuple[object, str]]:
    """(owner, attribute) of each setting of operands' precision: "ieee", "tf32", "bf16" or "none"."""
    backends = torch.backends
    owners = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    return [(owner, "fp32_precision") for owner in (*owners, backends.mkldnn.matmul, backends.mkldnn.conv)]


def _readable(read: Callable[[], Read]) -> Read | None:
    """What `read` returns, None where a program has set only the newer interface."""
    try:
        return read()
    except RuntimeError:
        return None
