"""Truncation towards other centres, noise by layer, mixing and the rest, as the job draws them."""

import pytest
import torch

from gan import latents, sampling
from gan.errors import UsageError
from gan.images import to_uint8
from gan.jobs.sampling import draw
from gan.jobs.sampling.mixing import mixed_captions
from gan.jobs.sampling.request import Look, Mix, Motion, Request
from tests.gan.latents.every_family import CONFIGS, PLAIN, STYLED, generator


def levels_apart(a: torch.Tensor, b: torch.Tensor) -> int:
    return (a.int() - b.int()).abs().max().item()


def test_towards_the_centre_of_each_class():
    built = generator("stylegan2 of classes")
    request = Request(seeds="0-2", labels=(2, 0, 2), look=Look(psi=0.0, center="class"))
    images = draw(built, request)
    centers = latents.class_centers(built, 1000)
    expected = to_uint8(built.synthesis(centers[[2, 0, 2]][:, None].repeat(1, built.num_ws, 1)))
    assert levels_apart(images, expected) <= 1
    assert levels_apart(images[0], images[1]) > 2


def test_towards_the_nearest_of_several_centres():
    built = generator("stylegan2")
    images = draw(built, Request(seeds="0-7", look=Look(psi=0.0, center="nearest:3")))
    kinds = {tuple(image.flatten().tolist()) for image in images}
    assert 2 <= len(kinds) <= 3
    ws = built.mapping(latents.z_from_seeds(range(8), 8))
    centers = latents.find_centers(latents.drawn_w(built, 10_000), 3)
    expected = to_uint8(built.synthesis(latents.truncate(ws, latents.nearest_center(ws, centers), 0.0)))
    assert levels_apart(images, expected) <= 1
    cut = draw(built, Request(seeds="0-7", look=Look(psi=0.0, center="nearest:3", psi_cutoff=1)))
    assert len({tuple(image.flatten().tolist()) for image in cut}) == 8


def test_noise_has_the_strength_asked_for():
    built = generator("stylegan2")
    none = draw(built, Request(seeds="1-2", look=Look(noise="none")))
    for strengths in ((0.0,), (0.0,) * 5):
        assert levels_apart(draw(built, Request(seeds="1-2", look=Look(noise_strength=strengths))), none) <= 1
    look = Look(noise="random", noise_strength=(1.0,))
    drawn = draw(built, Request(seeds="1-2", seed=5, look=look))
    plain = draw(built, Request(seeds="1-2", seed=5, look=Look(noise="random")))
    assert levels_apart(drawn, plain) <= 1
    assert levels_apart(draw(built, Request(seeds="1-2", seed=6, look=look)), plain) > 1


def test_the_picture_moves_as_its_transform_says():
    built = generator("stylegan3-r")
    images = draw(built, Request(seeds="1-2", look=Look(translate=(0.25, -0.125), rotate=30)))
    ws = built.mapping(latents.z_from_seeds([1, 2], 8))
    transform = latents.placement((0.25, -0.125), 30)
    assert levels_apart(images, to_uint8(latents.synthesized(built, ws, transform=transform))) <= 1
    assert levels_apart(images, draw(built, Request(seeds="1-2"))) > 2


def test_mixed_images_have_the_layers_of_both():
    built = generator("stylegan2")
    request = Request(mix=Mix(rows="3-4", columns="7+9", layers="0-1"), look=Look(psi=0.8))
    images = draw(built, request)
    ws = built.mapping(latents.z_from_seeds([3, 4, 7, 9], 8), psi=0.8)
    cells = [latents.mix(ws[a : a + 1], ws[b : b + 1], 0, 2) for a in (0, 1) for b in (2, 3)]
    assert levels_apart(images, to_uint8(built.synthesis(torch.cat(cells)))) <= 1


