"""Directions in latent space: what they are, and latents moved along them.

    directions = sefa(generator)  # or pca, supervised, or from a file
    latents = start(generator, directions, z)  # z, ws or styles, as their space says
    image = picture(generator, directions, moved(latents, directions, 3, 2.0))

Sign convention: directions found without labels point to where their largest entry is positive, supervised
ones to more of their attribute. Strength 1 is one standard deviation of the model's own latents along the
direction, so that sliders of all models and methods feel alike.

Letters: K directions, D size of the latents, N samples, L style inputs (layers) of the synthesis network.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gan.errors import UsageError, UserError, unknown
from gan.latents.styles import has_style_space, render, split, styles
from gan.networks.base import Noise, digest

Space = Literal["z", "w", "s"]
Method = Literal["sefa", "pca", "supervised"]
Range = tuple[int, int]  # layers [start, stop) of ws
Latents = Tensor | Mapping[str, Tensor]  # z [N, D], ws [N, L, D] or styles


@dataclass(frozen=True, kw_only=True, eq=False)
class Directions:
    """K directions of one model.

    vectors: [K, D] float32, rows of length 1; of space s over the styles of `channels` side by side.
    scales: [K], the standard deviation of the latents along each.
    layers: the layers [start, stop) of ws that each one moves, K ranges; empty for z and s.
    names: K of them, all different.  model: `digest` of the generator.
    explained: [K], the part of all variance that each explains; None where the method does not say.
    channels: of space s, (layer, channels) in the order of the vectors' entries.
    findings: K objects of JSON data, such as held-out accuracy and correlations; empty for none.
    about: JSON data, how they were found.
    Raises UsageError for parts that do not fit each other.
    """

    method: Method
    space: Space
    vectors: Tensor
    scales: Tensor
    names: tuple[str, ...]
    model: str
    layers: tuple[Range, ...] = ()
    explained: Tensor | None = None
    channels: tuple[tuple[str, int], ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        count = len(self.names)
        if self.vectors.ndim != 2 or self.vectors.shape[0] != count or not count:
            raise UsageError(f"directions are {list(self.vectors.shape)} for {count} names")
        counted = [self.scales, self.explained, self.layers or None, self.findings or None]
        if any(len(values) != count for values in counted if values is not None):
            raise UsageError(f"directions: scales, layers and findings must be {count}, one each")
        if bool(self.layers) != (self.space == "w") or bool(self.channels) != (self.space == "s"):
            raise UsageError("directions: layers belong to space w, and channels to space s")
        if self.channels and sum(width for _, width in self.channels) != self.vectors.shape[1]:
            raise UsageError(f"directions: the channels do not make {self.vectors.shape[1]} values")
        if len(set(self.names)) != count:
            raise UsageError(f"directions: the names {', '.join(self.names)} are not all different")
        if not (self.vectors.isfinite().all() and self.scales.isfinite().all()):
            raise UsageError("directions hold NaN or infinity")

    def __len__(self) -> int:
        return len(self.names)

    def index(self, text: str) -> int:
        """The number of the direction of that name or number, names first. UsageError if there is none."""
        if text in self.names:
            return self.names.index(text)
        if text.isascii() and text.isdigit() and int(text) < len(self):
            return int(text)
        raise UsageError(f"{unknown('direction', text, self.names)}; or a number, 0 to {len(self) - 1}")


def moved(latents: Latents, directions: Directions, index: int, strength: float | Tensor) -> Latents:
    """latents + strength * scale * vector, in the layers of that direction -> a new tensor, or new styles.

    latents: as `start` gives them: z [N, D], ws [N, L, D], or styles (layer -> [N, C]).
    strength: standard deviations, a number or one for each sample [N].
    Raises UsageError for an index that there is not, and for latents of another space or size.
    """
    if not 0 <= index < len(directions):
        raise UsageError(f"there is no direction {index}; there are 0 to {len(directions) - 1}")
    vector = directions.vectors[index] * directions.scales[index]  # [D]
    strength = torch.as_tensor(strength, dtype=torch.float32)
    steps = strength.reshape(-1, 1) * vector.to(strength.device)  # [N or 1, D]
    if directions.space == "s":
        return _styles_moved(latents, directions, steps)
    ndim = 3 if directions.space == "w" else 2
    shape = list(getattr(latents, "shape", ()))
    if len(shape) != ndim or shape[-1] != len(vector):
        wanted = f"[N, {'L, ' * (ndim - 2)}{len(vector)}]"
        raise UsageError(
            f"latents of {shape or 'another space'}; these directions are in {directions.space}, {wanted}"
        )
    steps = steps.to(latents)
    if ndim == 2:
        return latents + steps
    first, stop = directions.layers[index]
    if stop > shape[1]:
        raise UsageError(f"direction {index} moves layers {first} to {stop - 1}; these ws have {shape[1]}")
    numbers = torch.arange(shape[1], device=latents.device)
    inside = (numbers >= first) & (numbers < stop)  # [L]
    return torch.where(inside[:, None], latents + steps[:, None], latents)


def offsets(directions: Directions, num_ws: int) -> Tensor:
    """One standard deviation of each direction of w, layer by layer: [K, L, D], zeros where it moves nothing.

    For sliders: ws + sum over k of amount_k * offsets[k]. UsageError for directions of another space, or of a
    model of more layers.
    """
    if directions.space != "w":
        raise UsageError(f"these directions are in space {directions.space}, which has no layers")
    ws = directions.vectors.new_zeros(1, num_ws, directions.vectors.shape[1])
    return torch.cat([moved(ws, directions, index, 1.0) for index in range(len(directions))])


def start(
    generator: nn.Module,
    directions: Directions,
    z: Tensor,
    c: Tensor | None = None,
    psi: float = 1.0,
    psi_cutoff: int | None = None,
) -> Latents:
    """z [N, z_dim], c [N, c_dim] -> the latents that `moved` takes: z itself, ws [N, L, D], or styles.

    psi, psi_cutoff: truncation, before any direction. UsageError for it in z of a model without w.
    """
    if directions.space == "z":
        if psi != 1 and not has_w(generator):
            raise UsageError(f"psi {psi:g}: this model has no w to truncate; leave it out")
        return z
    ws = generator.mapping(z, c, psi=psi, psi_cutoff=psi_cutoff)
    return ws if directions.space == "w" else styles(generator, ws)


def picture(
    generator: nn.Module,
    directions: Directions,
    latents: Latents,
    c: Tensor | None = None,
    noise: Noise = "const",
    psi: float = 1.0,
    psi_cutoff: int | None = None,
) -> Tensor:
    """The image [N, C, H, W], about [-1, 1], of latents in the space of the directions.

    c, psi and psi_cutoff matter in space z only, where the generator maps what has been moved.
    """
    if directions.space == "s":
        return render(generator, latents, noise)
    if directions.space == "w":
        return generator.synthesis(latents, noise=noise)
    if has_w(generator):
        return generator.synthesis(generator.mapping(latents, c, psi=psi, psi_cutoff=psi_cutoff), noise=noise)
    return generator(latents, c)


def require_model(directions: Directions, generator: nn.Module, what: str) -> None:
    """UserError unless the directions are of this very generator; `what` names them, such as their file."""
    if (own := digest(generator)) != directions.model:
        raise UserError(
            f"{what} was made for another model (digest {directions.model[:12]}; this one has {own[:12]}): "
            "make it again, with gan directions"
        )


def has_w(generator: nn.Module) -> bool:
    """Whether there is a w: mapping and synthesis, and not only G(z, c)."""
    return getattr(generator, "num_ws", 0) > 0


def spaces(generator: nn.Module) -> tuple[Space, ...]:
    """The spaces that this generator has directions in."""
    return ("z", *(["w"] if has_w(generator) else []), *(["s"] if has_style_space(generator) else []))


def layer_range(generator: nn.Module, layers: Range | None) -> Range:
    """[start, stop) of the generator's ws, None for all. UsageError unless it is one, and not empty."""
    first, stop = layers or (0, generator.num_ws)
    if not 0 <= first < stop <= generator.num_ws:
        raise UsageError(
            f"layers {first} to {stop - 1} do not exist; this model has 0 to {generator.num_ws - 1}"
        )
    return first, stop


