"""Seeds moved along one direction of a file of `gan directions`, step by step, or there and back.

Letters: N seeds, S steps, C channels, H rows, W columns.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from gan import files, sampling
from gan.errors import UsageError, UserError
from gan.images import to_uint8
from gan.jobs.sampling.request import Along, Motion, Request
from gan.latents import z_from_seeds
from gan.latents.directions import Directions, Latents, moved, picture, require_model, start
from gan.models import direction_files
from gan.networks.base import Noise
from gan.randomness import Draws

STEPS = 5  # pictures of a seed along a direction, unless asked for another number


class Walk:
    """Seeds of a generator, ready to be moved along directions.

    labels: what `gan.jobs.sampling.resolved_labels` gives, None for a model without conditions.
    noise_seed: of random noise, which stays the same along the way.
    """

    def __init__(
        self,
        generator: nn.Module,
        directions: Directions,
        seeds: Sequence[int],
        labels: sampling.Labels | None,
        psi: float = 1.0,
        psi_cutoff: int | None = None,
        noise: sampling.Noise = "const",
        noise_seed: int = 0,
    ):
        self.generator, self.directions, self.seeds = generator, directions, seeds
        self.psi, self.psi_cutoff, self.noise, self.noise_seed = psi, psi_cutoff, noise, noise_seed
        self.device = next(generator.parameters()).device
        self.z = z_from_seeds(seeds, generator.z_dim).to(self.device)
        self.c = None
        if labels is not None:
            self.c = sampling.as_conditions(labels, generator.c_dim).to(self.device)

    @torch.inference_mode()
    def at(self, index: int, which: int, strengths: Sequence[float]) -> Tensor:
        """Seed number `which` at S strengths along a direction -> uint8 [S, C, H, W] on the CPU."""
        parts = []
        for first in range(0, len(strengths), sampling.BATCH):
            given = list(strengths[first : first + sampling.BATCH])
            filled = given + given[-1:] * (sampling.BATCH - len(given))  # as `gan.sampling.images` does
            some = torch.tensor(filled)
            z = self.z[which : which + 1].expand(len(some), -1)
            c = None if self.c is None else self.c[which : which + 1].expand(len(some), -1)
            latents: Latents = start(self.generator, self.directions, z, c, self.psi, self.psi_cutoff)
            latents = moved(latents, self.directions, index, some)
            noise = self._noise(which, len(some))
            look = (c, noise, self.psi, self.psi_cutoff)
            shown = to_uint8(picture(self.generator, self.directions, latents, *look))
            parts.append(shown[: len(given)].cpu())
        return torch.cat(parts)

    def _noise(self, which: int, count: int) -> Noise:
        if self.noise != "random":
            return self.noise
        return Draws(self.noise_seed, 0, [self.seeds[which]] * count, self.device)


def check(request: Request) -> None:
    """UsageError for what is asked for beside a direction and has no meaning along it."""
    plain, look = Motion(), request.look
    for name in ("space", "kind", "walks"):
        if getattr(request.motion, name) != getattr(plain, name):
            raise UsageError(f"--{name} is for a walk through seeds, not along a --direction; leave one out")
    others: dict[str, object] = {
        "--truncation-center": look.center != "global",
        "--noise-strength": look.noise_strength,
    }
    others |= {"--translate": look.translate != (0.0, 0.0), "--rotate": look.rotate}
    if given := [option for option, value in others.items() if value]:
        raise UsageError(f"{given[0]} does not go along a --direction yet; leave one out")


def read_direction(along: Along, generator: nn.Module) -> tuple[Directions, int, str]:
    """The directions of the file of 'FILE:3' or 'FILE:name', the number of that one, and the file's sha256.

    Raises UsageError for what names none, UserError for a file that is none, of another model, or another
    than `along` says.
    """
    path, _, name = along.direction.rpartition(":")
    if not path or not name or Path(along.direction).is_file():
        raise UsageError(
            f"--direction {along.direction}: write the file and which of its directions, such as FILE:0"
        )
    directions = direction_files.read(path)
    index = directions.index(name)
    require_model(directions, generator, path)
    sha256 = files.sha256(path)
    if along.sha256 not in (None, sha256):
        raise UserError(f"{path} is not the file of directions that was drawn along; give it as --direction")
    return directions, index, sha256


def there_and_back(low: float, high: float, count: int) -> list[float]:
    """Strengths of `count` frames of a loop from low to high and back, slow at both ends."""
    times = [(1 - math.cos(2 * math.pi * i / count)) / 2 for i in range(count)]
    return [low + (high - low) * t for t in times]


def each(walk: Walk, index: int, strengths: Sequence[float]) -> Iterator[Tensor]:
    """Batches uint8 [S, C, H, W]: all steps of the first seed, then of the next."""
    return (walk.at(index, which, strengths) for which in range(len(walk.seeds)))
