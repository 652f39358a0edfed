"""Control of the noise that layers add: fixed, drawn, and a strength for each layer.

A generator takes `noise="const"`, "random", "none" or an object that gives each layer its map; `NoiseMaps`
is one, so that `G.synthesis(ws, noise=layer_noise(G, strengths=[1, 0.5, ...]))` draws with it. A layer
multiplies its map with its own trained strength as always; what is set here comes on top of it.

Letters: N samples, M noisy layers, H rows, W columns.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.latents.abilities import noisy_layers, require_noise
from gan.latents.seeds import checked_seed
from gan.randomness import Draws


class NoiseMaps:
    """Maps of noise for the layers of a generator, in their order, again and again for every call of it.

    maps: [N or 1, 1, H, W] of each noisy layer, as `noise_maps` has them.
    """

    def __init__(self, maps: Sequence[Tensor]):
        self.maps = list(maps)
        self._next = 0

    def normal(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """The map of the layer that asks next, [N or 1, *shape]; UsageError where its size is another."""
        drawn = self.maps[self._next]
        if tuple(drawn.shape[1:]) != tuple(shape):
            self._next = 0
            raise UsageError(f"a map of noise is {list(drawn.shape[1:])}, and the layer takes {list(shape)}")
        self._next = (self._next + 1) % len(self.maps)
        return drawn.to(dtype)


def noise_maps(
    generator: nn.Module,
    kind: Literal["const", "random", "none"] = "const",
    *,
    seeds: Sequence[int] = (),
    noise_seed: int = 0,
) -> list[Tensor]:
    """Maps of each noisy layer, [1, 1, H, W], or of each sample [N, 1, H, W], on the generator's device.

    kind: const, the trained maps; none, zeros; random, drawn for each of `seeds` from (noise_seed, that
    seed): no sample's depend on the others. Raises UsageError for a model without noise, for random without
    seeds, and for an unknown kind.
    """
    require_noise(generator)
    buffers = [layer.noise_const for layer in noisy_layers(generator)]
    if kind == "random":
        if not len(seeds):
            raise UsageError("random noise is drawn by seed: give seeds, one for each sample")
        draws = Draws(checked_seed(noise_seed), 0, list(seeds), buffers[0].device)
        return [draws.normal((1, *buffer.shape), buffer.dtype) for buffer in buffers]
    if kind not in ("const", "none"):
        raise UsageError(f"unknown kind of noise '{kind}'; use const, random or none")
    scale = 1 if kind == "const" else 0
    return [buffer[None, None] * scale for buffer in buffers]


def scaled_noise(maps: Sequence[Tensor], strengths: Sequence[float] | float) -> list[Tensor]:
    """Each map times its strength: 1 leaves it, 0 removes it. strengths: one for all, or one for each map.

    Raises UsageError for another number of strengths.
    """
    each = list(strengths) if isinstance(strengths, Sequence) else [strengths] * len(maps)
    if len(each) != len(maps):
        raise UsageError(f"{len(each)} strengths of noise for {len(maps)} layers; give one, or one for each")
    return [noise * strength for noise, strength in zip(maps, each, strict=True)]


def layer_noise(
    generator: nn.Module,
    kind: Literal["const", "random", "none"] = "const",
    *,
    strengths: Sequence[float] | float = 1.0,
    seeds: Sequence[int] = (),
    noise_seed: int = 0,
) -> NoiseMaps:
    """What a generator takes as `noise`: `noise_maps` of that kind, each times its strength.

    Raises UsageError as `noise_maps` and `scaled_noise` do.
    """
    maps = noise_maps(generator, kind, seeds=seeds, noise_seed=noise_seed)
    return NoiseMaps(scaled_noise(maps, strengths))
