"""Numbers that say how good a picture is, how unlike the others, and how even the classes are.

Levels are of 255. Pictures are measured at one scale, their longer side brought down by averaging areas:
sharpness at 256 px, light and colour at 128 px; smaller pictures as they are. A large picture that is blurred
by less than that therefore counts as sharp, as it will be in the data set.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

from training.preparation.hashes import LUMINANCE

SIDE = 256  # px of the longer side at which sharpness is measured
_COARSE = 128  # px of the longer side for light and colour
_NEAR = 4  # levels from the median colour that count as the same
_DARK, _LIGHT = 5, 250  # levels up to which, and from which on, nothing more is to be seen
_MOST = 32  # directions in feature space
_TO_SIGMA = 1.4826  # median absolute deviation -> standard deviation of a normal distribution
OUTLIER = 3.5  # robust standard deviations (Iglewicz, Hoaglin 1993, "How to detect and handle outliers")


def measure(rgb: np.ndarray) -> dict[str, float]:
    """What a picture is like. rgb: uint8 [H, W, 3].

    sharpness      variance of the Laplacian of the luminance (Pech-Pacheco et al. 2000), levels squared; 0 to
                   about 10 is blurred, photographs have 100 to 3000
    brightness     mean luminance, levels
    contrast       standard deviation of the luminance, levels
    colourfulness  of Hasler and Suesstrunk (2003), "Measuring colourfulness in natural images": 0 is grey, 15
                   slightly, 59 quite and 109 extremely colourful
    blank          share of the pixels that have the median colour, +-4 levels: 1 shows nothing
    dark, light    shares of the pixels without a visible difference to black and to white
    """
    image = Image.fromarray(rgb)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=None)
    fine = np.asarray(image, np.float32) @ LUMINANCE
    image.thumbnail((_COARSE, _COARSE), Image.Resampling.BOX, reducing_gap=None)
    small = np.asarray(image, np.float32)  # [h, w, 3]
    grey = small @ LUMINANCE
    near = abs(small - np.median(small, axis=(0, 1))).max(-1) <= _NEAR
    return {
        "sharpness": _sharpness(fine),
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "colourfulness": _colourfulness(small),
        "blank": float(near.mean()),
        "dark": float((grey <= _DARK).mean()),
        "light": float((grey >= _LIGHT).mean()),
    }


def _sharpness(grey: np.ndarray) -> float:
    """Variance of the sum of the four neighbours less four times the pixel; edges are repeated."""
    padded = np.pad(grey, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return float((around - 4 * grey).var())


def _colourfulness(rgb: np.ndarray) -> float:
    red_green = rgb[..., 0] - rgb[..., 1]
    yellow_blue = (rgb[..., 0] + rgb[..., 1]) / 2 - rgb[..., 2]
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def outliers(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each picture lies from the others, float64 [N], and whether it is an outlier, bool [N].

    features: finite float [N, D], such as those of EfficientNet-Lite0. They are turned to their directions of
    most variance, 32 at most, and each direction is measured from its median by its median absolute
    deviation, so that the outliers do not set the scale. The distance is the root mean square of these; an
    outlier's is more than 3.5 robust standard deviations above the median distance. Raises ValueError for
    other shapes or values.
    """
    found = np.asarray(features, np.float64)
    if found.ndim != 2 or not np.isfinite(found).all():
        raise ValueError(f"features are finite [N, D], not {found.shape}")
    if len(found) < 3:
        return np.zeros(len(found)), np.zeros(len(found), bool)
    centred = found - np.median(found, axis=0)
    powers, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    turned = centred @ directions[:, powers > powers[-1] * 1e-9][:, -_MOST:]
    scores, spread = _standard(turned)
    distances = np.sqrt((scores[:, spread > 0] ** 2).mean(1)) if (spread > 0).any() else np.zeros(len(found))
    above, spread = _standard(distances[:, None])
    return distances, (above[:, 0] > OUTLIER) & (spread[0] > 0)


def _standard(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of [N, D] from the medians, in robust standard deviations, which are [D]."""
    away = values - np.median(values, axis=0)
    spread = np.median(abs(away), axis=0) * _TO_SIGMA
    return away / np.where(spread > 0, spread, 1), spread


def balance(labels: Iterable[str | int | None]) -> Mapping[str, object]:
    """How even classes are.

    counts: of each class, the largest first.  unlabelled: images without a class (None).
    ratio: of the largest class to the smallest, 1 is even.
    evenness: entropy of the classes over that of even ones (Pielou 1966), 0 to 1; 1 for one class.
    """
    counted = Counter(labels)
    unlabelled = counted.pop(None, 0)
    counts = dict(sorted(counted.items(), key=lambda item: (-item[1], str(item[0]))))
    if not counts:
        return {"counts": {}, "unlabelled": unlabelled, "ratio": 1.0, "evenness": 1.0}
    parts = np.array(list(counts.values())) / sum(counts.values())
    entropy = -(parts * np.log(parts)).sum()
    return {
        "counts": counts,
        "unlabelled": unlabelled,
        "ratio": float(parts.max() / parts.min()),
        "evenness": float(entropy / np.log(len(parts))) if len(parts) > 1 else 1.0,
    }
