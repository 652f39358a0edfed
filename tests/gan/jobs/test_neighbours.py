"""The nearest training images: found, and measured once."""

import pytest
import torch

from gan.errors import UsageError
from gan.jobs import neighbours
from gan.jobs.neighbours import nearest, row


@pytest.mark.usefixtures("own_cache")
def test_a_copy_finds_its_original_and_the_set_is_measured_once(dataset):
    images = torch.stack([torch.from_numpy(dataset.raw(i).copy()) for i in (7, 30)])
    measured: list[int] = []
    found = nearest(images, dataset, count=3, network="untrained", progress=measured.append)
    assert found.indices.shape == (2, 3)
    assert found.indices[:, 0].tolist() == [7, 30]
    assert found.distances[:, 0].tolist() == [0, 0]
    assert (found.distances.diff(dim=1) >= 0).all()
    assert sum(measured) == 40
    again = nearest(images, dataset, count=3, network="untrained", progress=measured.append)
    assert torch.equal(again.indices, found.indices)
    assert sum(measured) == 40


def test_a_row_shows_the_image_and_its_neighbours(dataset):
    image = torch.zeros(1, 8, 8, dtype=torch.uint8)
    shown = row(image, torch.tensor([2, 5]), dataset)
    assert shown.shape == (3, 3, 8, 8)
    assert shown[0].unique().tolist() == [0]
    same = row(torch.zeros(3, 16, 16, dtype=torch.uint8), torch.tensor([5]), dataset)
    assert (same[1].numpy() == dataset.raw(5)).all()


@pytest.mark.parametrize("count", [0, 41])
def test_a_count_that_the_set_does_not_have_is_refused(dataset, count):
    with pytest.raises(UsageError, match="ask for 1 to 40"):
        nearest(torch.zeros(1, 3, 16, 16, dtype=torch.uint8), dataset, count=count, network="untrained")
    assert neighbours.COUNT == 5
