"""Minibatch statistics: the definition's values, and derivatives of both orders."""

import pytest
import torch

from ops.minibatch_std import minibatch_std, minibatch_std_ref


@pytest.mark.parametrize(("n", "group", "blocks"), [(4, 4, 1), (6, 2, 3), (4, 1, 2)])
def test_values_and_derivatives(n, group, blocks, close):
    x = torch.randn(n, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    maps = minibatch_std(x, group, blocks)[:, 6:]
    for b in range(n):
        members = x[b % (n // group) :: n // group]
        spread = (members.var(dim=0, unbiased=False) + 1e-8).sqrt().view(blocks, -1).mean(dim=1)
        close(maps[b], spread[:, None, None].expand(-1, 2, 3))
    close(minibatch_std(x, group, blocks), minibatch_std_ref(x, group, blocks))
    assert torch.autograd.gradcheck(lambda x: minibatch_std(x, group, blocks), x, rtol=1e-6, atol=1e-6)
    if group > 1:  # the root bends sharply at a spread of nothing
        assert torch.autograd.gradgradcheck(lambda x: minibatch_std(x, group, blocks), x, rtol=1e-6)


def test_layouts(close):
    x = torch.randn(4, 6, 2, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    dy = torch.randn(4, 7, 2, 3).contiguous(memory_format=torch.channels_last)
    (got,) = torch.autograd.grad(minibatch_std(x, 4, 1), x, dy)
    (want,) = torch.autograd.grad(minibatch_std_ref(x, 4, 1), x, dy)
    close(got, want)
