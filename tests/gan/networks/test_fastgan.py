"""FastGAN's generator: excitation and gated units by hand, levels, noise, labels."""

import pytest
import torch
import torch.nn.functional as F

from gan.config import from_dict
from gan.errors import UsageError
from gan.networks.fastgan import Excitation, GeneratorConfig, UpBlock
from gan.randomness import Draws

SMALL = {"resolution": 32, "z_dim": 4, "channel_base": 64, "channel_max": 8, "skip_factor": 4}


def build(**changes):
    torch.manual_seed(0)
    return from_dict(GeneratorConfig, SMALL | changes).build()


def test_published_pairs_of_levels():
    """Figure 3 of the paper: 8x8 gates 128x128, 16x16 gates 256x256, and 32x32 gates 512x512."""
    assert GeneratorConfig(resolution=512).skips == {128: 8, 256: 16, 512: 32}
    assert GeneratorConfig(resolution=64).skips == {}
    assert list(build().excitations) == ["b32"]


def test_excitation_by_hand():
    """Means of 2x2 squares, weighed by the squeeze; leaky by 0.1; the gate; sigmoid."""
    part = Excitation(from_dict(GeneratorConfig, SMALL | {"channel_max": 2, "channel_base": 64}), 8, 32)
    torch.nn.init.ones_(part.squeeze.weight)
    part.squeeze.weight.data[1] = -1
    part.gate.weight.data[:] = torch.tensor([[1.0, 0.0], [0.0, 10.0]])[:, :, None, None]
    x = torch.full((1, 2, 8, 8), 0.25)
    x[..., ::2] += 0.5
    total = 2 * 16 * 0.5  # two channels, sixteen squares with the mean 0.5
    want = torch.tensor([total, -total * 0.1 * 10]).sigmoid()
    torch.testing.assert_close(part(x).flatten(), want)


def test_a_level_by_hand():
    """Pixels doubled, convolved, noise added, normalised, half of the channels gating the other half."""
    block, x = UpBlock(from_dict(GeneratorConfig, SMALL), 8), torch.randn(3, 8, 4, 4)
    torch.nn.init.ones_(block.noise_strength)
    y = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    y = F.conv2d(y, block.conv.weight, padding=1) + block.noise_const
    var, mean = torch.var_mean(y, dim=(0, 2, 3), unbiased=False, keepdim=True)
    values, gates = ((y - mean) / (var + 1e-5).sqrt()).chunk(2, dim=1)
    torch.testing.assert_close(block(x, block.noise_const), values * gates.sigmoid())


def test_the_coarse_map_gates_the_fine_one():
    G = build().eval()
    z = torch.randn(2, 4)
    whole, kept = G(z), {}
    G.blocks["b32"].register_forward_hook(lambda _, __, y: kept.update(fine=y))
    G.blocks["b8"].register_forward_hook(lambda _, __, y: kept.update(coarse=y))
    G(z)
    gated = kept["fine"] * G.excitations["b32"](kept["coarse"])
    torch.testing.assert_close(whole, torch.tanh(G.to_rgb(gated)))


def test_noise_is_the_trained_map_fresh_or_none():
    G, z = build().eval(), torch.randn(1, 4)
    for block in G.blocks.values():
        torch.nn.init.ones_(block.noise_strength)
    assert torch.equal(G(z), G(z, noise="const")) and not torch.equal(G(z), G(z, noise="none"))
    assert not torch.equal(G(z, noise="random"), G(z, noise="random"))
    drawn = [G(z, noise=Draws(1, 2, [sample])) for sample in (3, 3, 4)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_samples_do_not_depend_on_each_other():
    G, z = build(), torch.randn(3, 4)
    G(torch.randn(16, 4))
    assert torch.allclose(G.eval()(z)[:1], G(z[:1]), atol=1e-6) and G(z).abs().max() <= 1


def test_labels_change_the_image_and_are_asked_for():
    G, z = build(c_dim=2).eval(), torch.randn(1, 4).expand(2, -1)
    first, second = G(z, torch.eye(2))
    assert not torch.allclose(first, second)
    with pytest.raises(ValueError, match=r"give c, one-hot labels \[N, 2\]"):
        G(z)


@pytest.mark.parametrize("factor", [0, 1, 3])
def test_a_factor_that_is_no_power_of_two_is_refused(factor):
    with pytest.raises(UsageError, match="skip_factor must be a power of two"):
        build(skip_factor=factor)


def test_every_weight_has_a_finite_gradient():
    G = build(c_dim=2)
    (G(torch.randn(4, 4), torch.eye(2)[[0, 1, 1, 0]]) * torch.randn(4, 3, 32, 32)).sum().backward()
    for name, parameter in G.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name
