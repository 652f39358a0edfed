"""Reading golden files and comparing numbers.

A file is an .npz whose arrays are named `<case>/<array>`, plus `meta_json`: UTF-8 JSON with the parameters
of each case under "cases" and optional lists of input-output rows under "tables".
"""

import json
import math
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class FormatError(Exception):
    """The file is not a golden file, or a case lacks something that its family always has."""


class Comparison(NamedTuple):
    """One compared array. `error` is relative to the largest magnitude of the reference."""

    name: str
    error: float
    tolerance: float
    arithmetic: str = ""  # "float64" or "float32" where a case is evaluated in both

    @property
    def passed(self) -> bool:
        return self.error <= self.tolerance


@dataclass
class Case:
    """One case of a file; remembers which arrays were looked at.

    others: all cases of the file, by name.  shared: arrays of no case, by their full name.
    """

    name: str
    meta: dict
    arrays: dict[str, np.ndarray]
    used: set[str] = field(default_factory=set)
    others: dict[str, "Case"] = field(default_factory=dict, repr=False)
    shared: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def parameter(self, key: str):
        """An entry of the case's metadata; FormatError where missing."""
        if key not in self.meta:
            raise FormatError(f"case {self.name}: the metadata lack {key!r}")
        return self.meta[key]

    def tensor(self, key: str, dtype: torch.dtype | None = None) -> Tensor:
        """An array of the case or a shared one, as stored or converted; FormatError where missing."""
        array = self.arrays.get(key, self.shared.get(key))
        if array is None:
            raise FormatError(f"case {self.name}: array {key!r} is missing")
        self.used.add(key)
        return torch.from_numpy(array.copy()).to(dtype)

    def other(self, name: str) -> "Case":
        """Another case of the file, whose arrays this one shares; FormatError where missing."""
        if name not in self.others:
            raise FormatError(f"case {self.name}: the case {name!r} it refers to is missing")
        return self.others[name]

    def below(self, prefix: str, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
        """All arrays named `<prefix><rest>`, keyed by the rest."""
        return {k.removeprefix(prefix): self.tensor(k, dtype) for k in self.arrays if k.startswith(prefix)}

    def compare(self, results: dict[str, Tensor], tolerance: float) -> Iterator[Comparison]:
        """Each result against the array of its name; results that the case does not store are passed over."""
        for name, got in results.items():
            if name in self:
                yield Comparison(name, relative_error(got, self.tensor(name)), tolerance)

    @property
    def unused(self) -> list[str]:
        return sorted(set(self.arrays) - self.used)


class Family(NamedTuple):
    """Cases of one kind: how to recognise them and how to check them (None: not in this release)."""

    name: str
    recognises: Callable[[Case], bool]
    check: Callable[[Case], Iterable[Comparison]] | None = None


def described(*keys: str) -> Callable[[Case], bool]:
    """Recognises cases whose metadata have all these keys."""
    return lambda case: case.meta.keys() >= set(keys)


def relative_error(got: Tensor, want: Tensor, scale: float | None = None) -> float:
    """max |got - want| / scale; inf for another shape or a NaN.

    scale: max |want| if None; where that is zero the error is absolute.
    """
    if got.shape != want.shape:
        return math.inf
    if want.numel() == 0:
        return 0.0
    want = want.double()
    scale = want.abs().max().item() if scale is None else scale
    error = (got.detach().double() - want).abs().max().item() / (scale or 1.0)
    return math.inf if math.isnan(error) else error


def read(path: Path) -> list[Case]:
    """All cases of a file, then one for each of its tables (named `tables/<name>`, rows in the metadata).

    Raises:
        FormatError: not readable as a golden file.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {key: stored[key] for key in stored.files}
        meta = _metadata(arrays)
        cases = {name: Case(name, dict(parameters), {}) for name, parameters in meta["cases"].items()}
        tables = dict(meta.get("tables", {}))
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise FormatError(f"not a golden file ({reason})") from error
    shared = {}
    for key, array in arrays.items():
        name, _, rest = key.partition("/")
        (cases[name].arrays if name in cases else shared)[rest if name in cases else key] = array
    for case in cases.values():
        case.others, case.shared = cases, shared
    rows = [Case(f"tables/{name}", {"rows": content}, {}) for name, content in tables.items()]
    if not cases and not rows:
        raise FormatError("a golden file without cases")
    return [*cases.values(), *rows]


def _metadata(arrays: dict[str, np.ndarray]) -> dict:
    """Contents of `meta_json`, which is taken out of `arrays`.

    A file of features has none: there every text is a parameter of all cases, and `images` marks a case. In a
    file of one network `config` holds the parameters of its only case, here named `network`.
    """
    if "meta_json" in arrays:
        return json.loads(bytes(arrays.pop("meta_json")))
    if "config" in arrays:
        parameters = json.loads(str(arrays.pop("config")))
        for key in list(arrays):
            arrays[f"network/{key}"] = arrays.pop(key)
        return {"cases": {"network": parameters}}
    texts = {key: str(arrays.pop(key)) for key in list(arrays) if arrays[key].dtype.kind == "U"}
    if not texts:
        raise FormatError("not a golden file (it has no meta_json)")
    return {"cases": {key.removesuffix("/images"): texts for key in arrays if key.endswith("/images")}}
