"""Images -> the latents that a generator makes them of, by gradient descent, one step at a time.

Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", appendix D: one w for all layers,
Adam with a learning rate that is ramped up and down, noise on w that fades, noise maps that are fitted, too,
and kept white. Abdal et al. 2019, "Image2StyleGAN": w+, a w of its own for each layer, and the mean square of
pixels in the loss (eq. 1). A model without a style space is projected into z.

Neither paper's: the last part of the steps is L-BFGS's (`gan.latents.lbfgs`), which comes nearer in as many.

    projection = Projection(generator, images, embed, Settings(space="w+"))
    for step in projection.run():  # stop whenever you like: what is found so far is there
        print(step.number, step.distance)
    ws = projection.latents

Letters: N images, C channels, H rows, W columns, L style inputs (layers), D latent size, R of a row.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from gan.errors import UsageError, UserError
from gan.latents import starts, white_noise
from gan.latents.abilities import noisy_layers
from gan.latents.lbfgs import Lbfgs
from gan.latents.noise import NoiseMaps, noise_maps
from gan.latents.starts import Embed
from gan.latents.targets import checked, seen
from gan.randomness import Draws

Space = Literal["z", "w", "w+"]
FIRST_MOVE = 0.05  # of L-BFGS, in sigmas
LEAST_GAIN = 0.01  # part by which a distance must fall, to count as falling


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to project. The numbers are those of Karras et al., who take 1,000 steps, all of them Adam's.

    space: w, w+, or z for a model without styles.  start: "mean" of the latents, or "best" of `candidates`
    samples; mean in z is all zeros.  noise: "const", the maps that the model has, or "fitted" ones.
    adam: part of the steps that Adam takes before L-BFGS, with the noise maps as they are then, takes the
    rest. Of Adam's steps: learning_rate, at most, in units of a latent's values; ramp_up, ramp_down: parts
    of them; latent_noise: deviation, in sigmas, of the noise added to latents at first, and noise_until: the
    part after which there is none.  whiteness: weight of `white_noise.correlation`.  pixels: weight of
    the mean square of pixels (-1..1) beside the perceptual distance.  patience: steps without a fall by 1 %
    after which an image is done, None for no such end.  samples: that the mean is taken of.
    """

    space: Space = "w"
    steps: int = 500
    start: Literal["mean", "best"] = "mean"
    candidates: int = 64
    noise: Literal["const", "fitted"] = "const"
    adam: float = 0.2
    learning_rate: float = 0.1
    ramp_up: float = 0.05
    ramp_down: float = 0.25
    latent_noise: float = 0.05
    noise_until: float = 0.75
    whiteness: float = 1e5
    pixels: float = 1.0
    patience: int | None = None
    samples: int = 10_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "candidates", "samples"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)} is too small; use 1 or more")
        if not 0 <= self.adam <= 1:
            raise UsageError(f"adam {self.adam} is no part of the steps; use 0 to 1")
        if self.space not in ("z", "w", "w+"):
            raise UsageError(f"unknown space '{self.space}'; use w or w+, or z for a model without styles")


@dataclass(frozen=True)
class Step:
    """One step: number, from 1, of total; distance [N], perceptual; images [N, C, H, W], about -1..1.

    The images are those that the step has seen, with the fading noise on their latents.
    """

    number: int
    total: int
    distance: Tensor
    images: Tensor


