"""Names on a Hugging Face hub, and how to ask it: `hf://user/name@revision`, `hf://datasets/user/name/path`.

A name is [datasets/]USER/NAME, then @ and a branch, tag or commit (main without one), then / and a folder or
file in the repository, in the form of huggingface_hub's file system. $HF_ENDPOINT is the hub, HF_TOKEN or
`hf auth login` the token, which is never shown; HF_HUB_OFFLINE=1 asks nobody.
"""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gan.errors import UsageError, UserError, install

MAIN = "main"
PUBLIC = "https://huggingface.co"
_HUB = re.compile(r"hf:/{1,2}")  # one slash: what a path makes of two
_PART = r"[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9_])?"
_NAME = re.compile(
    rf"(?P<kind>datasets/|models/)?(?P<repo>{_PART}/{_PART})"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[\w.-]+|[^/@\s]+))?(?:/(?P<inside>[^@]*))?",
    re.ASCII,
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TRUE = ("1", "ON", "YES", "TRUE")
NO_TOKEN = "this needs a token that may write: `hf auth login`, or HF_TOKEN in the environment"
_FORM = "write hf://USER/NAME, hf://USER/NAME@REVISION or hf://datasets/USER/NAME"
FOLDERS = {"model": "", "dataset": "datasets/", "space": "spaces/"}  # kind -> how its names begin
_CALLED = {"model": "model", "dataset": "data set", "space": "Space"}


@dataclass(frozen=True)
class Name:
    """kind: of FOLDERS.  repo: user/name.  revision: branch, tag or commit.  inside: a path, or ""."""

    kind: str
    repo: str
    revision: str = MAIN
    inside: str = ""

    def __str__(self) -> str:
        name = f"hf://{FOLDERS[self.kind]}{self.repo}@{self.revision}"
        return name + (f"/{self.inside}" if self.inside else "")

    @property
    def page(self) -> str:
        """Address of the repository's page."""
        return f"{endpoint()}/{FOLDERS[self.kind]}{self.repo}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, whose files never change."""
        return _COMMIT.fullmatch(self.revision) is not None

    def at(self, revision: str) -> "Name":
        """The same at another revision."""
        return replace(self, revision=revision)


def is_name(place: object) -> bool:
    """Whether a path or text is meant as a name on the hub."""
    return isinstance(place, str | Path) and _HUB.match(str(place)) is not None


def is_data_set(place: str | Path) -> bool:
    """Whether a name on the hub is that of a data set."""
    return _HUB.sub("", str(place), count=1).startswith("datasets/")


def parse(place: str | Path, kind: str) -> Name:
    """The name that `place` writes. UsageError where it is none, or names a repository of another kind."""
    text = _HUB.sub("", str(place), count=1)
    found = _NAME.fullmatch(text)
    inside = ((found and found["inside"]) or "").strip("/")
    if found is None or any(m in found["repo"] for m in ("..", "--")) or not is_inside(inside or "."):
        raise UsageError(f"{place} is no name on a hub: {_FORM}")
    written = "dataset" if found["kind"] == "datasets/" else "model"
    if written != kind:
        other = {"model": "a model", "dataset": "a data set"}
        right = Name(kind, found["repo"], found["revision"] or MAIN, inside)
        raise UsageError(f"{place} names {other[written]}, not {other[kind]}: is {right} meant?")
    return Name(kind, found["repo"], found["revision"] or MAIN, inside)


def is_inside(path: str) -> bool:
    """Whether a relative path, with forward slashes, stays in the folder that it is relative to."""
    if not path or len(path) > 1024 or any(mark in path for mark in '\\:\0<>|"?*\n\r'):
        return False
    return not path.startswith("/") and ".." not in path.split("/")


def endpoint() -> str:
    """Address of the hub, without a slash at its end."""
    return (os.environ.get("HF_ENDPOINT") or PUBLIC).rstrip("/")


def is_offline() -> bool:
    """Whether the user has said that nobody may be asked."""
    return any(os.environ.get(n, "").upper() in _TRUE for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"))


def api() -> Any:
    """huggingface_hub's `HfApi` for that hub. UserError without the extra."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise UserError(f"names on a hub need huggingface_hub: {install('hub')}") from error
    return HfApi(endpoint=endpoint(), library_name="gan-workbench")


class Unreachable(UserError):
    """The hub cannot be asked: there is no network, or it does not answer."""


@contextlib.contextmanager
def asking(name: Name) -> Iterator[None]:
    """Turn what huggingface_hub raises within into one line with the remedy. Its texts are not repeated.

    Raises Unreachable where the hub cannot be asked, else UserError.
    """
    from huggingface_hub import errors
    from huggingface_hub.utils import HfHubHTTPError

    what = f"{_CALLED[name.kind]} {name.repo}"
    try:
        yield
    except UserError:
        raise
    except errors.GatedRepoError as error:
        raise UserError(f"the {what} has terms: accept them at {name.page}, then `hf auth login`") from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"the {what} has no revision {name.revision}: mend what follows the @") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"there is no {what} at {endpoint()}, or it is private: mend the name, or `hf auth login`"
        ) from error
    except (errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError) as error:
        raise Unreachable(f"cannot reach {endpoint()} for the {what}") from error
    except HfHubHTTPError as error:
        raise UserError(_refused(what, getattr(error.response, "status_code", 0))) from error
    except errors.LocalTokenNotFoundError as error:
        raise UserError(NO_TOKEN) from error
    except Exception as error:
        if _is_network(error):
            raise Unreachable(f"cannot reach {endpoint()} for the {what}") from error
        raise


def _refused(what: str, status: int) -> str:
    if status in (401, 403):
        return (
            f"{endpoint()} does not allow that of the {what} ({status}): `hf auth login` with a token that"
            " may, or take a repository of your own"
        )
    if status == 429 or status >= 500:
        return f"{endpoint()} cannot serve the {what} now ({status}): try again later"
    return f"{endpoint()} refuses the {what} ({status}): mend the name"


def _is_network(error: Exception) -> bool:
    """Told by name: huggingface_hub asks through httpx, whichever of its packages is installed."""
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(error).__mro__}
    return any(f"{library}.TransportError" in kinds for library in ("httpx", "httpx2"))
