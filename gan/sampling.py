"""Seeds -> images, stills or a walk. Each seed has its own random numbers, so no batch size changes it.

Letters: N images, C channels, H rows, W columns, K classes, L style layers, D latent size.
A generator is a module with z_dim, c_dim, and either mapping, synthesis and num_ws, or only `G(z, c)`.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.images import to_uint8
from gan.latents import (
    abilities,
    along,
    checked_seed,
    frame_times,
    layer_noise,
    synthesized,
    z_from_seeds,
)
from gan.networks.base import NoiseSource
from gan.randomness import Draws

Noise = Literal["const", "random", "none"]
Labels = Sequence[int] | Tensor  # classes, or vectors [N, c_dim]

EXAMPLES = "condition_examples"  # buffer of a generator that takes vectors
SEEN = "seen_classes"  # attribute of a generator that knows which of its classes it was trained on
BATCH = 8  # samples per call of the network, unless a caller asks for another number


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is done to latents and pictures beside truncation by the average w.

    edit: (ws [n, L, D], c [n, K] or None) -> ws, after truncation; of a model without styles, of z [n, D].
    noise_strengths: times the trained strength of each noisy layer: one number for all, or one for each.
    transform: matrix [3, 3] of `gan.latents.placement`, for StyleGAN3.
    """

    edit: Callable[[Tensor, Tensor | None], Tensor] | None = None
    noise_strengths: Sequence[float] | float | None = None
    transform: Tensor | None = None


UNCHANGED = Changes()


def images(
    generator: nn.Module,
    seeds: Sequence[int],
    *,
    labels: Labels | None = None,
    psi: float = 1.0,
    psi_cutoff: int | None = None,
    noise: Noise = "const",
    noise_seed: int = 0,
    batch: int = BATCH,
    changes: Changes = UNCHANGED,
) -> Iterator[Tensor]:
    """Draw one image per seed, in order -> uint8 [n, C, H, W], n <= batch, on the generator's device.

    labels: one class, or one vector of conditions [N, c_dim], per seed; None draws them from the seeds if the
    model is conditional: by `drawn_numbers`, of the classes or vectors that the model was trained with.
    psi, psi_cutoff: truncation by the mapping network; 1 is none.
    noise: const (the trained buffers), none, or random, drawn for each image from (noise_seed, its seed).
    An image does not depend on the seeds beside it: the network always sees `batch` samples, the last ones
    repeated where seeds run out, and ours compute each by itself (`ops.affine`). Another `batch` may round a
    sum differently and so move a rare pixel by one level of 255.
    Raises UsageError, at the first batch, for labels that do not fit, batch < 1, psi nan or inf, and for psi,
    noise or changes that the model has not.
    """
    _check_options(generator, psi, psi_cutoff, noise)
    conditions = conditions_of(generator, seeds, labels)
    for part in _parts(len(seeds), batch):
        some, c = _filled(list(seeds[part]), batch), None
        if conditions is not None:
            c = conditions[part]
            c = torch.cat([c, c[-1:].expand(batch - len(c), -1)])
        inputs = _inputs(generator, _latents(generator, some), c, psi, psi_cutoff, changes)
        drawn = _noise(generator, noise, noise_seed, some, changes)
        yield _drawn(generator, inputs, c, drawn, changes)[: len(seeds[part])]


def styles(
    generator: nn.Module,
    seeds: Sequence[int],
    *,
    labels: Labels | None = None,
    psi: float = 1.0,
    psi_cutoff: int | None = None,
    changes: Changes = UNCHANGED,
) -> Tensor:
    """ws [N, L, D] that `images` would draw, of a model with styles. Raises UsageError as it does."""
    _check_options(generator, psi, psi_cutoff, "const")
    c = conditions_of(generator, seeds, labels)
    return _inputs(generator, _latents(generator, seeds), c, psi, psi_cutoff, changes)


def rendered(
    generator: nn.Module,
    ws: Tensor,
    seeds: Sequence[int],
    *,
    noise: Noise = "const",
    noise_seed: int = 0,
    batch: int = BATCH,
    changes: Changes = UNCHANGED,
) -> Iterator[Tensor]:
    """Images of given ws [N, L, D], which are not edited again, as `images` draws those of its own.

    seeds: of each, for random noise.
    """
    for part in _parts(len(ws), batch):
        some, inputs = _filled(list(seeds[part]), batch), ws[part]
        inputs = torch.cat([inputs, inputs[-1:].expand(batch - len(inputs), -1, -1)])
        drawn = _noise(generator, noise, noise_seed, some, changes)
        yield _drawn(generator, inputs, None, drawn, changes)[: len(seeds[part])]


