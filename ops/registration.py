"""Operators, each registered from one description that every way to its kernel follows.

    eager calls    `call`: the kernel torch.ops.gan_kernels.*, with its derivative where one is asked for
    torch.compile  and export: torch.ops.gan.*, the same derivative at the dispatcher; layouts from `fake`
    torch.func     grad and vjp by the same derivative; vmap over samples by one call of the kernel
    forward mode   the twin: the definition in plain PyTorch, which differentiates in any mode and order
    autocast       no rule: an operator has the type of its input, a twin is deaf to autocast

An operator's file records its description when it is imported. A library that defines the schemas makes them
operators (ops/library.py).
"""

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ops.autograd import through_twin, transformed


class Operator(NamedTuple):
    """All functions take the operator's own arguments, in the order of its schema in ops/csrc/<name>.cpp."""

    name: str
    fake: Callable[..., Any]  # empty results with the strides of the kernel's: see `dense`
    twin: (
        Callable[..., Any] | None
    )  # None: the operator is linear in its first argument, the others constants
    # The arguments whose axis 0 counts samples that do not depend on each other, as it does in every result.
    samples: Callable[..., tuple[int, ...]] = lambda *_: ()
    setup_context: Callable | None = (
        None  # as torch.library.register_autograd takes it; None: through the twin
    )
    backward: Callable | None = None


_lock = threading.RLock()
_recorded: dict[str, Operator] = {}
_registered: dict[str, torch.library.Library] = {}  # they hold the registrations alive
_kernels: dict[str, Callable] = {}  # name -> torch.ops.gan_kernels.<name>
_eager: dict[str, type[torch.autograd.Function]] = {}  # name -> the kernel with its derivative
_functional: dict[
    str, type[torch.autograd.Function]
] = {}  # the same in the style of torch.func, slower to call


def record(operator: Operator) -> None:
    """Register `operator` now if its schema is defined, else when that is."""
    if operator.backward is None:
        operator = operator._replace(setup_context=_keep_all, backward=_backward_of(operator.twin))
    with _lock:
        _recorded[operator.name] = operator
        register()


def register() -> None:
    """Register what is recorded for operators that exist by now."""
    with _lock:
        for name, operator in _recorded.items():
            if name not in _registered and hasattr(torch.ops.gan, name):
                _kernels[name] = getattr(torch.ops.gan_kernels, name).default
                _eager[name] = _eager_function(operator, _kernels[name])
                _functional[name] = _functional_function(operator, _kernels[name])
                _registered[name] = _register_at_dispatcher(operator)


def call(name: str, *args: Any) -> Any:
    """gan::<name>(*args) with its derivative, for tensors that ops.library.fused has accepted."""
    if torch.compiler.is_compiling():
        return getattr(torch.ops.gan, name)(*args)
    if forward_ad._current_level >= 0:
        return _in_forward_mode(_recorded[name], args)
    if transformed():
        return _functional[name].apply(*args)
    if torch.is_grad_enabled():
        for arg in args:  # any() of a generator takes twice as long
            if isinstance(arg, Tensor) and arg.requires_grad:
                return _eager[name].apply(*args)
    return _kernels[name](*args)


def dense(x: Tensor) -> Tensor:
    """x as kernels read it, and lay out results like it: contiguous or channels_last (4-D), else a copy that
    is contiguous. The rule of `dense` in csrc/common.h."""
    if x.is_contiguous() or (x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)):
        return x
    return x.contiguous()


def empty_image(like: Tensor, size: Sequence[int]) -> Tensor:
    """Empty [*like.shape[:2], *size]: channels_last where `like` is that and not contiguous, else contiguous.
    The rule of `empty4` in csrc/common.h."""
    last = not like.is_contiguous() and like.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    return torch.empty((*like.shape[:2], *size), dtype=like.dtype, device=like.device, memory_format=layout)


