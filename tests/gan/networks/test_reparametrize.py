"""Spectral norm and low-rank adapters: closed forms, and whole networks."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from gan.config import override
from gan.errors import UsageError
from gan.networks import r3gan, sngan, stylegan3
from gan.networks.layers import Conv2d, Linear
from gan.networks.mapping import MappingConfig
from gan.networks.reparametrize import LowRank, add_low_rank, add_spectral_norm, merged, settle, sigmas
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig
from ops.spectral_norm import SpectralNorm
from training.losses.penalties import r1_penalty

NARROW = {"resolution": 16, "channel_base": 128, "channel_max": 8, "mapping": MappingConfig(layers=2)}
STYLES = {"z_dim": 8, "w_dim": 8}
LEVELS = {"resolution": 16, "widths": (8, 8, 8), "cardinality": (2, 2, 2), "blocks": 1}
GENERATORS = {
    "skip": GeneratorConfig(**NARROW, **STYLES, c_dim=3),
    "resnet": GeneratorConfig(**NARROW, **STYLES, architecture="resnet"),
    "r3gan": r3gan.GeneratorConfig(**LEVELS, z_dim=8, c_dim=3),
    "sngan": sngan.GeneratorConfig(resolution=16, z_dim=8, width=8, c_dim=3),
    "stylegan3": stylegan3.GeneratorConfig(**NARROW, **STYLES, layers=4),
}
DISCRIMINATORS = {
    "resnet": DiscriminatorConfig(**NARROW, c_dim=3),
    "skip": DiscriminatorConfig(**NARROW, architecture="skip"),
    "r3gan": r3gan.DiscriminatorConfig(**LEVELS, c_dim=3),
    "sngan": sngan.DiscriminatorConfig(resolution=16, width=8, c_dim=3, spectral_norm=False),
    "frozen": DiscriminatorConfig(**NARROW, freeze_layers=2),
}


def normalised(module, weight):
    with torch.no_grad():
        module.weight.copy_(weight)
    add_spectral_norm(module)
    return module


def built(config, *assignments):
    return override(config, assignments).build()


def labels(network, n=4):
    return torch.eye(3)[torch.arange(n) % 3] if network.c_dim else None


def run(network):
    """The network on fixed inputs."""
    inputs = torch.Generator().manual_seed(3)
    shape = [8] if hasattr(network, "z_dim") else [3, 16, 16]
    return network(torch.randn(4, *shape, generator=inputs), labels(network))


def norms(network):
    """Module -> largest singular value of the weight in effect, of the modules with a spectral norm."""
    found = {}
    for name, module in network.named_modules():
        steps = module.parametrizations["weight"] if parametrize.is_parametrized(module, "weight") else []
        if any(isinstance(step, SpectralNorm) for step in steps):
            weight = module.weight.detach() * getattr(module, "weight_gain", 1.0)
            found[name] = torch.linalg.svdvals(weight.flatten(1))[0]
    return found


def state_of(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(network, before):
    return {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}


def test_diagonal_weight(close):
    layer = normalised(Linear(2, 2), torch.diag(torch.tensor([3.0, 1.0])))
    close(layer(torch.eye(2)), torch.diag(torch.tensor([1.0, 1 / 3])))
    close(sigmas(layer)[""], torch.tensor(3 / 2**0.5))  # the gain of 1 / sqrt(2) is part of the weight


def test_weight_of_rank_one(close):
    a, b = torch.randn(5), torch.randn(3 * 3 * 3)
    layer = normalised(Conv2d(3, 5, 3), torch.outer(a, b).view(5, 3, 3, 3))
    want = torch.outer(a / a.norm(), b / b.norm()).view(5, 3, 3, 3)
    close(layer.weight * layer.weight_gain, want)
    x = torch.randn(2, 3, 6, 6)
    close(layer(x), torch.nn.functional.conv2d(x, want, padding=1))


@pytest.mark.parametrize("gain", [None, 1.0])
def test_a_plain_layer_has_no_gain(gain, close):
    layer = nn.Linear(3, 4)
    if gain:
        layer.weight_gain = gain
    add_spectral_norm(layer)
    close(torch.linalg.svdvals(layer.weight.detach())[0], torch.tensor(1.0))


def test_gradient_passes_through_sigma(close):
    layer = normalised(Linear(4, 3).double(), torch.randn(3, 4))
    original = layer.parametrizations.weight.original
    c = original.detach() + torch.randn(3, 4)
    for _ in range(200):
        layer.weight  # noqa: B018 (moves u and v on)
    layer.eval()
    (got,) = torch.autograd.grad((layer.weight * layer.weight_gain * c).sum(), original)

    def exact(w):
        return (w / torch.linalg.svdvals(w)[0] * c).sum()

    steps = 1e-6 * torch.eye(12, dtype=torch.float64).view(12, 3, 4)
    with torch.no_grad():
        slopes = [(exact(original + step) - exact(original - step)) / 2e-6 for step in steps]
    torch.testing.assert_close(got.flatten(), torch.stack(slopes), rtol=1e-6, atol=1e-8)
    assert (got - c / sigmas(layer)[""] * layer.weight_gain).norm() > 0.1 * got.norm()  # not constant sigma


def bounds(network):
    """Module -> whether its spectral norm lets smaller weights be."""
    found = ((name.partition(".parametrizations")[0], m) for name, m in network.named_modules())
    return {name: norm.bound for name, norm in found if isinstance(norm, SpectralNorm)}


@pytest.mark.parametrize("name", GENERATORS)
def test_weights_that_start_at_zero_are_known_without_memory(name):
    with torch.device("meta"):
        meta = bounds(built(GENERATORS[name], "spectral_norm=true"))
    weights = built(GENERATORS[name]).state_dict()
    assert meta == {module: not weights[f"{module}.weight"].any() for module in meta} and meta


def test_a_weight_of_zeros_grows_until_it_is_bound(close):
    layer = Linear(4, 3)
    layer.starts_at_zero = True
    normalised(layer, torch.zeros(3, 4))
    original = layer.parametrizations.weight.original
    layer(torch.randn(2, 4)).square().sum().add(layer.weight.sum()).backward()
    close(original.grad, torch.ones(3, 4))
    direction = torch.randn(3, 4)
    for size in (0.1, 10.0):
        with torch.no_grad():
            original.copy_(direction / torch.linalg.svdvals(direction)[0] * size / layer.weight_gain)
        for _ in range(100):
            effective = layer.weight.detach() * layer.weight_gain
        close(torch.linalg.svdvals(effective)[0], torch.tensor(min(size, 1.0)))


@pytest.mark.parametrize("config", [*GENERATORS.values(), *DISCRIMINATORS.values()])
def test_every_weight_in_effect_reaches_norm_1(config):
    network = built(config, "spectral_norm=true")
    before = sigmas(network)
    assert before.keys() == norms(network).keys()
    for _ in range(60):
        run(network)
    for name, norm in norms(network).items():
        assert abs(norm - 1) < 0.01 or norm == before[name] == 0  # of weights that start at 0
    for name, sigma in sigmas(network).items():
        exact = torch.linalg.svdvals(original(network, name).flatten(1))[0]
        assert abs(sigma - exact) <= 0.01 * exact


def original(network, name):
    module = network.get_submodule(name)
    return module.parametrizations.weight.original.detach() * getattr(module, "weight_gain", 1.0)


def test_which_weights_are_normalised():
    found = norms(built(GENERATORS["resnet"], "spectral_norm=true"))
    assert {"synthesis.b8.skip", "synthesis.b16.torgb", "synthesis.b8.conv0.affine"} <= found.keys()
    assert not {name for name in found if name.startswith("mapping") or name.endswith(("conv0", "conv1"))}
    found = norms(built(GENERATORS["sngan"], "spectral_norm=true"))
    assert found and not {
        name for name in found if name.endswith((".gain", ".bias"))
    }  # of normalised signals
    network = built(DISCRIMINATORS["resnet"], "spectral_norm=true")
    layers = {name for name, module in network.named_modules() if isinstance(module, Conv2d | Linear)}
    assert norms(network).keys() == layers


@pytest.mark.parametrize("name", ["skip", "stylegan3"])
def test_demodulation_makes_the_scale_of_a_weight_void(name, close):
    """Why those weights are not normalised: same image, same slope with respect to all else."""
    network = built(GENERATORS[name]).eval()
    want = run(network)
    for module in network.modules():
        if getattr(module, "weight_gain", 1.0) is None:
            module.weight.data *= 3
    close(run(network), want, scale=10)


@pytest.mark.parametrize("config", [*GENERATORS.values(), *DISCRIMINATORS.values()])
def test_one_power_iteration_per_forward_and_none_in_eval(config, monkeypatch):
    network, calls = built(config, "spectral_norm=true"), []
    monkeypatch.setattr(SpectralNorm, "_move", lambda self, u, v: calls.append(self))
    run(network)
    assert len(calls) == len(set(calls)) == len(norms(network.eval()))
    run(network)
    assert len(calls) == len(set(calls))


def test_a_penalty_has_no_power_iteration_of_its_own(monkeypatch):
    network, calls = built(DISCRIMINATORS["skip"], "spectral_norm=true"), []
    monkeypatch.setattr(SpectralNorm, "_move", lambda self, u, v: calls.append(self))
    images = torch.randn(4, 3, 16, 16, requires_grad=True)
    logits = network(images)
    count = len(calls)
    r1_penalty(images, logits).sum().backward()
    assert len(calls) == count > 0


@pytest.mark.parametrize("config", [GENERATORS["stylegan3"], DISCRIMINATORS["resnet"]])
def test_only_training_moves_the_vectors(config):
    network = built(config, "spectral_norm=true")
    before = state_of(network)
    network.eval()
    run(network), sigmas(network), merged(network)
    assert not changed(network, before)
    network.train()
    sigmas(network), merged(network)
    assert not changed(network, before)
    run(network)
    assert all(name.endswith(("_u", "_v")) for name in changed(network, before)) and changed(network, before)


def test_norms_settle_on_other_weights():
    network, other = (built(DISCRIMINATORS["resnet"], "spectral_norm=true").eval() for _ in range(2))
    weights = {name: w for name, w in other.state_dict().items() if name.endswith("original")}
    network.load_state_dict(weights, strict=False)
    assert max(norms(network).values()) > 3
    settle(network)
    assert all(abs(norm - 1) < 0.1 for norm in norms(network).values())


class Scale(nn.Module):
    """W -> W / gain."""

    def __init__(self, gain):
        super().__init__()
        self.gain = gain

    def forward(self, weight):
        return weight / self.gain


def test_r1_as_with_plain_torch():
    mine = built(DISCRIMINATORS["resnet"], "spectral_norm=true").double()
    other = built(DISCRIMINATORS["resnet"]).double()
    for module in list(other.modules()):
        if isinstance(module, Conv2d | Linear):
            parametrizations.spectral_norm(module)
            parametrize.register_parametrization(module, "weight", Scale(module.weight_gain))
    other.load_state_dict(mine.state_dict())
    grads = []
    for network in (mine, other):
        images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        images.requires_grad_()
        logits = network(images, labels(network).double())
        loss = r1_penalty(images, logits).mean() + nn.functional.softplus(logits).mean()
        grads.append(torch.autograd.grad(loss, list(network.parameters()), materialize_grads=True))
    for got, want in zip(*grads, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-8, atol=1e-12)
    assert sum(g.norm() for g in grads[0]) > 0


@pytest.mark.parametrize("config", GENERATORS.values())
def test_adapters_start_as_nothing_and_merge(config, close):
    torch.manual_seed(7)
    base = built(config).eval()
    network = built(config, "lora_rank=3").eval()
    share_weights(network, base)
    assert torch.equal(run(network), run(base))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    want = run(network)
    assert (want - run(base)).abs().mean() > 0.01
    plain = merged(network)
    assert (
        plain.state_dict().keys() == base.state_dict().keys() and getattr(plain, "config", config) == config
    )
    assert {name for name, _ in plain.named_parameters()} == {name for name, _ in base.named_parameters()}
    assert torch.equal(run(plain), want) and torch.equal(run(network), want)


def share_weights(network, base):
    """Give a network with adapters the weights of a plain one."""
    weights = base.state_dict()
    names = {
        name.replace("parametrizations.weight.original", "weight"): name for name in network.state_dict()
    }
    network.load_state_dict({names[name]: value for name, value in weights.items()}, strict=False)


@pytest.mark.parametrize("config", [*GENERATORS.values(), *DISCRIMINATORS.values()])
def test_normalised_networks_merge(config, close):
    network = built(config, "spectral_norm=true").eval().double()
    plain = merged(network)
    assert getattr(plain, "config", config) == config
    assert plain.state_dict().keys() == built(config).state_dict().keys()
    assert {name for name, _ in plain.named_parameters()} == {n for n, _ in built(config).named_parameters()}
    close(run(plain.float()), run(network.float()), scale=10)


def test_an_adapter_adds_its_product(close):
    weight = torch.randn(4, 3, 3, 3)
    adapter = LowRank(weight, 2)
    assert adapter.a.shape == (2, 27) and not adapter.b.any()
    nn.init.normal_(adapter.b)
    close(adapter(weight), weight + (adapter.b @ adapter.a).view(4, 3, 3, 3) / 2**0.5)
    assert LowRank(weight, 100).a.shape == (4, 27)


@pytest.mark.parametrize("rank", [1, 4, 16])
def test_a_step_moves_a_weight_as_far_at_any_rank(rank):
    layer = nn.Sequential(nn.Linear(100, 50))
    add_low_rank(layer, rank)
    before = layer[0].weight.detach().clone()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
    (layer[0].weight * torch.randn(50, 100)).sum().backward()
    optimizer.step()
    assert (layer[0].weight - before).std().item() == pytest.approx(0.01, rel=0.35)


def test_few_per_cent_of_the_parameters_train():
    network = GeneratorConfig(resolution=32, channel_max=256, lora_rank=4).build()
    trained = sum(p.numel() for p in network.parameters())
    assert 0.005 < trained / sum(p.numel() for p in merged(network).parameters()) < 0.04


def test_both_together():
    network = built(GENERATORS["resnet"], "spectral_norm=true", "lora_rank=2")
    assert all(name.rpartition(".")[2] in ("a", "b") for name, _ in network.named_parameters())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    for _ in range(60):
        run(network)
    assert all(abs(norm - 1) < 0.01 for norm in norms(network).values())
    assert sigmas(network).keys() == norms(network).keys()
    assert torch.equal(run(merged(network.eval())), run(network))


@pytest.mark.parametrize("config", GENERATORS.values())
def test_a_negative_rank_is_refused(config):
    with pytest.raises(UsageError, match="lora_rank must be >= 0; got -1"):
        override(config, ["lora_rank=-1"])
