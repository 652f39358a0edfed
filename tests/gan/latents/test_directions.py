"""Directions as objects: moving along them, their refusals; all methods on all families."""

import pytest
import torch

from gan.errors import UsageError, UserError
from gan.latents import directions as d
from gan.latents.attributes import ATTRIBUTES, attributes_of
from gan.latents.drawn import Drawn
from gan.latents.features import feature_layers
from gan.latents.pca import pca
from gan.latents.sefa import sefa
from gan.latents.supervised import supervised
from gan.networks.base import digest
from tests.gan.latents.families import ALL, AXIS, PLAIN, WITH_STYLES, built, planted, planted_plain


def made(space="w", **others):
    vectors = torch.tensor([[1.0, 0, 0], [0, 0.6, 0.8]])
    options = {"method": "sefa", "names": ("a", "b"), "model": "0" * 64, "scales": torch.tensor([2.0, 5.0])}
    options |= {"layers": ((0, 2), (1, 3))} if space == "w" else {}
    options |= {"channels": (("x", 2), ("y", 1))} if space == "s" else {}
    return d.Directions(space=space, vectors=vectors, **(options | others))


def test_ws_are_moved_by_standard_deviations_in_their_layers():
    ws = torch.zeros(2, 4, 3)
    moved = d.moved(ws, made(), 1, torch.tensor([1.0, -2.0]))
    assert moved[0].tolist() == [[0, 0, 0], [0, 3, 4], [0, 3, 4], [0, 0, 0]]
    assert moved[1, 1].tolist() == [0, -6, -8] and ws.abs().sum() == 0
    assert d.offsets(made(), 4)[1].tolist() == moved[0].tolist()


def test_z_and_styles_are_moved():
    assert d.moved(torch.zeros(2, 3), made("z"), 1, 2.0).tolist() == [[0, 6, 8]] * 2
    styles = {"x": torch.zeros(2, 2), "other": torch.ones(2, 5), "y": torch.zeros(2, 1)}
    found = d.moved(styles, made("s"), 1, torch.tensor([1.0, 2.0]))
    assert found["x"].tolist() == [[0, 3], [0, 6]] and found["y"].tolist() == [[4], [8]]
    assert found["other"] is styles["other"] and styles["x"].abs().sum() == 0


