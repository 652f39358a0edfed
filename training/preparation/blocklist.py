"""Pictures that must not be used: a list of hashes, of files, of pixels, and of what a picture looks like.

One hash a line; empty lines and what follows # are left out:

    sha256:9f86d081...  or 64 hex digits: of a file, or of its pixels (`hashes.exact`)
    phash:8f373714acfcf4d0  or 16 hex digits: the perceptual hash of `hashes.perceptual`

A perceptual hash is met by the whole picture and by its parts and mirrored forms, within a few bits. Nothing
but the hash is known of a listed picture, so that no second look can confirm it: the radius is small, and
some innocent picture may be refused. Lists are refused whole where a line cannot be read, for a line that is
passed over would let its picture in.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from gan.errors import UserError
from training.preparation.hamming import Index
from training.preparation.hashes import variants

RADIUS = 4  # bits of 64
MAX_BYTES = 2**30  # of a list; about 15 million lines
_LINE = re.compile(r"(?:(?:sha256:)?([0-9a-f]{64})|(?:phash:)?([0-9a-f]{16}))", re.IGNORECASE)


class Blocklist:
    """A list, ready to be asked."""

    def __init__(self, exact: Iterable[str], perceptual: Iterable[int], radius: int = RADIUS) -> None:
        """exact: sha256, 64 hex digits in small letters. radius: bits, 0 to 11."""
        self._exact, self._radius = frozenset(exact), radius
        self._hashes = np.array(sorted(set(perceptual)), np.uint64)
        self._index = Index(self._hashes)

    def __len__(self) -> int:
        """How many hashes are listed."""
        return len(self._exact) + len(self._hashes)

    def reason(self, sha256: Iterable[str | None], thumbnail: np.ndarray | None) -> str | None:
        """Which line a picture meets, such as "blocklist sha256:9f86...", None for none.

        sha256: of the file and of the pixels. thumbnail: uint8 [32, 32, 3] of `hashes.thumbnail`.
        """
        for digest in sha256:
            if digest in self._exact:
                return f"blocklist sha256:{digest}"
        if thumbnail is None or not len(self._hashes):
            return None
        wanted = variants(thumbnail[None])[0]
        for _, met in self._index.within(wanted, self._radius):
            return f"blocklist phash:{int(self._hashes[met[0]]):016x}"
        return None


def read(path: str | Path, radius: int = RADIUS) -> Blocklist:
    """The list in a text file. Raises UserError, naming the line, for what is no hash."""
    path = Path(path)
    exact, perceptual = [], []
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise UserError(f"{path} has {size:,} bytes, more than {MAX_BYTES:,}: split it")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"the blocklist {path} cannot be read ({error}): mend the path or the file"
        ) from error
    for number, line in enumerate(lines, 1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise UserError(
                f"{path}: line {number} is no hash ({text[:40]!r}): write 64 hex digits of a sha256 or 16"
                " of a perceptual hash, or put # before it"
            )
        if match[1]:
            exact.append(match[1].lower())
        else:
            perceptual.append(int(match[2], 16))
    if not exact and not perceptual:
        raise UserError(f"the blocklist {path} holds no hash: name another file, or leave the option out")
    return Blocklist(exact, perceptual, radius)
