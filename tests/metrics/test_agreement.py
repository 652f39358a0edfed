"""Krippendorff's alpha against numbers computed by hand and those of its paper."""

import numpy as np
import pytest

from metrics.agreement import krippendorff_alpha

X = np.nan
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, X, X, X],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, X, 3],
    [X, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, X],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, X],
]


@pytest.mark.parametrize(("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_the_published_example(scale, alpha):
    assert krippendorff_alpha(PUBLISHED, scale) == pytest.approx(alpha, abs=5e-4)


def test_by_hand():
    """Units (1,1), (1,2), (2,2): 2 of 6 ordered pairs differ; of 3 ones and 3 twos 18 of 30 would."""
    ratings = [[1, 1, 2], [1, 2, 2]]
    assert krippendorff_alpha(ratings, "nominal") == pytest.approx(1 - (2 / 6) / (18 / 30), abs=1e-12)


def test_distances_by_hand():
    """Units (0,1), (3,3): pairs differ by 1, 1, 0, 0; of 0,1,3,3: 2(1+9+9+4+4+0) = 54 over 12."""
    assert krippendorff_alpha([[0, 3], [1, 3]], "interval") == pytest.approx(
        1 - (2 / 4) / (54 / 12), abs=1e-12
    )


def test_ranks_by_hand():
    """Values 1, 2, 2, 7: (1 + 2 - 1.5) ratings from 1 to 2, as many from 2 to 7, (4 - 1) from 1 to 7."""
    expected = (2 * 2 * 1.5**2 + 2 * 2 * 1.5**2 + 2 * 3**2) / 12
    assert krippendorff_alpha([[1, 2], [2, 7]], "ordinal") == pytest.approx(1 - (4 * 1.5**2 / 4) / expected)
    stretched = krippendorff_alpha([[1, 2], [2, 900]], "ordinal")
    assert stretched == krippendorff_alpha([[1, 2], [2, 7]], "ordinal")  # only the order counts


def test_a_unit_rated_once_says_nothing():
    assert krippendorff_alpha([[1, 1, 2, 9], [1, 2, 2, X]]) == krippendorff_alpha([[1, 1, 2], [1, 2, 2]])


def test_perfect_chance_and_opposed():
    rng = np.random.default_rng(0)
    truth = rng.integers(1, 6, 2000)
    assert krippendorff_alpha([truth, truth, truth]) == 1
    assert abs(krippendorff_alpha(rng.integers(1, 6, (3, 2000)))) < 0.03
    assert krippendorff_alpha([[0, 1] * 50, [1, 0] * 50]) < -0.9


@pytest.mark.parametrize("ratings", [[[1, 1], [1, 1]], [[1, 2, X], [X, X, 3]], [[X], [X]]])
def test_where_alpha_has_no_meaning(ratings):
    assert krippendorff_alpha(ratings) is None


def test_what_is_no_table_of_ratings():
    with pytest.raises(ValueError, match="raters, units"):
        krippendorff_alpha([1, 2])
    with pytest.raises(ValueError, match="different ratings"):
        krippendorff_alpha(np.tile(np.arange(1001), (2, 1)))
