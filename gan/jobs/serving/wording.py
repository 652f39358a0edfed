"""Words that are not served, found through disguises: look-alikes, spacing, digits for letters.

A text is folded: Unicode's NFKC, accents and invisible characters left out, letters that look like Latin ones
taken for them (the confusables of UTS #39, from the package confusable-homoglyphs), case ignored. Then it is
read in several ways: signs as spaces, as nothing, or as the letters that they stand for ("g-u-n", "k!ll").

A blocked word must be met whole: "begun" does not meet "gun". Two longer words that make a blocked one only
when they are joined ("pen is"), a word that holds a blocked one, and one that is a letter away from it are
near misses: they are counted, not refused.
"""

import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from gan.errors import UserError, install
from gan.files import refusal

Met = Literal["exact", "disguised", "near"]

MAX_BYTES = 2**20  # of a list
MOST_TEXT = 1000  # characters of a text that are read: longer ones are met
_LEAST_NEAR = 5  # letters of a word to which another can be near
_LEAST_WITHIN = 4  # letters of a word that is looked for within others
_DIGITS = str.maketrans("0123456789", "olzeasgtbg")
_SIGNS = str.maketrans("@$!|+\u20ac\u00a3", "4511731")  # as digits that stand for the same letters
_TRAILING = "!|+"  # of a word: more likely punctuation
_IL = str.maketrans("i", "l")  # 1, ! and | stand for both


class Words:
    """A list of blocked words and phrases, ready to be asked."""

    def __init__(self, words: Iterable[str]) -> None:
        """words: each of at least 2 letters; a phrase is words with spaces. Raises UserError for others."""
        self._written: set[tuple[str, ...]] = set()
        self._phrases: set[tuple[str, ...]] = set()
        for word in words:
            parts = tuple(_split(folded(word.casefold())))
            if sum(map(len, parts)) < 2:
                raise UserError(f"{word[:40]!r} has fewer than 2 letters: no word can be told by it")
            self._phrases.add(parts)
            self._written.add(tuple(_as_written(word)))
        self._joined = {"".join(parts) for parts in self._phrases}
        self._merged = {word.translate(_IL) for word in self._joined}
        self._near = {
            part for word in self._joined if len(word) >= _LEAST_NEAR for part in _lacking_one(word)
        }
        self._within = [word for word in self._joined if len(word) >= _LEAST_WITHIN]
        self._longest = max(map(len, self._joined), default=0)

    def look(self, text: str) -> Met | None:
        """How a text meets the list: as written, in disguise, or nearly; None: not at all."""
        if len(text) > MOST_TEXT:
            return "disguised"
        if _holds(_as_written(text), self._written):
            return "exact"
        found: Met | None = None
        for words in _readings(folded(text)):
            if _holds(words, self._phrases) or any(self._is_disguised(word) for word in words):
                return "disguised"
            for parts in _runs(words, self._longest):
                if self._is_disguised("".join(parts)):
                    if min(map(len, parts)) == 1:
                        return "disguised"
                    found = "near"
            if any(self._is_near(word) for word in words):
                found = "near"
        return found

    def _is_disguised(self, word: str) -> bool:
        """Whether it is a blocked word, digits read as letters."""
        letters = word.translate(_DIGITS)
        return word in self._joined or (letters != word and letters.translate(_IL) in self._merged)

    def _is_near(self, word: str) -> bool:
        if any(blocked in word for blocked in self._within):
            return True
        return len(word) >= _LEAST_NEAR - 1 and not self._near.isdisjoint(_lacking_one(word))


def read(path: str | Path) -> Words:
    """The list in a UTF-8 text file, one word or phrase a line; what follows # is left out.

    Raises UserError, naming the line, for one without two letters: passed over, it would let a word in.
    """
    path = Path(path)
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise UserError(f"{path} has {size:,} bytes, more than {MAX_BYTES:,}: shorten it")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(refusal("read", path, error)) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from error
    words = []
    for number, line in enumerate(lines, 1):
        if text := line.partition("#")[0].strip():
            try:
                Words([text])
            except UserError as error:
                raise UserError(f"{path}: line {number}: {error}") from error
            words.append(text)
    if not words:
        raise UserError(f"{path} holds no word: name another file, or leave blocked_words out")
    return Words(words)


def _as_written(text: str) -> list[str]:
    return _split(unicodedata.normalize("NFC", text).casefold())


def _holds(words: Sequence[str], phrases: Collection[tuple[str, ...]]) -> bool:
    """Whether words that follow each other are a phrase."""
    lengths = {len(phrase) for phrase in phrases}
    return any(tuple(words[i : i + length]) in phrases for length in lengths for i in range(len(words)))


def folded(text: str) -> str:
    """Small letters, those that look like Latin ones taken for them; marks and invisible ones are gone."""
    alike = _alike()
    spread = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text))
    seen = [letter for letter in spread if unicodedata.category(letter) not in ("Mn", "Me", "Cf")]
    small = "".join(alike.get(letter, letter) for letter in seen).casefold()
    return "".join(alike.get(letter, letter) for letter in small).casefold()


@cache
def _alike() -> dict[str, str]:
    """Characters beyond ASCII -> the Latin letters that they look like."""
    try:
        from confusable_homoglyphs.confusables import confusables_data
    except ImportError as error:
        raise UserError(
            f"looking for words needs the package confusable-homoglyphs; {install('serve')}"
        ) from error

    found = {}
    for letter, others in confusables_data.items():
        latin = [each["c"] for each in others if each["c"].isascii() and each["c"].isalpha()]
        if len(letter) == 1 and not letter.isascii() and latin:
            found[letter] = min(latin, key=len)
            if found[letter] == "l" and letter.isupper():
                found[letter] = "1"  # a capital i of another script: read as both
    return found


def _readings(text: str) -> Iterator[list[str]]:
    """Words of a folded text: signs as spaces, as nothing, as letters, and as letters but for the last."""
    chunks = text.split()
    yield _split(text)
    yield ["".join(_split(chunk)) for chunk in chunks]
    for last in ("", _TRAILING):
        yield [word for chunk in chunks for word in _split(chunk.rstrip(last).translate(_SIGNS))]


def _split(text: str) -> list[str]:
    """Runs of letters and digits."""
    return "".join(letter if letter.isalnum() else " " for letter in text).split()


def _runs(words: Sequence[str], longest: int) -> Iterator[Sequence[str]]:
    """Two words or more that follow each other, together no longer than that."""
    for start in range(len(words)):
        length = len(words[start])
        for end in range(start + 1, len(words)):
            length += len(words[end])
            if length > longest:
                break
            yield words[start : end + 1]


def _lacking_one(word: str) -> set[str]:
    """The word, and it without one letter: words a letter apart, or with two swapped, have one in common."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}
