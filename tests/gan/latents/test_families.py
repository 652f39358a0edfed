"""Edits, noise and paths run on every family and shape, and say what a model has not."""

import pytest
import torch

from gan import latents
from gan.errors import UsageError
from gan.networks.base import digest
from tests.gan.latents.every_family import CONFIGS, PLAIN, STYLED, conditions, generator


@pytest.mark.parametrize("name", STYLED)
def test_styles_are_edited(name):
    built = generator(name)
    found = latents.abilities(built)
    assert found.layers == built.num_ws
    z, c = latents.z_from_seeds([1, 2], built.z_dim), conditions(built, 2)
    ws = built.mapping(z, c)
    plain = built.synthesis(ws)
    centers = latents.find_centers(latents.drawn_w(built, 60, c=conditions(built, 3)), 2)
    edits = [
        latents.truncate(ws, built.mapping.w_avg, 0.5),
        latents.truncate(ws, latents.nearest_center(ws, centers), 0.5),
        latents.mix_layers(ws, ws.flip(0), [0, 1]),
        latents.blend(ws, ws.flip(0), 0.3),
        latents.shift(ws, torch.ones(built.w_dim), 3.0, layers=[0, 1]),
        latents.assign(ws, 2.0, channels=[0]),
        latents.analogy(ws, ws.flip(0), centers[0].expand_as(ws)),
        latents.walk(ws, 3, kind="cubic")[1::3],
    ]
    for edited in edits:
        image = built.synthesis(edited)
        assert image.shape == (2, *built.image_shape)
        assert image.isfinite().all() and not torch.equal(image, plain)


@pytest.mark.parametrize("name", PLAIN)
def test_latents_are_edited_where_there_are_no_styles(name):
    built = generator(name)
    assert latents.abilities(built).layers == 0
    z, c = latents.z_from_seeds([1, 2], built.z_dim), conditions(built, 2)
    plain = built(z, c)
    for edited in (
        latents.shift(z, torch.ones(built.z_dim), 3.0, channels=[0, 1]),
        latents.analogy(z, z.flip(0), z[:1]),
        latents.walk(z, 3, kind="cubic", keep_length=True)[1::3],
    ):
        image = built(edited, c)
        assert image.isfinite().all() and not torch.equal(image, plain)
    kind = built.config.type
    with pytest.raises(UsageError, match=f"a {kind} generator has no style space: it cannot be sampled in w"):
        latents.drawn_w(built, 4)
    with pytest.raises(UsageError, match="cannot be moved or turned"):
        latents.synthesized(built, z, transform=torch.eye(3))


@pytest.mark.parametrize("name", CONFIGS)
def test_what_a_model_lacks_is_said(name):
    built = generator(name)
    lacking = " ".join(latents.abilities(built).lacking())
    assert ("no style space" in lacking) == (name in PLAIN)
    assert ("no noise" in lacking) == (not name.startswith(("stylegan2", "fastgan")))
    assert ("moves or turns" in lacking) == ("stylegan3" not in name)
    assert f"a {built.config.type} generator has no" in lacking


def test_a_digest_names_the_weights():
    first, again = generator("stylegan2"), generator("stylegan2")
    assert digest(first) == digest(again)
    assert len(digest(first)) == 64
    again.mapping.w_avg[0] += 1e-6
    assert digest(first) != digest(again)
    assert digest(first) != digest(generator("stylegan2 with alpha"))
    moved = generator("stylegan3-t")
    moved.synthesis.input.transform[0, 2] = 0.5
    assert digest(moved) == digest(generator("stylegan3-t"))
    assert len(digest(generator("sngan"))) == 64  # counts of its batch norms are single numbers
