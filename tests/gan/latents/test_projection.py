"""Projection: what it finds in every family, and that each setting does what it says."""

import pytest
import torch

from gan.errors import UsageError, UserError
from gan.latents import white_noise
from gan.latents.projection import Projection, Settings, ramp
from gan.latents.targets import seen
from tests.gan.latents.small import FAMILIES, build, drawn, embed, noisy

CLASSES = torch.eye(3)


def ended(projection: Projection) -> Projection:
    for _ in projection.run():
        pass
    return projection


def project(generator, images, embedding=embed, *, c=None, choices=None, start=None, **settings):
    settings = {"samples": 500, **settings}
    given = {"c": c, "choices": choices, "start": start}
    return ended(Projection(generator, images, embedding, Settings(**settings), **given))


def space_of(generator) -> str:
    return "w" if getattr(generator, "num_ws", 0) else "z"


SLOW = {"stylegan3-r": 0.4}  # part of the first distance after 60 steps: its small network is rough in w


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_comes_near_its_own_images(family):
    generator = build(family)
    c = CLASSES[:2] if generator.c_dim else None
    images = drawn(generator, 2, c)
    first = project(generator, images, space=space_of(generator), steps=1, c=c)
    found = project(generator, images, space=space_of(generator), steps=60, c=c)
    part = SLOW.get(family, 0.05)
    assert (found.distances() < part * first.distances()).all()
    if space_of(generator) == "w":
        assert found.latents.shape == (2, generator.num_ws, 8)
        assert torch.equal(found.rendered(), generator.synthesis(found.latents, noise="const"))
    else:
        assert found.latents.shape == (2, 8)
        assert torch.equal(found.rendered(), generator(found.latents, c))


def test_w_has_one_latent_and_w_plus_one_for_each_layer():
    generator, images = build("stylegan2"), torch.rand(1, 3, 16, 16) * 2 - 1
    narrow = project(generator, images, steps=20)
    wide = project(generator, images, steps=20, space="w+")
    assert torch.equal(narrow.latents, narrow.latents[:, :1].expand_as(narrow.latents))
    assert (wide.latents[:, 1:] != wide.latents[:, :1]).any()
    assert wide.distances() < narrow.distances()


@pytest.mark.parametrize("noise", ["const", "fitted"])
@pytest.mark.parametrize("cut", [3, 9])  # among the steps of Adam, and of L-BFGS
def test_a_state_goes_on_bit_for_bit(noise, cut):
    generator = noisy()
    images = drawn(generator)
    settings = Settings(steps=12, adam=0.5, noise=noise, samples=100)
    whole = ended(Projection(generator, images, embed, settings))
    first = Projection(generator, images, embed, settings)
    for step in first.run():
        if step.number == cut:
            break
    second = Projection(generator, images, embed, settings)
    second.restore(first.state())
    assert second.taken == cut
    ended(second)
    assert torch.equal(second.latents, whole.latents)
    assert all(torch.equal(a, b) for a, b in zip(second.maps, whole.maps, strict=True))
    assert len(whole.maps) == (5 if noise == "fitted" else 0)


def test_the_state_of_another_projection_is_refused():
    generator = build("stylegan2")
    settings = Settings(steps=3, samples=100)
    state = Projection(generator, drawn(generator, 2), embed, settings).state()
    with pytest.raises(UsageError, match="another projection"):
        Projection(generator, drawn(generator, 3), embed, settings).restore(state)


def test_no_image_depends_on_the_others():
    generator = build("stylegan2")
    images = drawn(generator, 3)
    together, alone = (project(generator, part, steps=15) for part in (images, images[:1]))
    torch.testing.assert_close(together.latents[:1], alone.latents, atol=1e-4, rtol=0)


def test_steps_are_told_and_can_be_ended():
    generator = build("stylegan2")
    images = drawn(generator)
    projection = Projection(generator, images, embed, Settings(steps=9, samples=100))
    steps = projection.run()
    step = next(steps)
    assert (step.number, step.total, step.distance.shape, step.images.shape) == (1, 9, (2,), images.shape)
    steps.close()
    assert projection.taken == 1
    assert [step.number for step in projection.run()] == list(range(2, 10))


