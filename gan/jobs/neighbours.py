"""The nearest training images of any images, by features, those of a data set measured once.

Letters: N images, K neighbours, C channels, H rows, W columns.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from gan import precision
from gan.errors import UsageError, UserError
from gan.images import rgb_view
from gan.jobs.scoring import DatasetImages
from metrics import kept
from metrics.features import Bank
from metrics.images import ArrayImages
from metrics.measure import Statistic, measure
from metrics.networks import Networks
from metrics.rows import nearest as nearest_rows
from training.data.images import ImageDataset

NETWORK = "efficientnet-lite0"  # its weights need no download
COUNT = 5  # neighbours where nobody says otherwise


class Neighbours(NamedTuple):
    """indices: int64 [N, K], images of the data set, the nearest first.  distances: [N, K], of features."""

    indices: Tensor
    distances: Tensor


def nearest(
    images: Tensor,
    dataset: ImageDataset,
    *,
    count: int = COUNT,
    network: str = NETWORK,
    networks: Networks | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> Neighbours:
    """The `count` images of a data set that are nearest to each of uint8 images [N, C, H, W].

    network: of `metrics.networks`, with features "pool". networks: where it is built; None builds it on the
    CPU. progress: told of images of the set as they are measured. Their features are kept in the cache, where
    scores that need single features find them, too.
    Raises UsageError for a count that the set does not have, UserError where the weights are absent.
    """
    if not 1 <= count <= len(dataset):
        raise UsageError(f"cannot find {count} nearest of {len(dataset)} images; ask for 1 to {len(dataset)}")
    networks = networks or Networks()
    extractor = networks[network]
    if "pool" not in extractor.heads:
        raise UserError(f"{network} has no features of single images; take {NETWORK}")
    statistic = Statistic(network, "pool", "bank", None)
    with precision.exact():
        reals = bank(dataset, statistic, networks, progress)
        own = measure(ArrayImages(images), [statistic], networks, lambda count: None, networks.device)
        found = nearest_rows(own[statistic].rows, reals.rows, count)
    return Neighbours(found.indices, found.distances)


def bank(
    dataset: ImageDataset, statistic: Statistic, networks: Networks, progress: Callable[[int], None]
) -> Bank:
    """Features of all images of a data set, from the cache where it has them."""
    key = kept.key_of(statistic, networks[statistic.extractor], dataset.sha256, "")
    if (there := kept.load(key)) is not None:
        return there.to(networks.device)
    images = DatasetImages(dataset)
    found = measure(images, [statistic], networks, progress, networks.device)[statistic]
    kept.store(key, found)
    return found


def row(image: Tensor, indices: Tensor, dataset: ImageDataset) -> Tensor:
    """An image [C, H, W] and those of a data set [K], side by side as RGB of its size: [K + 1, 3, H, W]."""
    parts = [image, *(torch.from_numpy(dataset.raw(i).copy()) for i in indices.tolist())]
    height, width = image.shape[1:]
    shown = [rgb_view(part[None]).float() for part in parts]
    sized = [
        part
        if part.shape[2:] == (height, width)
        else torch.nn.functional.interpolate(part, (height, width), mode="bilinear", antialias=True)
        for part in shown
    ]
    return torch.cat(sized).round().to(torch.uint8)
