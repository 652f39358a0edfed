"""Pictures that occur twice: the same pixels, or one picture saved again, resized, mirrored, cropped.

Exact copies share the sha256 of their pixels. Near copies are found in three steps: hashes of each picture
and of its parts are looked up in an index (`hashes`, `hamming`), the pairs found are laid over each other
(`alignment`), and, where a feature network is given, must be near in its features too. Pairs form clusters,
of which one picture is kept: the largest by pixels, then the sharpest, then the first by path.

Found are copies that keep at least 0.8 of each side. Pictures without any structure, whose luminance hardly
varies, are compared by their exact pixels only, for all of them look alike.

Nothing is quadratic: pictures of one hash are compared with a few of them, not with each other.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from training.preparation import alignment
from training.preparation.hamming import Index
from training.preparation.hashes import LUMINANCE, boxes, hashes, variants

RADIUS = 7  # bits of 64
SIMILARITY = (
    0.7  # cosine of features of EfficientNet-Lite0, at least; copies have 0.75 to 1, others 0.3 to 0.75
)
FLAT = 1.0  # levels of the luminance's standard deviation, below which a picture shows nothing
_LEADERS = 8  # pictures of one hash that others are compared with
_NEAREST = 64  # pairs a picture
_CHUNK = 2048  # pictures looked up at a time, and pairs laid over each other

Features = Callable[[np.ndarray], np.ndarray]  # numbers of records, int64 [n] -> float [n, D]


class Cluster(NamedTuple):
    """Numbers of records that show one picture."""

    kept: int
    exact: tuple[int, ...]  # the same pixels as the one kept
    near: tuple[int, ...]  # the same picture

    @property
    def members(self) -> tuple[int, ...]:
        """All of them, the one kept first."""
        return (self.kept, *self.exact, *self.near)


def clusters(
    records: Sequence[Mapping[str, Any]],
    thumbnails: np.ndarray | None,
    *,
    radius: int = RADIUS,
    features: Features | None = None,
) -> list[Cluster]:
    """Clusters of two and more, in the order of the paths kept; the order of the records changes nothing.

    records: with `path`, `pixels` (sha256 of the pixels), `width`, `height` and `sharpness`.
    thumbnails: uint8 [N, 32, 32, 3] of `hashes.thumbnail`, one a record, perhaps mapped from a file; None
    looks for exact copies only. radius: bits of a hash that may differ, 0 to 11.
    features: called with the records of which something is to be confirmed, such as by EfficientNet-Lite0.
    """
    order = sorted(range(len(records)), key=lambda number: _rank(records[number]))
    groups: dict[str, list[int]] = {}
    for number in order:
        groups.setdefault(records[number]["pixels"], []).append(number)
    leaders = np.array([group[0] for group in groups.values()], np.int64)
    labels = np.arange(len(leaders))
    if thumbnails is not None:
        labels = _components(len(leaders), near_pairs(thumbnails, leaders, radius=radius, features=features))
    together: dict[int, list[int]] = {}
    for leader, label in zip(leaders.tolist(), labels.tolist(), strict=True):
        together.setdefault(label, []).append(leader)
    found = []
    for kept, *others in together.values():  # in the order of ranks, so the best one comes first
        same = groups[records[kept]["pixels"]][1:]
        near = [number for other in others for number in groups[records[other]["pixels"]]]
        if same or near:
            found.append(Cluster(kept, tuple(same), tuple(near)))
    return sorted(found, key=lambda cluster: records[cluster.kept]["path"])


def crossing(found: Iterable[Cluster], sides: Sequence[str]) -> list[Cluster]:
    """The clusters whose members lie on more than one side: `train` and `val`, or this set and another one.

    sides: of each record. To look for leaks from a second set, give `clusters` the records of both.
    """
    return [cluster for cluster in found if len({sides[number] for number in cluster.members}) > 1]


def near_pairs(
    thumbnails: np.ndarray, numbers: np.ndarray, *, radius: int = RADIUS, features: Features | None = None
) -> np.ndarray:
    """int64 [P, 2]: places in `numbers` of pictures that are copies of each other, as many as join them all.

    numbers: int64 [n], of the thumbnails among which is searched. The rest as in `clusters`.
    """
    whole, count = np.empty(len(numbers), np.uint64), len(numbers)
    shown = np.empty(count, bool)
    for at in range(0, count, _CHUNK):
        part = thumbnails[numbers[at : at + _CHUNK]]
        whole[at : at + _CHUNK] = hashes(part)
        shown[at : at + _CHUNK] = (part @ LUMINANCE).std((1, 2)) >= FLAT
    pictures = np.flatnonzero(shown)
    confirmed = _Confirmed(thumbnails, numbers, features)
    pairs, leaders = _equals(pictures, whole, confirmed)
    half = len(boxes()) // 2
    for parts in ([0, half], [*range(1, half), *range(half + 1, 2 * half)]):  # whole pictures first
        labels = _components(count, pairs)
        found = [pairs]
        for some in _candidates(thumbnails, numbers, pictures, whole[leaders], np.array(parts), radius):
            some[:, 1] = leaders[some[:, 1]]
            found.append(confirmed(some[labels[some[:, 0]] != labels[some[:, 1]]]))
        pairs = np.concatenate(found)
    return pairs


class _Confirmed:
    """Keeps those pairs that are one picture. Rows: place, place, number of a box of the first."""

    def __init__(self, thumbnails: np.ndarray, numbers: np.ndarray, features: Features | None) -> None:
        self._thumbnails, self._numbers, self._features = thumbnails, numbers, features

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """int64 [R, 3] -> [P, 2]"""
        found = [np.empty((0, 2), np.int64)]
        for at in range(0, len(rows), _CHUNK):
            some = rows[at : at + _CHUNK]
            a, b = (self._thumbnails[self._numbers[some[:, side]]] for side in (0, 1))
            pairs = some[alignment.same(a, b, boxes()[some[:, 2]]), :2]
            found.append(pairs if self._features is None else pairs[self._is_near(pairs)])
        return np.concatenate(found)

    def _is_near(self, pairs: np.ndarray) -> np.ndarray:
        """bool [P]: the cosine of the features of both reaches SIMILARITY."""
        asked, places = np.unique(pairs, return_inverse=True)
        if not len(asked):
            return np.empty(0, bool)
        found = np.asarray(self._features(self._numbers[asked]), np.float64)
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)
        first, second = found[places.reshape(-1, 2)].transpose(1, 0, 2)
        return (first * second).sum(1) >= SIMILARITY


def _equals(places: np.ndarray, whole: np.ndarray, confirmed: _Confirmed) -> tuple[np.ndarray, np.ndarray]:
    """Copies among pictures of the same hash, and the pictures that stand for the others of their hash.

    Each is compared with the first of its hash, those left over with the first of them, and so on.
    """
    pairs, leaders = [np.empty((0, 2), np.int64)], []
    left = places[np.argsort(whole[places], kind="stable")]
    for _ in range(_LEADERS):
        if not len(left):
            break
        starts = np.concatenate([[True], whole[left[1:]] != whole[left[:-1]]])
        first = left[np.flatnonzero(starts)[np.cumsum(starts) - 1]]
        leaders.append(left[starts])
        rows = np.stack([first, left, np.zeros_like(left)], 1)[~starts]
        pairs.append(confirmed(rows))
        left = rows[~np.isin(rows[:, 1], pairs[-1][:, 1]), 1]
    return np.concatenate(pairs), np.concatenate([np.empty(0, np.int64), *leaders])


def _candidates(
    thumbnails: np.ndarray,
    numbers: np.ndarray,
    pictures: np.ndarray,
    table: np.ndarray,
    parts: np.ndarray,
    radius: int,
) -> Iterator[np.ndarray]:
    """Rows of place, number in `table`, box: parts of the pictures whose hashes are near one of the table.

    Of several boxes the nearest upright and the nearest mirrored one are named.
    """
    index, half = Index(table), len(boxes()) // 2
    for at in range(0, len(pictures), _CHUNK):
        places = pictures[at : at + _CHUNK]
        wanted = variants(thumbnails[numbers[places]], boxes()[parts])  # [n, V]
        rows = [np.empty((0, 4), np.int64)]
        for queries, others in index.within(wanted.ravel(), radius):
            bits = np.bitwise_count(wanted.ravel()[queries] ^ table[others])
            box = parts[queries % len(parts)]
            rows.append(np.stack([places[queries // len(parts)], others, box, bits], 1))
        found = np.concatenate(rows)
        found = found[np.lexsort((found[:, 2], found[:, 3], found[:, 2] >= half, found[:, 1], found[:, 0]))]
        same = (np.diff(found[:, :2], axis=0) == 0).all(1) & (np.diff(found[:, 2] >= half) == 0)
        found = found[np.concatenate([[True], ~same])[: len(found)]]
        found = found[
            np.lexsort((found[:, 2], found[:, 3], found[:, 0]))
        ]  # of each picture the nearest first
        starts = np.searchsorted(found[:, 0], found[:, 0])
        yield found[np.arange(len(found)) - starts < _NEAREST, :3]


def _components(count: int, pairs: np.ndarray) -> np.ndarray:
    """int [count]: the number of the cluster of each, given the pairs that belong together."""
    ones = np.ones(len(pairs), bool)
    graph = coo_array((ones, (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _rank(record: Mapping[str, Any]) -> tuple[float, float, str]:
    """The smallest is kept."""
    return -record["width"] * record["height"], -record["sharpness"], record["path"]
