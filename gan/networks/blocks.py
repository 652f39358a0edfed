"""Blocks: the pieces of a network that work at one level; their activations' type, and recomputation.

Half types are chosen per level: only the highest ones, as in Karras et al. 2020b, "Training Generative
Adversarial Networks with Limited Data", or all. Weights stay as they are and take the type of what they
multiply; styles, demodulation, minibatch statistics, the mapping network and the heads stay in float32.

Recomputation (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): between forward and
backward a block keeps its inputs only. What it draws from torch's global generators, such as dropout, is
drawn again as it was; normalised and adapted weights are computed once.
"""

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

from gan.networks import reparametrize

HALVES = (torch.float16, torch.bfloat16)


class Block(nn.Module):
    """level: which one this block works at, see `gan.shapes`; 0 for inputs and heads, which are never half.

    dtype: of its activations; None leaves them in the type in which they come.
    recompute: whether `run` keeps its inputs only.
    """

    level: int = 0
    dtype: torch.dtype | None = None
    recompute: bool = False

    def enter(self, x: Tensor) -> Tensor:
        """x in this block's type."""
        return x if self.dtype is None else x.to(self.dtype)

    def run(self, *inputs: Any) -> Any:
        """`forward`, whose gradients of any order are the same with and without `recompute`."""
        if not (self.recompute and torch.is_grad_enabled()):
            return self(*inputs)
        weights = reparametrize.computed(self)

        def passed(*again: Any) -> Any:
            with reparametrize.using(weights):
                return self(*again)

        contexts = contextlib.nullcontext(), _at_rest(self)
        return checkpoint(passed, *inputs, use_reentrant=False, context_fn=lambda: contexts)


def moving(network: nn.Module) -> list[Tensor]:
    """The buffers of a network that a pass may change.

    Modules name those that it may not in `constants`; what was a parameter before adapters or freezing stays
    as well. All others count as moving, such as those of a module that says nothing.
    """
    found = []
    for module in network.modules():
        fixed = {*getattr(module, "constants", ()), *getattr(module, "frozen", ())}
        if isinstance(module, parametrize.ParametrizationList):
            fixed.add("original")
        found += [b for name, b in module.named_buffers(recurse=False) if name not in fixed]
    return found


def halve(network: nn.Module, dtype: torch.dtype, resolution: int, count: int | None) -> None:
    """Compute the blocks of the `count` highest levels (None: all) in `dtype`, all others in float32.

    resolution: the highest level.
    """
    for block in network.modules():
        if isinstance(block, Block):
            half = block.level > 0 and (count is None or block.level * 2**count > resolution)
            block.dtype = dtype if half else torch.float32


def recompute(network: nn.Module) -> None:
    """Let every block recompute its activations."""
    for block in network.modules():
        if isinstance(block, Block):
            block.recompute = True


class _at_rest:
    """Batch statistics of a module do not move within; may be entered again and again."""

    def __init__(self, module: nn.Module):
        self.norms = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
        self.momenta = [norm.momentum for norm in self.norms]

    def __enter__(self) -> None:
        self.counts = [norm.get_buffer("num_batches_tracked").clone() for norm in self.norms]
        for norm in self.norms:
            norm.momentum = 0.0

    def __exit__(self, *_: object) -> None:
        for norm, momentum, count in zip(self.norms, self.momenta, self.counts, strict=True):
            norm.momentum = momentum
            norm.get_buffer("num_batches_tracked").copy_(count)


def exact(x: Tensor) -> Tensor:
    """x in float32 where it has a half type: for sums over many values, and for images."""
    return x.float() if x.dtype in HALVES else x
