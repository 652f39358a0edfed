"""A model to a hub, and a Space beside it: a page that draws from that very commit of the model."""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gan import hub, hub_pushing
from gan.errors import UserError
from gan.hub import Name
from gan.jobs import space as spaces
from gan.models.hub import push_to_hub

PAGE = "gan/models/gradio_page.py"  # which every Space of ours has
NEW = (".gitattributes", "README.md")  # what a Space has when it was just made
OURS = ("gan/", "ops/", "model/", "app.py", "requirements.txt", "README.md")


def push(
    model: str | Path,
    name: str,
    *,
    space: bool = False,
    private: bool = False,
    revision: str | None = None,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Push a model as `gan.push_to_hub` does; its record, and with `space` one of the Space as its `space`.

    The Space is the repository of Spaces of the same name; it loads the pushed commit. Raises UserError and
    UsageError as `gan.push_to_hub` and `gan.jobs.space.write`, and where the Space is there and not of ours:
    all that before anything is pushed.
    """
    about: dict[str, Any] = {"private": private, "revision": revision, "dry_run": dry_run}
    if not space:
        return push_to_hub(model, name, **about)
    place = replace(hub_pushing.target(name, "model", revision).at(hub.MAIN), kind="space")
    folder = spaces.usable(model).path
    if not dry_run:
        _earlier(place, hub_pushing.paths(place))
    record = push_to_hub(folder, name, **about)
    return {**record, "space": _pushed(folder, place, record["name"], private, dry_run)}


def _pushed(model: Path, place: Name, name: str, private: bool, dry_run: bool) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="gan-push-") as temporary:
        folder = Path(temporary) / "space"
        spaces.write(model, folder, name=name)
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {path.relative_to(folder).as_posix(): path for path in found}
        sizes = {path: file.stat().st_size for path, file in files.items()}
        record = {"name": str(place), "url": place.page, "private": private, "files": sizes, "model": name}
        if dry_run:
            return record
        commit = hub_pushing.push(
            place, files, lambda there: _earlier(place, there), private=private, message=f"Draws from {name}"
        )
        return {**record, "name": str(place.at(commit))}


def _earlier(place: Name, there: Sequence[str]) -> Iterable[str]:
    """The files there that are of ours. UserError for a Space that is somebody's own."""
    if PAGE not in there and not set(there) <= set(NEW):
        raise UserError(
            f"{place.page} is a Space that `gan space` did not make: push under another name, or remove it"
        )
    return [path for path in there if path.startswith(OURS)]
