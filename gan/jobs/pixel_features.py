"""EfficientNet-Lite0 as the feature network of a preparation, which knows no networks itself."""

import numpy as np
import torch

from metrics.networks import Networks
from training.preparation.features import Network


def lite0() -> Network:
    """uint8 [n, 3, 128, 128] -> float32 [n, 1280]. Raises UserError where the weights are missing."""
    network = Networks()["efficientnet-lite0"]

    def features(pixels: np.ndarray) -> np.ndarray:
        return network(torch.from_numpy(np.ascontiguousarray(pixels)))["pool"].numpy()

    return features
