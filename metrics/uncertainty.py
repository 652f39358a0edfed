"""What each kind of metric gives for its interval and for the test of a difference.

`*_blocks`: inputs with Banks -> the scores by blocks of images (`metrics.blockwise`), in the order of the
metric's numbers. `*_influence`: inputs whose fakes are two sets together -> how far each of these rows
moves the number (`metrics.influence`); NaN for a number of which that cannot be said.
"""

import torch
from torch import Tensor

from metrics.blockwise import BlockFrechet, BlockInception, BlockKernel, BlockVendi
from metrics.frechet import moments_of
from metrics.influence import of_authenticity, of_frechet, of_inception, of_kernel, of_manifold, of_vendi
from metrics.jackknife import Blockwise
from metrics.neighbour_blocks import authenticity_blocks, manifold_blocks
from metrics.registry import Inputs


def frechet_blocks(inputs: Inputs) -> list[Blockwise]:
    """Of a Frechet distance under the convention; reals of which only moments are known stay as they are."""
    real = getattr(inputs.real, "rows", inputs.real)
    return [BlockFrechet(real, inputs.fake.rows, ddof=inputs.convention.ddof, seed=inputs.seed)]


def kernel_blocks(inputs: Inputs) -> list[Blockwise]:
    """Of the kernel distance, on all rows instead of subsets."""
    return [BlockKernel(inputs.real.rows, inputs.fake.rows, seed=inputs.seed)]


def inception_blocks(inputs: Inputs) -> list[Blockwise]:
    """Of the Inception Score, on all rows instead of splits, so that their order does not matter."""
    return [BlockInception(inputs.fake.rows, seed=inputs.seed)]


def vendi_blocks(inputs: Inputs) -> list[Blockwise]:
    """Of the Vendi score."""
    return [BlockVendi(inputs.fake.rows, seed=inputs.seed)]


def pr_blocks(inputs: Inputs) -> list[Blockwise]:
    """Of precision and recall."""
    k, options = inputs.convention.neighbours, {"strict": inputs.convention.strict, "seed": inputs.seed}
    found = manifold_blocks(inputs.real.rows, inputs.fake.rows, k, **options)
    return [found["precision"], found["recall"]]


def dc_blocks(inputs: Inputs) -> list[Blockwise]:
    """Of density and coverage."""
    found = manifold_blocks(inputs.real.rows, inputs.fake.rows, 5, strict=True, seed=inputs.seed)
    return [found["density"], found["coverage"]]


def authpct_blocks(inputs: Inputs) -> list[Blockwise]:
    """Of AuthPct."""
    return [authenticity_blocks(inputs.real.rows, inputs.fake.rows, seed=inputs.seed)]


def frechet_influence(inputs: Inputs) -> Tensor:
    """[M, 1]."""
    real = moments_of(getattr(inputs.real, "rows", inputs.real))
    return of_frechet(real, inputs.fake.rows, ddof=inputs.convention.ddof)[:, None]


def kernel_influence(inputs: Inputs) -> Tensor:
    """[M, 1]."""
    return of_kernel(inputs.real.rows, inputs.fake.rows)[:, None]


def inception_influence(inputs: Inputs) -> Tensor:
    """[M, 1]."""
    return of_inception(inputs.fake.rows)[:, None]


def vendi_influence(inputs: Inputs) -> Tensor:
    """[M, 1]."""
    return of_vendi(inputs.fake.rows)[:, None]


def pr_influence(inputs: Inputs) -> Tensor:
    """[M, 2]; of recall unknown: whose ball a real image is in depends on the other fakes."""
    k, strict = inputs.convention.neighbours, inputs.convention.strict
    return _first_known(of_manifold(inputs.real.rows, inputs.fake.rows, k, strict=strict)[:, 0])


def dc_influence(inputs: Inputs) -> Tensor:
    """[M, 2]; of coverage unknown: a second fake in a ball changes nothing."""
    return _first_known(of_manifold(inputs.real.rows, inputs.fake.rows, 5, strict=True)[:, 1])


def authpct_influence(inputs: Inputs) -> Tensor:
    """[M, 1]."""
    return of_authenticity(inputs.real.rows, inputs.fake.rows)[:, None]


def _first_known(found: Tensor) -> Tensor:
    return torch.stack([found, torch.full_like(found, torch.nan)], 1)
