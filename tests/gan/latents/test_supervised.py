"""Supervised directions: fits against independent ones, what is held back, and the attributes of pixels."""

import numpy as np
import pytest
import torch

from gan.errors import UsageError
from gan.latents import attributes
from gan.latents.drawn import Drawn
from gan.latents.supervised import _Frame, supervised
from tests.gan.latents.families import built


@pytest.fixture
def samples():
    """A generator, its z, and w."""
    generator = built("stylegan2")
    z, _ = Drawn(generator=generator, count=400).all()
    return generator, z, generator.mapping.w(z)


def test_a_linear_score_of_w_gives_its_own_vector(samples):
    generator, z, w = samples
    vector = torch.tensor([1.0, -2, 0, 0, 0.5, 0, 0, 0])
    found = supervised(generator, z, None, {"own": w @ vector + 3}, layers=(1, 4))
    assert torch.cosine_similarity(found.vectors[0], vector, dim=0) > 0.9999
    assert found.findings[0]["fit"] == "linear" and found.findings[0]["r2"] > 0.999
    assert found.layers == ((1, 4),) and found.names == ("own",) and found.explained is None
    np.testing.assert_allclose(found.scales, (w @ found.vectors[0]).std(), rtol=1e-4)
    assert found.about == {"samples": 400, "held_back": 80, "seed": 0}


def test_two_values_are_fitted_by_logistic_regression_towards_the_larger(samples):
    generator, z, w = samples
    found = supervised(generator, z, None, {"own": (w[:, 2] > 0.1) * 2.0})
    finding = found.findings[0]
    assert finding["fit"] == "logistic" and "r2" not in finding
    assert found.vectors[0, 2] > 0.95 and finding["accuracy"] > 0.9 > finding["majority"]
    assert supervised(generator, z, None, {"own": w[:, 2] > 0.1}, fit="linear").findings[0]["fit"] == "linear"


def test_noise_is_told_no_better_than_by_chance(samples):
    generator, z, _ = samples
    finding = supervised(generator, z, None, {"noise": torch.randn(400)}).findings[0]
    assert finding["r2"] < 0.1 and 0.3 < finding["accuracy"] < 0.7


def test_correlations_are_of_the_samples_held_back(samples):
    generator, z, w = samples
    near = w[:, 0] + 0.1 * torch.randn(400)
    found = supervised(generator, z, None, {"a": w[:, 0]}, others={"near": near, "-a": -w[:, 0]})
    correlations = found.findings[0]["correlations"]
    assert correlations["a"] > 0.99 and correlations["-a"] < -0.99 and 0.8 < correlations["near"] < 0.9999
    assert len(found) == 1
    swapped = torch.where(torch.from_numpy(np.random.RandomState(0).permutation(400) < 80), -near, near)
    found = supervised(generator, z, None, {"a": w[:, 0]}, others={"swapped": swapped})
    assert found.findings[0]["correlations"]["swapped"] < -0.8  # those held back alone are turned


def test_styles_of_chosen_layers(samples):
    generator, z, w = samples
    found = supervised(generator, z, None, {"a": w[:, 0]}, space="s", layers=(1, 3))
    assert [name for name, _ in found.channels] == ["b4.torgb", "b8.conv0", "b8.conv1"]
    assert found.vectors.shape == (1, 24) and found.layers == ()
    assert found.findings[0]["r2"] > 0.999


def test_the_ridge_is_numpys_and_the_logistic_fit_is_at_its_optimum():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)) * [5, 3, 1, 1, 0.5] + 2
    y = x[:, 0] - 2 * x[:, 2] + rng.normal(size=60)
    frame = _Frame(x)
    centred, strength = x - x.mean(axis=0), frame.ridge(y)
    wanted = np.linalg.solve(centred.T @ centred + strength * np.eye(5), centred.T @ (y - y.mean()))
    coefficients, constant = frame.linear(y)
    np.testing.assert_allclose(coefficients, wanted, rtol=1e-6)
    np.testing.assert_allclose(constant, y.mean() - wanted @ x.mean(axis=0), rtol=1e-6)
    hat = centred @ np.linalg.solve(centred.T @ centred + strength * np.eye(5), centred.T) + 1 / 60
    error = np.square(y - hat @ y).sum() / (60 - np.trace(hat)) ** 2
    for other in (strength / 3, strength * 3):
        hat = centred @ np.linalg.solve(centred.T @ centred + other * np.eye(5), centred.T) + 1 / 60
        assert np.square(y - hat @ y).sum() / (60 - np.trace(hat)) ** 2 >= error
    yes = (y > 0).astype(float)
    coefficients, constant = frame.logistic(yes)
    wrong = 1 / (1 + np.exp(-(x @ coefficients + constant))) - yes
    slope = centred.T @ wrong + frame.penalty(yes) * coefficients
    assert max(abs(wrong.sum()), np.abs(slope).max()) < 1e-3 * np.abs(centred.T @ (yes - yes.mean())).max()
    shuffled = rng.permutation(yes)
    assert frame.penalty(shuffled) > 100 * frame.penalty(yes)  # what tells nothing is not followed


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (torch.ones(400), "'a' is 1 for every sample: there is nothing to learn"),
        (torch.full((400,), float("nan")), "'a' is not a finite number"),
        (torch.randn(3), r"'a' gives \[3\] values for 400 samples"),
    ],
)
def test_scores_that_nothing_can_be_learnt_from(samples, values, message):
    generator, z, _ = samples
    with pytest.raises(UsageError, match=message):
        supervised(generator, z, None, {"a": values})


def test_few_samples_are_refused(samples):
    generator, z, w = samples
    with pytest.raises(UsageError, match="19 samples are too few"):
        supervised(generator, z[:19], None, {"a": w[:19, 0]})


def painted(*colours):
    """Images 4 x 4 of one colour each."""
    return torch.tensor(colours)[:, :, None, None].expand(-1, -1, 4, 4)


def test_attributes_of_flat_colours(close):
    images = painted((1.0, 1.0, 1.0), (-1.0, -1.0, -1.0), (1.0, -1.0, -1.0))
    close(attributes.brightness(images), torch.tensor([1, 0, 0.299]))
    close(attributes.saturation(images), torch.tensor([0.0, 0, 1]))
    close(attributes.warmth(images), torch.tensor([0.0, 0, 1]))
    for none in (attributes.contrast, attributes.detail):
        assert none(images).abs().max() < 1e-6
    close(attributes.symmetry(images), torch.ones(3))


def test_attributes_of_an_edge(close):
    image = torch.full((1, 1, 4, 4), -1.0)
    image[..., 2:] = 1
    close(attributes.contrast(image), torch.full((1,), (16 / 15) ** 0.5 / 2))
    close(attributes.detail(image), torch.tensor([1 / 6]))  # one of three steps across, none down
    close(attributes.symmetry(image), torch.tensor([0.0]))
    with pytest.raises(UsageError, match="grey, they have no warmth"):
        attributes.warmth(image)
    assert attributes.attributes_of(1) == ["brightness", "contrast", "detail", "symmetry"]
    assert attributes.attributes_of(4) == list(attributes.ATTRIBUTES)
    close(attributes.brightness(torch.full((1, 4, 2, 2), -1.0)), torch.ones(1))  # black, wholly transparent
