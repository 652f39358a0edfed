"""Mapping, generator and discriminator: what the golden numbers do not show."""

import pytest
import torch

from gan.networks.mapping import MappingConfig
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig
from gan.randomness import Draws

TINY = {"resolution": 16, "channel_base": 128, "channel_max": 8, "c_dim": 3}


def conditional(**options):
    config = GeneratorConfig(z_dim=8, w_dim=6, mapping=MappingConfig(layers=2), **TINY, **options)
    return config.build().eval()


def test_shapes_and_attributes(tiny_generator, tiny_discriminator):
    z = torch.randn(2, 8)
    ws = tiny_generator.mapping(z)
    assert ws.shape == (2, tiny_generator.num_ws, 8) and tiny_generator.num_ws == 6
    image = tiny_generator(z)
    assert image.shape == (2, 3, 16, 16) and torch.equal(image, tiny_generator.synthesis(ws))
    assert tiny_discriminator(image).shape == (2, 1)


@pytest.mark.parametrize("architecture", ["skip", "resnet", "orig"])
def test_every_architecture_trains_every_parameter(architecture):
    G, c = conditional(architecture=architecture), torch.eye(3)
    D = DiscriminatorConfig(architecture=architecture, **TINY).build()
    D(G(torch.randn(3, 8), c, noise="random"), c).square().sum().backward()
    for network in (G, D):
        assert [k for k, p in network.named_parameters() if p.grad is None] == []


def test_a_linear_input_is_a_map_of_each_w():
    """That of zeros is the bias, and that of the i-th unit vector the i-th column, scaled, beside it."""
    G = conditional(input="linear", base=(2, 3))
    assert "synthesis.b4.const" not in G.state_dict()
    layer = G.synthesis.b4.input
    layer.bias.data.normal_()
    found = G.synthesis.b4.begin(torch.cat([torch.zeros(1, 6), torch.eye(6)]), None)
    assert found.shape == (7, 8, 2, 3)
    torch.testing.assert_close(found[0].flatten(), layer.bias)
    torch.testing.assert_close((found[1:] - found[:1]).flatten(1).T, layer.weight / 6**0.5)
    ws = torch.randn(2, 1, 6).expand(-1, G.num_ws, -1).clone()
    ws[:, 1:] = ws[:1, 1:]  # they differ in the first w alone
    together = G.synthesis(ws)
    torch.testing.assert_close(together[1:], G.synthesis(ws[1:]))
    assert not torch.allclose(together[0], together[1], atol=1e-3)
    assert G.synthesis.affines()["b4.input"].index == 0
    assert torch.equal(G.synthesis(ws, styles={"b4.input": layer(ws[:, 0])}), together)
    assert not torch.allclose(G.synthesis(ws, styles={"b4.input": layer(ws[[1, 1], 0])})[0], together[0])


def test_a_squeezed_output_leaves_the_range_of_images_by_a_tenth():
    plain, squeezed = conditional(), conditional(output="squeezed")
    squeezed.load_state_dict(plain.state_dict())
    z, c = torch.randn(4, 8), torch.eye(3)[[0, 1, 2, 0]]
    before, after = plain(z, c), squeezed(z, c)
    inside, above, below = before.abs() <= 1, before > 1, before < -1
    assert inside.any() and above.any() and below.any()
    assert torch.equal(after[inside], before[inside])
    torch.testing.assert_close(after[above], 1 + (before[above] - 1) / 10)
    torch.testing.assert_close(after[below], -1 + (before[below] + 1) / 10)


def test_truncation_moves_towards_the_average():
    G, z, c = conditional(), torch.randn(4, 8), torch.eye(3)[[0, 1, 2, 0]]
    G.mapping.w_avg.normal_()
    full, half = G.mapping(z, c), G.mapping(z, c, psi=0.5, psi_cutoff=2)
    torch.testing.assert_close(half[:, :2], (full[:, :2] + G.mapping.w_avg) / 2)
    assert torch.equal(half[:, 2:], full[:, 2:])
    torch.testing.assert_close(G.mapping(z, c, psi=0.0), G.mapping.w_avg.expand_as(full))


def test_average_of_w_follows_the_batches():
    G = conditional()
    w = torch.randn(5, 6)
    G.mapping.update_w_avg(w)
    torch.testing.assert_close(G.mapping.w_avg, w.mean(dim=0) * (1 - 0.998))


def test_noise_modes(tiny_generator):
    G, z = tiny_generator, torch.randn(1, 8)
    assert torch.equal(G(z, noise="const"), G(z, noise="none"))  # strengths start at zero
    for name, parameter in G.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.5)
    assert torch.equal(G(z), G(z)) and not torch.equal(G(z), G(z, noise="none"))
    assert not torch.equal(G(z, noise="random"), G(z, noise="random"))


def test_noise_by_draws_is_a_sample_s_own_and_another_in_each_layer(tiny_generator):
    G, ws = tiny_generator, torch.randn(4, tiny_generator.num_ws, 8)
    for name, parameter in G.named_parameters():
        if name.endswith("noise_strength"):
            parameter.data.fill_(0.5)
    whole = G.synthesis(ws, noise=Draws(1, 0, range(4)))
    torch.testing.assert_close(G.synthesis(ws[1::2], noise=Draws(1, 0, range(1, 4, 2))), whole[1::2])
    assert not torch.allclose(G.synthesis(ws, noise=Draws(2, 0, range(4))), whole, atol=1e-2)
    draws, block = Draws(1, 0, range(4)), G.synthesis.b16
    first, second = block.draw(ws, draws)
    assert first.shape == second.shape == (4, 1, 16, 16) and not torch.equal(first, second)


def test_labels_matter_and_are_required():
    G, D, z = conditional(), DiscriminatorConfig(**TINY).build(), torch.randn(1, 8)
    a, b = (G(z, torch.eye(3)[[k]]) for k in (0, 1))
    assert not torch.allclose(a, b)
    assert not torch.allclose(D(a, torch.eye(3)[[0]]), D(a, torch.eye(3)[[1]]))
    with pytest.raises(ValueError, match="conditional"):
        G(z)


@pytest.mark.parametrize("resolution", [4, 48, 0])
def test_refuses_other_resolutions(resolution):
    with pytest.raises(ValueError, match="power of two"):
        GeneratorConfig(resolution=resolution)