def _eager_function(operator: Operator, kernel: Callable) -> type[torch.autograd.Function]:
    class Eager(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            output = kernel(*args)
            operator.setup_context(ctx, args, output)
            return output

        backward = staticmethod(operator.backward)

    return Eager


def _functional_function(operator: Operator, kernel: Callable) -> type[torch.autograd.Function]:
    class Functional(torch.autograd.Function):
        @staticmethod
        def forward(*args: Any) -> Any:
            return kernel(*args)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
            operator.setup_context(ctx, inputs, output)
            if operator.twin is None:
                ctx.constants = inputs[1:]

        backward = staticmethod(operator.backward)

        @staticmethod
        def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
            return _linear(Functional.apply, operator, tangent, ctx.constants)

        @staticmethod
        def vmap(info: Any, in_dims: tuple, *args: Any) -> tuple:
            return _batched(operator, partial(call, operator.name), info.batch_size, in_dims, args)

    return Functional


def _register_at_dispatcher(operator: Operator) -> torch.library.Library:
    name = f"gan::{operator.name}"
    library = _Dispatched(operator)
    torch.library.register_fake(name, operator.fake)
    torch.library.register_fake(f"gan_kernels::{operator.name}", operator.fake)
    torch.library.register_autograd(
        name, operator.backward, setup_context=operator.setup_context, lib=library
    )
    dispatched = getattr(torch.ops.gan, operator.name).default
    torch.library.register_vmap(
        name,
        lambda info, in_dims, *args: _batched(operator, dispatched, info.batch_size, in_dims, args),
        lib=library,
    )
    return library


class _Dispatched(torch.library.Library):
    """What torch.library.register_autograd registers would lose tangents of forward mode in silence, and
    refuses torch.func: both go their own way here."""

    def __init__(self, operator: Operator) -> None:
        super().__init__("gan", "IMPL")
        self.operator = operator

    def impl(self, op_name: str, fn: Callable, dispatch_key: str = "", *, with_keyset: bool = False) -> None:
        operator = self.operator
        if dispatch_key != "Autograd":
            super().impl(op_name, fn, dispatch_key, with_keyset=with_keyset)
            return
        level = _level_function(operator)

        def derived(keyset: Any, *args: Any) -> Any:
            if transformed():
                forward = _jvps() and _has_tangents(operator, args)
                return operator.twin(*args) if forward else level.run(*args, keyset)
            if forward_ad._current_level >= 0:
                return _in_forward_mode(operator, args)
            return fn(keyset, *args)

        super().impl(op_name, derived, dispatch_key, with_keyset=True)


def _level_function(operator: Operator) -> type:
    """The operator at one level of torch.func, as the dispatcher calls it; it goes on to the level below."""
    from torch._functorch.utils import enable_single_level_autograd_function

    kernel = getattr(torch.ops.gan, operator.name).default

    class Level(torch.autograd.function._SingleLevelFunction):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            *args, keyset = args
            below = torch._C._AutoDispatchBelowAutograd()
            with below, torch.enable_grad(), forward_ad._set_fwd_grad_enabled(True):  # for the levels below
                output = kernel.redispatch(keyset & torch._C._after_autograd_keyset, *args)
            operator.setup_context(ctx, tuple(args), output)
            if operator.twin is None:
                ctx.constants = args[1:]
            return output

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> tuple:
            needed = ctx.needs_input_grad
            ctx.needs_input_grad = needed[:-1]  # without the keyset
            try:
                return *operator.backward(ctx, *gradients), None
            finally:
                ctx.needs_input_grad = needed

        @staticmethod
        def jvp(ctx: Any, tangent: Tensor, *_: Any) -> Tensor:
            return _linear(kernel, operator, tangent, ctx.constants)

        @classmethod
        def run(cls, *args: Any) -> Any:
            with enable_single_level_autograd_function():
                return cls.apply(*args)

    return Level


def _jvps() -> int:
    """How many of the functions of torch.func that are at work are jvp. Also known in a compiled graph, which
    does not tell torch.autograd.forward_ad."""
    levels = torch._C._functorch.get_interpreter_stack() or ()
    return sum(level.key() == torch._C._functorch.TransformType.Jvp for level in levels)


def _vmaps() -> bool:
    """Is vmap the innermost of the functions of torch.func that are at work? Its rule goes on below it."""
    level = torch._C._functorch.peek_interpreter_stack()
    return level is not None and level.key() == torch._C._functorch.TransformType.Vmap


def _linear(run: Callable, operator: Operator, tangent: Tensor, constants: Sequence[Any]) -> Tensor:
    """The tangent of an operator without twin. Inside a `jvp` torch loses the tangents of outer levels."""
    if _jvps() > 1:
        raise NotImplementedError(
            f"gan::{operator.name} has two derivatives in forward mode, not more; GAN_OPS=reference has"
        )
    return run(tangent, *constants)


def _in_forward_mode(operator: Operator, args: Sequence[Any]) -> Any:
    """The result with its tangent.

    Not by the `jvp` of a torch.autograd.Function: inside of it torch loses the tangents of outer levels.
    """
    if _has_tangents(operator, args):
        return operator.twin(*args)
    run = _functional[operator.name].apply
    if operator.twin is None and not _vmaps():
        value, tangent = forward_ad.unpack_dual(args[0])  # of the innermost level; both may have others
        if tangent is not None:
            return forward_ad.make_dual(run(value, *args[1:]), run(tangent, *args[1:]))
    return run(*args)


def _has_tangents(operator: Operator, args: Sequence[Any]) -> bool:
    """May tangents come in, and is there a twin to take them? Random numbers are drawn from integers."""
    floating = (isinstance(arg, Tensor) and arg.is_floating_point() for arg in args)
    return operator.twin is not None and any(floating)


def _batched(
    operator: Operator, run: Callable, size: int, in_dims: Sequence[int | None], args: Sequence[Any]
) -> tuple:
    """The rule of vmap: (results, axis of the batch in each). `run` is the operator at the level below.

    One call where all that is batched counts samples along axis 0, else a call for each element of the batch.
    """
    batched = [i for i, arg in enumerate(args) if isinstance(arg, Tensor) and in_dims[i] is not None]
    samples = [i for i in operator.samples(*args) if isinstance(args[i], Tensor)]
    if not set(batched) <= set(samples):
        results = [
            run(*(arg.select(in_dims[i], k) if i in batched else arg for i, arg in enumerate(args)))
            for k in range(size)
        ]
        if isinstance(results[0], Tensor):
            return torch.stack(results), 0
        return tuple(torch.stack(parts) for parts in zip(*results, strict=True)), (0,) * len(results[0])
    moved = [
        args[i].movedim(in_dims[i], 0) if i in batched else args[i].expand(size, *args[i].shape)
        for i in samples
    ]
    count = max(arg.shape[1] for arg in moved)  # samples of each; one sample may stand for all
    folded = list(args)
    for i, arg in zip(samples, moved, strict=True):
        folded[i] = arg.expand(size, count, *arg.shape[2:]).flatten(0, 1)
    found = run(*folded)
    results = [found] if isinstance(found, Tensor) else list(found)
    dims = [0 if result.shape[0] == size * count else None for result in results]
    results = [
        r if dim is None else r.unflatten(0, (size, count)) for r, dim in zip(results, dims, strict=True)
    ]
    return (results[0], dims[0]) if isinstance(found, Tensor) else (tuple(results), tuple(dims))


def _keep_all(ctx: Any, inputs: tuple, output: Any) -> None:
    ctx.positions = [i for i, arg in enumerate(inputs) if isinstance(arg, Tensor)]
    ctx.save_for_backward(*(inputs[i] for i in ctx.positions))
    ctx.others = [None if isinstance(arg, Tensor) else arg for arg in inputs]


def _backward_of(twin: Callable) -> Callable:
    """The derivative, of any order, by differentiating the twin at the saved inputs."""

    def backward(ctx: Any, *gradients: Tensor | None) -> tuple:
        args = list(ctx.others)
        for i, tensor in zip(ctx.positions, ctx.saved_tensors, strict=True):
            args[i] = tensor
        return tuple(through_twin(twin, args, gradients, ctx.needs_input_grad))

    return backward
