"""Exponential moving average of the generator's weights, with a half-life counted in images."""

import torch
from torch import nn


def ema_beta(batch: int, nimg: int, kimg: float, rampup: float | None) -> float:
    """Decay per step: 0.5 ** (batch / half-life).

    Args:
        batch: images per step.
        nimg: images seen before this step.
        kimg: half-life in thousands of images.
        rampup: limits the half-life to this fraction of nimg, so that early weights are forgotten soon; None
            for no limit.
    """
    half_life = kimg * 1000
    if rampup is not None:
        half_life = min(half_life, nimg * rampup)
    return 0.5 ** (batch / max(half_life, 1e-8))


@torch.no_grad()
def update(average: nn.Module, module: nn.Module, beta: float) -> None:
    """Parameters become beta * average + (1 - beta) * module; buffers are copied."""
    ours, theirs = list(average.parameters()), list(module.parameters())
    torch._foreach_lerp_(ours, theirs, 1 - beta)
    if buffers := list(average.buffers()):
        torch._foreach_copy_(buffers, list(module.buffers()))
