"""Noise: the maps are those that the network draws itself, and each layer has its strength."""

import pytest
import torch

from gan import latents
from gan.errors import UsageError
from gan.randomness import Draws
from tests.gan.latents.every_family import generator

NOISY = ["stylegan2", "stylegan2 wide and grey", "fastgan"]


def render(built, noise):
    z = latents.z_from_seeds([1, 2], built.z_dim)
    return built(z, noise=noise)


@pytest.mark.parametrize("name", NOISY)
def test_the_networks_own_noise_by_maps(name, close):
    built = generator(name)
    for kind in ("const", "none"):
        close(render(built, latents.layer_noise(built, kind)), render(built, kind))
    drawn = latents.layer_noise(built, "random", seeds=[5, 6], noise_seed=3)
    close(render(built, drawn), render(built, Draws(3, 0, [5, 6])))
    assert not torch.equal(render(built, "none"), render(built, "const"))


@pytest.mark.parametrize("name", NOISY)
def test_the_same_maps_again_for_the_next_call(name):
    built = generator(name)
    noise = latents.layer_noise(built)
    assert torch.equal(render(built, noise), render(built, noise))


@pytest.mark.parametrize("name", NOISY)
def test_each_layer_has_its_strength(name, close):
    built = generator(name)
    count = len(latents.abilities(built).noise)
    strengths = [0.0] * count
    strengths[1] = 2.5
    image = render(built, latents.layer_noise(built, strengths=strengths))
    strong = generator(name)
    layers = [m for m in strong.modules() if hasattr(m, "noise_strength")]
    for i, layer in enumerate(layers):
        layer.noise_strength.mul_(strengths[i])
    assert len(layers) == count
    close(image, render(strong, "const"))
    close(render(built, latents.layer_noise(built, strengths=0.0)), render(built, "none"))


def test_drawn_noise_belongs_to_its_seed():
    built = generator("stylegan2")
    both, one = (latents.noise_maps(built, "random", seeds=seeds) for seeds in ([5, 6], [6]))
    for pair, single in zip(both, one, strict=True):
        assert torch.equal(pair[1:], single)
        assert pair.shape == (2, 1, *single.shape[2:])


def test_mistakes():
    built = generator("stylegan2")
    for words, call in (
        ("2 strengths of noise for 5 layers", lambda: latents.layer_noise(built, strengths=[1, 2])),
        ("give seeds", lambda: latents.noise_maps(built, "random")),
        ("unknown kind of noise 'some'", lambda: latents.noise_maps(built, "some")),
        ("a stylegan3 generator adds no noise", lambda: latents.noise_maps(generator("stylegan3-t"))),
        (r"a map of noise is \[1, 8, 8\], and the layer takes \[1, 4, 4\]",
         lambda: render(built, latents.NoiseMaps(latents.noise_maps(built)[1:]))),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=words):
            call()
