"""Diversity: MS-SSIM against its definition and closed forms, pairs, Vendi score of known spectra."""

import math

import numpy as np
import pytest
import torch

from metrics.diversity import (
    WEIGHTS,
    mean_over_pairs,
    ms_ssim,
    random_pairs,
    vendi_score,
    vendi_score_of_similarities,
)


def drawn(n, size=32, channels=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, channels, size, size), generator=rng, dtype=torch.uint8)


def test_equal_images_score_one():
    images = drawn(3)
    assert ms_ssim(images, images).tolist() == pytest.approx([1, 1, 1], rel=1e-12)
    assert ms_ssim(images, images).dtype == torch.float64


def test_flat_images_differ_in_luminance_alone():
    """(2 a b + c1) / (a^2 + b^2 + c1) to the last weight: without contrast all other terms are 1."""
    a, b = torch.full((1, 1, 32, 32), 60.0), torch.full((1, 1, 32, 32), 180.0)
    c1 = 2.55**2
    want = ((2 * 60 * 180 + c1) / (60**2 + 180**2 + c1)) ** WEIGHTS[-1]
    assert ms_ssim(a, b).item() == pytest.approx(want, rel=1e-9)
    assert ms_ssim(a.double() / 255, b.double() / 255, value_range=1).item() == pytest.approx(want, rel=1e-9)


def test_negatives_score_zero():
    images = drawn(2).double()
    assert ms_ssim(images, 255 - images).tolist() == [0, 0]


