"""Preparing a folder in tests, and looking at what came of it."""

import hashlib
import json
from pathlib import Path

from gan.jobs.preparation import prepare
from training.preparation.request import request
from training.preparation.sets import read_index


def run(source, out, *, workers=1, force=False, dry_run=False, work=None, **options):
    """The result of preparing a folder at 32 pixels."""
    wanted = request(**{"resolution": "32", "copies": "exact", **options})
    places = source if isinstance(source, list) else [source]
    return prepare(places, out, wanted, workers=workers, force=force, dry_run=dry_run, work=work)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files(work):
    """{path: record} of a working folder."""
    return {r["path"]: r for r in map(json.loads, (work / "files.jsonl").read_text().splitlines())}


def writer_index(out):
    return read_index(out)


def files_of(made):
    return files(Path(made["work"]))
