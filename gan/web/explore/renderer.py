"""Point -> picture: a pure function of the point and the model, without HTTP, for the page and for notebooks.

    renderer = Renderer(gan.load("runs/00000-demo-openmoji-32"))
    image = renderer.image(Point(seed=7, psi=0.7, amounts=(2.0,)))  # uint8 [C, H, W]

Letters: N samples, C channels, H rows, W columns, L style layers, D latent size.
"""

import copy
import functools
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.images import to_uint8
from gan.latents import layer_noise, mix_layers, placement, synthesized, truncate, z_from_seeds
from gan.latents.directions import Directions, moved
from gan.latents.drawn import Drawn
from gan.latents.inner import output_of
from gan.latents.pca import pca
from gan.latents.sefa import sefa
from gan.latents.styles import has_style_space, render, styles
from gan.networks.blocks import Block, halve
from gan.randomness import Draws
from gan.sampling import choices, chosen, drawn_numbers, has_styles
from gan.web.explore.state import Point, unpacked

PREVIEW = 128  # pixels of the longer side of a picture on the move
COUNT = 10  # directions computed on the spot
SAMPLES = 10_000  # of the latents, for their axes
IMAGES = 1000  # the same where the axes are those of features, which a network has to make
FOUND = {"pca": pca, "sefa": sefa}


