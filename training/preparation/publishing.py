"""A data set as others may have it on a hub: which files go, under which licence, and the hub's card of it.

What goes is what a fetch by name would take, so that the set is the same there, with the same digest.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gan.errors import UsageError, UserError, install
from gan.hub import Name
from gan.hub_files import MOST_FILES, File
from gan.models import hub_card
from training.data import hub_sets
from training.data.hub_sets import UNKNOWN
from training.data.images import ImageDataset, form
from training.preparation.datasheet import table

_STEPS = (10**3, 10**4, 10**5, 10**6, 10**7)  # between the hub's classes of size
_LETTERS = {10**3: "1K", 10**4: "10K", 10**5: "100K", 10**6: "1M", 10**7: "10M"}
_SEVERAL = "various: "


def files_of(path: Path, name: Name) -> dict[str, Path]:
    """Path in the repository -> file, of a set at `path` on this machine.

    Raises UserError for what a fetch of `name` would not take whole: other kinds of sets, too many files, or
    files that are too large.
    """
    if path.is_file():
        found = {path.name: path}
    else:
        found = {p.relative_to(path).as_posix(): p for p in sorted(path.rglob("*")) if p.is_file()}
    listing = [File(each, file.stat().st_size) for each, file in found.items()]
    whole, chosen = hub_sets.chosen_of(name, listing)
    if len(whole) > len(chosen):
        raise UserError(f"{path} holds several splits: put the tables of one into a folder of their own")
    if len(chosen) > MOST_FILES:
        raise UserError(
            f"{path} has {len(chosen):,} files, more than the {MOST_FILES:,} that are fetched one by one:"
            f" make it one file, gan data merge {path} --out {path.name}.zip"
        )
    for file in chosen:
        if file.size > (most := hub_sets.most(file.path)):
            raise UserError(
                f"{file.path} has {file.size:,} bytes, more than the {most:,} that are fetched: make shards,"
                f" gan data merge {path} --out {path.stem}-shards/%05d.tar"
            )
    return {file.path: found[file.path] for file in chosen}


def licence_for(place: str, said: str | None, told: str | None) -> str:
    """The licence that the card names: what the set says, and `told` for images of which it says none.

    Raises UserError where nothing is said or told of all or some, UsageError where a set that says all is
    told another.
    """
    parts = (said or UNKNOWN).removeprefix(_SEVERAL).split("; ")
    if UNKNOWN not in parts:
        if told and told != said:
            raise UsageError(f"{place} says that its licence is {said}: leave out --licence {told}")
        return str(said)
    if not told:
        some = "of some images" if len(parts) > 1 else "of its images"
        raise UserError(
            f"{place} does not say the licence {some}, without which nobody may use them: ask their makers,"
            " then tell it, as in --licence CC-BY-4.0"
        )
    known = list(dict.fromkeys(told if part == UNKNOWN else part for part in parts))
    return known[0] if len(known) == 1 else _SEVERAL + "; ".join(known)


def card(dataset: ImageDataset, index: Mapping[str, Any], name: Name, licence: str, sheet: str) -> str:
    """README.md of the repository: metadata that the hub reads, what was counted, and the data sheet.

    index: content of `dataset.json`, {} without one.  sheet: its text, "" without one.  UserError without the
    extra.
    """
    try:
        from huggingface_hub import DatasetCardData
    except ImportError as error:
        raise UserError(f"a hub's card needs huggingface_hub: {install('hub')}") from error
    plain, other = hub_card.licence(licence)
    about = DatasetCardData(
        license=plain,
        license_name=other,
        pretty_name=name.repo.partition("/")[2],
        task_categories=[hub_card.TASK],
        size_categories=[_size(len(dataset))],
        tags=["gan", *(["class-conditional"] if dataset.classes else [])],
    )
    manifest = index.get("manifest") or {}
    facts = {
        "Images": f"{len(dataset):,} of {form(dataset.shape)}",
        "Licence": licence,
        "Attribution": manifest.get("attribution"),
        "Source": manifest.get("source"),
        "Captions": f"{len(index['captions']):,}" if index.get("captions") else None,
        "Vectors": None if dataset.vectors is None else f"{dataset.vectors.shape[1]} values an image",
        "Digest": f"`{dataset.sha256}`, of images and labels: the `data_sha256` of scores",
    }
    parts = [f"# {about.pretty_name}", "\n".join(f"- {key}: {fact}" for key, fact in facts.items() if fact)]
    if dataset.classes:
        counts = dict(zip(dataset.classes, dataset.counts.tolist(), strict=True))
        parts.append(f"## Classes\n\n{table('class', counts)}")
    if files := manifest.get("files"):
        parts.append(f"## Sources\n\n{table('from', _sources(files))}")
    parts.append(f"## Use\n\n```bash\ngan train --data hf://datasets/{name.repo} --preset demo\n```")
    parts.append(_below(sheet))
    return f"---\n{about.to_yaml()}\n---\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def _size(count: int) -> str:
    """The hub's class of size of a set."""
    above = next((step for step in _STEPS if count < step), None)
    if above == _STEPS[0]:
        return f"n<{_LETTERS[above]}"
    if above is None:
        return f"n>{_LETTERS[_STEPS[-1]]}"
    return f"{_LETTERS[above // 10]}<n<{_LETTERS[above]}"


def _sources(files: Mapping[str, Mapping[str, Any]]) -> Counter[str]:
    """How many images are from which site; paths of the makers' machines are not told."""
    sites = (urlsplit(str(said.get("source") or "")).netloc for said in files.values())
    return Counter(site or "files without an address" for site in sites)


def _below(sheet: str) -> str:
    """The sheet without its title. Of the card of a repository the part that is a sheet, if it has one."""
    start = sheet.find("\n## Motivation\n")
    if start < 0 and not sheet.startswith("---"):
        return re.sub(r"\A# .*\n", "", sheet).strip()
    return sheet[start:].strip() if start >= 0 else ""
