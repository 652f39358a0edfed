"""Files of directions: tensors in safetensors, all else as JSON in its header.

    vectors [K, D], scales [K], explained [K] where known     float32
    header "directions"     format, method, space, names, model (digest), layers, channels, findings, about

Nothing in it can execute code. A file belongs to one model, by the digest of its generator.
"""

import json
from pathlib import Path
from typing import Any, get_args

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from gan.errors import UserError
from gan.files import atomic_bytes
from gan.foreign import printable
from gan.latents.directions import Directions, Method, Space, require_model
from gan.models import weights

FORMAT = 1
KEY = "directions"  # of the header
LARGEST = 2**30  # bytes of a file
MOST = 10_000  # directions of a file
SUFFIX = ".safetensors"


def save(directions: Directions, path: str | Path) -> None:
    """Write them to `path`, all or nothing. Raises UserError where it cannot be written."""
    tensors = {"vectors": directions.vectors, "scales": directions.scales}
    if directions.explained is not None:
        tensors["explained"] = directions.explained
    described = {
        "format": FORMAT,
        "method": directions.method,
        "space": directions.space,
        "names": directions.names,
        "model": directions.model,
        "layers": directions.layers,
        "channels": directions.channels,
        "findings": directions.findings,
        "about": directions.about,
    }
    header = {KEY: json.dumps(described, ensure_ascii=False)}
    whole = {name: tensor.float().cpu().contiguous() for name, tensor in tensors.items()}
    atomic_bytes(path, safetensors.torch.save(whole, header))


def read(path: str | Path, generator: nn.Module | None = None) -> Directions:
    """The directions of a file; refused where they are not of `generator`, None: of whatever model.

    Raises UserError, naming the file, for one that is missing, damaged, none of directions, or of another
    model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"there are no directions at {path}: mend the path, or make them with gan directions")
    if path.stat().st_size > LARGEST:
        raise UserError(
            f"{path} has {path.stat().st_size:,} bytes, more than directions need: name another file"
        )
    weights.shapes(path)  # a line of words for what is no safetensors file
    try:
        with safe_open(path, "pt") as opened:
            text = (opened.metadata() or {}).get(KEY)
            tensors = {name: opened.get_tensor(name) for name in opened.keys()} if text else {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise UserError(weights.unreadable(path, error)) from error
    if text is None:
        raise UserError(f"{path} holds no directions: make some with gan directions")
    try:
        found = _made(json.loads(text), tensors)
    except (UserError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} is damaged ({reason}): make it again with gan directions") from error
    if generator is not None:
        require_model(found, generator, str(path))
    return found


def _made(data: dict[str, Any], tensors: dict[str, Tensor]) -> Directions:
    """Directions of a header and tensors. Raises any of the errors that `read` names for what makes none."""
    if data["format"] != FORMAT:
        raise ValueError(f"format is {data['format']}, this version reads only {FORMAT}")
    if data["method"] not in get_args(Method) or data["space"] not in get_args(Space):
        raise ValueError(f"unknown method {data['method']!r} or space {data['space']!r}")
    if any(t.dtype != torch.float32 for t in tensors.values()):
        raise ValueError("its tensors are not float32")
    if len(data["names"]) > MOST:
        raise ValueError(f"it names {len(data['names'])} directions, more than {MOST}")
    ranges = tuple((_whole(first), _whole(stop)) for first, stop in data["layers"])
    if any(first >= stop for first, stop in ranges):
        raise ValueError("a range of layers is empty")
    return Directions(
        method=data["method"],
        space=data["space"],
        vectors=tensors["vectors"],
        scales=tensors["scales"],
        explained=tensors.get("explained"),
        names=tuple(printable(str(name)) for name in data["names"]),
        model=printable(str(data["model"])),
        layers=ranges,
        channels=tuple((str(name), _whole(width)) for name, width in data["channels"]),
        findings=tuple(dict(finding) for finding in data["findings"]),
        about=dict(data["about"]),
    )


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no number of layers or channels")
    return value
