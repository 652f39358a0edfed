"""Statistics of real images on disk: the same data, weights and convention are measured once.

One safetensors file per entry, written atomically. It holds its own full key and a digest of its tensors; an
entry that does not match is measured again and replaced.
"""

import functools
import hashlib
import sys
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gan.errors import UserError
from gan.files import atomic_bytes, cache_folder


def load(key: Mapping[str, str]) -> dict[str, Tensor] | None:
    """Tensors stored under `key`, or None if there are none, or damaged ones."""
    try:
        with safe_open(_path(key), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            whole = file.metadata() == {**key, "sha256": _digest(tensors)}
    except (OSError, SafetensorError):
        return None
    return tensors if whole else None


def store(key: Mapping[str, str], tensors: Mapping[str, Tensor]) -> None:
    """Keep `tensors` under `key`; where the directory cannot be written, only say so, once, on stderr."""
    path = _path(key)
    metadata = {**key, "sha256": _digest(tensors)}
    try:
        atomic_bytes(path, save({name: t.contiguous() for name, t in tensors.items()}, metadata))
    except UserError as error:
        _say_once(
            f"{error}; statistics of real images are measured again each time (GAN_CACHE names another place)"
        )


def _path(key: Mapping[str, str]) -> Path:
    text = "\n".join(f"{name}={key[name]}" for name in sorted(key))
    return cache_folder() / "statistics" / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.safetensors"


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """Hex digest over names, dtypes, shapes and values."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


@functools.cache
def _say_once(message: str) -> None:
    print(f"gan: warning: {message}", file=sys.stderr)
