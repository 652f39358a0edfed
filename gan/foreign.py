"""What a file is that is not what it should be, by its bytes: a web page, a pointer, a part of a file."""

import json
from pathlib import Path

_LOOKED_AT = 4096  # bytes
_KINDS = (  # first bytes, and what begins with them
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy file"),
    *((bytes([0x80, n]), "a pickle") for n in range(2, 6)),
)
_MARKUP = (b"<!doctype html", b"<html", b"<head", b"<?xml")
_POINTER = b"version https://git-lfs.github.com/spec/"


def stand_in(path: str | Path) -> str | None:
    """What lies at `path` in place of the content that was meant, with the remedy; None if nothing tells so.

    'is empty: ...', to follow the file's name: an empty file, a git-lfs pointer, a web page, an answer of a
    server in JSON (unless the name ends so). None for a file that cannot be read, too.
    """
    head = _head(path)
    if head is None:
        return None
    if not head:
        return "is empty: the download or the copy failed; fetch the file again"
    if head.startswith(_POINTER):
        return (
            "is a git-lfs pointer, not the file itself: run `git lfs pull` in its repository, then try again"
        )
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:40].lower().startswith(_MARKUP):
        return (
            "is a web page, not the file itself: open its address in a browser, download the file there "
            "(it may ask to log in), and try again"
        )
    if text.startswith(b"{") and Path(path).suffix != ".json" and _is_json(path):
        return "is JSON, perhaps a server's answer in place of the file: fetch the file itself"
    return None


def cut_short(path: str | Path) -> str | None:
    """What a safetensors file or a zip lacks at its end, with the remedy; None for any other file."""
    head = _head(path)
    if not head:
        return None
    size = _size(path)
    header = int.from_bytes(head[:8], "little")
    if size >= 9 and head[8:9] == b"{" and header < 2**32:
        needed = _length(path, 8 + header)
    elif head.startswith(b"PK\x03\x04"):
        return (
            None if _has_zip_end(path, size) else f"is cut short, at {size:,} bytes: fetch or copy it again"
        )
    else:
        return None
    if needed is None or size >= needed:
        return None
    return f"is cut short, {size:,} of {needed:,} bytes or more: fetch or copy it again"


def kind(path: str | Path) -> str | None:
    """What the first bytes say, as 'a zip archive'; None where they say nothing known."""
    head = _head(path) or b""
    return next((name for start, name in _KINDS if head.startswith(start)), None)


def explained(path: str | Path, wanted: str) -> str | None:
    """What is at `path` in place of `wanted`, such as "a zip archive", with the remedy; None if that is open.

    To follow the file's name.
    """
    if found := stand_in(path) or cut_short(path):
        return found
    found = kind(path)
    return f"is {found}, not {wanted}: name the right file" if found and found != wanted else None


def _head(path: str | Path) -> bytes | None:
    try:
        with Path(path).open("rb") as file:
            return file.read(_LOOKED_AT)
    except OSError:
        return None


def _size(path: str | Path) -> int:
    return Path(path).stat().st_size


def _is_json(path: str | Path) -> bool:
    """Whether a small file is JSON as a whole."""
    if _size(path) > 2**20:
        return False
    try:
        json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError):
        return False
    return True


def _length(path: str | Path, end: int) -> int | None:
    """Bytes of a whole safetensors file whose header ends at `end`; None where that header is none."""
    if _size(path) < end or end > 16 * 2**20:
        return end
    with Path(path).open("rb") as file:
        file.seek(8)
        try:
            entries = json.loads(file.read(end - 8))
            ends = [int(e["data_offsets"][1]) for name, e in entries.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, RecursionError):
            return None
    return end + max(ends, default=0)


def _has_zip_end(path: str | Path, size: int) -> bool:
    """Whether a zip's directory stands at the end, where a comment of at most 64 KiB may follow it."""
    with Path(path).open("rb") as file:
        file.seek(max(size - 2**16 - 22, 0))
        return b"PK\x05\x06" in file.read()


def printable(text: str) -> str:
    """Text of a file as one short line for messages, without control characters."""
    line = "".join(c if c.isprintable() else "?" for c in text[:80])
    return line + ("..." if len(text) > 80 else "")
