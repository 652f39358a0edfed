"""DiffAugment: closed forms of each group, derivatives."""

import pytest
import torch

from gan.randomness import Draws
from training.augment.config import AugmentConfig
from training.augment.diffaugment import DiffAugment, apply, draw, recolour, translate


def test_colour_in_the_middle_of_every_range_changes_nothing(close):
    images = torch.rand(2, 4, 6, 6)
    close(recolour(images, torch.full((2, 3), 0.5)), images)


def test_colour(close):
    images = torch.rand(1, 4, 6, 6, dtype=torch.float64)
    x, alpha = images[:, :3], images[:, 3:]
    brighter = recolour(images, torch.tensor([[1.0, 0.5, 0.5]], dtype=torch.float64))
    close(brighter, torch.cat([x + 0.5, alpha], 1))
    grey = recolour(images, torch.tensor([[0.5, 0.0, 0.5]], dtype=torch.float64))
    close(grey, torch.cat([x.mean(1, keepdim=True).expand(-1, 3, -1, -1), alpha], 1))
    flat = recolour(images, torch.tensor([[0.5, 0.5, 0.0]], dtype=torch.float64))
    close(flat, torch.cat([(x - x.mean()) / 2 + x.mean(), alpha], 1))


def test_colour_of_grey_images(close):
    """They have no saturation: the middle number has no effect."""
    images = torch.rand(2, 1, 6, 6)
    a, b = (recolour(images, torch.tensor([[0.7, s, 0.2]] * 2)) for s in (0.0, 0.9))
    assert a.equal(b)


def test_translation():
    images = torch.arange(1.0, 16 * 8 + 1).reshape(1, 1, 16, 8)  # at most 2 rows and 1 column
    out = translate(images, torch.tensor([[0.99, 0.0]]))
    want = torch.zeros_like(images)
    want[..., :-2, 1:] = images[..., 2:, :-1]
    assert out.equal(want)
    assert translate(images, torch.tensor([[0.5, 0.5]])).equal(images)


def test_a_shift_repeats_the_edge():
    images = torch.arange(1.0, 16 * 8 + 1).reshape(1, 1, 16, 8)
    for u, moved in (([0.99, 0.0], (-1, 2)), ([0.0, 0.99], (1, -2))):  # a column and two rows
        out = apply(images, {"shift": torch.tensor([u])})
        columns, rows = (torch.arange(size) + by for size, by in zip((8, 16), moved, strict=True))
        assert out.equal(images[:, :, rows.clamp(0, 15)][..., columns.clamp(0, 7)])


def test_cutout_is_half_the_side():
    out = apply(torch.ones(1, 3, 8, 8), {"cutout": torch.tensor([[0.5, 0.5]])})
    assert (out == 0).sum() == 3 * 16


def test_the_same_on_every_device(device, close):
    groups = ("color", "translation", "shift", "cutout")
    images, drawn = torch.rand(4, 4, 12, 16), draw(groups, Draws(1, 0, range(4)))
    close(apply(images.to(device), drawn).cpu(), apply(images, drawn))


def test_groups_and_seed():
    pipe, images = (
        DiffAugment(AugmentConfig(name="diffaugment", policy="translation")),
        torch.ones(64, 3, 8, 8),
    )
    draws = Draws(0, 0, range(64))
    assert set(draw(pipe.groups, draws)) == {"translation"}
    first, other = pipe(images, 0.0, Draws(0, 0, range(64))), pipe(images, 0.0, draws)
    assert pipe(images, 1.0, Draws(0, 0, range(64))).equal(first) and not other.equal(first)
    assert set(first.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
def test_differentiable_twice(check):
    drawn = draw(("color", "translation", "cutout"), Draws(1, 0, range(1)))
    images = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    drawn["color"] = drawn["color"].double()
    assert check(lambda x: apply(x, drawn).tanh(), images)
