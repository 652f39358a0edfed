"""All pairs of 64-bit hashes that differ in few bits, without comparing each with each.

Multi-index hashing (Norouzi, Punjani, Fleet 2012, "Fast search in Hamming space with multi-index hashing",
section 2): a hash is cut into four bands of 16 bits. Of two hashes that differ in at most r bits, some band
differs in at most r // 4, so the other one is found by looking up every band and its neighbours of that many
flipped bits. The result is exact, not an estimate. A look-up meets N / 65,536 hashes, where bands of 8 bits
would meet N / 256: with a million hashes that would be 31,000 comparisons each, a quadratic step in disguise.

N: hashes looked in; M: hashes looked for.
"""

import itertools
from collections.abc import Iterator

import numpy as np

MAX_RADIUS = 11  # bits; beyond it the neighbours of a band are too many
_BANDS = 4
_WIDTH = 16  # bits of a band
_QUERIES = 1 << 16  # looked up at a time
_COMPARED = 1 << 22  # pairs at a time, about 100 MiB


class Index:
    """Hashes, ready to be searched. hashes: uint64 [N]. Memory: about 56 bytes a hash."""

    def __init__(self, hashes: np.ndarray) -> None:
        self.hashes = np.ascontiguousarray(hashes, np.uint64)
        self._orders, self._starts, self._sorted = [], [], []
        for band in range(_BANDS):
            keys = _key(self.hashes, band)
            self._orders.append(np.argsort(keys, kind="stable").astype(np.uint32))
            self._sorted.append(self.hashes[self._orders[-1]])  # again, so that a look-up reads one run
            counts = np.bincount(keys, minlength=1 << _WIDTH)
            self._starts.append(np.concatenate([[0], np.cumsum(counts)]))

    def within(self, wanted: np.ndarray, radius: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Pairs (numbers in `wanted`, numbers in `hashes`), int64 [P] each, that differ in <= radius bits.

        wanted: uint64 [M]. Each pair comes once, in the order of neither; parts of bounded size follow each
        other. Raises ValueError for a radius beyond 0 to 11.
        """
        if not 0 <= radius <= MAX_RADIUS:
            raise ValueError(f"a radius is 0 to {MAX_RADIUS} bits, not {radius}")
        for first in range(0, len(wanted), _QUERIES):
            part = np.ascontiguousarray(wanted[first : first + _QUERIES], np.uint64)
            codes = [self._coded(part, band, radius) for band in range(_BANDS)]
            found = np.unique(np.concatenate(codes))
            if len(found):
                yield first + found // len(self.hashes), found % len(self.hashes)

    def _coded(self, wanted: np.ndarray, band: int, radius: int) -> np.ndarray:
        """int64: number in `wanted` * N + number in `hashes` of the pairs that share this band, almost."""
        keys, starts, order = _key(wanted, band), self._starts[band], self._orders[band]
        ordered = self._sorted[band]
        codes = [np.empty(0, np.int64)]
        for flipped in _neighbours(radius // _BANDS):
            near = keys ^ flipped
            first, counts = starts[near], starts[near + 1] - starts[near]
            (asked,) = np.nonzero(counts)
            for some in _portions(asked, counts):
                queries, members = _expanded(some, first, counts)
                close = np.bitwise_count(wanted[queries] ^ ordered[members]) <= radius
                codes.append(queries[close] * len(self.hashes) + order[members[close]])
        return np.concatenate(codes)


def _key(hashes: np.ndarray, band: int) -> np.ndarray:
    return (hashes >> np.uint64(band * _WIDTH)).astype(np.int64) & ((1 << _WIDTH) - 1)


def _neighbours(flips: int) -> list[int]:
    """Masks with at most so many of the 16 bits set."""
    bits = range(_WIDTH)
    return [
        sum(1 << bit for bit in chosen)
        for count in range(flips + 1)
        for chosen in itertools.combinations(bits, count)
    ]


def _portions(asked: np.ndarray, counts: np.ndarray) -> Iterator[np.ndarray]:
    """`asked` in runs whose counts together stay near the bound: a crowded band costs time, not memory."""
    ends = np.cumsum(counts[asked])
    total = int(ends[-1]) if len(ends) else 0
    cuts = np.searchsorted(ends, np.arange(_COMPARED, total, _COMPARED), side="right")
    for some in np.split(asked, np.unique(cuts)):
        if len(some):
            yield some


def _expanded(asked: np.ndarray, first: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each asked number, repeated for each member of its run, and the places of these members."""
    lengths = counts[asked]
    queries = np.repeat(asked, lengths)
    inside = np.arange(len(queries)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    return queries, first[queries] + inside
