"""Numbers that say how good a picture is, how unlike the others, and how even the classes are.

Levels are of 255. Pictures are measured at one scale, their longer side brought down by averaging areas:
sharpness at 256 px, light and colour at 128 px; smaller pictures as they are. A large picture that is blurred
by less than that therefore counts as sharp, as it will be in the data set.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

SIDE = 256  # px of the longer side at which sharpness is measured
_COARSE = 128  # px of the longer side for light and colour
_NEAR = 4  # levels from the median colour that count as the same
_DARK, _LIGHT = 5, 250  # levels up to which, and from which on, nothing more is to be seen
_MOST = 32  # directions in feature space
_SAMPLE = 20_000  # pictures that tell the directions and scales
_CHUNK = 4096  # pictures at a time
_TO_SIGMA = 1.4826  # median absolute deviation -> standard deviation of a normal distribution
OUTLIER = 3.5  # robust standard deviations (Iglewicz, Hoaglin 1993, "How to detect and handle outliers")


def measure(rgb: np.ndarray | Image.Image) -> dict[str, float]:
    """What a picture is like. rgb: uint8 [H, W, 3], or a Pillow image of mode RGB.

    sharpness      variance of the Laplacian of the luminance (Pech-Pacheco et al. 2000), levels squared; 0 to
                   about 10 is blurred, photographs have 100 to 3000
    brightness     mean luminance, levels
    contrast       standard deviation of the luminance, levels
    colourfulness  of Hasler and Suesstrunk (2003), "Measuring colourfulness in natural images": 0 is grey, 15
                   slightly, 59 quite and 109 extremely colourful
    blank          share of the pixels that have the median colour, +-4 levels: 1 shows nothing
    dark, light    shares of the pixels without a visible difference to black and to white
    """
    fine = _within(rgb if isinstance(rgb, Image.Image) else Image.fromarray(rgb), SIDE)
    coarse = _within(fine, _COARSE)
    planes = np.asarray(coarse, np.float32).transpose(2, 0, 1).copy()  # [3, h, w]
    grey = _luminance(coarse)
    near = (abs(planes - _median(coarse)[:, None, None]) <= _NEAR).all(0)
    return {
        "sharpness": _sharpness(_luminance(fine)),
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "colourfulness": _colourfulness(planes),
        "blank": float(near.mean()),
        "dark": float((grey <= _DARK).mean()),
        "light": float((grey >= _LIGHT).mean()),
    }


def _within(image: Image.Image, side: int) -> Image.Image:
    """The picture with its longer side brought down to `side`. Large factors go in two steps."""
    scale = side / max(image.size)
    if scale >= 1:
        return image
    size = tuple(max(1, round(length * scale)) for length in image.size)
    return image.resize(size, Image.Resampling.BOX, reducing_gap=2.0)


def _luminance(image: Image.Image) -> np.ndarray:
    """float32 [H, W], levels, not rounded: Pillow's F has the weights of ITU-R BT.601."""
    return np.asarray(image.convert("F"))


def _median(image: Image.Image) -> np.ndarray:
    """float32 [3]: the median of each channel, of the counts of its levels."""
    counts = np.array(image.histogram()).reshape(3, 256).cumsum(1)
    middle = (counts[0, -1] - 1) // 2, counts[0, -1] // 2  # places of the values in the middle, from 0 on
    levels = [(counts <= place).sum(1) for place in middle]
    return np.asarray(levels, np.float32).mean(0)


def _sharpness(grey: np.ndarray) -> float:
    """Variance of the sum of the four neighbours less four times the pixel; edges are repeated."""
    padded = np.pad(grey, 1, mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    return float((around - 4 * grey).var())


def _colourfulness(rgb: np.ndarray) -> float:
    red, green, blue = rgb  # [H, W] each
    red_green = red - green
    yellow_blue = (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def outliers(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far each picture lies from the others, float64 [N], and whether it is an outlier, bool [N].

    features: finite float [N, D], such as those of EfficientNet-Lite0, perhaps mapped from a file. They are
    turned to their directions of most variance, 32 at most, and each direction is measured from its median by
    its median absolute deviation, so that the outliers do not set the scale. The distance is the root mean
    square of these; how far is told in robust standard deviations above the median distance, and more than
    3.5 of them are an outlier's. Of very many pictures 20,000 spread over all tell the directions and scales.
    Raises ValueError for other shapes or values.
    """
    if features.ndim != 2:
        raise ValueError(f"features are finite [N, D], not {features.shape}")
    sample = np.asarray(features[:: -(-len(features) // _SAMPLE) or 1], np.float64)
    if not np.isfinite(sample).all():
        raise ValueError("features are finite [N, D], and some of these are not")
    if len(features) < 3:
        return np.zeros(len(features)), np.zeros(len(features), bool)
    middle = np.median(sample, axis=0)
    powers, directions = np.linalg.eigh((sample - middle).T @ (sample - middle))  # ascending
    directions = directions[:, powers > powers[-1] * 1e-9][:, -_MOST:]
    centre, spread = _scale((sample - middle) @ directions)
    used = spread > 0
    distances = np.zeros(len(features))
    for at in range(0, len(features), _CHUNK) if used.any() else ():
        turned = (np.asarray(features[at : at + _CHUNK], np.float64) - middle) @ directions[:, used]
        distances[at : at + _CHUNK] = np.sqrt((((turned - centre[used]) / spread[used]) ** 2).mean(1))
    if not np.isfinite(distances).all():
        raise ValueError("features are finite [N, D], and some of these are not")
    (centre,), (spread,) = _scale(distances[:, None])
    above = (distances - centre) / (spread or 1)
    return above, (above > OUTLIER) & (spread > 0)


def _scale(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Medians and robust standard deviations of [N, D], each [D]."""
    centre = np.median(values, axis=0)
    away = values - centre
    spread = np.median(abs(away), axis=0) * _TO_SIGMA
    return centre, spread


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
