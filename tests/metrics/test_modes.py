"""Mode coverage: counts, divergences in closed form, directions."""

import math

import numpy as np
import pytest
import torch

from metrics.modes import ModeCoverage, class_counts, mode_coverage


def test_all_modes_evenly():
    assert mode_coverage(torch.eye(6).repeat(4, 1), 6) == ModeCoverage(6, 0.0, ())


def test_half_of_the_modes():
    """Evenly over half of K uniform classes: KL is log 2."""
    found = mode_coverage([0, 1, 2, 0, 1, 2], 6)
    assert found == ModeCoverage(3, pytest.approx(math.log(2)), (3, 4, 5))


def test_one_mode_is_the_worst():
    logits = torch.randn(50, 10)
    logits[:, 3] += 100
    found = mode_coverage(logits, 10)
    assert (found.modes, found.kl) == (1, pytest.approx(math.log(10))) and 3 not in found.missing


def test_against_real_frequencies():
    real = [0] * 6 + [1] * 3 + [2]
    assert mode_coverage([0, 0, 1, 1], real).kl == pytest.approx(
        0.5 * math.log(0.5 / 0.6) + 0.5 * math.log(0.5 / 0.3)
    )
    assert mode_coverage(real[::-1], real) == ModeCoverage(3, 0.0, ())
    assert mode_coverage([0, 5], real).kl == math.inf  # no real image is of class 5
    assert mode_coverage([0, 5], real).missing == (1, 2)


def test_logits_probabilities_arrays_and_classes_agree():
    logits = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    classes = logits.argmax(1)
    want = mode_coverage(logits, 5)
    for same in (logits.softmax(1), logits.numpy(), classes, classes.numpy(), classes.tolist()):
        assert mode_coverage(same, 5) == want
    assert mode_coverage(logits, logits.flip(0)) == ModeCoverage(want.modes, 0.0, ())
    assert mode_coverage(logits[torch.randperm(40)], 5) == want


def test_counts_of_parts_add_up():
    logits = torch.randn(31, 4)
    assert torch.equal(class_counts(logits), class_counts(logits[:9]) + class_counts(logits[9:].numpy()))


@pytest.mark.parametrize(
    ("fake", "reference"),
    [
        ([], 3),
        ([-1], 3),
        ([3], 3),
        (np.zeros((2, 4)), 3),
        (np.zeros((2, 4)), np.zeros((2, 3))),
        ([4], np.eye(3)),
    ],
)
def test_refusals(fake, reference):
    with pytest.raises(ValueError, match="class"):
        mode_coverage(fake, reference)
