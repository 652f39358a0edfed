"""Perceptual path length: closed forms on linear generators, cropping, noise, batches, the trimmed mean."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from metrics.path_length import path_distances, perceptual_path_length, trimmed_mean


class LinearGenerator(nn.Module):
    """A style generator with w = a z in two layers; its image is the first, spread over 16x16 pixels."""

    z_dim, c_dim, num_ws = 4, 0, 2

    def __init__(self, a: float = 3.0):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a, dtype=torch.float64))

    def mapping(self, z, c=None):
        return (self.a * z)[:, None].repeat(1, 2, 1)

    def synthesis(self, ws, noise="const"):
        return ws[:, 0].repeat_interleave(64, dim=1).view(-1, 1, 16, 16)


class PlainGenerator(nn.Module):
    """No style space: the image is z plus the class."""

    z_dim, c_dim = 4, 2

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, z, c):
        return (self.a * z + c[:, :1]).repeat_interleave(64, dim=1).view(-1, 1, 16, 16)


def pixels(images):
    """Rows whose squared difference is that of one channel of four pixels."""
    return images[:, 0, ::8, 0] if images.shape[2] == 16 else images[:, 0].flatten(1)


def noisy(generator):
    """In float64, with noise in every layer."""
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            nn.init.ones_(parameter)
    return generator.double()


def latents(n):
    return (torch.randn(n, 4, dtype=torch.float64) for _ in range(2))


@pytest.mark.parametrize("t", [0.0, 0.4])
def test_a_linear_generator_has_the_squared_length_of_its_line(t):
    z0, z1 = latents(5)
    places = torch.full((5,), t, dtype=torch.float64)
    got = path_distances(LinearGenerator(), lambda x: x[:, 0, ::4, 0], z0, z1, places, epsilon=1e-3)
    torch.testing.assert_close(got, (3 * (z1 - z0)).square().sum(1), rtol=1e-9, atol=0)


def test_on_the_sphere_speed_is_the_angle():
    """Space z: unit vectors move by their angle per unit of t, and the network scales that by a."""
    z0, z1 = latents(6)
    angle = torch.acos(torch.cosine_similarity(z0, z1))
    for t in (torch.zeros(6), torch.rand(6)):
        got = path_distances(
            LinearGenerator(), lambda x: x[:, 0, ::4, 0], z0, z1, t.double(), space="z", epsilon=1e-4
        )
        torch.testing.assert_close(got, (3 * angle).square(), rtol=1e-6, atol=0)


def test_without_a_mapping_latents_have_the_length_of_samples():
    z0, z1 = latents(3)
    c = torch.eye(2, dtype=torch.float64)[[0, 1, 0]]
    angle = torch.acos(torch.cosine_similarity(z0, z1))
    t = torch.zeros(3, dtype=torch.float64)
    got = path_distances(PlainGenerator(), lambda x: x[:, 0, ::4, 0], z0, z1, t, c, space="z")
    torch.testing.assert_close(got, 4 * angle.square(), rtol=1e-5, atol=0)
    with pytest.raises(ValueError, match="space 'w'"):
        path_distances(PlainGenerator(), pixels, z0, z1, t, c, space="w")


def test_features_see_three_channels_cropped_and_averaged():
    seen = []

    class Large(LinearGenerator):
        def synthesis(self, ws, noise="const"):
            return torch.arange(512.0).view(1, 1, 512, 1).expand(len(ws), 1, 512, 512)

    def record(images):
        seen.append(images)
        return images.flatten(1)

    z0, z1 = latents(1)
    for crop in (False, True):
        path_distances(Large(), record, z0, z1, torch.zeros(1), crop=crop)
    assert [tuple(images.shape) for images in seen] == [(2, 3, 256, 256), (2, 3, 128, 128)]
    assert seen[0][0, 2, :2, 0].tolist() == [0.5, 2.5]
    assert seen[1][0, 0, 0, 0] == 3 * 64 + 0.5 and seen[1][0, 0, -1, 0] == 7 * 64 - 1.5


def test_fresh_noise_is_shared_by_both_images_of_a_pair(tiny_generator):
    """With every latent alike, only the noise tells images apart: between pairs, never within one."""
    generator, seen = noisy(tiny_generator), []

    def record(images):
        seen.append(images)
        return images.flatten(1)

    z = torch.ones(3, generator.z_dim, dtype=torch.float64)
    sides = {n: b for n, b in generator.synthesis.named_buffers() if n.endswith("noise_const")}
    noise = {n: torch.randn(3, 1, *b.shape, dtype=torch.float64) for n, b in sides.items()}
    before = {n: b.clone() for n, b in sides.items()}
    got = path_distances(generator, record, z, z, torch.zeros(3), noise=noise)
    assert got.tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    assert (seen[0][0] - seen[0][1]).abs().max() > 1e-3
    assert all(torch.equal(before[n], b) for n, b in sides.items())
    alone = {n: rows[1:2] for n, rows in noise.items()}
    path_distances(generator, record, z[:1], z[:1], torch.zeros(1), noise=alone)
    torch.testing.assert_close(seen[1][0], seen[0][1], rtol=1e-9, atol=1e-9)


def test_score_is_seeded_and_the_batch_does_not_matter(tiny_generator):
    generator = noisy(tiny_generator)

    def score(**options):
        return perceptual_path_length(generator, lambda x: x.flatten(1), samples=10, epsilon=1e-2, **options)

    want = score()
    assert want.value > 0 and want.standard_error > 0 and want == score()
    assert score(batch=3).value == pytest.approx(want.value, rel=1e-6)
    assert len(want.distances) == 10 and want.distances.max() > want.value
    assert score(seed=1) != want and score(noise="const") != want and score(sampling="full") != want
    assert score(space="z").value > 0 and score(crop=True) != want


def test_labels_are_used_and_drawn_where_missing():
    generator, counts = PlainGenerator(), []

    def score(**options):
        return perceptual_path_length(
            generator,
            lambda x: x[:, 0, ::4, 0].exp(),
            space="z",
            samples=6,
            progress=counts.append,
            **options,
        )

    assert score(labels=[0] * 6).value == pytest.approx(score(labels=[1] * 6).value * math.e**2, rel=1e-6)
    assert score() == score() and counts[:1] == [6]
    with pytest.raises(ValueError, match="6 samples with 2 labels"):
        score(labels=[0, 1])


def test_directions():
    """A generator that changes faster has longer paths, a constant one none."""
    scores = [
        perceptual_path_length(LinearGenerator(a), lambda x: x.flatten(1), samples=20, noise="const").value
        for a in (0, 1, 3)
    ]
    assert scores[0] == 0 < scores[1] < scores[2] == pytest.approx(9 * scores[1], rel=1e-6)


def test_trimmed_mean_keeps_the_order_statistics():
    ordered = torch.arange(101.0)
    assert trimmed_mean(ordered[torch.randperm(101)]).value == 50 and trimmed_mean(ordered).kept == 99
    spoilt = ordered.clone()
    spoilt[100] = 1e9
    assert trimmed_mean(spoilt).value == 50
    error = np.std(np.arange(1, 100)) / 99**0.5
    assert trimmed_mean(ordered).standard_error == pytest.approx(error)
    alone = trimmed_mean(torch.tensor([3.0]))
    assert (alone.value, alone.standard_error, alone.kept) == (3, 0, 1)
    for wrong in (torch.empty(0), torch.tensor([torch.nan, 1.0])):
        with pytest.raises(ValueError, match="at least one distance"):
            trimmed_mean(wrong)
