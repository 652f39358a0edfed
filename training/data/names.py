"""Names of files in a data set: which are images, and which two spellings are one name."""

import collections
import contextlib
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".npy")
_HIDDEN = re.compile(r"(?:^|/)(?:\.|__MACOSX(?:/|$))")
_SHOWN = 5  # endings that a line names


def plain(name: str) -> str:
    """The one spelling of a path: forward slashes, no `./` or `//`, composed characters (Unicode's NFC).

    UTF-8 that a zip does not say to be so, as macOS writes it, is read by `zipfile` as code page 437.
    """
    if "\\" in name or "//" in name or "./" in name:
        name = posixpath.normpath(name.replace("\\", "/"))
    if name.isascii():
        return name
    with contextlib.suppress(UnicodeError):
        name = name.encode("cp437").decode()
    return unicodedata.normalize("NFC", name)


def is_hidden(name: str) -> bool:
    """Whether a path lies in a hidden folder, or is a hidden file: of the system, not of the set."""
    return _HIDDEN.search(plain(name)) is not None


def has_ending(name: str) -> bool:
    """Whether the ending of a path is that of an image, in small or capital letters."""
    return name.lower().endswith(SUFFIXES)


def near(name: str, others: Iterable[str]) -> str | None:
    """One of `others` that differs from `name` by its folder or by capital letters only."""
    last = PurePosixPath(plain(name)).name.casefold()
    return next((other for other in others if PurePosixPath(plain(other)).name.casefold() == last), None)


def left_out(names: Sequence[str]) -> str | None:
    """A line about files that are no images, by their endings; None where there are none."""
    if not names:
        return None
    endings = collections.Counter(PurePosixPath(name).suffix.lower() or "without an ending" for name in names)
    told = ", ".join(f"{count} {ending}" for ending, count in endings.most_common(_SHOWN))
    more = f" and {len(endings) - _SHOWN} other endings" if len(endings) > _SHOWN else ""
    read = ", ".join(SUFFIXES)
    count = "1 file is" if len(names) == 1 else f"{len(names)} files are"
    return f"{count} left out, {told}{more}: convert them if they are images ({read} are read)"
