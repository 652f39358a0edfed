"""Fingerprints of files, and of folders, kept by sizes and times: a folder is read whole only once."""

import contextlib
import hashlib
import re
from collections.abc import Callable

from gan.errors import UserError
from gan.files import atomic_bytes, cache_folder
from training.data.faults import DataError, Refused


def of_content(read: Callable[[int], bytes], number: int, place: str) -> str:
    """Size and sha256 of what `read` has under a number. DataError, naming the place, for what it refuses."""
    try:
        content = read(number)
    except Refused as error:
        raise DataError(f"{place} {error}") from error
    return f"{len(content)} {hashlib.sha256(content).hexdigest()}"


def remembered(state: Callable[[], str | None], digest: Callable[[], str]) -> str:
    """What `digest` returns, 64 hex digits, or what it returned before in the same `state`.

    state: hex digits that change with the files; None where they say nothing. The value is kept in
    $GAN_CACHE/fingerprints if the state is the same after reading as before; where nothing can be kept there,
    `digest` is called each time.
    """
    before = state()
    if before is None:
        return digest()
    with contextlib.suppress(OSError, UserError, UnicodeDecodeError):
        kept = (cache_folder() / "fingerprints" / before).read_text()
        if re.fullmatch(r"[0-9a-f]{64}", kept):
            return kept
    found = digest()
    if state() == before:
        with contextlib.suppress(UserError):
            atomic_bytes(cache_folder() / "fingerprints" / before, found.encode())
    return found
