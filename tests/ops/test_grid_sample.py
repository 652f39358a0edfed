"""grid_sample against torch's own, its definition and closed forms."""

import pytest
import torch
import torch.nn.functional as F

from ops import grid_sample
from ops.grid_sample import grid_sample_ref
from ops.library import fused

SHAPES = [  # image, height and width of the result
    ((2, 3, 5, 7), (6, 4)),
    ((1, 1, 1, 1), (3, 3)),
    ((2, 8, 9, 1), (20, 13)),
    ((3, 35, 6, 5), (1, 1)),
    ((0, 3, 4, 4), (2, 2)),
    ((2, 3, 4, 4), (0, 2)),
]


def draw(shape, size, device, dtype=torch.float64, last=False):
    """Image and grid, both tracked; about a third of the places lie outside of the image."""
    x = torch.randn(shape, device=device, dtype=dtype)
    x = x.to(memory_format=torch.channels_last) if last else x
    grid = torch.rand(shape[0], *size, 2, device=device, dtype=dtype) * 3 - 1.5
    return x.requires_grad_(), grid.requires_grad_()


def torchs(x, grid):
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def test_by_hand(device):
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], device=device)
    places = [
        (-0.5, -0.5),
        (0, 0),
        (1, 1),
        (-1, 0),
        (0.5, 1.5),
        (9, 0),
    ]
    grid = torch.tensor(places, device=device).view(1, 1, -1, 2)
    expected = torch.tensor([1.0, 2.5, 1.0, 1.0, 0.0, 0.0], device=device)
    torch.testing.assert_close(grid_sample(x, grid).flatten(), expected)


def test_places_that_are_no_numbers_give_zero(device):
    grid = torch.tensor([float("nan"), float("inf"), -float("inf"), 1e30], device=device)
    grid = torch.stack([grid, torch.zeros_like(grid)], dim=1).view(1, 1, 4, 2)
    for places in (grid, grid.flip(3)):
        assert not grid_sample(torch.ones(1, 2, 3, 3, device=device), places).any()


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize(("shape", "size"), SHAPES)
def test_same_as_torch(shape, size, last, device, close):
    x, grid = draw(shape, size, device, last=last)
    y, expected = grid_sample(x, grid), torchs(x, grid)
    close(y, expected)
    dy = torch.randn_like(expected)
    for mine, other in zip(
        torch.autograd.grad(y, (x, grid), dy), torch.autograd.grad(expected, (x, grid), dy), strict=True
    ):
        close(mine, other)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [3, 8])
def test_every_dtype(channels, dtype, last, device, close):
    """The half types keep the grid and all sums in float32, so only the ends are rounded."""
    x, grid = draw((2, channels, 6, 7), (9, 5), device, dtype=torch.float32, last=last)
    low = x.detach().to(dtype).requires_grad_()
    y, expected = grid_sample(low, grid), torchs(low.float(), grid)
    assert y.dtype == dtype
    if fused(low):
        assert y.stride() == torch.empty_like(expected, memory_format=_format(last)).stride()
    close(y, expected)
    dy = torch.randn_like(y)
    close(torch.autograd.grad(y, low, dy)[0], torch.autograd.grad(torchs(x, grid), x, dy.float())[0])


def _format(last):
    return torch.channels_last if last else torch.contiguous_format


def test_derivatives(device):
    inputs = draw((2, 3, 4, 5), (3, 2), device)
    assert torch.autograd.gradcheck(grid_sample, inputs, rtol=1e-6)
    assert torch.autograd.gradgradcheck(grid_sample, inputs, rtol=1e-6)


