"""The index against all pairs, and its cost against their number."""

import time

import numpy as np
import pytest

from training.preparation.hamming import Index


def near_and_far(seed, count=400):
    """Hashes, and others that differ from them in 0 to about 20 bits."""
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 2**64, count, dtype=np.uint64, endpoint=False)
    wanted = np.repeat(table, 3)
    for _ in range(20):
        flipped = np.uint64(1) << rng.integers(0, 64, len(wanted), dtype=np.uint64)
        wanted = np.where(rng.random(len(wanted)) < np.linspace(0, 1, len(wanted)), wanted ^ flipped, wanted)
    return table, wanted


@pytest.mark.parametrize("radius", range(12))
def test_finds_each_pair_once_and_no_other(radius):
    table, wanted = near_and_far(radius)
    pairs = np.argwhere(np.bitwise_count(wanted[:, None] ^ table) <= radius)
    found = np.concatenate([np.stack(part, 1) for part in Index(table).within(wanted, radius)])
    assert len(pairs) > 30
    assert np.array_equal(found[np.lexsort(found.T[::-1])], pairs)


def test_crowds_of_one_hash_are_found_whole():
    table = np.array([7] * 3000 + [2**63 + 2**40], np.uint64)
    ((queries, others),) = Index(table).within(np.array([7, 2**63 + 2**40 + 3], np.uint64), 2)
    assert len(others) == 3001
    assert queries.tolist() == [0] * 3000 + [1] and others[-1] == 3000


def test_nothing_to_search_or_to_find():
    none = np.empty(0, np.uint64)
    assert list(Index(none).within(np.array([1], np.uint64), 7)) == []
    assert list(Index(np.array([1], np.uint64)).within(none, 7)) == []


@pytest.mark.parametrize("radius", [-1, 12])
def test_radius_beyond_the_bounds(radius):
    with pytest.raises(ValueError, match=f"0 to 11 bits, not {radius}"):
        next(Index(np.zeros(1, np.uint64)).within(np.zeros(1, np.uint64), radius))


def test_time_does_not_grow_with_the_square():
    """Sixteen times as many hashes are all pairs 256 times; the index needs far less than half of that."""
    rng = np.random.default_rng(0)
    seconds = []
    for count in (4_000, 64_000):
        table = rng.integers(0, 2**64, count, dtype=np.uint64, endpoint=False)
        index = Index(table)
        start = time.process_time()
        found = sum(len(queries) for queries, _ in index.within(table, 7))
        seconds.append(time.process_time() - start)
        assert found >= count
    assert seconds[1] < 80 * seconds[0], seconds
