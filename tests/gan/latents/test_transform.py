"""Moving and turning StyleGAN3's input: its map moves by whole pixels, and turns by right angles."""

import pytest
import torch

from gan import latents
from gan.errors import UsageError
from gan.networks.base import digest
from tests.gan.latents.every_family import generator


def features(built, transform):
    ws = built.mapping(latents.z_from_seeds([1, 2], built.z_dim))
    seen = []
    handle = built.synthesis.input.register_forward_hook(lambda module, given, out: seen.append(out))
    latents.synthesized(built, ws, transform=transform)
    handle.remove()
    return seen[0]


def test_the_input_map_moves_right_and_down(close):
    built = generator("stylegan3-t")
    pixel = 1 / built.synthesis.input.band.rate
    plain = features(built, None)
    close(features(built, latents.placement((2 * pixel, 0)))[..., 2:], plain[..., :-2])
    close(features(built, latents.placement((0, pixel)))[..., 1:, :], plain[..., :-1, :])


def test_the_input_map_turns_counter_clockwise(close):
    built = generator("stylegan3-r")
    plain = features(built, None)
    for degrees, turns in ((90, 1), (180, 2), (-90, 3)):
        close(features(built, latents.placement(rotate=degrees)), plain.rot90(turns, (2, 3)))


def test_it_turns_about_its_centre_and_then_moves(close):
    built = generator("stylegan3-r")
    pixel = 1 / built.synthesis.input.band.rate
    turned = features(built, latents.placement(rotate=90))
    close(features(built, latents.placement((pixel, 0), 90))[..., 1:], turned[..., :-1])


def test_the_picture_changes_and_the_model_does_not():
    built = generator("stylegan3-t")
    before, ws = digest(built), built.mapping(latents.z_from_seeds([1, 2], built.z_dim))
    plain = latents.synthesized(built, ws)
    assert torch.equal(plain, built.synthesis(ws))
    torch.testing.assert_close(latents.synthesized(built, ws, transform=torch.eye(3)), plain)
    both = torch.stack([torch.eye(3), latents.placement((0.25, 0), 10)])
    moved = latents.synthesized(built, ws, transform=both)
    torch.testing.assert_close(moved[0], plain[0])
    assert not torch.allclose(moved[1], plain[1], atol=1e-3)
    assert digest(built) == before


def test_mistakes():
    built = generator("stylegan2")
    with pytest.raises(UsageError, match="a stylegan2 generator cannot be moved or turned"):
        latents.synthesized(built, torch.zeros(1, built.num_ws, 8), transform=torch.eye(3))
    with pytest.raises(UsageError, match="give finite numbers"):
        latents.placement((float("nan"), 0))
