"""spectral_norm against torch's own, a singular value decomposition and closed forms."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from ops import sigma, spectral_norm
from ops.spectral_norm import SpectralNorm, power_iteration, power_iteration_ref

MODULES = {
    "conv": lambda: nn.Conv2d(5, 7, 3),
    "wide": lambda: nn.Conv2d(40, 34, 4),  # more columns than a block of threads takes at once
    "one": lambda: nn.Linear(1, 1),
    "column": lambda: nn.Linear(1, 6),
    "row": lambda: nn.Linear(1100, 1),
    "linear": lambda: nn.Linear(300, 33),
    "transposed": lambda: nn.ConvTranspose2d(6, 4, 4),
    "transposed odd": lambda: nn.ConvTranspose1d(3, 5, 3),
    "vector": lambda: nn.LayerNorm(7),
}
EXACT = {torch.float32: 1e-6, torch.float64: 1e-12}  # rounding only: both do the same sums


def pair(make, device, dtype, last=False, steps=1):
    """A module under ours and its copy under torch's, from the same u and v."""
    module = make().to(device, dtype)
    for parameter in module.parameters():
        nn.init.normal_(parameter)
    if last:
        module.to(memory_format=torch.channels_last)
    mine = spectral_norm(copy.deepcopy(module), n_power_iterations=steps)
    other = parametrizations.spectral_norm(module, n_power_iterations=steps)
    mine.load_state_dict(other.state_dict())
    return mine, other


def same(actual, expected):
    assert actual.dtype == expected.dtype and actual.shape == expected.shape
    assert (actual - expected).norm() <= EXACT[actual.dtype] * expected.norm()


def vectors(weight, dim):
    rows = weight.shape[dim]
    sizes = (rows, weight.numel() // rows)
    return [F.normalize(torch.randn(n, device=weight.device, dtype=weight.dtype), dim=0) for n in sizes]


def test_largest_singular_value_by_hand(device):
    layer = nn.Linear(3, 2).to(device)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, -3.0, 0.0], [1.0, 0.0, 0.0]]))
    spectral_norm(layer)
    torch.testing.assert_close(sigma(layer).cpu(), torch.tensor(3.0))
    expected = torch.tensor([[0.0, -1.0, 0.0], [1 / 3, 0.0, 0.0]])
    torch.testing.assert_close(layer.weight.detach().cpu(), expected)


@pytest.mark.parametrize("dtype", EXACT)
@pytest.mark.parametrize(
    ("name", "last"),
    [*((name, False) for name in MODULES), ("conv", True), ("wide", True), ("transposed", True)],
)
def test_same_as_torch(name, last, dtype, device):
    mine, other = pair(MODULES[name], device, dtype, last=last, steps=2)
    for training in (True, True, False):
        mine.train(training), other.train(training)
        for (key, buffer), expected in zip(mine.named_buffers(), other.buffers(), strict=True):
            assert key.endswith(("_u", "_v"))
            same(buffer, expected)
        weight, expected = mine.weight, other.weight
        same(weight, expected)
        if name == "one":
            continue  # the gradient of w / |w| is 0, so rounding is all there is
        g = torch.randn_like(expected)
        (dw,) = torch.autograd.grad(weight, mine.parametrizations.weight.original, g)
        (dexpected,) = torch.autograd.grad(expected, other.parametrizations.weight.original, g)
        same(dw, dexpected)


def test_only_training_moves_the_vectors(device):
    layer = spectral_norm(nn.Linear(4, 3).to(device))
    with torch.no_grad():
        layer.parametrizations.weight.original.normal_()
    before = [buffer.clone() for buffer in layer.buffers()]
    layer.eval()(torch.ones(1, 4, device=device))
    sigma(layer)
    assert all(map(torch.equal, layer.buffers(), before))
    layer.train()(torch.ones(1, 4, device=device))
    assert not any(map(torch.equal, layer.buffers(), before))


def test_sigma_reaches_the_largest_singular_value(device, close):
    layer = spectral_norm(nn.Conv2d(4, 6, 3).to(device), n_power_iterations=50)
    with torch.no_grad():
        original = layer.parametrizations.weight.original.normal_()
        assert (torch.linalg.matrix_norm(layer.weight.flatten(1), 2) - 1).abs() < 1e-3
    close(sigma(layer), torch.linalg.matrix_norm(original.detach().flatten(1), 2), scale=10)


