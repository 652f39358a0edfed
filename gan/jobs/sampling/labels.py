"""Classes and conditions of the samples that are drawn: from what was asked for to one for each seed."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from gan import sampling
from gan.errors import UsageError, unknown

Wanted = str | int | Sequence[int] | Tensor | None


def resolved_labels(
    given: Wanted, classes: Sequence[str], generator: nn.Module, seeds: Sequence[int], seed: int
) -> sampling.Labels | None:
    """A class or a vector per seed, from the `labels` of `sample`; None for a model without conditions."""
    vectors = sampling.remembered_conditions(generator) is not None
    if given is None:
        if not generator.c_dim:
            return None
        drawn = sampling.drawn_numbers(generator, seeds, seed)
        return sampling.chosen(generator, drawn) if vectors else drawn
    if isinstance(given, Tensor):
        return given.float().expand(len(seeds), -1) if given.ndim == 1 or len(given) == 1 else given.float()
    if vectors:
        raise UsageError(f"this model has no classes: it takes vectors of {generator.c_dim} values")
    if isinstance(given, str):
        given = class_index(given, classes, generator.c_dim)
    return [given] * len(seeds) if isinstance(given, int) else list(given)


def label_of(class_: str | None, condition: str | None) -> str | Tensor | None:
    """What `resolved_labels` takes, of the texts of a class and of a condition; one may be given."""
    if class_ is not None and condition is not None:
        raise UsageError("--class and --condition: a model knows one of them; leave the other out")
    return class_ if condition is None else parse_condition(condition)


def parse_condition(text: str) -> Tensor:
    """'0.5,-1' -> [1, 2]; the path of a .npy file of floats [c_dim] or [N, c_dim] -> them, [N, c_dim].

    Raises UsageError for anything else.
    """
    try:
        if text.endswith(".npy"):
            vectors = torch.from_numpy(np.load(text, allow_pickle=False))
        else:
            vectors = torch.tensor([float(item) for item in text.split(",")])
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"--condition {text}: {error}; write numbers such as 0.5,-1, or a .npy file"
        ) from error
    if not (vectors.is_floating_point() and vectors.ndim in (1, 2) and vectors.isfinite().all()):
        shape = f"{vectors.dtype} {list(vectors.shape)}"
        raise UsageError(f"--condition {text}: {shape} are no finite floats [c_dim] or [N, c_dim]")
    return vectors.view(-1, vectors.shape[-1])


def class_index(text: str, classes: Sequence[str], c_dim: int) -> int:
    """Number of the class that --class means; names go before numbers. UsageError if there is none."""
    if c_dim == 0:
        raise UsageError(f"--class {text}: this model has no classes; leave --class out")
    if text in classes:
        return classes.index(text)
    if text.isascii() and text.isdigit() and int(text) < c_dim:
        return int(text)
    raise UsageError(unknown("class", text, classes or map(str, range(c_dim))))


def captions(seeds: Sequence[int], labels: sampling.Labels | None, classes: Sequence[str]) -> list[str]:
    """Text under each image of a grid: its seed, and its class if the model has any."""
    if labels is None:
        return [str(seed) for seed in seeds]
    if isinstance(labels, Tensor):
        return [
            f"{seed} [{','.join(f'{x:.2g}' for x in c[:3])}]" for seed, c in zip(seeds, labels, strict=True)
        ]
    names = [classes[label] if label < len(classes) else str(label) for label in labels]
    return [f"{seed} {name}" for seed, name in zip(seeds, names, strict=True)]