def frames(
    generator: nn.Module,
    seeds: Sequence[int],
    *,
    steps: int,
    space: Literal["z", "w"] = "w",
    kind: Literal["linear", "spherical", "cubic"] | None = None,
    labels: Labels | None = None,
    psi: float = 1.0,
    psi_cutoff: int | None = None,
    noise: Literal["const", "none"] = "const",
    batch: int = BATCH,
    changes: Changes = UNCHANGED,
) -> Iterator[Tensor]:
    """Frames of a closed walk through the seeds -> uint8 [n, C, H, W]; frame i * steps of all is seed i.

    steps: frames from one seed to the next; there are len(seeds) * steps.
    space: 'w' walks between styles; 'z' between latents, and maps every frame, which stays closer to what the
    network was trained on. In 'z' the one-hot classes of neighbouring seeds are blended linearly.
    kind: of `gan.latents.along`; None: linear in w, spherical in z. A cubic way in z keeps its length.
    Other arguments and errors as in `images`; also UsageError for space 'w' on a model without one, for
    random noise (it would flicker) and for an unknown space.
    """
    if space not in ("z", "w") or (space == "w" and not has_styles(generator)):
        raise UsageError(
            f"cannot walk in space '{space}'; use " + ("z or w" if has_styles(generator) else "z")
        )
    if noise == "random":
        raise UsageError("noise 'random' would flicker from frame to frame; use const or none")
    _check_options(generator, psi, psi_cutoff, noise)
    drawn = _noise(generator, noise, 0, seeds, changes)
    keys, c = _latents(generator, seeds), conditions_of(generator, seeds, labels)
    if space == "w":
        keys = _inputs(generator, keys, c, psi, psi_cutoff, changes)  # [N, L, D]
    kind = kind or ("linear" if space == "w" else "spherical")
    for times in frame_times(len(keys), steps).split(_checked_batch(batch)):
        inputs = along(keys, times, kind=kind, keep_length=space == "z")
        blended = None if c is None else along(c, times)
        if space == "z":
            inputs = _inputs(generator, inputs, blended, psi, psi_cutoff, changes)
        yield _drawn(generator, inputs, blended, drawn, changes)


def one_hot(labels: Sequence[int] | Tensor, c_dim: int) -> Tensor:
    """Classes -> float32 [N, c_dim], one 1 per row. Raises UsageError for a class outside [0, c_dim)."""
    labels = torch.as_tensor(labels, dtype=torch.int64)
    wrong = labels[(labels < 0) | (labels >= c_dim)]
    if len(wrong):
        raise UsageError(f"class {wrong[0].item()} does not exist; this model has 0 to {c_dim - 1}")
    return torch.nn.functional.one_hot(labels, c_dim).to(torch.float32)


def as_conditions(labels: Labels, c_dim: int) -> Tensor:
    """Classes [N] as one-hot rows, or vectors [N, c_dim] as they are -> float32 [N, c_dim].

    Raises UsageError for a class outside [0, c_dim), and for vectors of another length.
    """
    if not (isinstance(labels, Tensor) and labels.is_floating_point()):
        return one_hot(labels, c_dim)
    if labels.ndim != 2 or labels.shape[1] != c_dim:
        raise UsageError(f"conditions are {list(labels.shape)}; this model takes vectors of {c_dim} values")
    return labels.to(torch.float32)


def remember_conditions(generator: nn.Module, vectors: Tensor | None) -> None:
    """Let a generator draw its conditions from these vectors [M, c_dim] where none are given; None: classes.

    They are no part of its state_dict; checkpoints keep them beside it.
    """
    generator.register_buffer(EXAMPLES, vectors, persistent=False)


def remembered_conditions(generator: nn.Module) -> Tensor | None:
    """What `remember_conditions` was given, None for a model of classes or without conditions."""
    return getattr(generator, EXAMPLES, None)


def remember_classes(generator: nn.Module, seen: Sequence[int] | None) -> None:
    """Let a generator draw these of its classes where none are given, as no others had images; None: all."""
    setattr(generator, SEEN, seen and list(seen))


def drawn_from(generator: nn.Module) -> Sequence[int]:
    """Those of the `choices` that are drawn where none are given; empty for a model without conditions."""
    return getattr(generator, SEEN, None) or range(choices(generator))


def drawn_numbers(generator: nn.Module, seeds: Sequence[int], seed: int = 0) -> list[int]:
    """One of `drawn_from` per seed, as `labels_from_seeds` draws them."""
    numbers = drawn_from(generator)
    return [numbers[i] for i in labels_from_seeds(seeds, len(numbers), seed)]


def choices(generator: nn.Module) -> int:
    """How many conditions a model is drawn for: its classes, or the vectors that it remembers; 0 for none."""
    examples = remembered_conditions(generator)
    return generator.c_dim if examples is None else len(examples)


