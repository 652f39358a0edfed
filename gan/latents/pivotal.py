"""Pivotal tuning (Roich et al. 2021): a generator changed a little, so that given latents give given images.

The latents of a projection, the pivots, stay; the weights of the synthesis network move (eq. 2: perceptual
distance and mean square of pixels). Locality (eq. 3 and 4): on the way from a pivot to a random latent the
images stay those of the untouched generator, so that only the neighbourhood of the pivots changes.

Letters: N images, C channels, H rows, W columns, L style inputs (layers), D latent size.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan.errors import UsageError, UserError
from gan.latents.projection import Step, ramp
from gan.latents.starts import Embed
from gan.latents.targets import checked, seen
from gan.randomness import Draws


@dataclass(frozen=True, kw_only=True)
class TuningSettings:
    """How to tune; the numbers are those of the paper's programs, but for learning rate and ramp.

    learning_rate: of Adam; 0.01 suits small models, the paper has 0.0003 for large ones.  ramp_down: part of
    the steps, at the end, in which it falls to 0.  pixels: weight of the mean square of pixels (-1..1).
    locality: weight of the loss that keeps other images, 0 for none, which halves the work.  reach: how far
    from a pivot these are, in parts of the way to a random latent; the paper has a fixed length, whose
    meaning differs by model.  batch: images of a step, which takes the next ones in turn.
    """

    steps: int = 350
    learning_rate: float = 0.01
    ramp_down: float = 0.25
    pixels: float = 1.0
    locality: float = 0.1
    reach: float = 0.5
    batch: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)} is too small; use 1 or more")


class PivotalTuning:
    """A copy of a generator while it is tuned: `generator`, in eval mode. rows: features of images [N, R].

    Only what trains in a training moves: the adapters of a model that has some.
    Raises UsageError for images of another shape than the generator's.
    """

    def __init__(
        self,
        generator: nn.Module,
        images: Tensor,
        pivots: Tensor,
        embed: Embed,
        settings: TuningSettings,
        *,
        c: Tensor | None = None,
    ) -> None:
        """images: [N, C, H, W], uint8 or floats in -1..1. pivots: ws [N, L, D], or z [N, D] with their c."""
        self.embed, self.settings, self.c = embed, settings, c
        self._styled = getattr(generator, "num_ws", 0) > 0
        self.images = checked(generator, images, "w" if self._styled else "z")
        self._pivots = pivots.to(self.images)
        with torch.no_grad():
            self.rows = torch.cat([embed(part) for part in self.images.split(settings.batch)])
        self._before, self.generator = generator, copy.deepcopy(generator).eval()
        moving = self.generator.synthesis if self._styled else self.generator
        self._weights = [weight.requires_grad_() for weight in moving.parameters()]
        self._adam = torch.optim.Adam(self._weights, lr=settings.learning_rate, betas=(0.9, 0.999))
        self.taken = 0

    def run(self) -> Iterator[Step]:
        """Take the steps that are left, and tell each; closing the iterator ends the work.

        A step tells of its own images, see `turn`. UserError where distances are not finite any more.
        """
        while self.taken < self.settings.steps:
            yield self._step(self.turn(self.taken))

    def turn(self, number: int) -> list[int]:
        """The images of that step, of which 0 is the first."""
        count = len(self.images)
        size = min(self.settings.batch, count)
        return [(number * size + i) % count for i in range(size)]

    @torch.no_grad()
    def rendered(self, part: Sequence[int] | None = None) -> Tensor:
        """Images [N, C, H, W] of the pivots by the generator as it is now; part: only those."""
        which = list(range(len(self.images)) if part is None else part)
        return self._image(self.generator, self._pivots[which], which)

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs to go on as if nothing had been between, as named tensors."""
        state = {"taken": torch.tensor(self.taken)}
        for number, weight in enumerate(self._weights):
            state[f"weight.{number}"] = weight.detach().clone()
            for name, value in self._adam.state[weight].items():
                state[f"adam.{number}.{name}"] = value.clone()
        return state

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state` of the same images, model and settings. UsageError for one of others."""
        shapes = [None if (w := state.get(f"weight.{i}")) is None else w.shape for i in self._numbers()]
        if shapes != [weight.shape for weight in self._weights]:
            raise UsageError("the state is of another tuning: its weights are not those of this model")
        self.taken = int(state["taken"])
        for number, weight in enumerate(self._weights):
            weight.copy_(state[f"weight.{number}"])
            found = {name: state.get(f"adam.{number}.{name}") for name in ("step", "exp_avg", "exp_avg_sq")}
            if found["step"] is not None:
                self._adam.state[weight] = {
                    name: value.clone() if name == "step" else value.to(weight, copy=True)
                    for name, value in found.items()
                }

    def _numbers(self) -> range:
        return range(len(self._weights))

    def _step(self, turn: list[int]) -> Step:
        pivots, parts = self._pivots[turn], self.settings
        images = self._image(self.generator, pivots, turn)
        distance, error = self._apart(images, self.images[turn], self.rows[turn])
        loss = (distance + parts.pixels * error).mean()
        if parts.locality:
            near = self._nearby(pivots, turn)
            with torch.no_grad():
                before = self._image(self._before, near, turn)
                rows = self.embed(before)
            moved = self._apart(self._image(self.generator, near, turn), before, rows)
            loss = loss + parts.locality * (moved[0] + parts.pixels * moved[1]).mean()
        if not loss.isfinite():
            raise UserError(f"step {self.taken + 1}: the loss is not finite; lower the learning rate")
        for group in self._adam.param_groups:
            group["lr"] = parts.learning_rate * ramp(self.taken / parts.steps, up=0, down=parts.ramp_down)
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        self._adam.step()
        self.taken += 1
        return Step(self.taken, parts.steps, distance.detach(), images.detach())

    def _apart(self, images: Tensor, others: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Perceptual distance and mean square of pixels of two batches, each [N]; rows: of the others."""
        shown = seen(images, others)
        distance = (self.embed(shown) - rows).square().sum(dim=1)
        return distance, (shown - others).square().mean(dim=(1, 2, 3))

    @torch.no_grad()
    def _nearby(self, pivots: Tensor, turn: list[int]) -> Tensor:
        """Latents on the way from each pivot to a random one (eq. 3)."""
        draws = Draws(self.settings.seed, self.taken + 1, turn, pivots.device)
        other = draws.normal((self._before.z_dim,))
        if self._styled:
            other = self._before.mapping(other, self._conditions(turn, pivots))
        return torch.lerp(pivots, other, self.settings.reach)

    def _image(self, generator: nn.Module, latents: Tensor, which: list[int]) -> Tensor:
        if self._styled:
            return generator.synthesis(latents, noise="const")
        return generator(latents, self._conditions(which, latents))

    def _conditions(self, which: list[int], like: Tensor) -> Tensor | None:
        return None if self.c is None else self.c[which].to(like)
