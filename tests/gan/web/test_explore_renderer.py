"""Pictures of points are those of direct calls, bit for bit."""

import copy

import pytest
import torch

from gan import sampling
from gan.errors import UsageError
from gan.images import to_uint8
from gan.latents import mix_layers, placement, synthesized, z_from_seeds
from gan.latents.directions import moved
from gan.latents.inner import output_of
from gan.latents.noise import layer_noise
from gan.latents.pca import pca
from gan.latents.styles import render, styles
from gan.networks.blocks import halve
from gan.randomness import Draws
from gan.web.explore import films, state
from gan.web.explore import renderer as module
from gan.web.explore.renderer import Renderer
from gan.web.explore.state import Point, View
from tests.gan.web import explored


@pytest.fixture(scope="module")
def generator():
    return explored.stylegan()


@pytest.fixture(scope="module")
def renderer(generator):
    return Renderer(generator)


@torch.inference_mode()
def ws_of(generator, seed, label=1, psi=1.0, cutoff=None):
    c = sampling.one_hot([label], 3) if generator.c_dim else None
    return generator.mapping(z_from_seeds([seed], 8), c, psi=psi, psi_cutoff=cutoff)


@torch.inference_mode()
def picture(generator, ws, noise="const"):
    return to_uint8(generator.synthesis(ws, noise=noise))[0]


def test_seed_class_and_truncation(generator, renderer):
    point = Point(seed=5, label=1, psi=0.6, psi_cutoff=3)
    assert torch.equal(renderer.image(point), picture(generator, ws_of(generator, 5, 1, 0.6, 3)))
    assert not torch.equal(
        renderer.image(point), renderer.image(Point(seed=5, label=2, psi=0.6, psi_cutoff=3))
    )


def test_a_class_that_is_not_chosen_is_that_of_gan_sample(generator, renderer):
    drawn = next(sampling.images(generator, [11], batch=1))[0]
    assert torch.equal(renderer.image(Point(seed=11)), drawn)


def test_noise(generator, renderer):
    ws = ws_of(generator, 5)
    assert torch.equal(renderer.image(Point(seed=5, label=1, noise="none")), picture(generator, ws, "none"))
    drawn = renderer.image(Point(seed=5, label=1, noise="random", noise_seed=9))
    assert torch.equal(drawn, picture(generator, ws, Draws(9, 0, [5])))
    strengths = tuple(0.5 * i for i in range(7))
    scaled = renderer.image(Point(seed=5, label=1, noise_layers=strengths))
    assert torch.equal(scaled, picture(generator, ws, layer_noise(generator, strengths=strengths)))
    assert len({tuple(p.flatten().tolist()) for p in (drawn, scaled, picture(generator, ws))}) == 3


def test_mixing(generator, renderer):
    got = renderer.image(Point(seed=5, label=1, mix_seed=6, mix_layers=(0, 3)))
    mixed = mix_layers(ws_of(generator, 5), ws_of(generator, 6), [0, 3])
    assert torch.equal(got, picture(generator, mixed))
    with pytest.raises(UsageError, match="layer 8"):
        renderer.image(Point(mix_layers=(8,)))


def test_the_map_goes_where_it_is_told(generator, renderer):
    ws = renderer.ws(Point(seed=5, label=1, place=(1.5, -0.5)))
    torch.testing.assert_close(renderer.coordinates(ws[:, 0]), torch.tensor([[1.5, -0.5]]))
    here = renderer.coordinates(ws_of(generator, 5)[:, 0])[0]
    there = renderer.ws(Point(seed=5, label=1, place=tuple(here.tolist())))
    torch.testing.assert_close(there, ws_of(generator, 5), atol=1e-5, rtol=1e-5)
    middle = renderer.coordinates(generator.mapping.w_avg[None])
    assert middle.abs().max() == 0
    first = renderer.ws(Point(seed=5, label=1, amounts=(1.0,)))  # the sliders of PCA go along the map's axes
    torch.testing.assert_close(
        renderer.coordinates(first[:, 0])[0], here + torch.tensor([1.0, 0.0]), atol=1e-4, rtol=0
    )


def test_directions(generator, renderer):
    ws, found = ws_of(generator, 5), renderer.directions("sefa")
    got = renderer.image(Point(seed=5, label=1, method="sefa", amounts=(0.0, 2.0)))
    assert torch.equal(got, picture(generator, moved(ws, found, 1, 2.0)))
    some = renderer.ws(Point(seed=5, label=1, method="sefa", amounts=(2.0,), layers=(2, 3)))
    changed = (some != ws).any(dim=2)[0].tolist()
    assert changed == [False, False, True, True, False, False, False, False]
    with pytest.raises(UsageError, match="--directions FILE"):
        renderer.image(Point(method="file", amounts=(1.0,)))


def test_directions_of_a_file_in_the_space_of_styles(generator):
    from gan.latents.directions import Directions

    layers = [(name, values.shape[1]) for name, values in styles(generator, ws_of(generator, 0)).items()]
    width = sum(count for _, count in layers)
    vector = torch.nn.functional.one_hot(torch.tensor([3]), width).float()
    given = Directions(
        method="supervised",
        space="s",
        vectors=vector,
        scales=torch.tensor([4.0]),
        names=("one",),
        model="",
        channels=tuple(layers),
    )
    renderer, ws = Renderer(generator, given), ws_of(generator, 5)
    got = renderer.image(Point(seed=5, label=1, method="file", amounts=(2.0,)))
    with torch.inference_mode():
        wanted = to_uint8(render(generator, moved(styles(generator, ws), given, 0, 2.0)))[0]
    assert torch.equal(got, wanted) and not torch.equal(got, picture(generator, ws))


