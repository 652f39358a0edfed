"""Whether two pictures with near hashes are one picture: laid over each other, they differ nowhere.

A hash sees the coarse layout alone, which two pictures of one place, one face or one sky share. So the
thumbnail of one is laid over that of the other: a box of it, perhaps mirrored, is fitted together with one
gain and one offset of the luminance by Gauss-Newton steps (Lucas, Kanade 1981, "An iterative image
registration technique", with a scale for each direction and an affine model of light):

    gain * A(left + (right - left) x, top + (bottom - top) y) + offset = B(x, y)

What is left over is judged where it is greatest, in blocks, for one changed thing makes another picture; and
so is the colour, for a red and a blue heart have one shape. Colours are complex numbers Cb + i Cr, of which
one factor is fitted: its size is a change of saturation, its angle a turn of the hue. Such turns change the
luminance as well, which is therefore fitted by the luminance and the colour.

P: pairs; thumbnails uint8 [P, 32, 32, 3]; levels are of 255.
"""

import functools

import numpy as np

from training.preparation.hashes import LUMINANCE, SIDE

_GRID = 16  # points a side that are compared; a crop moves the pixels' own grid, which more would see
_STEPS = 4
_STRIDE = 0.05  # of the side that an edge moves in a step at most
_DAMPING = 1e-3
_BLOCK = 4  # points
_POINTS = (np.arange(_GRID, dtype=np.float32) + 0.5) / _GRID
# ITU-R BT.601, as JPEG has it: R, G, B -> Cb + i Cr
_CHROMA = np.array([-0.168736 + 0.5j, -0.331264 - 0.418688j, 0.5 - 0.081312j], np.complex64)
_DULL = 3.0  # levels of chroma at which a picture counts as grey, and its hue as unknown

# What a copy may differ by; beyond any of these, two pictures are two.
_SIDE_KEPT = 0.7  # of A's sides, at least
_OUTSIDE = 0.06  # of A's sides, that B may show beyond A
_LIKELY = 0.85, 0.92  # correlation of luminances, at least: before the colour is looked at, and with it
_GAIN = 0.6, 1.7  # of contrast
_LEFT = 0.35, 0.6  # residual in the worst block: of the contrast of the detail, and levels, whichever is more
_SATURATION, _HUE = (0.5, 2.0), 22.0  # times, degrees
_TINT, _STAIN = 12.0, 14.0  # levels that colours differ by: their mean, and the rest in the worst block


def same(a: np.ndarray, b: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """bool [P]: B is A or a part of it near the box, with other light or compression and nothing else.

    a, b: uint8 [P, 32, 32, 3]; boxes: [P, 4], as of `hashes.boxes`.
    """
    edges, correlation = fitted(a, b, boxes)
    sides = abs(edges[:, 2:] - edges[:, :2]).min(1)
    outside = np.maximum(-edges.min(1), edges.max(1) - 1)
    found = (correlation > _LIKELY[0]) & (sides > _SIDE_KEPT) & (outside < _OUTSIDE)
    (likely,) = np.nonzero(found)
    if len(likely):
        found[likely] = _is_copy(a[likely], b[likely], edges[likely])
    return found


def fitted(a: np.ndarray, b: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each B is found in A, beginning from a box, and how well.

    Returns edges float32 [P, 4] left, top, right, bottom in fractions of A's sides, right < left where
    mirrored, and the correlation of both luminances there, -1 to 1. Arguments as of `same`.
    """
    grey, wanted = _smooth(a @ LUMINANCE), _whole(_smooth(b @ LUMINANCE))  # [P, 32, 32], [P, 16, 16]
    edges = np.array(boxes, np.float32)
    best, correlation = edges.copy(), np.full(len(a), -1, np.float32)
    for step in range(_STEPS + 1):
        warped, across, down = _sampled(grey, edges)
        gain, left, now = _regressed(warped, wanted)
        better = now > correlation
        best[better], correlation[better] = edges[better], now[better]
        if step < _STEPS:
            terms = [warped, np.ones_like(warped)]
            terms += [across * ramp for ramp in (1 - _POINTS, _POINTS)]
            terms += [down * ramp[:, None] for ramp in (1 - _POINTS, _POINTS)]
            solved = _least_squares(np.stack(terms, -1).reshape(len(a), -1, 6), left.reshape(len(a), -1))
            moves = solved[:, [2, 4, 3, 5]] / np.where(abs(gain) < 0.1, np.inf, gain)[:, None]
            edges += np.clip(moves, -_STRIDE, _STRIDE)
    return best, correlation


def _regressed(box: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """gain [P], what gain and offset leave of wanted [P, 16, 16], and the correlation [P]."""
    box, wanted = (grey - grey.mean((1, 2), keepdims=True) for grey in (box, wanted))
    power, common = (box**2).mean((1, 2)), (box * wanted).mean((1, 2))
    gain = common / np.maximum(power, 1e-6)
    correlation = common / np.maximum(np.sqrt(power * (wanted**2).mean((1, 2))), 1e-6)
    return gain, wanted - gain[:, None, None] * box, correlation


def _is_copy(a: np.ndarray, b: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """bool [P]: nothing is left of B but what light and compression change."""
    grey, colour = (_sampled(_smooth(a @ weights), edges)[0] for weights in (LUMINANCE, _CHROMA))
    wanted, wished = (_whole(_smooth(b @ weights)) for weights in (LUMINANCE, _CHROMA))  # [P, 16, 16]
    terms = np.stack([grey, colour.real, colour.imag, wanted], -1).reshape(len(a), _GRID**2, 4)
    detail = terms - _slopes() @ (_slopes().T @ terms)
    columns, target = detail[..., :3], detail[..., 3]
    solved = _least_squares(columns, target)
    left = (target - (columns @ solved[..., None])[..., 0]).reshape(wanted.shape)
    contrast = target.std(1)
    worst = np.sqrt(_blocks(left**2)).max((1, 2))
    correlation = np.sqrt(np.maximum(1 - (left**2).mean((1, 2)) / np.maximum(contrast, 1e-3) ** 2, 0))
    factor, tint, stain = _repainted(colour, wished)
    return (
        (solved[:, 0] > _GAIN[0])
        & (solved[:, 0] < _GAIN[1])
        & (correlation > _LIKELY[1])
        & (worst < np.maximum(_LEFT[0] * contrast, _LEFT[1]))
        & (abs(factor) > _SATURATION[0])
        & (abs(factor) < _SATURATION[1])
        & (abs(np.angle(factor, deg=True)) < _HUE)
        & (tint < _TINT)
        & (stain < _STAIN)
    )


def _repainted(colour: np.ndarray, wished: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The factor between colours, complex [P]; levels that it leaves, of the mean and in the worst block."""
    power = (abs(colour) ** 2).mean((1, 2)) + _DULL**2
    factor = ((colour.conj() * wished).mean((1, 2)) + _DULL**2) / power
    left = wished - factor[:, None, None] * colour
    mean = left.mean((1, 2))
    return factor, abs(mean), abs(_blocks(left - mean[:, None, None])).max((1, 2))


@functools.cache
def _slopes() -> np.ndarray:
    """float32 [256, 6]: orthonormal, of the quadratic surfaces, which all skies and backdrops share."""
    y, x = (grid.ravel() for grid in np.meshgrid(_POINTS, _POINTS, indexing="ij"))
    surfaces = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], 1)
    return np.linalg.qr(surfaces)[0].astype(np.float32)