class Projection:
    """A projection of N images at once; none depends on the others.

    c: of the images [N, K], where the model is conditional and they are known.  choices: conditions [M, K]
    that it is drawn for, to take the others of.  start: latents [N, L, D] or [N, D], instead of the
    settings' start.  latents, maps: what is found, the best since the noise on latents has faded.
    Raises UsageError for images of another shape than the generator's, for a space that it lacks, and for a
    conditional model without conditions.
    """

    def __init__(
        self,
        generator: nn.Module,
        images: Tensor,
        embed: Embed,
        settings: Settings,
        *,
        c: Tensor | None = None,
        choices: Tensor | None = None,
        start: Tensor | None = None,
    ) -> None:
        """images: [N, C, H, W], uint8 or floats in -1..1. embed: see `gan.latents.starts.Embed`."""
        self.generator, self.embed, self.settings = generator, embed, settings
        self.images = checked(generator, images, settings.space)
        with torch.no_grad():
            self._rows = embed(self.images)
        c = None if c is None else c.to(self.images)
        drawn = starts.samples(generator, settings.samples, settings.seed, choices if c is None else c)
        self.spread = starts.spread(generator, drawn, c, len(images))
        first, self.c = self._first(drawn, c) if start is None else (start.to(self.images), c)
        if self._styled:
            first = first if first.ndim == 3 else first[:, None]
            wide = settings.space == "w+"
            first = first.expand(-1, generator.num_ws, -1) if wide else first.mean(dim=1, keepdim=True)
        fitted = [first.clone(), *self._first_maps()]
        self._fitted = [tensor.requires_grad_() for tensor in fitted]
        self._best = [tensor.detach().clone() for tensor in fitted]
        self._adam = torch.optim.Adam(self._fitted, betas=(0.9, 0.999))
        self._lbfgs: Lbfgs | None = None  # until Adam is done
        self._marks = {
            "step": torch.tensor(0),
            "best": torch.full((len(images),), torch.inf),  # objective of what is kept
            "lowest": torch.full((len(images),), torch.inf),  # distance, for `patience`
            "since": torch.zeros(len(images), dtype=torch.int64),
        }

    @property
    def latents(self) -> Tensor:
        """ws [N, L, D], equal for all L in space w; or z [N, D]."""
        return self._whole(self._best[0])

    @property
    def maps(self) -> list[Tensor]:
        """The fitted noise maps, each [N, 1, H, W]; none where noise is the model's own."""
        return self._best[1:]

    @property
    def taken(self) -> int:
        """Steps that were taken."""
        return int(self._marks["step"])

    @torch.no_grad()
    def rendered(self) -> Tensor:
        """Images [N, C, H, W] of what is found so far, about -1..1."""
        return self._image(self._best)

    @torch.no_grad()
    def distances(self) -> Tensor:
        """Perceptual distance of what is found so far -> [N]."""
        return (self.embed(seen(self.rendered(), self.images)) - self._rows).square().sum(dim=1)

    @property
    def adam_steps(self) -> int:
        """How many steps Adam takes, of all."""
        return round(self.settings.adam * self.settings.steps)

    def run(self) -> Iterator[Step]:
        """Take the steps that are left, and tell each; closing the iterator ends the work.

        UserError where distances are not finite any more.
        """
        while self.taken < self.settings.steps and not self._done().all():
            yield self._step()

    def state(self) -> dict[str, Tensor]:
        """All that `restore` needs to go on as if nothing had been between, as named tensors."""
        state = {f"mark.{name}": value.clone() for name, value in self._marks.items()}
        for number, (fitted, best) in enumerate(zip(self._fitted, self._best, strict=True)):
            state |= {f"fitted.{number}": fitted.detach().clone(), f"best.{number}": best.clone()}
            for name, value in self._adam.state[fitted].items():
                state[f"adam.{number}.{name}"] = value.clone()
        if self._lbfgs is not None:
            state |= {f"lbfgs.{name}": value for name, value in self._lbfgs.state().items()}
        return state if self.c is None else state | {"c": self.c}

    @torch.no_grad()
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a `state` of the same images, model and settings. UsageError for one of others."""
        own = self.state()
        wrong = [name for name in own if name not in state or state[name].shape != own[name].shape]
        if wrong:
            raise UsageError(
                f"the state is of another projection: {wrong[0]} is missing or has another shape"
            )
        self._marks = {name: state[f"mark.{name}"].clone() for name in self._marks}
        self.c = state["c"].to(self.images) if "c" in state else None
        kept = {n.removeprefix("lbfgs."): value for n, value in state.items() if n.startswith("lbfgs.")}
        if kept:
            self._lbfgs = self._polishing()
            self._lbfgs.restore(kept)
        for number, (fitted, best) in enumerate(zip(self._fitted, self._best, strict=True)):
            fitted.copy_(state[f"fitted.{number}"])
            best.copy_(state[f"best.{number}"])
            prefix = f"adam.{number}."
            moments = {
                name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)
            }
            self._adam.state[fitted] = {
                name: value.clone() if name == "step" else value.to(fitted, copy=True)
                for name, value in moments.items()
            }

    @property
    def _styled(self) -> bool:
        return self.settings.space != "z"

    def _first(self, drawn: starts.Samples, c: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Latents [N, D] to start from, and the conditions [N, K] that go with them."""
        if self.settings.start == "mean" and (self._styled or not self.generator.c_dim or c is not None):
            return self.spread.mean, c
        few = starts.samples(self.generator, self.settings.candidates, self.settings.seed, drawn.c)
        latents, own = starts.best(self.generator, few, self._rows, self.embed, c)
        return (latents if self.settings.start == "best" else self.spread.mean), own

    def _first_maps(self) -> list[Tensor]:
        """White noise for each layer that takes it, [N, 1, H, W]."""
        if self.settings.noise == "const" or not self._styled or not noisy_layers(self.generator):
            return []
        seeds = range(len(self.images))
        maps = noise_maps(self.generator, "random", seeds=seeds, noise_seed=self.settings.seed)
        white_noise.normalize_(maps)
        return maps

    def _step(self) -> Step:
        polishing = self.taken >= self.adam_steps
        if polishing and self._lbfgs is None:
            self._lbfgs = self._polishing()
        if polishing:
            self._fitted[0].data.copy_(self._lbfgs.x.view_as(self._fitted[0]))
        images = self._image([self._noisy(), *self._fitted[1:]])
        shown = seen(images, self.images)
        distance = (self.embed(shown) - self._rows).square().sum(dim=1)  # [N]
        objective = distance + self.settings.pixels * (shown - self.images).square().mean(dim=(1, 2, 3))
        told = Step(self.taken + 1, self.settings.steps, distance.detach(), images.detach())
        if polishing:
            (gradient,) = torch.autograd.grad(objective.sum(), self._fitted[:1])
            self._lbfgs.tell(objective.detach(), gradient.flatten(1))
        else:
            self._adam.zero_grad(set_to_none=True)
            loss = objective + self.settings.whiteness * white_noise.correlation(self._fitted[1:])
            loss.sum().backward()
        self._keep(objective.detach().cpu(), told.distance.cpu())
        if not polishing:
            self._descend()
        return told

    def _descend(self) -> None:
        """Adam's step, after which maps are white noise by mean and variance."""
        t = (self.taken - 1) / self.adam_steps
        for group in self._adam.param_groups:
            group["lr"] = self.settings.learning_rate * ramp(
                t, self.settings.ramp_up, self.settings.ramp_down
            )
        self._adam.step()
        white_noise.normalize_(self._fitted[1:])

    def _polishing(self) -> Lbfgs:
        """L-BFGS from the best latents so far, and from now on with the maps of these."""
        with torch.no_grad():
            for fitted, best in zip(self._fitted, self._best, strict=True):
                fitted.copy_(best)
        return Lbfgs(self._best[0].flatten(1), FIRST_MOVE * self.spread.sigma)

    def _noisy(self) -> Tensor:
        """The latents with the noise that they still have at this step."""
        until = self.settings.noise_until * self.adam_steps
        strength = self.settings.latent_noise * max(0.0, 1 - self.taken / max(until, 1e-12)) ** 2
        latents = self._fitted[0]
        if not strength:
            return latents
        draws = Draws(self.settings.seed, self.taken + 1, range(len(latents)), latents.device)
        sigma = self.spread.sigma.view(-1, *[1] * (latents.ndim - 1))
        return latents + draws.normal(latents.shape[1:]) * sigma * strength

    def _image(self, fitted: list[Tensor]) -> Tensor:
        if not self._styled:
            return self.generator(fitted[0], self.c)
        noise = NoiseMaps(fitted[1:]) if len(fitted) > 1 else "const"
        return self.generator.synthesis(self._whole(fitted[0]), noise=noise)

    def _whole(self, latents: Tensor) -> Tensor:
        """One for each layer: [N, 1 or L, D] -> [N, L, D]; z stays."""
        return latents.expand(-1, self.generator.num_ws, -1) if self._styled else latents

    def _done(self) -> Tensor:
        """Which images have had no fall of their distance for `patience` steps, bool [N]."""
        marks, patience = self._marks, self.settings.patience
        waited = marks["step"] - marks["since"]
        return waited >= (self.settings.steps if patience is None else patience)

    def _keep(self, objective: Tensor, distance: Tensor) -> None:
        """Take note of this step's distances [N], on the CPU, and of what is the best so far."""
        if not distance.isfinite().all():
            raise UserError(f"step {self.taken + 1}: the distance is not finite; lower the learning rate")
        marks, going = self._marks, ~self._done()
        settled = self.taken - 1 >= self.settings.noise_until * self.adam_steps  # no noise the step before
        better = going & ((objective < marks["best"]) | (not settled))
        marks["best"] = torch.where(better, objective, marks["best"])
        for best, fitted in zip(self._best, self._fitted, strict=True):
            chosen = better.to(best.device).view(-1, *[1] * (best.ndim - 1))
            best.copy_(torch.where(chosen, fitted.detach(), best))
        fell = distance < marks["lowest"] * (1 - LEAST_GAIN)
        marks["lowest"] = torch.where(fell, distance, marks["lowest"])
        marks["step"] = marks["step"] + 1
        marks["since"] = torch.where(fell, marks["step"], marks["since"])


def ramp(t: float, up: float, down: float) -> float:
    """Factor of the learning rate at time t in 0..1: linear up, and down along a cosine."""
    rise = min(1.0, t / up) if up else 1.0
    rest = min(1.0, (1 - t) / down) if down else 1.0
    return rise * (0.5 - 0.5 * math.cos(math.pi * rest))