@pytest.mark.parametrize("dim", [0, 1, 3, -1])
@pytest.mark.parametrize("steps", [0, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_operator_and_definition_agree(dim, steps, dtype, device, close):
    """The half types take the definition in float32, which the kernels calculate in."""
    weight = torch.randn(4, 3, 5, 8, device=device, dtype=dtype)
    u, v = vectors(weight, dim)
    precise = torch.promote_types(dtype, torch.float32)
    expected = power_iteration_ref(*(t.to(precise) for t in (weight, u, v)), dim, steps, 1e-12)
    for mine, other in zip(power_iteration(weight, u, v, dim, steps), expected, strict=True):
        assert mine.dtype == dtype
        close(mine, other)


def test_eps_bounds_the_norms(device, close):
    """|W v| and |W^T u| far below eps: u and v shrink instead of growing to unit length."""
    weight = torch.full((2, 3), 1e-3, device=device, dtype=torch.float64)
    u, v = vectors(weight, 0)
    for mine, other in zip(
        power_iteration(weight, u, v, 0, 2, 0.1), power_iteration_ref(weight, u, v, 0, 2, 0.1), strict=True
    ):
        close(mine / other, torch.ones_like(other))


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("dim", [0, 1])
def test_derivatives_with_constant_vectors(dim, last, device):
    weight = torch.randn(3, 2, 2, 2, device=device, dtype=torch.float64)
    weight = weight.to(memory_format=torch.channels_last) if last else weight
    u, v = vectors(weight, dim)
    weight.requires_grad_()

    def normalised(weight):
        return weight * power_iteration(weight, u, v, dim, 0)[2].reciprocal()

    assert torch.autograd.gradcheck(normalised, weight, rtol=1e-6)
    assert torch.autograd.gradgradcheck(normalised, weight, rtol=1e-6)


def test_gradient_penalty_as_with_torch(device):
    """R1: the squared slope of a curved function of the input, differentiated to the weight."""
    mine, other = pair(MODULES["conv"], device, torch.float64)
    x = torch.randn(2, 5, 6, 6, device=device, dtype=torch.float64, requires_grad=True)

    def penalty(layer):
        (slope,) = torch.autograd.grad(layer(x).tanh().sum(), x, create_graph=True)
        return torch.autograd.grad(slope.square().sum(), layer.parametrizations.weight.original)[0]

    same(penalty(mine), penalty(other))


def test_two_passes_before_one_backward(device):
    """D(real) - D(fake): the second pass moves u and v, the first one's gradient needs the old ones."""
    mine, other = pair(MODULES["linear"], device, torch.float64)
    x = torch.randn(2, 300, device=device, dtype=torch.float64)
    grads = [
        torch.autograd.grad(
            (layer(x).tanh() - layer(-x * 2).tanh()).square().sum(), layer.parametrizations.weight.original
        )[0]
        for layer in (mine, other)
    ]
    same(*grads)


def test_threads_do_not_change_the_result(close):
    """Of several chunks of rows, which are those of the definition."""
    weight = torch.randn(200, 1500)
    u, v = vectors(weight, 0)
    threads, found = torch.get_num_threads(), []
    for count in (1, 3):
        torch.set_num_threads(count)
        try:
            found.append(power_iteration(weight, u, v, steps=2))
        finally:
            torch.set_num_threads(threads)
    assert all(map(torch.equal, *found))
    for mine, other in zip(found[0], power_iteration_ref(weight, u, v, 0, 2, 1e-12), strict=True):
        close(mine, other)


def test_compiles_in_one_graph(device, close):
    layer = spectral_norm(nn.Linear(5, 4).to(device, torch.float64))
    x = torch.randn(3, 5, device=device, dtype=torch.float64)
    before = copy.deepcopy(layer)
    torch.compile(layer, fullgraph=True, backend="aot_eager")(x).square().sum().backward()
    before(x).square().sum().backward()
    close(layer.parametrizations.weight.original.grad, before.parametrizations.weight.original.grad)
    for mine, expected in zip(layer.buffers(), before.buffers(), strict=True):
        close(mine, expected)


@pytest.mark.parametrize("dim", [0, 1])
def test_operator_keeps_its_promises(dim, device):
    weight = torch.randn(4, 3, 2, 2, device=device)
    u, v = vectors(weight, dim)
    power_iteration(weight, u, v, dim)
    if hasattr(torch.ops.gan, "power_iteration"):
        inputs = (weight.requires_grad_(), u, v, dim, 2, 1e-12)
        torch.library.opcheck(torch.ops.gan.power_iteration.default, inputs)


def test_refusals():
    weight, u, v = torch.zeros(2, 3), torch.zeros(2), torch.zeros(3)
    for arguments, message in [
        ((weight, v, u), r"\[2\], \[3\]"),
        ((weight, u, v, 2), "axes"),
        ((weight[:0], u, v), "axes"),
        ((weight, u, v, 0, -1), "steps"),
    ]:
        with pytest.raises(ValueError, match=message):
            power_iteration(*arguments)
    with pytest.raises(ValueError, match="n_power_iterations"):
        SpectralNorm(weight, 0)
    with pytest.raises(ValueError, match="dim"):
        SpectralNorm(weight, dim=2)
    with pytest.raises(ValueError, match=r"Linear\.weight"):
        sigma(nn.Linear(2, 2))
