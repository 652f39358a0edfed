"""SeFa and PCA against numpy's own decompositions, samples as they are drawn, and features as they are."""

import threading

import numpy as np
import pytest
import torch

from gan.errors import UsageError
from gan.latents import pca as pca_module
from gan.latents.drawn import BLOCK, Drawn
from gan.latents.features import feature_layers, features
from gan.latents.pca import pca
from gan.latents.sefa import sefa
from gan.latents.streamed import Incremental, Moments, regression
from tests.gan.latents.families import built

CLOSE = 1e-5


def assert_same_rows(found, wanted):
    """Up to signs, which the convention then fixes: the largest entry of each row is positive."""
    found, wanted = np.asarray(found), np.asarray(wanted)
    signs = np.sign((found * wanted).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(found, wanted * signs, atol=CLOSE)
    assert (np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1) > 0).all()


@pytest.mark.parametrize("layers", [None, (1, 3)])
def test_sefa_is_the_singular_vectors_of_the_affines(layers):
    generator = built("stylegan2")
    names = {
        None: [
            "b4.conv1",
            "b4.torgb",
            "b8.conv0",
            "b8.conv1",
            "b8.torgb",
            "b16.conv0",
            "b16.conv1",
            "b16.torgb",
        ],
        (1, 3): ["b4.torgb", "b8.conv0", "b8.conv1"],
    }[layers]
    modules = dict(generator.synthesis.named_modules())
    rows = np.concatenate([modules[f"{name}.affine"].weight.numpy() for name in names]) / 8**0.5
    _, lengths, vectors = np.linalg.svd(rows.astype(np.float64))
    found = sefa(generator, 4, layers=layers)
    assert_same_rows(found.vectors, vectors[:4])
    np.testing.assert_allclose(found.explained, (lengths**2 / (lengths**2).sum())[:4], rtol=CLOSE)
    assert found.layers == ((layers or (0, 6)),) * 4 and found.about["layers"] == names
    assert found.names == ("sefa0", "sefa1", "sefa2", "sefa3") and found.space == "w"


def test_sefa_of_stylegan3_leaves_the_input_out():
    found = sefa(built("stylegan3-t"), 3)
    assert "input" not in found.about["layers"] and len(found.about["layers"]) == 5


def drawn_w(drawn):
    return torch.cat(list(drawn.latents("w"))).double().numpy()


@pytest.mark.parametrize("name", ["stylegan2", "stylegan3-r conditional"])
def test_pca_is_numpys_of_the_covariance(name):
    generator = built(name)
    drawn = Drawn(generator=generator, count=BLOCK + 500, seed=3)
    w = drawn_w(drawn)
    assert w.shape == (BLOCK + 500, 8)
    values, vectors = np.linalg.eigh(np.cov(w, rowvar=False))
    found = pca(generator, 5, drawn=drawn, layers=(0, 3))
    assert_same_rows(found.vectors, vectors.T[::-1][:5])
    np.testing.assert_allclose(found.scales, np.sqrt(values[::-1][:5]), rtol=CLOSE)
    np.testing.assert_allclose(found.explained, (values / values.sum())[::-1][:5], rtol=CLOSE)
    assert found.layers == ((0, 3),) * 5


@pytest.mark.parametrize("widest", [2048, 10], ids=["whole", "streamed"])
@pytest.mark.parametrize("layers", [None, (1, 4)])
@pytest.mark.parametrize("name", ["stylegan2 conditional rectangular", "stylegan3-t"])
def test_pca_of_styles_is_numpys_of_the_affines_results(name, layers, widest, monkeypatch):
    monkeypatch.setattr(pca_module, "WIDEST", widest)
    monkeypatch.setattr(pca_module, "SPARE", 100)  # so that what is streamed leaves nothing out
    generator = built(name)
    drawn = Drawn(generator=generator, count=1200, seed=3)
    w, (first, stop) = drawn_w(drawn), layers or (0, generator.num_ws)
    rows, channels = [], []
    for layer, (affine, index) in generator.synthesis.affines().items():
        if first <= index < stop and layer != "input":
            weight = affine.weight.double().numpy() * affine.weight_gain
            rows.append(w @ weight.T)
            channels.append((layer, len(weight)))
    s = np.concatenate(rows, axis=1)
    _, lengths, vectors = np.linalg.svd(s - s.mean(axis=0), full_matrices=False)
    found = pca(generator, 4, space="s", layers=layers, drawn=drawn)
    assert found.space == "s" and found.channels == tuple(channels) and found.layers == ()
    assert_same_rows(found.vectors, vectors[:4])
    np.testing.assert_allclose(found.scales, lengths[:4] / np.sqrt(len(s) - 1), rtol=1e-4)
    np.testing.assert_allclose(found.explained, (lengths**2 / (lengths**2).sum())[:4], rtol=1e-4)


def test_scales_are_standard_deviations_along_the_vectors():
    generator = built("stylegan2")
    drawn = Drawn(generator=generator, count=700, seed=3)
    found = sefa(generator, 3, drawn=drawn)
    along = drawn_w(drawn) @ found.vectors.double().numpy().T
    np.testing.assert_allclose(found.scales, along.std(axis=0, ddof=1), rtol=CLOSE)