@pytest.mark.parametrize(
    ("space", "latents", "index", "message"),
    [
        ("w", torch.zeros(1, 4, 3), 2, "there is no direction 2; there are 0 to 1"),
        ("w", torch.zeros(1, 4, 3), -1, "there is no direction -1"),
        ("w", torch.zeros(1, 3), 0, "these directions are in w"),
        ("z", torch.zeros(1, 4), 0, "these directions are in z"),
        ("w", torch.zeros(1, 2, 3), 1, "moves layers 1 to 2; these ws have 2"),
        ("w", {"x": torch.zeros(1, 2)}, 0, "another space"),
        ("s", torch.zeros(1, 3), 0, "give styles"),
        ("s", {"x": torch.zeros(1, 2)}, 0, "no layer y of 1 channels"),
    ],
)
def test_latents_that_do_not_fit_are_refused(space, latents, index, message):
    with pytest.raises(UsageError, match=message):
        d.moved(latents, made(space), index, 1.0)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"names": ("a",)}, "for 1 names"),
        ({"names": ("a", "a")}, "not all different"),
        ({"scales": torch.ones(3)}, "one each"),
        ({"layers": ()}, "layers belong to space w"),
        ({"scales": torch.tensor([1.0, float("nan")])}, "NaN"),
        ({"space": "s", "layers": (), "channels": (("x", 2),)}, "do not make 3"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused(others, message):
    with pytest.raises(UsageError, match=message):
        made(**others)


def test_names_and_numbers():
    assert made().index("b") == made().index("1") == 1
    with pytest.raises(UsageError, match="unknown direction 'c'.*or a number, 0 to 1"):
        made().index("c")
    assert d.numbered("pca", 10)[-1] == "pca9" and d.numbered("pca", 11)[0] == "pca00"
    assert d.parse_range("0-3") == (0, 4) and d.parse_range(" 4 ") == (4, 5)
    with pytest.raises(UsageError, match="layers '3-': write the first and the last"):
        d.parse_range("3-")


def test_vectors_point_to_their_largest_entry():
    found = d.oriented(torch.tensor([[3.0, -4.0], [0.0, 2.0]]))
    assert torch.allclose(found, torch.tensor([[-0.6, 0.8], [0.0, 1.0]]))


def test_the_digest_is_of_the_weights_and_not_of_the_placement():
    generator, same = built("stylegan3-t"), built("stylegan3-t")
    same.synthesis.input.transform[0, 2] = 0.3  # what users move the image by
    assert digest(generator) == digest(same) and len(digest(generator)) == 64
    same.mapping.fc0.bias[0] += 1e-3
    assert digest(generator) != digest(same)


def test_another_model_is_refused():
    found = sefa(built("stylegan2"), 2)
    d.require_model(found, built("stylegan2"), "a.safetensors")
    with pytest.raises(
        UserError, match=r"^a.safetensors was made for another model \(digest .*gan directions"
    ):
        d.require_model(found, built("stylegan2 alpha"), "a.safetensors")


def told(generator, drawn):
    """Samples, and all that their pixels tell."""
    z, c = drawn.all()
    image = generator(z, c)
    return z, c, {name: ATTRIBUTES[name](image) for name in attributes_of(generator.channels)}


@pytest.mark.parametrize("name", ALL)
def test_every_method_moves_the_images_of_every_family(name):
    generator = built(name)
    drawn = Drawn(generator=generator, count=80)
    z, c, scores = told(generator, drawn)
    found = [supervised(generator, z, c, scores, space=space) for space in d.spaces(generator)]
    found += [pca(generator, 3, drawn=drawn)]
    layers = feature_layers(generator)
    layers = layers if name in ("stylegan3-t", "sngan rectangular") else layers[:-1]  # the last has the most
    found += [pca(generator, 3, drawn=drawn, features_of=layer) for layer in layers]
    found += [sefa(generator, 3, drawn=drawn)] if name in WITH_STYLES else [pca(generator, 3, space="z")]
    found += [pca(generator, 3, drawn=drawn, space="s", layers=(1, 3))] if name in WITH_STYLES else []
    image, some = generator(z[:3], None if c is None else c[:3]), None if c is None else c[:3]
    for directions in found:
        assert torch.allclose(directions.vectors.norm(dim=1), torch.ones(len(directions)), atol=1e-5)
        latents = d.start(generator, directions, z[:3], some)
        same = d.picture(generator, directions, d.moved(latents, directions, 0, 0.0), some)
        assert torch.equal(same, image)
        moved = d.picture(generator, directions, d.moved(latents, directions, 0, 3.0), some)
        assert (moved - image).abs().flatten(1).amax(dim=1).min() > 1e-3, (
            directions.method,
            directions.space,
        )


@pytest.mark.parametrize("name", PLAIN)
def test_models_without_w_say_what_they_cannot(name):
    generator = built(name)
    kind = name.split()[0]
    assert d.spaces(generator) == ("z",)
    with pytest.raises(UsageError, match=f"a {kind} generator has no style space s"):
        sefa(generator)
    for space in ("w", "s"):
        with pytest.raises(UsageError, match=f"unknown space of this model '{space}'"):
            pca(generator, space=space)
    with pytest.raises(UsageError, match="layers belong to spaces w and s"):
        pca(generator, layers=(0, 2))
    z, c, scores = told(generator, Drawn(generator=generator, count=20))
    with pytest.raises(UsageError, match="unknown space of this model 's'"):
        supervised(generator, z, c, scores, space="s")
    with pytest.raises(UsageError, match=r"psi 0.7: this model has no w"):
        d.start(generator, pca(generator, 1, space="z"), z, c, psi=0.7)


class Stranger(torch.nn.Module):
    """A generator of one's own: one linear map, no blocks."""

    def __init__(self, num_ws=0):
        super().__init__()
        self.linear, self.z_dim, self.w_dim, self.c_dim, self.num_ws = torch.nn.Linear(4, 48), 4, 4, 0, num_ws
        self.channels, self.mapping = 3, torch.nn.Identity()
        self.mapping.w = lambda z, c=None: z
        self.synthesis = torch.nn.Identity()

    def forward(self, z, c=None):
        return self.linear(z).unflatten(1, (3, 4, 4))


def test_generators_of_ones_own():
    generator = Stranger().requires_grad_(False)
    assert d.spaces(generator) == ("z",) and pca(generator, 2).about["features"] is None
    z, c, scores = told(generator, Drawn(generator=generator, count=50))
    assert len(supervised(generator, z, c, scores)) == 6
    with_w = Stranger(num_ws=2)  # whose layers cannot be told apart
    assert d.spaces(with_w) == ("z", "w") and pca(with_w, 2).space == "w"
    with pytest.raises(UsageError, match="a Stranger generator has no style space s"):
        sefa(with_w)


def cosine(vector, axis=AXIS, size=8):
    return torch.cosine_similarity(vector, torch.eye(size)[axis], dim=0).item()


@pytest.mark.parametrize("fit", ["linear", "logistic"])
def test_a_planted_direction_is_found_from_brightness(fit):
    generator = planted()
    z, c, scores = told(generator, Drawn(generator=generator, count=600))
    found = supervised(generator, z, c, {"brightness": scores["brightness"]}, fit=fit)
    assert cosine(found.vectors[0]) >= 0.95
    assert found.findings[0]["accuracy"] > 0.9


def test_a_planted_direction_is_found_by_sefa_and_pca():
    generator = planted()
    drawn = Drawn(generator=generator, count=4000)
    assert cosine(sefa(generator, 1).vectors[0]) >= 0.95
    assert cosine(pca(generator, 1, drawn=drawn).vectors[0]) >= 0.95


def test_a_planted_direction_is_found_in_styles():
    generator = planted()
    generator.synthesis.b16.torgb.affine.weight.normal_()
    z, c, scores = told(generator, Drawn(generator=generator, count=600))
    scores = {"brightness": scores["brightness"]}
    found = supervised(generator, z, c, scores, space="s", layers=(5, 6))
    assert found.channels == (("b16.torgb", 8),)  # all of its channels alike brighten the pixels
    assert torch.cosine_similarity(found.vectors[0], torch.ones(8), dim=0) >= 0.95


@pytest.mark.parametrize("how", ["features", "labels"])
def test_a_planted_direction_is_found_without_w(how):
    generator = planted_plain()
    drawn = Drawn(generator=generator, count=1000)
    if how == "features":
        found = pca(generator, 1, drawn=drawn, features_of="blocks.0")
    else:
        z, c, scores = told(generator, drawn)
        found = supervised(generator, z, c, {"brightness": scores["brightness"]})
    assert abs(cosine(found.vectors[0])) >= 0.95
