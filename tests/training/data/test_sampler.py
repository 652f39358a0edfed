"""The order of images: a permutation per epoch, recomputable anywhere, the same for any process count."""

import itertools

import numpy as np
import pytest
import torch

from gan.errors import UsageError
from training.data.faults import DataError
from training.data.images import ImageDataset
from training.data.sampler import batches, flip_at, index_at

LENGTH = 10
GOLDEN_ORDER = [4, 6, 2, 7, 3, 5, 9, 0, 8, 1]  # numpy.random.default_rng((0, 0)).permutation(10)
GOLDEN_FLIPS = [int(c) for c in "0111000101"]


class Numbered:
    """LENGTH images of 2x2; the pixels of image i are 10 i + 0, 1, 2, 3 and its label is i."""

    labels, fingerprint = np.arange(LENGTH), "numbered"

    def __init__(self, broken=None):
        self.broken = broken

    def __len__(self):
        return LENGTH

    def image(self, i):
        if i == self.broken:
            raise DataError(f"set.zip: {i}.png is damaged: replace or remove it")
        return (10 * i + np.arange(4, dtype=np.uint8)).reshape(1, 2, 2)


class Unlabelled(Numbered):
    labels = None


def take(count, dataset=None, **options):
    """Images and labels of the first `count` batches, end to end."""
    found = list(itertools.islice(batches(ImageDataset(dataset or Numbered(), "set.zip"), **options), count))
    images, labels = zip(*found, strict=True)
    return torch.cat(images), torch.cat(labels)


def order(epoch, seed=0):
    return [index_at(p, LENGTH, seed)[0] for p in range(epoch * LENGTH, (epoch + 1) * LENGTH)]


def test_every_epoch_is_a_permutation_and_none_repeats():
    epochs = [order(epoch) for epoch in range(20)]
    assert all(sorted(epoch) == list(range(LENGTH)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 20
    assert order(0, seed=1) != order(0, seed=0)


def test_positions_need_no_history():
    forward = [index_at(p, LENGTH, 7) for p in range(100)]
    assert [index_at(p, LENGTH, 7) for p in reversed(range(100))] == forward[::-1]
    assert [epoch for _, epoch in forward] == [p // LENGTH for p in range(100)]
    assert index_at(10**12 + 3, LENGTH, 7)[1] == 10**11  # far ahead costs the same


def test_golden_order():
    """Pinned: another order would change what a resumed run sees. numpy keeps its streams (NEP 19)."""
    assert order(0) == GOLDEN_ORDER
    assert [int(flip_at(p, LENGTH, 0)) for p in range(LENGTH)] == GOLDEN_FLIPS


def test_flips_are_fair_and_differ_between_epochs_and_seeds():
    flips = np.array([[flip_at(p, 1000, seed) for p in range(4000)] for seed in range(2)])
    assert abs(flips.mean() - 0.5) < 4 * 0.5 / np.sqrt(flips.size)  # four standard deviations
    first, second = flips[0, :1000], flips[0, 1000:2000]
    for other in (second, flips[1, :1000]):
        assert 400 < (first == other).sum() < 600


def test_batches_follow_the_order():
    images, labels = take(7, batch_size=3, seed=5)
    assert images.dtype == torch.uint8 and images.shape == (21, 1, 2, 2) and labels.dtype == torch.int64
    assert labels.tolist() == [index_at(p, LENGTH, 5)[0] for p in range(21)]
    assert images[:, 0, 0, 0].tolist() == [10 * label for label in labels]


def test_labels_are_minus_one_where_there_are_none():
    labels = take(2, Unlabelled(), batch_size=3, seed=0)[1]
    assert labels.tolist() == [-1] * 6 and labels.dtype == torch.int64


def test_xflip_mirrors_exactly_the_flipped_positions():
    plain, _ = take(10, batch_size=4, seed=3)
    mirrored, _ = take(10, batch_size=4, seed=3, xflip=True)
    flips = torch.tensor([flip_at(p, LENGTH, 3) for p in range(40)])
    assert 0 < flips.sum() < 40
    assert torch.equal(mirrored[flips], plain[flips].flip(-1)) and torch.equal(
        mirrored[~flips], plain[~flips]
    )
    assert not torch.equal(mirrored, plain)


@pytest.mark.parametrize("start", [0, 1, 4, 9, 10, 37])
def test_resuming_anywhere_gives_what_would_have_come(start):
    whole, whole_labels = take(60, batch_size=1, seed=2, xflip=True)
    images, labels = take(3, batch_size=4, seed=2, start=start, xflip=True)
    assert torch.equal(images, whole[start : start + 12])
    assert torch.equal(labels, whole_labels[start : start + 12])


@pytest.mark.parametrize("world", [1, 2, 3, 6])
def test_ranks_together_draw_the_batch_of_one_process(world):
    expected = take(5, batch_size=6, seed=4, start=8, xflip=True)
    options = {"batch_size": 6, "seed": 4, "start": 8, "xflip": True, "world": world}
    per_rank = [take(5, rank=rank, **options) for rank in range(world)]
    for part, whole in enumerate(expected):
        assert all(len(rank[part]) == 30 // world for rank in per_rank)
        assert torch.equal(torch.stack([rank[part] for rank in per_rank], 1).flatten(0, 1), whole)


@pytest.mark.parametrize("batch_size, world", [(10, 4), (0, 1), (2, 3)])
def test_a_batch_that_cannot_be_shared(batch_size, world):
    with pytest.raises(UsageError, match=f"batch {batch_size} cannot be shared by {world} processes"):
        batches(ImageDataset(Numbered(), "set.zip"), batch_size=batch_size, seed=0, world=world)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(workers):
    options = {"batch_size": 4, "seed": 6, "start": 3, "xflip": True}
    state = torch.get_rng_state()
    images, labels = take(6, workers=workers, **options)
    assert torch.equal(torch.get_rng_state(), state)  # not even the global random state
    expected_images, expected_labels = take(6, workers=0, **options)
    assert torch.equal(images, expected_images) and torch.equal(labels, expected_labels)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_is_the_same_one_line_error_from_any_process(workers):
    with pytest.raises(DataError) as caught:
        take(10, Numbered(broken=4), batch_size=2, seed=0, workers=workers)
    assert str(caught.value) == "set.zip: 4.png is damaged: replace or remove it"
    assert caught.value.exit_code == 1
