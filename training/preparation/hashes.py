"""Fingerprints of pictures: of their exact pixels, and of what they look like.

The perceptual hash is the pHash of the field (Zauner 2010, "Implementation and benchmarking of perceptual
image hash functions"): the 8 x 8 lowest frequencies of a cosine transform of the luminance at 32 x 32 px, one
bit each, set where a coefficient is above their median. Bits are counted row by row, the constant term being
the highest, as the hexadecimal text of other tools has it, so that lists of their hashes can be read.

A mirrored picture and a crop have other hashes. `variants` are therefore the hashes of the parts of a picture
that a crop may have kept, each also mirrored: a copy has as its own hash one of the variants of its original.
They are computed from the thumbnail alone, the transform of a part being a matrix product:

    coefficients [8, 8] = B(top, bottom) @ luminance [32, 32] @ B(left, right).T

T: pictures, V: variants, all arrays of thumbnails uint8 [T, 32, 32, 3].
"""

import functools
import hashlib

import numpy as np
from PIL import Image

SIDE = 32  # px of a thumbnail
BITS = 64
_LOW = 8  # frequencies a direction
_SCALES = {1.0: 1, 0.95: 2, 0.9: 3, 0.85: 4, 0.8: 5}  # side that a crop keeps -> places a direction
# A coefficient this little above the median has no bit: 0.1 levels of mean luminance. In symmetric and in
# dull pictures half of them are zero but for noise, and their bits would be chance.
_MARGIN = 100.0
_CHUNK = 1024  # thumbnails at a time
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def exact(rgb: np.ndarray) -> str:
    """sha256 of the pixels, 64 hex digits: the same for a file that was saved again without loss.

    rgb: uint8 [H, W, C]. The size is part of it, so that no two shapes share a hash.
    """
    digest = hashlib.sha256(str(rgb.shape).encode())
    digest.update(np.ascontiguousarray(rgb).data)
    return digest.hexdigest()


def thumbnail(rgb: np.ndarray | Image.Image) -> np.ndarray:
    """uint8 [32, 32, 3]: the picture pressed into a square, each pixel the mean of its area.

    rgb: uint8 [H, W, 3], or a Pillow image of mode RGB.
    """
    image = rgb if isinstance(rgb, Image.Image) else Image.fromarray(rgb)
    if image.mode != "RGB":
        raise ValueError(f"the picture has mode {image.mode}, not RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))


def perceptual(rgb: np.ndarray | Image.Image) -> int:
    """The 64-bit hash of what a picture looks like; copies differ in few bits. Arguments of `thumbnail`."""
    return int(hashes(thumbnail(rgb)[None])[0])


def hashes(thumbnails: np.ndarray) -> np.ndarray:
    """uint64 [T]: the hashes of the whole pictures."""
    return variants(thumbnails, boxes()[:1])[:, 0]


def variants(thumbnails: np.ndarray, parts: np.ndarray | None = None) -> np.ndarray:
    """uint64 [T, V]: the hashes of the parts (None: of `boxes()`), those with a negative width mirrored.

    parts: [V, 4] left, top, right, bottom in fractions of the side; mirrored where right < left.
    """
    parts = boxes() if parts is None else parts
    columns = np.stack([_basis(*sorted((left, right))) for left, _, right, _ in parts])  # [V, 8, 32]
    rows = np.stack([_basis(top, bottom) for _, top, _, bottom in parts])  # [V, 8, 32]
    signs = np.where((parts[:, 2] < parts[:, 0])[:, None] & (np.arange(_LOW) % 2 == 1), -1, 1)  # [V, 8]
    columns *= signs[:, :, None]  # a mirrored cosine: odd frequencies change their sign
    found = np.empty((len(thumbnails), len(parts)), np.uint64)
    for at in range(0, len(thumbnails), _CHUNK):
        grey = np.asarray(thumbnails[at : at + _CHUNK]) @ LUMINANCE  # [T, 32, 32]
        low = rows @ grey[:, None] @ columns.transpose(0, 2, 1)  # [T, V, 8, 8]
        found[at : at + _CHUNK] = _packed(low.reshape(*low.shape[:2], BITS))
    return found


@functools.cache
def boxes() -> np.ndarray:
    """float64 [V, 4]: left, top, right, bottom of the parts in fractions of the side, the whole one first.

    The second half are the same parts, mirrored: left and right are exchanged.
    """
    places = []
    for scale, count in _SCALES.items():
        starts = np.linspace(0, 1 - scale, count) if count > 1 else [0.0]
        places += [(x, y, x + scale, y + scale) for y in starts for x in starts]
    upright = np.array(places)
    return np.concatenate([upright, upright[:, [2, 1, 0, 3]]])


@functools.cache
def _basis(start: float, end: float) -> np.ndarray:
    """float32 [8, 32]: cosines of the interval [start, end] of a side, for the pixels it covers."""
    edges = np.arange(SIDE + 1) / SIDE
    covered = np.clip(edges[1:], start, end) - np.clip(edges[:-1], start, end)
    centres = (np.clip(edges[1:], start, end) + np.clip(edges[:-1], start, end)) / 2
    phase = (centres - start) / (end - start)
    waves = np.cos(np.pi * np.arange(_LOW)[:, None] * phase)
    return (waves * covered * SIDE).astype(np.float32)


def _packed(coefficients: np.ndarray) -> np.ndarray:
    """float [..., 64] -> uint64 [...]: a bit where one is above the median, the first bit the highest."""
    bits = coefficients > np.median(coefficients, axis=-1, keepdims=True) + _MARGIN
    return np.packbits(bits, axis=-1).view(">u8")[..., 0].astype(np.uint64)
