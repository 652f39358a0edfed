"""A checkpoint as others may have it: chosen files, no folder of this machine in it, a manifest."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from gan import files, hub
from gan.models import content

FIELDS = ("data.path", "data.held_out", "init_from")  # settings that may name folders
CARD = "card.md"


def copied(source: Path, folder: Path, wanted: Sequence[str]) -> dict[str, Any]:
    """Make `folder` a checkpoint of those wanted files that `source` lists, and a card; returns its config.

    Large files are not copied where the file system can name a file twice. Raises UserError where it cannot
    be written.
    """
    folder.mkdir()
    private = files.read_json(source / "config.json", dict)
    config = public(private)
    files.write_json(folder / "config.json", config)
    listed = files.read_json(source / "manifest.json", dict)["files"]
    for name in wanted:
        if name in listed:
            files.name_again(source / name, folder / name)
    path = source / CARD
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    (folder / CARD).write_text(_shortened(text, private), encoding="utf-8")
    entries = {path.name: content.entry(path) for path in sorted(folder.iterdir())}
    files.write_json(folder / "manifest.json", {"format": content.FORMAT, "files": entries})
    return config


def public(config: Mapping[str, Any]) -> dict[str, Any]:
    """config.json of a checkpoint, in which of each path of this machine the last part is left."""
    return json.loads(_shortened(json.dumps(config), config, lambda text: json.dumps(text)[1:-1]))


def _shortened(text: str, config: Mapping[str, Any], written: Any = str) -> str:
    """The text with the last part of each path in the config for the whole; written: how it stands there."""
    for path in sorted(set(_paths(config)), key=len, reverse=True):
        if len(PurePath(path).parts) > 1 and not hub.is_name(path):
            text = text.replace(written(path), written(PurePath(path).name))
    return text


def _paths(config: Mapping[str, Any]) -> Iterator[str]:
    """Settings of the run that name folders, those of its earlier phases, and files of its plug-ins."""
    run = config.get("run") or {}
    for field in FIELDS:
        value: Any = run
        for part in field.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        yield str(value or "")
    yield from (str(plugin.get("path") or "") for plugin in run.get("plugins") or ())
    for phase in config.get("phases") or ():
        for change in phase.get("changes") or ():
            if change.get("field") in FIELDS:
                yield from (str(change.get("old") or ""), str(change.get("new") or ""))
