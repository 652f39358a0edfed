"""Spread of a batch as maps beside its channels (Karras et al. 2018, section 3), with a short derivative.

Letters: N samples in N / G groups of G, C channels in K blocks.
"""

from typing import Any

import torch
from torch import Tensor

from ops.autograd import by_definition, through_twin

EPSILON = 1e-8  # inside the root


def minibatch_std(x: Tensor, group: int, blocks: int) -> Tensor:
    """x [N, C, H, W] of float32 or float64 -> [N, C + K, H, W].

    Sample b belongs to group b mod (N / G). A block's map is the mean over its channels and pixels of the
    standard deviation over the group. `group` divides N, `blocks` divides C.
    """
    if by_definition(x):
        return minibatch_std_ref(x, group, blocks)
    return _MinibatchStd.apply(x, group, blocks)


def minibatch_std_ref(x: Tensor, group: int, blocks: int) -> Tensor:
    """The definition, in plain PyTorch: any order of derivative."""
    _, variance = _moments(_grouped(x, group, blocks))
    return _joined(x, (variance + EPSILON).sqrt(), group)


def _grouped(x: Tensor, group: int, blocks: int) -> Tensor:
    """[G, N/G, K, C/K, H, W]."""
    n, c, h, w = x.shape
    return x.reshape(group, n // group, blocks, c // blocks, h, w)


def _moments(groups: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over the samples of groups, [G, ...] -> [...]; torch.var takes ten times as long."""
    mean = groups.mean(dim=0)
    return mean, (groups - mean).square().mean(dim=0)


def _joined(x: Tensor, sigma: Tensor, group: int) -> Tensor:
    maps = sigma.mean(dim=(2, 3, 4)).repeat(group, 1)[:, :, None, None]  # [N, K, 1, 1]
    return torch.cat([x, maps.expand(-1, -1, *x.shape[2:])], dim=1)


class _MinibatchStd(torch.autograd.Function):
    """`minibatch_std_ref`. Its derivative is differentiated again through the definition."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: int, blocks: int) -> Tensor:
        mean, variance = _moments(_grouped(x, group, blocks))
        sigma = variance.add_(EPSILON).sqrt_()
        ctx.save_for_backward(x, mean, sigma)
        ctx.group, ctx.blocks = group, blocks
        return _joined(x, sigma, group)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple:
        x, mean, sigma = ctx.saved_tensors
        group, blocks, c = ctx.group, ctx.blocks, x.shape[1]
        if torch.is_grad_enabled():  # this gradient will be differentiated
            return tuple(through_twin(minibatch_std_ref, (x, group, blocks), dy, ctx.needs_input_grad))
        dsigma = _grouped(dy[:, c:], group, blocks).sum(dim=(0, 3, 4, 5))  # [N/G, K]
        slope = (_grouped(x, group, blocks) - mean).div_(sigma)
        dx = torch.addcmul(
            _grouped(dy[:, :c], group, blocks),
            slope,
            dsigma[:, :, None, None, None],
            value=1 / (group * sigma[0, 0].numel()),
        )
        return dx.reshape(x.shape), None, None