def test_the_grid_of_mixing_has_margins(tmp_path, monkeypatch):
    built, seen = generator("stylegan2"), {}

    def written(out, images, texts, columns, note):
        seen.update(images=torch.stack(list(images)), texts=texts, columns=columns)

    monkeypatch.setattr("gan.jobs.sampling.outputs.write_grid", written)
    mix = Mix(rows="3-4", columns="7+9", layers="0-1")
    draw(built, Request(mix=mix), out=tmp_path / "a.png")
    images, cells = seen["images"], draw(built, Request(mix=mix))
    assert seen["columns"] == 3
    assert seen["texts"] == ["", "7", "9", "3", "3 + 7", "3 + 9", "4", "4 + 7", "4 + 9"]
    assert (images[0] == 255).all()
    own = draw(built, Request(seeds="7,9,3,4"))
    assert levels_apart(images[[1, 2, 3, 6]], own) <= 1
    assert levels_apart(images[[4, 5, 7, 8]], cells) <= 1
    assert mixed_captions(["3 cat"], ["7 dog"], ([3], [7])) == ["", "7 dog", "3 cat", "3 + 7"]


@pytest.mark.parametrize("space", ["w", "z"])
def test_each_kind_of_walk_reaches_the_frames(space, tmp_path, monkeypatch):
    built, seen = generator("stylegan2"), []
    monkeypatch.setattr(
        "gan.jobs.video.write_video", lambda out, frames, fps, **_: seen.append(torch.stack(list(frames)))
    )
    for kind in ("linear", "spherical", "cubic"):
        motion = Motion(kind=kind, space=space, frames_per_seed=3, scale=1)
        draw(built, Request(seeds="1-3", motion=motion), out=tmp_path / "a.gif")
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert levels_apart(seen[a][::3], seen[b][::3]) <= 1
        assert levels_apart(seen[a], seen[b]) > 1


@pytest.mark.parametrize("name", CONFIGS)
def test_every_family_draws_and_says_what_it_has_not(name):
    built = generator(name)
    assert draw(built, Request(seeds="1-2")).shape == (2, *built.image_shape)
    c = "class" if built.c_dim else "nearest:2"
    kind = built.config.type
    styles = f"a {kind} generator has no style space"
    asked = {
        "style": (
            Request(seeds="1-2", look=Look(psi=0.5, center=c)),
            styles,
        ),
        "mix": (
            Request(mix=Mix(rows="1", columns="2", layers="0")),
            styles,
        ),
        "noise": (Request(seeds="1", look=Look(noise_strength=(2.0,))), f"a {kind} generator adds no noise"),
        "moved": (Request(seeds="1", look=Look(rotate=9)), f"a {kind} generator cannot be moved"),
    }
    able = {
        "style": name in STYLED, "mix": name in STYLED, "moved": "stylegan3" in name,
        "noise": name.startswith(("stylegan2", "fastgan")),
    }  # fmt: skip
    for what, (request, message) in asked.items():
        if able[what]:
            assert draw(built, request).shape[1:] == built.image_shape
        else:
            with pytest.raises(UsageError, match=message):
                draw(built, request)


@pytest.mark.parametrize("name", [*PLAIN, "stylegan2 with alpha"])
def test_further_edits_reach_z_or_w(name):
    built = generator(name)
    length = built.z_dim
    plain = draw(built, Request(seeds="1-2"))
    edited = draw(built, Request(seeds="1-2"), edits=[lambda x, c: latents.shift(x, torch.ones(length), 2.0)])
    assert levels_apart(edited, plain) > 1


def test_a_model_without_classes_names_the_option():
    with pytest.raises(UsageError, match="--truncation-center class: this model has no classes; take global"):
        draw(generator("stylegan2"), Request(seeds="1", look=Look(psi=0.5, center="class")))


def test_vectors_have_no_classes_to_truncate_towards():
    built = generator("stylegan2 of classes")
    sampling.remember_conditions(built, torch.randn(5, 3))
    with pytest.raises(UsageError, match="center class: this model takes vectors and has no classes"):
        draw(built, Request(seeds="1", look=Look(psi=0.5, center="class")))
    assert draw(built, Request(seeds="1", look=Look(psi=0.5, center="nearest:2"))).shape[0] == 1
    with pytest.raises(UsageError, match="style mixing takes one class or one condition"):
        draw(built, Request(vectors=((1.0, 0, 0),) * 2, mix=Mix(rows="1", columns="2", layers="0")))
