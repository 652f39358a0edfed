"""Checkpoints: safetensors and JSON in one folder that appears whole, and is verified before it is used.

    config.json                 format, version of gan, kimg, generator, discriminator, run, data
    generator.safetensors       EMA weights
    discriminator.safetensors   weights
    training.safetensors        raw generator, optimisers and all else that training continues from
    training.json               counters and other plain values
    conditions.safetensors      vectors that images were trained for, of a model that takes vectors
    card.md                     what the model is, for people
    manifest.json               format, and size and sha256 of each file above

Imported models lack the two files of training, and may lack the discriminator.

The folder is named by its kimg (thousands of real images shown). Nothing in it can execute code. Beside the
folders of a run, best.json may name the one with the best score.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

import gan
from gan import files, hub
from gan.errors import CheckpointError, UserError
from gan.models import content, hub_checkpoints
from gan.models.content import FORMAT, Checkpoint
from gan.sampling import remembered_conditions

BEST = "best.json"  # beside the folders: which of them has the best score
_NAME = re.compile(r"\d{6,}(\.\d{3})?")
_USER_NAME = re.compile(r"[A-Za-z0-9][\w-]*/[\w.-]+", re.ASCII)


def write(
    folder: str | Path,
    *,
    config: Mapping[str, Any],
    generator: nn.Module,
    discriminator: nn.Module | None,
    training_tensors: Mapping[str, Tensor] | None = None,
    training_state: Mapping[str, Any] | None = None,
    card: str,
) -> Path:
    """Write a checkpoint, all of it or nothing, and return its folder. One already there is replaced.

    config: JSON data with kimg, generator and discriminator (each with `type`), run, data. generator: the
    EMA. discriminator: None if there is none, as in some imported models, which lack what training continues
    from, too. training_state: JSON data, whose keys come back as str. Raises UserError if `folder` is not
    writable.
    """
    described = contents(
        config=config,
        generator=generator,
        discriminator=discriminator,
        training_tensors=training_tensors,
        training_state=training_state,
        card=card,
    )
    return write_contents(folder, described)


@dataclass(frozen=True)
class Contents:
    """The files of a checkpoint by their names: JSON data, the card, and tensors."""

    plain: dict[str, Mapping[str, Any]]
    card: str
    tensors: dict[str, Mapping[str, Tensor]]

    def copied(self) -> "Contents":
        """The same with tensors of its own, in the memory of the CPU."""
        tensors: dict[str, Mapping[str, Tensor]] = {
            name: {key: tensor.detach().to("cpu", copy=True) for key, tensor in group.items()}
            for name, group in self.tensors.items()
        }
        return Contents(self.plain, self.card, tensors)


def contents(
    *,
    config: Mapping[str, Any],
    generator: nn.Module,
    discriminator: nn.Module | None,
    training_tensors: Mapping[str, Tensor] | None,
    training_state: Mapping[str, Any] | None,
    card: str,
) -> Contents:
    """What `write` writes of the same arguments; the tensors are those of the networks."""
    plain: dict[str, Mapping[str, Any]] = {
        "config.json": {**config, "format": FORMAT, "gan": gan.__version__}
    }
    if training_state is not None:
        plain["training.json"] = training_state
    tensors: dict[str, Mapping[str, Tensor]] = {"generator.safetensors": generator.state_dict()}
    if (vectors := remembered_conditions(generator)) is not None:
        tensors["conditions.safetensors"] = {"vectors": vectors}
    if discriminator is not None:
        tensors["discriminator.safetensors"] = discriminator.state_dict()
    if training_tensors is not None:
        tensors["training.safetensors"] = training_tensors
    return Contents(plain, card, tensors)


def write_contents(folder: str | Path, described: Contents) -> Path:
    """Write a checkpoint as `write` does."""
    folder = Path(folder)
    with files.atomic_folder(folder) as temporary:
        for name, data in described.plain.items():
            files.write_json(temporary / name, data)
        (temporary / "card.md").write_text(described.card, encoding="utf-8")
        for name, tensors in described.tensors.items():
            _write_tensors(temporary / name, tensors)
        listed = {path.name: content.entry(path) for path in sorted(temporary.iterdir())}
        files.write_json(temporary / "manifest.json", {"format": FORMAT, "files": listed})
    return folder


def replace_card(folder: str | Path, card: str) -> None:
    """Give a checkpoint another card, and its manifest that card's digest, at once. UserError as `write`.

    The files of weights are not copied where the file system can name a file twice.
    """
    folder = Path(folder)
    with files.atomic_folder(folder) as temporary:
        for path in folder.iterdir():
            if path.name not in ("card.md", "manifest.json"):
                files.name_again(path, temporary / path.name)
        (temporary / "card.md").write_text(card, encoding="utf-8")
        manifest = content.read_json(folder / "manifest.json")
        manifest["files"]["card.md"] = content.entry(temporary / "card.md")
        files.write_json(temporary / "manifest.json", manifest)


def read(folder: str | Path) -> Checkpoint:
    """The checkpoint in `folder`, after comparing every file with the manifest.

    Raises CheckpointError naming the first file that is missing or differs, and the newest good checkpoint
    beside it.
    """
    folder = Path(folder)
    try:
        return content.verified(folder)
    except CheckpointError as error:
        here = folder.resolve()
        good, _ = _first_good(sibling for sibling in _newest_first(here.parent) if sibling != here)
        advice = f"the newest good one beside it is {good}" if good else "there is no good one beside it"
        raise CheckpointError(f"{error}; {advice}") from error


def folder_name(nimg: int) -> str:
    """Name of the checkpoint after `nimg` images, in kimg: 200000 -> '000200', 200512 -> '000200.512'."""
    kimg, rest = divmod(nimg, 1000)
    return f"{kimg:06d}.{rest:03d}" if rest else f"{kimg:06d}"


def newest(run_dir: str | Path) -> Path | None:
    """Newest checkpoint folder of a run by kimg, unverified; None if there is none."""
    return next(_newest_first(Path(run_dir) / "checkpoints"), None)


def folders(run_dir: str | Path) -> list[Path]:
    """Checkpoint folders of a run by kimg, unverified, newest first."""
    return list(_newest_first(Path(run_dir) / "checkpoints"))


def newest_good(run_dir: str | Path) -> tuple[Path | None, list[tuple[Path, str]]]:
    """Newest checkpoint of a run that verifies (or None), and the damaged newer ones with reasons."""
    return _first_good(_newest_first(Path(run_dir) / "checkpoints"))


def resolve(model: str | Path) -> Path:
    """Checkpoint folder that `model` means: a run directory's newest, or a checkpoint directory itself.

    `<run>/checkpoints/best` means the one that `mark_best` named, `hf://user/name@revision` one on a hub,
    which is fetched, see `gan.models.hub_checkpoints`.

    Raises UserError if there is neither. Nothing is verified here: it is `read` that refuses a damaged one.
    """
    if hub.is_name(model):
        return hub_checkpoints.fetched(model)
    model = Path(model)
    if model.name == "best" and (named := best(model.parent.parent)):
        return named[0]
    if not model.exists():
        name = f", or hf://{model} on a hub" if _USER_NAME.fullmatch(str(model)) else ""
        raise UserError(f"no model at {model}: give a run directory or a checkpoint directory{name}")
    if model.is_file():
        raise UserError(f"{model} is a file: give the checkpoint directory, {model.parent}")
    if (model / "manifest.json").is_file() or _NAME.fullmatch(model.resolve().name):
        return model
    if found := newest(model) or next(_newest_first(model), None):
        return found
    if (model / "checkpoints").is_dir():
        raise UserError(f"run {model} has no checkpoint yet: wait for its first snapshot")
    raise UserError(f"{model} is neither a run (with checkpoints/) nor a checkpoint (with manifest.json)")


def mark_best(folder: str | Path, record: Mapping[str, Any]) -> None:
    """Name `folder` the best checkpoint of its run; `record` is JSON data that says why.

    From then on `<run>/checkpoints/best` means it. Raises UserError if the run is not writable.
    """
    folder = Path(folder)
    text = json.dumps({"checkpoint": folder.name, **record}, indent=2, ensure_ascii=False)
    files.atomic_bytes(folder.parent / BEST, (text + "\n").encode())


def best(run_dir: str | Path) -> tuple[Path, dict[str, Any]] | None:
    """Folder and record of the checkpoint that `mark_best` named last; None if there is none.

    Raises CheckpointError if the file that names it is damaged.
    """
    path = Path(run_dir) / "checkpoints" / BEST
    if not path.is_file():
        return None
    record = content.read_json(path)
    name = record.pop("checkpoint", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise CheckpointError(f"{path} names no checkpoint: remove it")
    return path.parent / name, record


def sweep_temporaries(run_dir: str | Path) -> list[Path]:
    """Remove half-written checkpoints of killed writers from a run nothing else writes to; return them."""
    return files.sweep(Path(run_dir) / "checkpoints")


def _newest_first(folder: Path) -> Iterator[Path]:
    """Checkpoint folders in `folder`, the highest kimg first; temporaries and other names are passed over."""
    found = [path for path in folder.glob("*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return iter(sorted(found, key=lambda path: float(path.name), reverse=True))


def _first_good(folders: Iterator[Path]) -> tuple[Path | None, list[tuple[Path, str]]]:
    damaged: list[tuple[Path, str]] = []
    for folder in folders:
        try:
            return content.verified(folder).path, damaged
        except CheckpointError as error:
            damaged.append((folder, str(error)))
    return None, damaged


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    try:
        own = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
        save_file(own, path, metadata={"format": "pt"})  # as the hub and other tools expect it
    except SafetensorError as error:
        raise UserError(f"cannot write {path}: {error}") from error
    path.chmod((path.parent / "config.json").stat().st_mode)  # safetensors makes its files private
