"""Whether an image is too near a training image, by features of a network that no training step saw.

The features are the pooled ones of EfficientNet-Lite0, of all images of the data set, measured when the
server starts and kept in the cache, where `gan report --nearest` leaves them as well. Too near is what lies
within a percentile of the distances from each training image to its nearest other: at 1, an image is as near
to the data as the closest hundredth of the data is to itself. Images of which the set has a copy are left out
of that, or in sets with many copies nothing but a copy would be too near.
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan import precision
from gan.console import progress
from gan.errors import UserError
from gan.jobs.neighbours import NETWORK, bank
from metrics.measure import Statistic
from metrics.networks import Networks
from metrics.rows import chosen
from metrics.rows import nearest as nearest_rows
from training.data.images import open_dataset

NAME = "memorised"
MOST_COMPARED = 10_000  # training images whose nearest others give the percentile; a sample of larger sets
_ROUNDING = 1e-5  # of the length of a row: float32 has 6e-8, and networks add up
_LEAST = 100  # training images below which a percentile says little


class Memorised:
    """The features of a data set, ready to be asked.

    threshold: distance up to which an image is met.  images: of the set.  features: which they are.
    rows: of them [N, D].
    """

    def __init__(self, data: str, percentile: float, network: str = NETWORK) -> None:
        """data: the training set, zip or folder.  percentile: of nearest distances in it, 0 to 100.

        Raises UserError for a set that cannot be read or has too few images, and where the weights of the
        network are absent.
        """
        self._networks = Networks()
        self._statistic = Statistic(network, "pool", "bank", None)
        dataset = open_dataset(data)
        try:
            if len(dataset) < _LEAST:
                raise UserError(f"{data} has {len(dataset)} images: the check needs {_LEAST}")
            with precision.exact(), progress(len(dataset), "features of the training images") as bar:
                kept = bank(dataset, self._statistic, self._networks, bar.update)
        finally:
            dataset.close()
        self.rows = kept.features
        self.images, self.percentile = len(self.rows), percentile
        self.features = f"{network}, pool, sha256:{self._networks[network].sha256}"
        self.threshold = threshold(self.rows, percentile)

    def told(self) -> dict[str, Any]:
        """What clients hear of it."""
        return {
            "features": self.features,
            "images": self.images,
            "percentile": self.percentile,
            "threshold": self.threshold,
        }

    def distance(self, image: Tensor) -> float:
        """To the nearest training image, of uint8 [C, H, W]. UserError where there is none."""
        # One image and not a part filled up with it, which takes several times as long. Without
        # `precision.exact`, which would change what the generators compute in while they run.
        extractor = self._networks[self._statistic.extractor]
        own = extractor.features([extractor.prepare(image[None])[0][:1]])[self._statistic.head]
        found = nearest_rows(own, self.rows, 1).distances.item()
        if not math.isfinite(found):
            raise UserError(f"the distance to the training images is {found}: leave the image out")
        return found

    def is_met(self, distance: float) -> bool:
        """Whether an image at this distance is too near."""
        return not distance > self.threshold


def threshold(rows: Tensor, percentile: float) -> float:
    """A percentile of the distances of rows [N, D] to their nearest others, of a sample where there are many.

    Rows with a copy are left out. The sample is the same in every run. It is no less than what the same image
    can differ by, measured alone and among others.
    """
    picked = torch.arange(len(rows))
    if len(rows) > MOST_COMPARED:
        picked = chosen(np.random.RandomState(0), rows, MOST_COMPARED)
    found = nearest_rows(rows[picked], rows, 2)
    other = torch.where(found.indices[:, 0] == picked, found.distances[:, 1], found.distances[:, 0])
    rounded = _ROUNDING * rows.double().norm(dim=1).median()
    apart = other[other > rounded]
    return float(torch.quantile(apart, percentile / 100) if len(apart) else rounded)
