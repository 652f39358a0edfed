"""Seeds -> images, stills or a walk. Each seed has its own random numbers, so no batch size changes it.

Letters: N images, C channels, H rows, W columns, K classes, L style layers, D latent size.
A generator is a module with z_dim, c_dim, and either mapping, synthesis and num_ws, or only `G(z, c)`.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.images import to_uint8
from gan.latents import checked_seed, walk, z_from_seeds
from gan.randomness import Draws

Noise = Literal["const", "random", "none"]
Labels = Sequence[int] | Tensor  # classes, or vectors [N, c_dim]

EXAMPLES = "condition_examples"  # buffer of a generator that takes vectors
SEEN = "seen_classes"  # attribute of a generator that knows which of its classes it was trained on
BATCH = 8  # samples per call of the network, unless a caller asks for another number


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
) -> Iterator[Tensor]:
    """Draw one image per seed, in order -> uint8 [n, C, H, W], n <= batch, on the generator's device.

    labels: one class, or one vector of conditions [N, c_dim], per seed; None draws them from the seeds if the
    model is conditional: by `drawn_numbers`, of the classes or vectors that the model was trained with.
    psi, psi_cutoff: truncation by the mapping network; 1 is none.
    noise: const (the trained buffers), none, or random, drawn for each image from (noise_seed, its seed).
    An image does not depend on the seeds beside it: the network always sees `batch` samples, the last ones
    repeated where seeds run out. Another `batch` may round a sum differently and so move a rare pixel by one
    level of 255.
    Raises UsageError, at the first batch, for labels that do not fit, batch < 1, psi nan or inf, and for psi
    or noise on a model without a style space.
    """
    _check_style_options(generator, psi, psi_cutoff, noise)
    conditions = _conditions(generator, seeds, labels)
    for part in _parts(len(seeds), batch):
        some, count = list(seeds[part]), len(seeds[part])
        filler = batch - count
        some += some[-1:] * filler
        c = None if conditions is None else conditions[part]
        c = c if c is None else torch.cat([c, c[-1:].expand(filler, -1)])
        z = _latents(generator, some)
        if not has_styles(generator):
            yield _render_plain(generator, z, c)[:count]
            continue
        drawn = Draws(checked_seed(noise_seed), 0, some, z.device) if noise == "random" else noise
        yield _render(generator, _styles(generator, z, c, psi, psi_cutoff), drawn)[:count]


def frames(
    generator: nn.Module,
    seeds: Sequence[int],
    *,
    steps: int,
    space: Literal["z", "w"] = "w",
    labels: Labels | None = None,
    psi: float = 1.0,
    psi_cutoff: int | None = None,
    noise: Literal["const", "none"] = "const",
    batch: int = BATCH,
) -> Iterator[Tensor]:
    """Frames of a closed walk through the seeds -> uint8 [n, C, H, W]; frame i * steps of all is seed i.

    steps: frames from one seed to the next; there are len(seeds) * steps.
    space: 'w' walks straight between styles; 'z' walks on a sphere and maps every frame, which stays closer
    to what the network was trained on. In 'z' the one-hot classes of neighbouring seeds are blended linearly.
    Other arguments and errors as in `images`; also UsageError for space 'w' on a model without one, for
    random noise (it would flicker) and for an unknown space.
    """
    if space not in ("z", "w") or (space == "w" and not has_styles(generator)):
        raise UsageError(
            f"cannot walk in space '{space}'; use " + ("z or w" if has_styles(generator) else "z")
        )
    if noise == "random":
        raise UsageError("noise 'random' would flicker from frame to frame; use const or none")
    _check_style_options(generator, psi, psi_cutoff, noise)
    z, c = _latents(generator, seeds), _conditions(generator, seeds, labels)
    if space == "w":
        path = walk(_styles(generator, z, c, psi, psi_cutoff), steps)  # [T, L, D]
        for part in _parts(len(path), batch):
            yield _render(generator, path[part], noise)
        return
    z, c = walk(z, steps, kind="spherical"), None if c is None else walk(c, steps)  # [T, D], [T, K]
    for part in _parts(len(z), batch):
        labels_part = None if c is None else c[part]
        if has_styles(generator):
            yield _render(generator, _styles(generator, z[part], labels_part, psi, psi_cutoff), noise)
        else:
            yield _render_plain(generator, z[part], labels_part)


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
def _styles(generator: nn.Module, z: Tensor, c: Tensor | None, psi: float, psi_cutoff: int | None) -> Tensor:
    return generator.mapping(z, c, psi=psi, psi_cutoff=psi_cutoff)  # [N, L, D]


@torch.inference_mode()
def _render(generator: nn.Module, ws: Tensor, noise: str | Draws) -> Tensor:
    """ws [N, L, D] -> uint8 [N, C, H, W]."""
    return to_uint8(generator.synthesis(ws, noise=noise))


@torch.inference_mode()
def _render_plain(generator: nn.Module, z: Tensor, c: Tensor | None) -> Tensor:
    return to_uint8(generator(z, c))


def _latents(generator: nn.Module, seeds: Sequence[int]) -> Tensor:
    """z [N, D], on the generator's device."""
    return z_from_seeds(seeds, generator.z_dim).to(next(generator.parameters()).device)


def _conditions(generator: nn.Module, seeds: Sequence[int], labels: Labels | None) -> Tensor | None:
    """c [N, K], as given or drawn, on the generator's device; None for an unconditional model.

    UsageError if the labels do not fit.
    """
    if labels is None:
        if generator.c_dim == 0:
            return None
        c = chosen(generator, drawn_numbers(generator, seeds))
    else:
        if generator.c_dim == 0:
            raise UsageError("this model has no classes; leave the class out")
        if len(labels) != len(seeds):
            raise UsageError(f"{len(labels)} classes for {len(seeds)} seeds; give one class per seed")
        if remembered_conditions(generator) is not None and not isinstance(labels, Tensor):
            raise UsageError(f"this model has no classes: give vectors of {generator.c_dim} values")
        c = as_conditions(labels, generator.c_dim)
    return c.to(next(generator.parameters()).device)


def _check_style_options(generator: nn.Module, psi: float, psi_cutoff: int | None, noise: str) -> None:
    if not math.isfinite(psi):
        raise UsageError(f"psi {psi} is no number to scale styles by; write for example 0.7")
    options = (("psi", psi, 1), ("psi_cutoff", psi_cutoff, None), ("noise", noise, "const"))
    given = [f"{name} {value}" for name, value, neutral in options if value != neutral]
    if given and not has_styles(generator):
        kind = getattr(getattr(generator, "config", None), "type", type(generator).__name__)
        raise UsageError(f"a {kind} generator has no style space; leave out {', '.join(given)}")


def _parts(count: int, batch: int) -> list[slice]:
    if batch < 1:
        raise UsageError(f"batch {batch} is too small; use 1 or more")
    return [slice(start, start + batch) for start in range(0, count, batch)]


def _draw(seed: int, each: int, stop: int) -> int:
    """An integer in [0, stop) that depends on both seeds: NumPy's frozen Mersenne Twister, keyed by them."""
    return int(np.random.RandomState([checked_seed(seed), checked_seed(each)]).randint(stop))
