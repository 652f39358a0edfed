"""Draws: what a number depends on, and what it does not; seeds of the global generators."""

import pytest
import torch

from gan.randomness import Draws, seed_global
from ops import random


def numbers(samples=range(6), **options):
    """Two draws of each kind."""
    draws = Draws(3, 40, samples, **options)
    return [draws.normal((2, 5)), draws.uniform((7,)), draws.normal(), draws.uniform()]


def test_a_sample_has_its_numbers_in_any_company():
    whole = numbers()
    assert [tuple(t.shape) for t in whole] == [(6, 2, 5), (6, 7), (6,), (6,)]
    for samples in (range(1, 6, 2), [1, 3, 5]):
        for part, all_of_them in zip(numbers(samples), whole, strict=True):
            assert torch.equal(part, all_of_them[1::2])


def test_calls_steps_seeds_and_images_seen_draw_others():
    same = Draws(3, 40, range(50))
    others = [Draws(4, 40, range(50)), Draws(3, 41, range(50)), Draws(3, 40, range(50), step=1)]
    values = [same.uniform(), same.uniform(), same.apart().uniform(), same.apart().uniform()]
    values += [draws.uniform() for draws in others] + [others[2].apart().uniform()]
    assert len({tuple(v.tolist()) for v in values}) == len(values)


def test_streams_are_as_documented():
    draws, keys = Draws(3, 40, range(2), step=5), random.keys(3, 40, range(2), 5 * 2**24 + 2 * 2**12 + 1)
    draws.apart()
    apart = draws.apart()
    apart.normal()
    assert torch.equal(apart.normal((4,)), random.normal(keys, (4,)))


def test_what_is_drawn_apart_moves_nothing_else():
    first, second = Draws(3, 40, range(6)), Draws(3, 40, range(6))
    one, other = first.apart(), second.apart()
    one.normal((9,))
    assert torch.equal(first.uniform(), second.uniform())
    assert torch.equal(first.apart().normal(), second.apart().normal())
    assert not torch.equal(one.uniform(), other.uniform())


def test_rows_are_several_of_each_sample():
    whole, part = Draws(3, 40, range(6)).rows(18), Draws(3, 40, range(1, 6, 2)).rows(9)
    a, b = whole.normal((2, 2)), part.normal((2, 2))
    assert a.shape == (18, 2, 2) and torch.equal(b, a.unflatten(0, (6, 3))[1::2].flatten(0, 1))
    assert len({tuple(row.flatten().tolist()) for row in a}) == 18
    with pytest.raises(ValueError, match="7 rows for 6 samples"):
        Draws(3, 40, range(6)).rows(7)


def test_what_a_batch_shares_depends_on_no_sample():
    a, b = Draws(3, 40, range(0, 6, 2)), Draws(3, 40, range(1, 6, 2))
    first = a.shared((5,))
    assert torch.equal(first, b.shared((5,))) and not torch.equal(first, a.shared((5,)))
    assert first.shape == (5,) and 0 <= first.min() < first.max() < 1


def test_devices_and_types(device):
    here, there = Draws(3, 40, range(6), device), Draws(3, 40, range(6))
    assert torch.equal(here.uniform((5,)).cpu(), there.uniform((5,)))
    one, other = here.normal((5,), torch.float64), there.normal((5,), torch.float64)
    assert one.device.type == device.type and one.dtype == torch.float64
    torch.testing.assert_close(one.cpu(), other, rtol=1e-5, atol=1e-6)
    assert here.uniform((5,), device="cpu").device.type == "cpu"


def test_global_seeds_differ_in_every_number(device):
    drawn = []
    for numbers in ((1, 2, 3), (1, 2, 4), (0, 2, 3), (1, 2, 3)):
        seed_global(device, *numbers)
        drawn.append(torch.rand(8, device=device))
    assert torch.equal(drawn[0], drawn[3])
    assert not torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
