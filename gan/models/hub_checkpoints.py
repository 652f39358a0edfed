"""A checkpoint on a hub -> a folder on this machine: which files are fetched, and how large they may be.

Only files of our format are fetched, by their names: safetensors, JSON and the card. The manifest's digests
are compared when the folder is read, as of any checkpoint. Plug-ins are never fetched: a model that needs one
says so, and the user names a file of his own.
"""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from gan import hub
from gan.errors import UserError
from gan.files import MAX_JSON
from gan.hub import Name
from gan.hub_files import File, Listing, fetch, name_of
from gan.models.content import USED

WANTED = (*USED, "manifest.json", "card.md")
MOST_WEIGHTS = 2**34  # bytes of one file of tensors
EXECUTED = (".bin", ".pkl", ".pickle", ".pt", ".pth", ".ckpt", ".npy", ".joblib")  # may run code when read
_SHOWN = 5


def fetched(model: str | Path) -> Path:
    """The folder of the checkpoint that `hf://user/name@revision/folder` names, from the hub or the cache.

    Raises UserError, with the remedy, as `gan.hub_files.fetch`, and where the repository holds no checkpoint.
    """
    name = hub.parse(model, "model")
    found = fetch(name, lambda listing: _chosen(name, listing), _most)
    return found.folder / name.inside


def pinned(model: str) -> str:
    """The name of a model on a hub with the commit that it means now; any other model as it is."""
    if not hub.is_name(model) or hub.parse(model, "model").pinned:
        return model
    return str(name_of(fetched(model)))


def _chosen(name: Name, listing: Listing) -> Sequence[File]:
    start = f"{name.inside}/" if name.inside else ""
    wanted = {f"{start}{each}" for each in WANTED}
    chosen = [file for file in listing.files if file.path in wanted]
    if not any(file.path == f"{start}manifest.json" for file in chosen):
        raise UserError(f"{name} holds no model of this format: {_instead(name, listing)}")
    return chosen


def _instead(name: Name, listing: Listing) -> str:
    """What the repository holds, and what to do about it."""
    folders = [PurePosixPath(f.path).parent for f in listing.files if f.path.endswith("/manifest.json")]
    if folders:
        return f"is {Name('model', name.repo, name.revision, str(folders[0]))} meant?"
    pickles = [file.path for file in listing.files if file.path.endswith(EXECUTED)]
    if pickles:
        return (
            f"{pickles[0]} may run code when it is read, so it is not fetched; if it is a published snapshot,"
            " download it yourself and `gan convert` it, which executes nothing"
        )
    names = ", ".join(file.path[:60] for file in listing.files[:_SHOWN]) or "nothing"
    return f"it lacks manifest.json and holds {names}; `gan push` makes such repositories"


def _most(path: str) -> int:
    return MOST_WEIGHTS if path.endswith(".safetensors") else MAX_JSON
