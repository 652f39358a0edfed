"""Noise maps: the measure of whiteness in closed form, and what the layers are given."""

import pytest
import torch

from gan.latents import noise_maps
from tests.gan.latents.small import build, noisy


def test_whiteness_in_closed_form():
    ones = torch.ones(1, 1, 16, 16)
    # neighbours of ones multiply to 1, of their halving, which is 2, to 4; squared, and two axes of each
    assert noise_maps.correlation([ones]).item() == pytest.approx(2 * (1 + 16))
    rows = torch.arange(16)
    board = (1 - 2.0 * ((rows[:, None] + rows) % 2)).view(1, 1, 16, 16)
    assert noise_maps.correlation([board]).item() == pytest.approx(2)  # averages of 2x2 are 0
    assert noise_maps.correlation([ones[:, :, :8, :8]]).item() == pytest.approx(2)  # is not averaged


def test_whiteness_is_of_each_image():
    maps = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    maps[1] = 1
    apart = noise_maps.correlation([maps, maps])
    assert apart[0] < 0.1
    assert apart[1] == pytest.approx(2 * 34)


def test_normalized_maps_have_mean_0_and_variance_1():
    maps = [3 + 2 * torch.randn(2, 1, size, size) for size in (4, 8)]
    noise_maps.normalize_(maps)
    for map_ in maps:
        torch.testing.assert_close(map_.mean(dim=(1, 2, 3)), torch.zeros(2), atol=1e-6, rtol=0)
        torch.testing.assert_close(map_.var(dim=(1, 2, 3), unbiased=False), torch.ones(2))


def test_layers_are_given_the_maps_in_turn():
    generator = noisy()
    ws = torch.randn(2, generator.num_ws, 8, generator=torch.Generator().manual_seed(1))
    sizes = noise_maps.shapes(generator, ws)
    assert sizes == [(1, 4, 4)] + 2 * [(1, 8, 8)] + 2 * [(1, 16, 16)]
    names = [f"b{level}.{conv}" for level, conv in ((4, "conv1"), (8, "conv0"), (8, "conv1"))]
    names += ["b16.conv0", "b16.conv1"]
    own = [generator.synthesis.get_submodule(name).noise_const for name in names]
    maps = [map_.expand(2, 1, -1, -1) for map_ in own]
    given = generator.synthesis(ws, noise=noise_maps.NoiseMaps(maps))
    assert torch.equal(given, generator.synthesis(ws, noise="const"))
    assert not torch.equal(given, generator.synthesis(ws, noise="none"))


def test_a_map_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"\[1, 4, 4\], the layer takes \[1, 8, 8\]"):
        noise_maps.NoiseMaps([torch.zeros(2, 1, 4, 4)]).normal((1, 8, 8))


def test_a_model_without_noise_has_no_maps():
    generator = build("stylegan3-t")
    assert noise_maps.shapes(generator, torch.zeros(1, generator.num_ws, 8)) == []
    assert noise_maps.correlation([]) == 0
