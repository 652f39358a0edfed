"""Weight files of the feature networks: found, checked and, where they may be, fetched.

A file is looked for where the caller says, else in $GAN_CACHE/weights (default ~/.cache/gan/weights), else it
is downloaded there: with progress on stderr, resumed after an interruption, checked, and renamed when whole.
"""

import contextlib
import functools
import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from gan import foreign
from gan.errors import UserError
from gan.files import cache_folder, sha256
from gan.networks.packaged import inside as packaged
from gan.networks.packaged import read

__all__ = ["WeightFile", "download", "find", "packaged", "read"]

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

_CHUNK = 1 << 20  # bytes
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True, kw_only=True)
class WeightFile:
    """A published file. sha256: its digest in hex or the known beginning; "" where none is published."""

    name: str
    url: str
    sha256: str
    what: str  # of which network, for messages

    @property
    def pin(self) -> str:
        """How the file is recognised, for messages."""
        if len(self.sha256) == 64:
            return f"sha256 {self.sha256}"
        return f"sha256 {self.sha256}..." if self.sha256 else "no published sha256"


def find(file: WeightFile, given: str | Path | None = None) -> tuple[Path, str]:
    """Path and sha256 of the weights: `given`, whatever its digest, or the published file, checked.

    Raises UserError if `given` cannot be read, the file in the cache is another, or none can be fetched.
    """
    if given is not None:
        return Path(given), sha256(given)
    path = cache_folder() / "weights" / file.name
    if not path.is_file():
        download(file, path)
    return path, _checked(file, path)


def download(file: WeightFile, path: Path) -> None:
    """Fetch `file` to `path` over `path`.part, which a later call continues.

    Raises UserError that says what to fetch by hand, and where to put it, if the network or the disk fails or
    the content is another.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _alone(path.with_name(f"{path.name}.lock")):
            if path.is_file():  # another process was faster
                return
            _fetch(file, part)
            _checked(file, part)
            part.replace(path)
    except (OSError, http.client.HTTPException) as error:  # urllib's errors are OSErrors
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"cannot download the weights of {file.what} ({reason}). Fetch {file.url} ({file.pin}) "
            f"and put it at {path}, or name the file with `gan evaluate --weights`"
        ) from error


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time, where the system has locks; it frees that of a process that dies."""
    with lock.open("a") as held:
        if fcntl:
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _fetch(file: WeightFile, part: Path) -> None:
    """Append to `part` what it lacks; start anew where the server cannot continue."""
    have = part.stat().st_size if part.is_file() else 0
    headers = {"User-Agent": "gan-workbench", **({"Range": f"bytes={have}-"} if have else {})}
    request = urllib.request.Request(file.url, headers=headers)
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416 and have:  # nothing is left to fetch
                return
            raise
    with response:
        have = have if response.status == 206 else 0
        length = int(response.headers.get("Content-Length", 0))
        with (
            part.open("ab" if have else "wb") as out,
            tqdm(
                desc=file.name,
                total=have + length if length else None,
                initial=have,
                unit="B",
                unit_scale=True,
                file=sys.stderr,
                disable=not sys.stderr.isatty(),
            ) as bar,
        ):
            received = 0
            while chunk := response.read(_CHUNK):
                out.write(chunk)
                bar.update(len(chunk))
                received += len(chunk)
    if received < length:
        raise OSError(f"the connection ended after {have + received:,} of {have + length:,} bytes")


def _checked(file: WeightFile, path: Path) -> str:
    """Digest of `path`; UserError if it is not the file's. Only a wrong download is removed."""
    digest = _digest(path, path.stat().st_mtime_ns)
    if digest.startswith(file.sha256):
        return digest
    if path.suffix == ".part":
        found = foreign.stand_in(path)
        path.unlink()
        if found:
            raise UserError(
                f"{file.url} gave what {found}. Fetch it by hand ({file.pin}) and name the file with "
                "`gan evaluate --weights`"
            )
        raise UserError(f"{file.url} gave a file with sha256 {digest}, expected {file.pin}; it was removed")
    if found := foreign.stand_in(path):
        raise UserError(f"{path} {found}; remove it first, and it is fetched anew")
    raise UserError(
        f"{path} has sha256 {digest}, expected {file.pin}: damaged or another version; remove it, "
        f"or name the file to use with --weights"
    )


@functools.cache
def _digest(path: Path, changed: int) -> str:
    """sha256 of a file, once per process for each time of change."""
    return sha256(path)
