"""Stacked digits: three of scikit-learn's 8x8 digits as the channels of a 32x32 image, 1,000 modes.

As Stacked MNIST (Metz et al. 2017, "Unrolled Generative Adversarial Networks", section 3.3.1; 128,000 triples
as in Lin et al. 2018, "PacGAN"), from the 1,797 digits of the UCI Optical Recognition set that come with
scikit-learn, so that nothing is downloaded.

Letters: N images, M digits, C channels, H rows, W columns.
"""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gan import sampling
from gan.errors import UserError
from gan.files import atomic_write
from metrics.modes import mode_coverage

SIDE = 32
TRIPLES = 128_000
MODES = 1000
SAMPLES = 26_000  # of which modes and KL are taken (PacGAN and VEEGAN; Metz et al. took 25,600)
LEVELS = 16  # of the original pixels: 0 to 16


def load_digits(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The digits, uint8 [M, 32, 32], and what they are, int64 [M]; kept in `path` (.npz).

    The 8x8 pixels are enlarged bilinearly. Raises UserError if neither `path` nor scikit-learn is there.
    """
    if not path.is_file():
        try:
            from sklearn import datasets
        except ImportError as error:
            raise UserError(
                f"{path} is not there, and scikit-learn, from which it is made, is not installed:"
                " pip install scikit-learn"
            ) from error
        found = datasets.load_digits()
        pixels = torch.from_numpy(found.images).float()[:, None] * (255 / LEVELS)  # [M, 1, 8, 8]
        large = F.interpolate(pixels, size=(SIDE, SIDE), mode="bilinear").round()
        images = large[:, 0].to(torch.uint8).numpy()
        with atomic_write(path) as temporary:
            np.savez_compressed(temporary, images=images, labels=found.target.astype(np.int64))
    with np.load(path) as data:
        return data["images"], data["labels"]


class StackedDigits:
    """128,000 random triples of digits as RGB images; what training asks of a data set, made when asked for.

    Every image has one of 1,000 classes: 100 * red + 10 * green + blue. Training does not see them.
    """

    path = Path("stacked-digits")
    in_memory = True
    name, licence, labels, shape = "Stacked digits", "CC BY 4.0", None, (3, SIDE, SIDE)

    def __init__(self, digits: np.ndarray, labels: np.ndarray):
        self._digits, self._labels = digits, labels
        self._triples = np.random.default_rng(0).integers(0, len(digits), (TRIPLES, 3))
        self.classes: list[str] = []
        self.vectors, self.counts, self.slug = None, np.zeros(0), self.path.stem

    def conditions(self, numbers: Sequence[int]) -> np.ndarray:
        """None: -1 for each."""
        return np.full(len(numbers), -1)

    def __len__(self) -> int:
        return TRIPLES

    def image(self, i: int) -> np.ndarray:
        """Image `i`, uint8 [3, 32, 32]."""
        return self._digits[self._triples[i]]

    def modes(self, images: Sequence[int]) -> np.ndarray:
        """The classes of these images by the labels of their digits, int64 [len(images)]."""
        return self._labels[self._triples[images]] @ np.array([100, 10, 1])

    @functools.cached_property
    def sha256(self) -> str:
        """Fingerprint of the digits and of their order."""
        return hashlib.sha256(self._digits.tobytes() + self._triples.tobytes()).hexdigest()


@torch.inference_mode()
def modes_of(classifier: torch.nn.Module, images: Tensor) -> Tensor:
    """Classes 0 to 999, int64 [N], of images uint8 [N, 3, 32, 32]: the classifier names each channel."""
    device = next(classifier.parameters()).device
    channels = images.to(device, torch.float32).flatten(0, 1)[:, None] / 127.5 - 1  # [3 N, 1, H, W]
    digits = classifier(channels).argmax(1).view(-1, 3)
    return (digits * digits.new_tensor([100, 10, 1])).sum(1).cpu()


def coverage_of(classes: Tensor) -> dict[str, float]:
    """Modes covered and KL(fakes || uniform) in nats of classes [N]."""
    found = mode_coverage(classes, MODES)
    return {"modes": found.modes, "kl": found.kl}


def score(generator: torch.nn.Module, classifier: torch.nn.Module, samples: int) -> dict[str, float]:
    """`coverage_of` that many images, of the seeds 0, 1, ..., with psi 1, in eval mode."""
    mode = generator.training
    generator.eval()
    try:
        batches = sampling.images(generator, range(samples), batch=250)
        return coverage_of(torch.cat([modes_of(classifier, images) for images in batches]))
    finally:
        generator.train(mode)
