"""Where a projection starts: the mean of the latents, or the best of some samples; and how widely they lie.

Letters: N images, M samples, D latent size, K values of a condition, R of a row of features.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gan.errors import UsageError

Embed = Callable[[Tensor], Tensor]
"""Images [N, C, H, W], about -1..1 -> rows [N, R] whose squared distance is the perceptual one."""

CHUNK = 1000  # latents per call of the mapping network
BATCH = 8  # images per call of the synthesis network


@dataclass(frozen=True)
class Spread:
    """mean: of the latents, for each image [N, D].  sigma: root of the mean of |w - mean|^2, [N]."""

    mean: Tensor
    sigma: Tensor

    def distance(self, latents: Tensor) -> Tensor:
        """How far latents [N, L, D] or [N, D] lie from the mean -> [N], in sigmas, root mean square of L."""
        away = latents - (self.mean if latents.ndim == 2 else self.mean[:, None])
        squares = away.square().sum(dim=-1)
        return (squares if latents.ndim == 2 else squares.mean(dim=1)).sqrt() / self.sigma


@dataclass(frozen=True)
class Samples:
    """Latents to start from, drawn by a seed.

    z: [M, z_dim].  c: the condition of each [M, K], None for an unconditional model.
    """

    z: Tensor
    c: Tensor | None


def samples(generator: nn.Module, count: int, seed: int, choices: Tensor | None = None) -> Samples:
    """`count` latents, standard normal, on the generator's device.

    choices: the conditions [M, K] that a conditional model is drawn for, one after the other.
    Raises UsageError where such a model is given none.
    """
    device = next(generator.parameters()).device
    drawn = torch.Generator().manual_seed(seed)
    z = torch.randn(count, generator.z_dim, generator=drawn).to(device)
    if not generator.c_dim:
        return Samples(z, None)
    if choices is None or not len(choices):
        raise UsageError(f"this model is conditional: give the conditions, [N, {generator.c_dim}]")
    numbers = torch.arange(count) % len(choices)
    return Samples(z, choices[numbers].to(device, torch.float32))


@torch.no_grad()
def spread(generator: nn.Module, drawn: Samples, c: Tensor | None, count: int) -> Spread:
    """Mean and spread of the latents for each of N images.

    c: conditions [N, K] of the images, whose latents alone count then; None: those of the samples. A model
    without a style space has z: mean 0, and sigma is the root of z_dim.
    """
    device = drawn.z.device
    if not getattr(generator, "num_ws", 0):
        mean = torch.zeros(count, generator.z_dim, device=device)
        return Spread(mean, torch.full((count,), generator.z_dim**0.5, device=device))
    rows, which = (drawn.c, None) if c is None else c.unique(dim=0, return_inverse=True)
    if which is None:
        mean, sigma = _moments(_w(generator, drawn.z, rows))
        return Spread(mean.expand(count, -1), sigma.expand(count))
    found = [_moments(_w(generator, drawn.z, row.expand(len(drawn.z), -1))) for row in rows]
    means, sigmas = (torch.stack(parts) for parts in zip(*found, strict=True))
    return Spread(means[which], sigmas[which])


@torch.no_grad()
def best(
    generator: nn.Module,
    drawn: Samples,
    rows: Tensor,
    embed: Embed,
    c: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """The sample nearest to each image: its w [N, D], or z where there is no style space, and its c [N, K].

    rows: features of the images [N, R].  c: conditions of the images, with which each sample is drawn, too;
    None: each sample has its own. Every sample is rendered once for each condition.
    """
    kinds, which = (None, None) if c is None else c.unique(dim=0, return_inverse=True)
    found: list[tuple[Tensor, Tensor | None]] = [None] * len(rows)  # type: ignore[list-item]
    nearest = torch.full((len(rows),), torch.inf, device=rows.device)
    for number in range(1 if kinds is None else len(kinds)):
        wanted = range(len(rows)) if which is None else (which == number).nonzero().flatten().tolist()
        own = drawn.c if kinds is None else kinds[number].expand(len(drawn.z), -1)
        for latents, conditions, images in _rendered(generator, drawn.z, own):
            other = embed(images)
            for i in wanted:
                squared = (other - rows[i]).square().sum(dim=1)
                place = int(squared.argmin())
                if squared[place] < nearest[i]:
                    nearest[i] = squared[place]
                    found[i] = latents[place], None if conditions is None else conditions[place]
    chosen = torch.stack([latent for latent, _ in found])
    return chosen, None if drawn.c is None and c is None else torch.stack([own for _, own in found])


def _rendered(
    generator: nn.Module, z: Tensor, c: Tensor | None
) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
    """(w [n, D] or z, c, images) of the samples, in batches."""
    styled = getattr(generator, "num_ws", 0) > 0
    for start in range(0, len(z), BATCH):
        part = slice(start, start + BATCH)
        conditions = None if c is None else c[part]
        if styled:
            ws = generator.mapping(z[part], conditions)
            yield ws[:, 0], conditions, generator.synthesis(ws, noise="const")
        else:
            yield z[part], conditions, generator(z[part], conditions)


def _w(generator: nn.Module, z: Tensor, c: Tensor | None) -> Tensor:
    """w [M, D] of samples."""
    parts = range(0, len(z), CHUNK)
    mapped = (
        generator.mapping(z[start : start + CHUNK], None if c is None else c[start : start + CHUNK])
        for start in parts
    )
    return torch.cat([ws[:, 0] for ws in mapped])


def _moments(w: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [D], and root of the mean squared distance from it []."""
    mean = w.mean(dim=0)
    return mean, (w - mean).square().sum(dim=1).mean().sqrt()