def test_a_latent_is_exact(generator, renderer):
    ws = ws_of(generator, 5) + torch.arange(8)[:, None] / 10
    point = Point(seed=3, label=2, latent=state.packed(ws[0]))
    assert torch.equal(renderer.image(point), picture(generator, ws))
    with pytest.raises(UsageError, match="another model"):
        renderer.image(Point(latent=state.packed(ws[0, :, :4])))


def test_stylegan3_moves_and_turns():
    generator = explored.stylegan3_t()
    renderer, ws = Renderer(generator), ws_of(generator, 5)
    got = renderer.image(Point(seed=5, shift=(0.25, -0.1), turn=30.0))
    with torch.inference_mode():
        wanted = to_uint8(synthesized(generator, ws, transform=placement((0.25, -0.1), 30.0)))[0]
    assert torch.equal(got, wanted) and not torch.equal(got, renderer.image(Point(seed=5)))
    assert torch.equal(renderer.image(Point(seed=5)), picture(generator, ws))


def test_a_model_without_styles():
    generator = explored.plain()
    renderer = Renderer(generator)
    with torch.inference_mode():
        wanted = to_uint8(generator(z_from_seeds([5], generator.z_dim)))[0]
    assert torch.equal(renderer.image(Point(seed=5)), wanted)
    for edits in ({"psi": 0.5}, {"mix_layers": (0,)}, {"place": (0.0, 0.0)}, {"noise": "none"}):
        with pytest.raises(UsageError, match="no style space"):
            renderer.image(state.point(edits))
    assert renderer.methods() == ["pca"]


@pytest.mark.parametrize("base", [(4, 4), (2, 4)])
def test_a_picture_on_the_move_is_that_of_its_block(base):
    generator = explored.stylegan(resolution=256, c_dim=0, base=base)
    renderer = Renderer(generator)
    small, whole = renderer.image(Point(seed=5), moving=True), renderer.image(Point(seed=5))
    assert max(small.shape[1:]) == 128 and max(whole.shape[1:]) == 256
    with torch.inference_mode():
        _, wanted = output_of(generator.synthesis, "b128", ws_of(generator, 5))
    assert torch.equal(small, to_uint8(wanted)[0])
    assert torch.equal(
        Renderer(explored.stylegan()).image(Point(), moving=True),
        Renderer(explored.stylegan()).image(Point()),
    )


@pytest.mark.parametrize("make", [explored.stylegan3_t, explored.plain])
def test_a_picture_on_the_move_is_in_bfloat16_where_that_is_faster(make, monkeypatch):
    generator = make()
    asked = {"half": 1.0, "whole": 2.0}
    monkeypatch.setattr(module, "seconds", lambda g: asked["whole" if g is generator else "half"])
    renderer = Renderer(generator)
    moving, rest = renderer.image(Point(seed=5), moving=True), renderer.image(Point(seed=5))
    half = copy.deepcopy(generator)
    halve(half, torch.bfloat16, 32, None)
    assert torch.equal(moving, Renderer(half).image(Point(seed=5))) and not torch.equal(moving, rest)
    assert (moving.int() - rest.int()).abs().float().mean() < 2
    assert next(renderer.hasty.parameters()) is next(generator.parameters())
    asked["half"] = 3.0
    assert torch.equal(Renderer(generator).image(Point(seed=5), moving=True), rest)


def test_seconds_are_those_of_a_picture():
    assert 0 < module.seconds(explored.stylegan3_t()) < 60 and module.seconds(explored.stylegan()) > 0


@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("kind", ["linear", "cubic", "spherical"])
def test_paths_go_through_their_keyframes(renderer, kind, loop):
    points = (
        Point(seed=1, label=0),
        Point(seed=2, label=1, psi=0.5),
        Point(seed=3, label=2, mix_layers=(1,)),
    )
    view = View(keyframes=points, kind=kind, steps=4, loop=loop)
    frames = list(films.frames(renderer, view))
    assert len(frames) == films.count(view) == (12 if loop else 9)
    for place, point in enumerate(points):
        assert torch.equal(frames[4 * place], renderer.image(point))
    assert not torch.equal(frames[2], frames[0]) and not torch.equal(frames[2], frames[4])


def test_paths_of_other_models():
    turning = View(keyframes=(Point(seed=1), Point(seed=1, turn=90.0, shift=(0.2, 0.0))), steps=2, loop=False)
    renderer = Renderer(explored.stylegan3_t())
    frames = list(films.frames(renderer, turning))
    assert torch.equal(frames[1], renderer.image(Point(seed=1, turn=45.0, shift=(0.1, 0.0))))
    renderer = Renderer(explored.plain())
    frames = list(films.frames(renderer, View(keyframes=(Point(seed=1), Point(seed=2)), steps=2)))
    assert len(frames) == 4 and torch.equal(frames[2], renderer.image(Point(seed=2)))
    with pytest.raises(UsageError, match="two keyframes"):
        list(films.frames(renderer, View(keyframes=(Point(),))))


def test_the_axes_are_those_of_pca(generator, renderer):
    found = pca(generator, 10)
    assert renderer.directions("pca") is renderer.directions("pca")
    assert (renderer.directions("pca").vectors[0] @ found.vectors[0]).abs() > 0.99