def parse_range(text: str) -> Range:
    """'0-3' or '4' -> [start, stop), as (0, 4) or (4, 5). UsageError for anything else."""
    first, dash, last = (piece.strip() for piece in text.partition("-"))
    numbers = (first, last if dash else first)
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise UsageError(f"layers '{text}': write the first and the last, such as 0-3")
    return int(numbers[0]), int(numbers[1]) + 1


def oriented(vectors: Tensor) -> Tensor:
    """Rows of length 1, turned so that the entry of largest magnitude is positive: [K, D] -> [K, D]."""
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    unit = vectors / vectors.norm(dim=1, keepdim=True).clamp_min(torch.finfo(vectors.dtype).tiny)
    return torch.where(largest < 0, -unit, unit)


def numbered(prefix: str, count: int) -> tuple[str, ...]:
    """sefa0, sefa1, ...; with zeros before where there are more than ten, so that names sort."""
    digits = len(str(max(count - 1, 0)))
    return tuple(f"{prefix}{i:0{digits}d}" for i in range(count))


def _styles_moved(latents: Latents, directions: Directions, steps: Tensor) -> dict[str, Tensor]:
    if isinstance(latents, Tensor):
        raise UsageError("these directions are in space s: give styles, layer -> [N, channels]")
    found = dict(latents)
    for name, step in split(steps, directions.channels).items():
        if name not in found or found[name].shape[1] != step.shape[1]:
            raise UsageError(f"these styles have no layer {name} of {step.shape[1]} channels")
        found[name] = found[name] + step.to(found[name])
    return found