@pytest.mark.parametrize("last", [False, True])
def test_second_order_as_in_the_gradient_penalty(last, device, close):
    """Squared gradient of a curved function of the sampled image, differentiated to all that went in."""
    x, grid = draw((2, 3, 6, 5), (7, 4), device, last=last)
    weight = torch.randn(2, 3, 7, 4, device=device, dtype=x.dtype, requires_grad=True)

    def penalty(sample):
        score = (sample(x, grid) * weight).tanh().sum()
        (slope,) = torch.autograd.grad(score, x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), (x, grid, weight))

    for mine, expected in zip(penalty(grid_sample), penalty(grid_sample_ref), strict=True):
        assert expected.abs().max() > 1e-3
        close(mine, expected)


def test_inputs_that_are_not_dense(device, close):
    x = torch.randn(1, 1, 6, 7, device=device).expand(2, 3, -1, -1)[..., ::2].requires_grad_()
    grid = (torch.rand(2, 2, 5, 4, device=device) * 2 - 1).permute(0, 3, 2, 1)
    y = grid_sample(x, grid)
    close(y, torchs(x, grid))
    mine = torch.autograd.grad(y.sum(), x)[0]  # an expanded gradient
    close(mine, torch.autograd.grad(torchs(x, grid).sum(), x)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("last", [False, True])
def test_grid_that_begins_between_two_places(last, dtype, device, close):
    """The two coordinates of a place lie side by side, yet not where both may be read at once."""
    x, grid = draw((2, 4, 6, 7), (5, 3), device, dtype=dtype, last=last)
    memory = torch.zeros(grid.numel() + 1, dtype=dtype, device=device)
    memory[1:] = grid.detach().flatten()
    odd = memory[1:].view(grid.shape)
    y, expected = grid_sample(x, odd), torchs(x, grid)
    close(y, expected)
    dy = torch.randn_like(expected)
    close(torch.autograd.grad(y, x, dy)[0], torch.autograd.grad(expected, x, dy)[0])


@pytest.mark.parametrize("last", [False, True])
def test_threads_do_not_change_the_gradient(last):
    x, grid = draw((3, 40, 17, 19), (23, 21), "cpu", dtype=torch.float32, last=last)
    dy, threads, found = torch.randn(3, 40, 23, 21), torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        try:
            found.append(torch.autograd.grad(grid_sample(x, grid), x, dy)[0])
        finally:
            torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_compiles_in_one_graph(device, close):
    inputs = draw((2, 3, 6, 7), (5, 4), device)
    compiled = torch.compile(
        lambda x, grid: grid_sample(x * 2, grid * 0.9), fullgraph=True, backend="aot_eager"
    )
    y, expected = compiled(*inputs), grid_sample(inputs[0] * 2, inputs[1] * 0.9)
    close(y, expected)
    for mine, other in zip(
        torch.autograd.grad(y.square().sum(), inputs),
        torch.autograd.grad(expected.square().sum(), inputs),
        strict=True,
    ):
        close(mine, other)


@pytest.mark.parametrize("last", [False, pytest.param(True, marks=pytest.mark.slow)])  # fast: test_layouts.py
def test_operators_keep_their_promises(last, device):
    x, grid = draw((2, 3, 4, 5), (3, 2), device, last=last)
    y = grid_sample(x, grid)
    if hasattr(torch.ops.gan, "grid_sample"):
        torch.library.opcheck(torch.ops.gan.grid_sample.default, (x, grid))
        dy = torch.randn_like(y).requires_grad_()
        torch.library.opcheck(torch.ops.gan.grid_sample_dx.default, (dy, grid, 4, 5))


@pytest.mark.parametrize(
    ("x", "grid", "message"),
    [
        ((3, 4, 4), (1, 2, 2, 2), r"\[N, C, H, W\]"),
        ((1, 3, 0, 4), (1, 2, 2, 2), "pixels"),
        ((2, 3, 4, 4), (1, 2, 2, 2), "batch"),
        ((2, 3, 4, 4), (2, 2, 2, 3), r"\[2, Ho, Wo, 2\]"),
    ],
)
def test_refusals(x, grid, message):
    with pytest.raises(ValueError, match=message):
        grid_sample(torch.zeros(x), torch.zeros(grid))