def chosen(generator: nn.Module, numbers: Sequence[int]) -> Tensor:
    """c [N, c_dim] of those of the `choices`, on the CPU."""
    examples = remembered_conditions(generator)
    return one_hot(numbers, generator.c_dim) if examples is None else examples[list(numbers)].cpu()


def labels_from_seeds(seeds: Sequence[int], c_dim: int, seed: int = 0) -> list[int]:
    """One class per seed, uniform in [0, c_dim), drawn from (seed, that seed): no other seed matters."""
    return [_draw(seed, each, c_dim) for each in seeds]


def has_styles(generator: nn.Module) -> bool:
    """Whether the model has a style space (mapping and synthesis), or only `G(z, c)`."""
    return getattr(generator, "num_ws", 0) > 0


@torch.inference_mode()
def _inputs(
    generator: nn.Module,
    z: Tensor,
    c: Tensor | None,
    psi: float,
    psi_cutoff: int | None,
    changes: Changes,
) -> Tensor:
    """What is drawn of, edited: ws [N, L, D]; z [N, D] of a model without styles."""
    inputs = generator.mapping(z, c, psi=psi, psi_cutoff=psi_cutoff) if has_styles(generator) else z
    return inputs if changes.edit is None else changes.edit(inputs, c)


@torch.inference_mode()
def _drawn(
    generator: nn.Module, inputs: Tensor, c: Tensor | None, noise: str | NoiseSource, changes: Changes
) -> Tensor:
    """ws [N, L, D], or z [N, D] of a model without styles -> uint8 [N, C, H, W]."""
    if has_styles(generator) or changes.transform is not None:
        return to_uint8(synthesized(generator, inputs, noise=noise, transform=changes.transform))
    return to_uint8(generator(inputs, c) if noise == "const" else generator(inputs, c, noise=noise))


def _noise(
    generator: nn.Module, noise: Noise, noise_seed: int, seeds: Sequence[int], changes: Changes
) -> str | NoiseSource:
    """What the network takes as its noise for these samples."""
    if changes.noise_strengths is not None:
        strengths = changes.noise_strengths
        return layer_noise(generator, noise, strengths=strengths, seeds=seeds, noise_seed=noise_seed)
    device = next(generator.parameters()).device
    return Draws(checked_seed(noise_seed), 0, list(seeds), device) if noise == "random" else noise


def _latents(generator: nn.Module, seeds: Sequence[int]) -> Tensor:
    """z [N, D], on the generator's device."""
    return z_from_seeds(seeds, generator.z_dim).to(next(generator.parameters()).device)


def conditions_of(generator: nn.Module, seeds: Sequence[int], labels: Labels | None) -> Tensor | None:
    """c [N, K], as given or drawn, on the generator's device; None for an unconditional model.

    UsageError if the labels do not fit.
    """
    if labels is None:
        if generator.c_dim == 0:
            return None
        c = chosen(generator, drawn_numbers(generator, seeds))
    else:
        if generator.c_dim == 0:
            given = "condition" if isinstance(labels, Tensor) and labels.is_floating_point() else "class"
            raise UsageError(f"this model has no classes and takes no conditions; leave the {given} out")
        if len(labels) != len(seeds):
            raise UsageError(f"{len(labels)} classes for {len(seeds)} seeds; give one class per seed")
        if remembered_conditions(generator) is not None and not isinstance(labels, Tensor):
            raise UsageError(f"this model has no classes: give vectors of {generator.c_dim} values")
        c = as_conditions(labels, generator.c_dim)
    return c.to(next(generator.parameters()).device)


def _check_options(generator: nn.Module, psi: float, psi_cutoff: int | None, noise: str) -> None:
    if not math.isfinite(psi):
        raise UsageError(f"psi {psi} is no number to scale styles by; write for example 0.7")
    found = abilities(generator)
    options = [("psi", psi, 1), ("psi_cutoff", psi_cutoff, None)]
    options += [] if found.noise else [("noise", noise, "const")]
    given = [f"{name} {value}" for name, value, neutral in options if value != neutral]
    if given and not found.layers:
        raise UsageError(f"a {found.kind} generator has no style space; leave out {', '.join(given)}")


def _filled(seeds: list[int], batch: int) -> list[int]:
    """The last one repeated until there are `batch`."""
    return seeds + seeds[-1:] * (batch - len(seeds))


def _checked_batch(batch: int) -> int:
    if batch < 1:
        raise UsageError(f"batch {batch} is too small; use 1 or more")
    return batch


def _parts(count: int, batch: int) -> list[slice]:
    return [slice(start, start + batch) for start in range(0, count, _checked_batch(batch))]


def _draw(seed: int, each: int, stop: int) -> int:
    """An integer in [0, stop) that depends on both seeds: NumPy's frozen Mersenne Twister, keyed by them."""
    return int(np.random.RandomState([checked_seed(seed), checked_seed(each)]).randint(stop))