def test_components_of_features_are_told_back_to_latents():
    generator = built("sngan rectangular")
    drawn = Drawn(generator=generator, count=300)
    z, _ = drawn.all()
    y = features(generator, "blocks.0", z).double().numpy()
    y -= y.mean(axis=0)
    _, lengths, vectors = np.linalg.svd(y, full_matrices=False)
    x = y @ vectors[:3].T
    wanted, *_ = np.linalg.lstsq(x, (z - z.mean(dim=0)).double().numpy(), rcond=None)
    found = pca(generator, 3, drawn=drawn, features_of="blocks.0")
    assert_same_rows(found.vectors, wanted / np.linalg.norm(wanted, axis=1, keepdims=True))
    np.testing.assert_allclose(found.explained, (lengths**2 / (lengths**2).sum())[:3], rtol=CLOSE)


def test_features_of_many_values_are_reduced_in_little_memory(monkeypatch):
    generator = built("sngan rectangular")
    drawn = Drawn(generator=generator, count=300)
    whole = pca(generator, 3, drawn=drawn, features_of="blocks.0")
    monkeypatch.setattr(pca_module, "WIDEST", 100)
    found = pca(generator, 3, drawn=drawn, features_of="blocks.0")
    # The kept 28 of 192 leave something out at every block: near, and not equal.
    assert (found.vectors * whole.vectors).sum(dim=1).min() > 0.999
    monkeypatch.setattr(pca_module, "LARGEST", 1000)
    with pytest.raises(UsageError, match="layer blocks.0 has 384 values: too many"):
        pca(generator, 3, drawn=drawn, features_of="blocks.0")


def low_rank(count=500, width=40, rank=6):
    rng = np.random.default_rng(0)
    strengths = np.array([9, 7, 5, 3, 2, 1])
    return rng.normal(size=(count, rank)) * strengths @ rng.normal(size=(rank, width)) + 10


@pytest.mark.parametrize("make", [Moments, lambda: Incremental(8)], ids=["moments", "incremental"])
def test_streamed_components_are_those_of_all_at_once(make):
    x = low_rank()
    model = make()
    for block in np.split(x, [3, 100, 101, 350]):
        model.add(torch.from_numpy(block))
    variances, vectors, explained = model.components(6)
    _, lengths, wanted = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    np.testing.assert_allclose(variances, lengths[:6] ** 2 / (len(x) - 1), rtol=CLOSE)
    np.testing.assert_allclose(explained, (lengths**2 / (lengths**2).sum())[:6], rtol=CLOSE)
    np.testing.assert_allclose(np.abs((vectors.numpy() * wanted[:6]).sum(axis=1)), 1, rtol=CLOSE)
    mean = model.mean() if isinstance(model, Moments) else model.mean
    np.testing.assert_allclose(mean, x.mean(axis=0), rtol=CLOSE)


def test_regression_is_least_squares():
    rng = np.random.default_rng(0)
    x, latents = rng.normal(size=(90, 3)), rng.normal(size=(90, 4)) + 5
    blocks = [(torch.from_numpy(x[i]), torch.from_numpy(latents[i])) for i in (slice(0, 30), slice(30, 90))]
    wanted, *_ = np.linalg.lstsq(np.c_[x, np.ones(90)], latents, rcond=None)
    np.testing.assert_allclose(regression(blocks), wanted[:3], atol=CLOSE)


def test_samples_are_the_same_each_time_and_conditions_are_those_given(monkeypatch):
    generator = built("stylegan2 conditional rectangular")
    only = torch.tensor([[0.0, 1, 0], [0, 0, 1]])
    drawn = Drawn(generator=generator, count=30, seed=4, conditions=only)
    z, c = drawn.all()
    again = [torch.cat(parts) for parts in zip(*drawn.blocks(7), strict=True)]
    assert torch.equal(z, again[0]) and torch.equal(c, again[1])
    assert c.sum(dim=0)[0] == 0 and (c.sum(dim=0)[1:] > 0).all()
    assert not torch.equal(z, Drawn(generator=generator, count=30, seed=5).all()[0])
    monkeypatch.setattr("gan.latents.drawn.LARGEST", 30 * 11 - 1)
    with pytest.raises(UsageError, match="30 samples are more than memory should hold"):
        drawn.all()
    with pytest.raises(UsageError, match="1 samples: take 2 to"):
        Drawn(generator=generator, count=1)


def test_features_are_what_the_layer_gives_and_the_hook_goes():
    generator = built("r3gan conditional alpha")
    z, c = torch.randn(2, 8), torch.eye(2)
    x = generator.linear(torch.cat([z, generator.embed(c)], dim=1))[:, :, None, None] * generator.basis
    wanted = generator.stages[1](generator.stages[0](x)).flatten(1)
    assert feature_layers(generator) == ["stages.0", "stages.1", "stages.2"]
    assert torch.allclose(features(generator, "stages.1", z, c), wanted, atol=1e-5)
    assert not any(module._forward_hooks for module in generator.modules())
    with pytest.raises(UsageError, match="unknown layer 'stages.7'"):
        features(generator, "stages.7", z, c)


def test_another_thread_draws_whole_images_meanwhile(monkeypatch):
    generator = built("stylegan2")
    z, images = torch.randn(1, 8), []
    want = generator(z)
    first = generator.synthesis.b4.forward

    def slowly(*inputs):
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=lambda: images.append(generator(z)))
            other.start()
            other.join()
        return first(*inputs)

    monkeypatch.setattr(generator.synthesis.b4, "forward", slowly)
    features(generator, "b4", z)
    assert len(images) == 1 and torch.equal(images[0], want)
