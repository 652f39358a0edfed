"""Resampling against a definition written as loops, and its closed forms."""

import numpy as np
import pytest
import torch

from ops import downsample2d, filter2d, setup_filter, upfirdn2d, upsample2d


def by_loops(x, f, up, down, padding, flip):
    """The definition, one output sample at a time; x: [H, W], f: [fh, fw]."""
    (ux, uy), (dx, dy), (left, right, top, bottom) = up, down, padding
    big = np.zeros((x.shape[0] * uy, x.shape[1] * ux))
    big[::uy, ::ux] = x
    big = np.pad(big, ((max(top, 0), max(bottom, 0)), (max(left, 0), max(right, 0))))
    big = big[max(-top, 0) : big.shape[0] - max(-bottom, 0), max(-left, 0) : big.shape[1] - max(-right, 0)]
    f = f if flip else f[::-1, ::-1]
    rows, columns = big.shape[0] - f.shape[0] + 1, big.shape[1] - f.shape[1] + 1
    full = [
        [(big[i : i + f.shape[0], j : j + f.shape[1]] * f).sum() for j in range(columns)] for i in range(rows)
    ]
    return np.array(full)[::dy, ::dx]


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(
    ("up", "down", "padding"),
    [((1, 1), (1, 1), (0, 0, 0, 0)), ((2, 1), (1, 2), (2, 1, 3, 0)), ((2, 3), (3, 2), (-1, 2, 1, -2))],
)
def test_matches_loops(up, down, padding, flip):
    x, f = torch.randn(2, 3, 6, 5, dtype=torch.float64), torch.randn(3, 2)
    y = upfirdn2d(x, f, up=up, down=down, padding=padding, flip_filter=flip, gain=4.0)
    want = by_loops(x[1, 2].numpy(), f.double().numpy() * 4, up, down, padding, flip)
    assert y.shape[2:] == want.shape
    np.testing.assert_allclose(y[1, 2], want, rtol=1e-12, atol=1e-12)


def test_separable_equals_outer_product():
    x, taps = torch.randn(1, 2, 9, 8, dtype=torch.float64), torch.randn(5)
    one, two = (setup_filter(taps, separable=s, normalize=False, gain=3.0) for s in (True, False))
    assert one.ndim == 1 and two.ndim == 2
    torch.testing.assert_close(
        upfirdn2d(x, one, up=2, down=3), upfirdn2d(x, two, up=2, down=3), rtol=1e-5, atol=1e-6
    )


def test_constant_image_keeps_its_level_inside():
    x, f = torch.full((1, 1, 8, 8), 0.7), setup_filter([1, 3, 3, 1])
    for y in (upsample2d(x, f), downsample2d(x, f), filter2d(x, f)):
        torch.testing.assert_close(y[..., 2:-2, 2:-2], torch.full_like(y[..., 2:-2, 2:-2], 0.7))
    assert upsample2d(x, f).shape[2:] == (16, 16) and downsample2d(x, f).shape[2:] == (4, 4)


def test_derivatives():
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True)
    f = setup_filter([1, 3, 3, 1])
    assert torch.autograd.gradcheck(lambda x: upsample2d(x, f), (x,))
    assert torch.autograd.gradgradcheck(lambda x: downsample2d(x, f).square(), (x,))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: upfirdn2d(torch.zeros(3, 4, 4), None), "N, C, H, W"),
        (lambda: upfirdn2d(torch.zeros(1, 1, 2, 2), torch.ones(3)), "smaller than the filter"),
        (lambda: upfirdn2d(torch.zeros(1, 1, 2, 2), None, up=0), ">= 1"),
        (lambda: setup_filter(torch.zeros(2, 2, 2)), "dimensions"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