def _smooth(picture: np.ndarray) -> np.ndarray:
    """Each pixel with its neighbours in weights 1, 2, 1 in both directions, edges repeated."""
    for axis in (1, 2):
        size = picture.shape[axis]
        before, after = (
            np.take(picture, np.clip(np.arange(size) + step, 0, size - 1), axis) for step in (-1, 1)
        )
        picture = (before + 2 * picture + after) / 4
    return picture


def _whole(picture: np.ndarray) -> np.ndarray:
    """[P, 32, 32] -> [P, 16, 16], at the points at which a box is sampled."""
    count = len(picture)
    return picture.reshape(count, _GRID, SIDE // _GRID, _GRID, SIDE // _GRID).mean((2, 4))


def _sampled(picture: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The boxes of pictures [P, 32, 32] as [P, 16, 16], and their slopes along x and y, a side being 1."""
    left, top, right, bottom = (edges[:, i : i + 1] for i in range(4))
    columns, slopes_x = _weights(left + (right - left) * _POINTS)  # [P, 16, 32]
    rows, slopes_y = _weights(top + (bottom - top) * _POINTS)
    turned, narrow = columns.transpose(0, 2, 1), rows @ picture
    return narrow @ turned, narrow @ slopes_x.transpose(0, 2, 1), slopes_y @ picture @ turned


def _weights(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation at places in fractions of a side, [P, 16] -> [P, 16, 32], and its slopes.

    The slope is that over one pixel, for at the centre of a pixel the slopes to both sides differ.
    """
    at = np.clip(places * SIDE - 0.5, 0, SIDE - 1)[..., None] - np.arange(SIDE)
    weights, before, after = (np.maximum(1 - abs(at + shift), 0) for shift in (0, -0.5, 0.5))
    return weights.astype(np.float32), ((after - before) * SIDE).astype(np.float32)


def _least_squares(columns: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """[P, K] that takes columns [P, Q, K] nearest to wanted [P, Q], lightly damped."""
    turned = columns.transpose(0, 2, 1).astype(np.float64)
    normal = turned @ columns
    size = np.einsum("pkk->pk", normal)
    normal += _DAMPING * (size + 1e-3)[:, :, None] * np.eye(columns.shape[-1])
    return np.linalg.solve(normal, turned @ wanted[..., None])[..., 0]


def _blocks(values: np.ndarray) -> np.ndarray:
    """Means of blocks: [P, 16, 16] -> [P, 4, 4]."""
    n = _GRID // _BLOCK
    return values.reshape(len(values), n, _BLOCK, n, _BLOCK).mean((2, 4))
