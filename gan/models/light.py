"""A light checkpoint: the averaged generator and the card alone, to sample and score, without what trains."""

from pathlib import Path

from gan import files
from gan.files import read_json

TRAINING = ("training.safetensors", "training.json")
HEAVY = (*TRAINING, "discriminator.safetensors")


def lighten(folder: Path) -> bool:
    """Leave out of a checkpoint what only training reads; whether there was any. Raises UserError.

    The folder is replaced as a whole; where the file system can, the files that stay are not copied.
    """
    if not any((folder / name).is_file() for name in HEAVY):
        return False
    manifest = read_json(folder / "manifest.json", dict)
    manifest["files"] = {name: entry for name, entry in manifest["files"].items() if name not in HEAVY}
    with files.atomic_folder(folder) as temporary:
        for name in manifest["files"]:
            files.name_again(folder / name, temporary / name)
        files.write_json(temporary / "manifest.json", manifest)
    return True
