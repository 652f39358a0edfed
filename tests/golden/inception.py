"""Adapter of the Inception file: features of the 2015-12-05 network with weights that a formula makes.

That file has no `meta_json`. `weight_keys` is JSON, {name of a weight: shape}; `weight_checksum` a Python
literal, {name: sum}. Its cases are the sizes of images, their arrays `<size>/<tool>/<head>`.
"""

import ast
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import prod

import numpy as np
import torch
from torch import Tensor

from metrics.conventions import CONVENTIONS
from metrics.networks.inception import Inception
from metrics.resize import prepared, tf1_bilinear
from tests.golden.case import Case, Comparison, Family

FEATURES = 1e-4  # float32 sums in another order
RESIZE = 1e-6
TOOLS = ("pf", "tfid")  # names of conventions as well
HEADS = {"64": "64", "192": "192", "768": "768", "2048": "pool", "logits": "logits"} | {
    "logits_unbiased": "logits_unbiased"
}


def shapes() -> dict[str, list[int]]:
    """Name -> shape of the published weights, in their order."""
    with torch.device("meta"):
        names = Inception().state_dict()
    return {name: list(t.shape) for name, t in names.items() if not name.endswith("num_batches_tracked")}


def formula_weights(keys: Mapping[str, Sequence[int]] | None = None) -> dict[str, Tensor]:
    """A state dict whose tensors are drawn from checksums of their names; `shapes()` if keys is None."""
    return {name: _drawn(name, tuple(shape)) for name, shape in (keys or shapes()).items()}


def _drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    x = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("conv.weight"):
        x *= np.sqrt(2 / prod(shape[1:]))
    elif name.endswith("bn.weight"):
        x = 1 + 0.1 * x
    elif name.endswith("running_var"):
        x = np.exp(0.1 * x)
    else:
        x *= 0.02 if name == "fc.weight" else 0.1  # shifts, running means and the bias of the classes: 0.1
    return torch.from_numpy(x.astype(np.float32))


@cache
def network(keys: str) -> Inception:
    """The folded network with the formula's weights for `weight_keys`; made once."""
    return Inception.from_weights(formula_weights(json.loads(keys))).fold()


def check_inception(case: Case) -> Iterator[Comparison]:
    """Every head that the case stores, under every tool's preparation, and a part of a resized image."""
    net = network(case.parameter("weight_keys"))
    images = case.tensor("images")
    for name, total in ast.literal_eval(case.parameter("weight_checksum")).items():
        yield Comparison(f"weights {name}", abs(_drawn_sum(case, name) / total - 1), 1e-12)
    for tool in TOOLS:
        row = CONVENTIONS[tool]
        with torch.inference_mode():
            found = net(prepared(images, row.size, row.resize, row.scale, torch.device("cpu")))
        yield from case.compare({f"{tool}/{name}": found[head] for name, head in HEADS.items()}, FEATURES)
    crop = tf1_bilinear(images[:1], CONVENTIONS["tfid"].size)[..., 100:132, 100:132]
    yield from case.compare({"tf1_resize_crop": crop}, RESIZE)


def _drawn_sum(case: Case, name: str) -> float:
    shape = json.loads(case.parameter("weight_keys"))[name]
    return _drawn(name, tuple(shape)).double().sum().item()


FAMILIES = (Family("inception features", lambda case: "weight_keys" in case.meta, check_inception),)
