"""What lies in a checkpoint folder: compared with its manifest before anything of it is used.

A folder may come from a stranger. Only files that the manifest lists are used, and they lie in the folder
itself; JSON is bounded before it is read, and networks by their files of weights (`gan.models.weights`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gan import files, foreign, hub_files, plugins
from gan.errors import CheckpointError
from gan.models import weights
from gan.networks import discriminator_config, generator_config
from gan.sampling import remember_classes, remember_conditions

FORMAT = 1
_REQUIRED = ("config.json", "generator.safetensors")
_TENSORS = ("generator", "discriminator", "training", "conditions")
USED = (*(f"{name}.safetensors" for name in _TENSORS), "config.json", "training.json")


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint folder. `config` is its config.json, `kimg` its training length."""

    path: Path
    config: dict[str, Any]
    kimg: float

    @property
    def run(self) -> Path:
        """The run directory that it lies in."""
        inside = self.path.parent.name == "checkpoints"
        return self.path.parent.parent if inside else self.path.resolve().parent.parent

    @property
    def source(self) -> str:
        """Where it comes from: its name on a hub, with the commit, or else its folder."""
        return str(hub_files.name_of(self.path) or self.path)

    def generator(self, device: str | torch.device = "cpu") -> nn.Module:
        """The EMA generator: eval mode, no weight gradients. CheckpointError if the weights do not fit.

        It has this config as `about`, and `source` as this checkpoint has it.
        """
        generator: Any = self._network("generator", generator_config, device)
        if (self.path / "conditions.safetensors").is_file():
            remember_conditions(generator, self._conditions(generator.c_dim).to(device))
        remember_classes(generator, (self.config.get("data") or {}).get("seen"))
        generator.about, generator.source = self.config, self.source
        return generator

    def discriminator(self, device: str | torch.device = "cpu") -> nn.Module:
        """The discriminator: eval mode, no weight gradients. CheckpointError if absent or unfit."""
        return self._network("discriminator", discriminator_config, device)

    def fill(self, network: nn.Module, role: str) -> None:
        """Give a network the weights that are saved of `role`. CheckpointError if absent or unfit."""
        weights.fill(network, self._file(role))

    def shapes(self, role: str) -> weights.Shapes:
        """Of the tensors that are saved of `role`, by name. CheckpointError if they are absent."""
        return weights.shapes(self._file(role))

    def training(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What `write` got as training_tensors, on the CPU, and training_state; CheckpointError if absent."""
        return weights.tensors(self._file("training")), self.state()

    def state(self) -> dict[str, Any]:
        """What `write` got as training_state; CheckpointError if absent."""
        return read_json(self.path / "training.json")

    def _network(self, role: str, variants: Callable[[str], type], device: str | torch.device) -> nn.Module:
        self._file(role)
        plugins.require((self.config.get("run") or {}).get("plugins") or (), str(self.path))
        network = weights.network(self.config.get(role), role, variants, self.path)
        return network.eval().requires_grad_(False).to(device)

    def _conditions(self, c_dim: int) -> Tensor:
        """Vectors [M, c_dim], M at least 1."""
        path = self._file("conditions")
        given = weights.shapes(path)
        shape = given.get("vectors", ())
        if len(given) != 1 or len(shape) != 2 or shape[0] < 1 or shape[1] != c_dim:
            raise CheckpointError(f"{path} does not fit its config.json: it should hold vectors [M, {c_dim}]")
        return weights.tensors(path)["vectors"]

    def _file(self, name: str) -> Path:
        path = self.path / f"{name}.safetensors"
        if not path.is_file():
            raise CheckpointError(f"checkpoint {self.path} has no {path.name}: it is for sampling only")
        return path


def verified(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`. CheckpointError naming the first file that is not as the manifest says."""
    if not folder.is_dir():
        raise CheckpointError(f"no checkpoint at {folder}")
    manifest = read_json(folder / "manifest.json")
    _check_format(folder / "manifest.json", manifest)
    listed = manifest.get("files")
    if not isinstance(listed, dict) or not all(name in listed for name in _REQUIRED):
        raise _damaged(folder / "manifest.json", "lists too few files")
    for name, entry in listed.items():
        _check_file(folder, name, entry)
    for name in USED:
        if name not in listed and (folder / name).exists():
            raise _damaged(folder / name, "is not listed in manifest.json: remove it, or fetch both again")
    config = read_json(folder / "config.json")
    _check_format(folder / "config.json", config)
    if not isinstance(config.get("kimg"), (int, float)):
        raise _damaged(folder / "config.json", "has no kimg")
    return Checkpoint(folder, config, float(config["kimg"]))


def entry(path: Path) -> dict[str, Any]:
    """What the manifest says of a file."""
    return {"sha256": files.sha256(path), "size": path.stat().st_size}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file of a checkpoint. CheckpointError if it is missing, too large or none."""
    try:
        data = files.parsed(path)
    except FileNotFoundError as error:
        raise _damaged(path, "is missing") from error
    except (ValueError, OSError) as error:  # malformed JSON or UTF-8, or too much of it
        raise _damaged(path, foreign.stand_in(path) or f"is not JSON ({error})") from error
    if not isinstance(data, dict):
        raise _damaged(path, "is not a JSON object")
    return data


def _damaged(path: Path, how: str) -> CheckpointError:
    return CheckpointError(f"checkpoint {path.parent} is damaged: {path.name} {how}")


def _check_file(folder: Path, name: str, given: Any) -> None:
    """Raise CheckpointError unless the file lies in the folder, with size and sha256 of its entry."""
    path = folder / name
    if name in ("", ".", "..") or any(mark in name for mark in "/\\:\0"):
        raise _damaged(folder / "manifest.json", f"names {name!r}, which is no file in it: fetch it again")
    if not isinstance(given, dict) or not {"size", "sha256"} <= given.keys():
        raise _damaged(folder / "manifest.json", f"says nothing about {name}")
    if not path.is_file():
        raise _damaged(path, "is missing")
    if path.resolve().parent != folder.resolve():
        raise _damaged(path, "is a link out of the folder: put the file itself there")
    if (size := path.stat().st_size) != given["size"]:
        if found := foreign.stand_in(path):
            raise _damaged(path, found)
        raise _damaged(path, f"has {size} of {given['size']} bytes")
    if files.sha256(path) != given["sha256"]:
        raise _damaged(path, "differs from its sha256")


def _check_format(path: Path, data: Mapping[str, Any]) -> None:
    if data.get("format") != FORMAT:
        given = data.get("format", "missing")
        raise CheckpointError(f"{path}: format is {given}, this version reads only {FORMAT}")