def test_matches_the_definition_written_with_loops():
    a, b = (drawn(1, 176, 1, seed)[0, 0].double().numpy() for seed in (0, 1))
    b = 0.7 * a + 0.3 * b
    taps = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    want = 1.0
    x, y = a, b
    for scale, weight in enumerate(WEIGHTS):
        luminance, structure = [], []
        for i in range(x.shape[0] - 10):
            for j in range(x.shape[1] - 10):
                p, q = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                cov = (window * (p - mp) * (q - mq)).sum()
                luminance.append((2 * mp * mq + c1) / (mp**2 + mq**2 + c1))
                structure.append((2 * cov + c2) / (vp + vq + c2))
        last = scale == len(WEIGHTS) - 1
        want *= np.mean(np.multiply(luminance, structure) if last else structure) ** weight
        if not last:
            x, y = (z.reshape(len(z) // 2, 2, len(z) // 2, 2).mean((1, 3)) for z in (x, y))
    got = ms_ssim(torch.from_numpy(a)[None, None], torch.from_numpy(b)[None, None])
    assert got.item() == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("size", [16, 17, 31])
def test_small_images_have_a_score(size):
    a, b = drawn(2, size), drawn(2, size, seed=1)
    assert ((ms_ssim(a, b) >= 0) & (ms_ssim(a, b) < 0.9)).all()
    torch.testing.assert_close(ms_ssim(a, b), ms_ssim(b, a))


@pytest.mark.parametrize(("a", "b"), [((1, 3, 15, 32), (1, 3, 15, 32)), ((1, 3, 32, 32), (2, 3, 32, 32))])
def test_refused_shapes(a, b):
    with pytest.raises(ValueError, match="at least 16 pixels"):
        ms_ssim(torch.zeros(a), torch.zeros(b))


def test_pairs_are_of_different_images_and_cover_all():
    pairs = random_pairs(6, 2_000)
    assert (pairs[:, 0] != pairs[:, 1]).all() and torch.equal(pairs, random_pairs(6, 2_000))
    assert not torch.equal(pairs, random_pairs(6, 2_000, seed=1))
    counts = torch.bincount(pairs[:, 0] * 6 + pairs[:, 1], minlength=36)
    assert (counts > 0).sum() == 30 and counts.max() < 2 * 2_000 / 30


def test_pairs_stay_within_their_class():
    labels = [3, 0, 3, 0, 7, 3, 0]  # 7 has one image
    pairs = random_pairs(7, 500, labels=labels)
    kinds = torch.tensor(labels)
    assert torch.equal(kinds[pairs[:, 0]], kinds[pairs[:, 1]]) and (pairs[:, 0] != pairs[:, 1]).all()
    assert sorted(set(pairs.flatten().tolist())) == [0, 1, 2, 3, 5, 6]


@pytest.mark.parametrize(
    ("count", "pairs", "labels", "message"),
    [
        (1, 5, None, "no two"),
        (3, 5, [0, 1, 2], "no two"),
        (3, 0, None, "0 pairs"),
        (3, 5, [0, 0], "2 labels"),
    ],
)
def test_refused_pairs(count, pairs, labels, message):
    with pytest.raises(ValueError, match=message):
        random_pairs(count, pairs, labels=labels)


def test_mean_over_pairs_in_any_batch():
    images = drawn(8, 16)
    want = mean_over_pairs(ms_ssim, images, pairs=20)
    chosen = random_pairs(8, 20)
    values = ms_ssim(images[chosen[:, 0]], images[chosen[:, 1]])
    assert want.value == pytest.approx(values.mean().item())
    assert want.standard_error == pytest.approx(values.std(correction=0).item() / 20**0.5)
    again = mean_over_pairs(ms_ssim, images.numpy(), pairs=20, batch=7)
    assert again.value == pytest.approx(want.value, rel=1e-9)
    assert torch.equal(want.pairs, chosen) and want.values.tolist() == pytest.approx(values.tolist())


def test_directions_of_pairs():
    """One image with a little noise: similar by MS-SSIM, near by distance; unlike images are neither."""

    def distance(a, b):
        return (a.double() - b.double()).square().mean(dim=(1, 2, 3))

    varied = drawn(20, 16)
    collapsed = (varied[:1].int() + torch.randint(-3, 4, (20, 3, 16, 16))).clamp(0, 255)
    one, other = (mean_over_pairs(ms_ssim, x, pairs=30).value for x in (collapsed, varied))
    assert one > 0.9 > 0.6 > other
    assert (
        mean_over_pairs(distance, collapsed, pairs=30).value
        < mean_over_pairs(distance, varied, pairs=30).value
    )


@pytest.mark.parametrize("shape", [(12, 5), (5, 12)])
def test_vendi_of_equal_rows_is_one(shape):
    row = torch.randn(1, shape[1])
    assert vendi_score(row * torch.rand(shape[0], 1)) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("n", "d"), [(4, 4), (4, 9)])
def test_vendi_of_orthogonal_rows_is_their_number(n, d):
    assert vendi_score(torch.eye(d)[:n] * 3) == pytest.approx(n, rel=1e-12)


def test_vendi_counts_groups_by_their_shares():
    """Three rows of one direction and one of another: exp of the entropy of (3/4, 1/4)."""
    rows = torch.tensor([[1.0, 0], [2, 0], [3, 0], [0, 1]])
    want = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert vendi_score(rows) == pytest.approx(want, rel=1e-12)
    assert vendi_score(rows.repeat(5, 1)) == pytest.approx(want, rel=1e-12)  # copies add nothing
    assert vendi_score(rows[torch.randperm(4)].numpy()) == pytest.approx(want, rel=1e-12)


def test_vendi_by_either_matrix():
    for n, d in ((30, 7), (7, 30)):
        rows = torch.randn(n, d, dtype=torch.float64)
        unit = rows / rows.norm(dim=1, keepdim=True)
        want = vendi_score_of_similarities(unit @ unit.T)
        assert vendi_score(rows) == pytest.approx(want, rel=1e-9) and 1 < want < min(n, d)
    assert vendi_score_of_similarities(torch.tensor([[1.0, 0.5], [0.5, 1.0]])) == pytest.approx(
        math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    )


def test_vendi_refusals():
    with pytest.raises(ValueError, match="row of zeros"):
        vendi_score(torch.zeros(3, 2))
    for wrong in (torch.ones(2, 3), 2 * torch.eye(2)):
        with pytest.raises(ValueError, match="ones on the diagonal"):
            vendi_score_of_similarities(wrong)
