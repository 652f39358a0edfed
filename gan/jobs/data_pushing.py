"""A data set to a hub, with its data sheet as the hub's card; `hf://datasets/user/name` then trains on it."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gan import hub_pushing
from gan.errors import UserError
from gan.hub import Name
from training.data.hub_sets import CARD, INDEX, PACKED
from training.data.images import open_dataset
from training.data.metadata import is_metadata
from training.data.names import SUFFIXES
from training.data.places import local
from training.preparation import publishing
from training.preparation.datasheet import OPEN, text_of
from training.preparation.sets import read_index
from training.preparation.verify import check

_SHOWN = 3


def push(
    data: str | Path,
    name: str,
    *,
    licence: str | None = None,
    private: bool = False,
    revision: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> dict[str, Any]:
    """Push a data set to the data sets of `user/name`, as one commit; a repository is made if there is none.

    licence: of images of which the set says none. force: take away the files of another set that is there.
    dry_run: say what would be pushed, and ask nobody. Returns name (with the commit, if pushed), url,
    private, images, sha256, licence, files (path -> bytes), readme and open: how many questions of the data
    sheet nobody has answered, None without a sheet.

    Raises DataError for a set that cannot be read or lacks files, UsageError for a name that is none,
    UserError without a licence, where a fetch by name would not take the set, and as `gan.push_to_hub`.
    """
    target = hub_pushing.target(name, "dataset", revision)
    path = local(data)
    check(path)
    dataset = open_dataset(path)
    try:
        named = publishing.licence_for(dataset.place, dataset.licence, licence)
        files = publishing.files_of(path, target)
        index = read_index(path) if path.is_dir() or path.suffix == ".zip" else {}
        sheet = text_of(path)
        record = {
            "name": str(target),
            "url": target.page,
            "private": private,
            "images": len(dataset),
            "sha256": dataset.sha256,
            "licence": named,
            "files": {each: file.stat().st_size for each, file in files.items()},
            "readme": publishing.card(dataset, index, target, named, sheet),
            "open": sheet.count(OPEN) if sheet else None,
        }
    finally:
        dataset.close()
    return record if dry_run else {**record, "name": _pushed(target, files, record, private, force)}


def _pushed(
    target: Name, files: Mapping[str, Path], record: Mapping[str, Any], private: bool, force: bool
) -> str:
    """Push the files and the card; the name with the commit."""

    def earlier(there: Sequence[str]) -> Iterable[str]:
        others = [path for path in there if path not in files and _is_data(path)]
        if others and not force:
            shown = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
            raise UserError(
                f"{target} holds another set ({shown}): push to another name or --revision, or take it away"
                " with --force"
            )
        return others

    with tempfile.TemporaryDirectory(prefix="gan-push-") as folder:
        card = Path(folder) / CARD
        card.write_text(record["readme"], encoding="utf-8")
        count = f"{record['images']:,} images"
        commit = hub_pushing.push(target, {**files, CARD: card}, earlier, private=private, message=count)
    return str(target.at(commit))


def _is_data(path: str) -> bool:
    """Whether a file there, by its path, would be read as a part of a set."""
    return path.lower().endswith((*PACKED, *SUFFIXES)) or path in INDEX or is_metadata(path)