class Renderer:
    """Pictures of one generator, which it leaves as it is; for one thread at a time.

    given: directions of a file, which belong to this generator.
    """

    def __init__(self, generator: nn.Module, given: Directions | None = None) -> None:
        self.generator = generator
        self.device = next(generator.parameters()).device
        self.styled = has_styles(generator)
        self._directions = {} if given is None else {"file": given}
        self._lock = threading.Lock()

    def image(self, point: Point, moving: bool = False) -> Tensor:
        """uint8 [C, H, W] on the CPU. moving: a smaller one, where the network has it on its way, or `hasty`.

        Raises UsageError for a point that does not fit the model.
        """
        if self.styled:
            return self.synthesised(self.ws(point), point, moving)
        return self.plain(self.z(point), self.condition(point), moving)

    @torch.inference_mode()
    def ws(self, point: Point) -> Tensor:
        """Styles [1, L, D]. In this order: truncation, mixing, place on the map, directions in w."""
        ws = self._styles(point)
        if point.mix_layers:
            other = self._styles(replace(point, seed=point.mix_seed, latent=""))
            ws = mix_layers(ws, other, point.mix_layers)
        if point.place is not None:
            far = torch.tensor(point.place, device=self.device) - self.coordinates(ws.mean(dim=1))  # [1, 2]
            ws = ws + far @ self._axes
        return self._moved(ws, point, "w")

    @torch.inference_mode()
    def synthesised(self, ws: Tensor, point: Point, moving: bool = False) -> Tensor:
        """The picture of styles [1, L, D], with the noise and the placement of a point."""
        noise = self.noise(point)
        if point.shift != (0.0, 0.0) or point.turn:
            transform = placement(point.shift, point.turn)
            image = synthesized(self.generator, ws, noise=noise, transform=transform)
        elif any(point.amounts) and self.directions(point.method).space == "s":
            image = render(self.generator, self._moved(styles(self.generator, ws), point, "s"), noise)
        elif moving and self.preview is not None:
            image = output_of(self.generator.synthesis, self.preview, ws, noise)[1]
        else:
            image = (self.hasty if moving else self.generator).synthesis(ws, noise=noise)
        return to_uint8(image)[0].cpu()

    @torch.inference_mode()
    def plain(self, z: Tensor, c: Tensor | None, moving: bool = False) -> Tensor:
        """The picture of z [1, D] by a model without a style space."""
        return to_uint8((self.hasty if moving else self.generator)(z, c))[0].cpu()

    @torch.inference_mode()
    def z(self, point: Point) -> Tensor:
        """z [1, D] of the seed, or the latent of a model without styles, moved by directions in z."""
        kept = {"seed": 0, "label": None, "latent": "", "noise_seed": 0, "mix_seed": 1}
        unstyled = replace(point, amounts=(), method="pca", **kept)
        if not self.styled and unstyled != Point():
            raise UsageError(
                "this model has no style space: it takes a seed, a class and directions in z alone"
            )
        z = unpacked(point.latent) if point.latent else z_from_seeds([point.seed], self.generator.z_dim)
        if z.shape != (1, self.generator.z_dim):
            raise UsageError("this latent belongs to another model")
        return self._moved(z.to(self.device), point, "z")

    @torch.inference_mode()
    def w(self, seeds: Sequence[int]) -> Tensor:
        """w [N, D] of seeds, not truncated, their conditions drawn."""
        z = z_from_seeds(seeds, self.generator.z_dim).to(self.device)
        drawn = drawn_numbers(self.generator, seeds) if self.generator.c_dim else None
        c = None if drawn is None else chosen(self.generator, drawn).to(self.device)
        return self.generator.mapping(z, c)[:, 0]

    def condition(self, point: Point) -> Tensor | None:
        """c [1, c_dim], chosen or drawn from the seed; None for a model without conditions."""
        count = choices(self.generator)
        if not count:
            return None
        if point.label is None:
            return chosen(self.generator, drawn_numbers(self.generator, [point.seed])).to(self.device)
        if not 0 <= point.label < count:
            raise UsageError(f"class {point.label} does not exist; this model has 0 to {count - 1}")
        return chosen(self.generator, [point.label]).to(self.device)

    def methods(self) -> list[str]:
        """Those of `directions` that this model has."""
        return ["file"] * ("file" in self._directions) + ["pca", "sefa"][
            : 1 + has_style_space(self.generator)
        ]

    def directions(self, method: str) -> Directions:
        """Those of a file, or what is computed of this model, once; any thread may ask.

        UsageError where it has none.
        """
        with self._lock:
            if method not in self._directions:
                if method not in FOUND:
                    raise UsageError(
                        "no file of directions was given: gan explore --directions FILE reads one"
                    )
                count = choices(self.generator)
                conditions = chosen(self.generator, range(count)) if count else None
                samples = SAMPLES if self.styled else IMAGES
                drawn = Drawn(generator=self.generator, count=samples, conditions=conditions)
                self._directions[method] = FOUND[method](self.generator, COUNT, drawn=drawn)
            return self._directions[method]

    @torch.inference_mode()
    def coordinates(self, w: Tensor) -> Tensor:
        """Places on the map [N, 2] of w [N, D]: standard deviations along two axes, from the mean of w."""
        return (w - self.generator.mapping.w_avg) @ self._axes.T / self._axes.square().sum(dim=1)

    @functools.cached_property
    def preview(self) -> str | None:
        """Name of the block that holds the picture at PREVIEW pixels; None where all of it has to run."""
        config = getattr(self.generator, "config", None)
        if getattr(config, "type", "") != "stylegan2" or config.architecture != "skip":
            return None
        scale = max(config.base) / 4
        levels = [2**k for k in range(2, 12) if 2**k < config.resolution and 2**k * scale <= PREVIEW]
        return f"b{levels[-1]}" if config.resolution * scale > PREVIEW and levels else None

    @functools.cached_property
    def hasty(self) -> nn.Module:
        """The network for pictures on the move: its blocks in bfloat16, on the same weights, if faster here.

        Not of StyleGAN2, which has `preview`, nor of networks without blocks.
        """
        kind = getattr(getattr(self.generator, "config", None), "type", "")
        levels = [block.level for block in self.generator.modules() if isinstance(block, Block)]
        if kind == "stylegan2" or not any(levels):
            return self.generator
        kept = [*self.generator.parameters(), *self.generator.buffers()]
        half = copy.deepcopy(self.generator, {id(tensor): tensor for tensor in kept})
        halve(half, torch.bfloat16, max(levels), None)
        return half if seconds(half) < seconds(self.generator) else self.generator

    @functools.cached_property
    def _axes(self) -> Tensor:
        """The first two principal axes of w [2, D], each as long as one standard deviation."""
        found = self.directions("pca")
        return (found.vectors[:2] * found.scales[:2, None]).to(self.device)

    def _styles(self, point: Point) -> Tensor:
        """Styles of the seed or the latent, truncated."""
        mapping = self.generator.mapping
        if not point.latent:
            return mapping(self.z(point), self.condition(point), psi=point.psi, psi_cutoff=point.psi_cutoff)
        ws = unpacked(point.latent)[None].to(self.device)
        if ws.shape[1:] != (self.generator.num_ws, self.generator.w_dim):
            raise UsageError("this latent belongs to another model")
        return truncate(ws, mapping.w_avg, point.psi, point.psi_cutoff)

    def _moved(self, latents: Any, point: Point, space: str) -> Any:
        """Latents along the directions of a point, where these are of that space."""
        if not any(point.amounts):
            return latents
        directions = self.directions(point.method)
        if directions.space != space:
            return latents
        if point.layers is not None and space == "w":
            first, last = point.layers
            directions = replace(directions, layers=((first, last + 1),) * len(directions))
        for index, amount in enumerate(point.amounts):
            latents = moved(latents, directions, index, amount) if amount else latents
        return latents

    def noise(self, point: Point) -> Any:
        """What the synthesis network takes as noise."""
        if point.noise_layers and point.noise != "none":
            seeds = [point.seed]
            how = {"strengths": point.noise_layers, "seeds": seeds, "noise_seed": point.noise_seed}
            return layer_noise(self.generator, point.noise, **how)
        if point.noise == "random":
            return Draws(point.noise_seed, 0, [point.seed], self.device)
        return point.noise


def seconds(generator: nn.Module) -> float:
    """How long one picture takes, once the network has warmed up."""
    device = next(generator.parameters()).device
    z = torch.zeros(1, generator.z_dim, device=device)
    c = torch.zeros(1, generator.c_dim, device=device) if generator.c_dim else None
    generator(z, c).cpu()
    began = time.perf_counter()
    generator(z, c).cpu()  # which waits for it
    return time.perf_counter() - began