def test_fitted_noise_stays_white():
    """Without the weight of whiteness the maps would take up the picture."""
    generator = noisy()
    picture = torch.linspace(-1, 1, 16).expand(1, 3, 16, 16)
    more = {"steps": 60, "adam": 1.0, "noise": "fitted", "latent_noise": 0.0}
    white, free = (project(generator, picture, **more, whiteness=weight) for weight in (1e5, 0.0))
    kept, given_up = (white_noise.correlation(found.maps).item() for found in (white, free))
    assert kept < 0.02
    assert given_up > 20 * kept
    assert free.distances() < white.distances()


def test_the_best_sample_is_where_a_search_starts():
    generator = build("stylegan2")
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))  # samples of seed 0
    ws = generator.mapping(z)[[2, 1]]
    images = generator.synthesis(ws)
    more = {"steps": 1, "latent_noise": 0.0, "candidates": 4}
    mean = project(generator, images, **more)
    torch.testing.assert_close(mean.latents[0], mean_of(generator))
    best = Projection(generator, images, embed, Settings(start="best", samples=500, **more))
    torch.testing.assert_close(best.latents, ws)


def mean_of(generator):
    z = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    return generator.mapping(z).mean(dim=0)


def test_given_latents_are_where_a_search_starts():
    generator = build("stylegan2")
    images, ws = drawn(generator), torch.randn(2, generator.num_ws, 8)
    for space, wanted in (("w+", ws), ("w", ws.mean(dim=1, keepdim=True).expand_as(ws))):
        given = Projection(generator, images, embed, Settings(space=space, samples=9), start=ws)
        torch.testing.assert_close(given.latents, wanted)


def test_distance_from_the_mean_is_in_sigmas():
    generator = build("stylegan2")
    projection = Projection(generator, drawn(generator), embed, Settings(samples=2000))
    z = torch.randn(2000, 8, generator=torch.Generator().manual_seed(3))
    away = Projection(generator, drawn(generator, 2), embed, Settings(samples=2000)).spread
    ws = generator.mapping(z)
    squares = (ws - away.mean[0]).square().sum(dim=-1).mean(dim=1) / away.sigma[0] ** 2
    assert squares.mean().item() == pytest.approx(1, abs=0.1)
    assert projection.spread.distance(projection.latents).tolist() == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("family", ["sngan-conditional", "r3gan-conditional"])
def test_a_class_that_is_not_given_is_that_of_the_nearest_sample(family):
    generator = build(family)
    images = drawn(generator, 3, CLASSES)
    found = project(generator, images, space="z", steps=1, candidates=60, choices=CLASSES)
    assert found.c.shape == (3, 3)
    assert (found.c.sum(dim=1) == 1).all()
    with pytest.raises(UsageError, match=r"conditional: give the conditions, \[N, 3\]"):
        project(generator, images, space="z", steps=1)


def test_patience_ends_a_search():
    generator = build("stylegan2")
    still = {"learning_rate": 1e-9, "adam": 1.0, "latent_noise": 0.0}
    found = project(generator, drawn(generator), steps=400, patience=5, **still)
    assert found.taken == 6  # the first, and five without a fall


def test_white_beyond_white_is_no_error():
    wanted = torch.tensor([1.0, 1.0, -1.0, 0.0, 0.9]).view(1, 1, 1, 5)
    images = torch.tensor([1.5, 0.5, -2.0, 1.5, 1.5]).view(1, 1, 1, 5)
    assert seen(images, wanted).flatten().tolist() == [1.0, 0.5, -1.0, 1.5, 1.5]


def test_the_ramp_of_the_learning_rate():
    assert [ramp(t, 0.05, 0.25) for t in (0, 0.025, 0.05, 0.75)] == pytest.approx([0, 0.5, 1, 1])
    assert [ramp(t, 0.05, 0.25) for t in (0.875, 1)] == pytest.approx([0.5, 0])


def test_what_does_not_fit_is_refused():
    generator = build("stylegan2")
    with pytest.raises(UsageError, match="use w or w\\+"):
        project(generator, drawn(generator), space="z")
    with pytest.raises(UsageError, match="use z, for it has no style space"):
        project(build("sngan"), drawn(generator), space="w")
    with pytest.raises(UsageError, match=r"\[2, 3, 8, 8\]; this model makes \[N, 3, 16, 16\]"):
        project(generator, torch.zeros(2, 3, 8, 8))
    for wrong in ({"steps": 0}, {"space": "s"}, {"adam": 2.0}):
        with pytest.raises(UsageError):
            Settings(**wrong)
    with pytest.raises(UserError, match="not finite"):
        project(generator, drawn(generator), embedding=lambda images: images.flatten(1) * torch.nan)
