"""Latents from seeds, and seeds from text.  Letters: N samples, D latent size."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gan.errors import UsageError

MAX_SEED = 2**32 - 1
_MAX_SEEDS = 1_000_000  # per list: beyond it, a range is a typing error


def z_from_seeds(seeds: Sequence[int], z_dim: int) -> Tensor:
    """Latents by seed -> float32 [N, z_dim] on the CPU, rows standard normal.

    Row i is `numpy.random.RandomState(seeds[i]).randn(z_dim)` rounded to float32: one legacy Mersenne Twister
    per seed, whose stream NumPy has frozen (NEP 19). This is the field's meaning of "seed 7", so seeds agree
    with published ones, and no row depends on the others.
    Raises UsageError for a seed outside [0, 2**32 - 1].
    """
    rows = [np.random.RandomState(checked_seed(seed)).randn(z_dim) for seed in seeds]
    return torch.from_numpy(np.array(rows, dtype=np.float32).reshape(len(rows), z_dim))


def checked_seed(seed: int) -> int:
    """The seed itself. Raises UsageError unless it is in [0, 2**32 - 1], what NumPy's generators take."""
    if not 0 <= seed <= MAX_SEED:
        raise UsageError(f"seed {seed} is out of range; use 0 to {MAX_SEED}")
    return seed


def parse_seeds(text: str) -> list[int]:
    """'0-3,8' -> [0, 1, 2, 3, 8]: numbers and inclusive ranges, in the order written.

    Raises UsageError for anything else, for seeds outside [0, 2**32 - 1] and for more than a million seeds.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = (piece.strip() for piece in part.partition("-"))
        if not _is_number(first) or (dash and not _is_number(last)):
            raise UsageError(
                f"seeds '{text}': '{part.strip()}' is no number or range; write for example 0-63 or 1,5,8-10"
            )
        start, stop = checked_seed(int(first)), checked_seed(int(last) if dash else int(first))
        if stop < start:
            raise UsageError(
                f"seeds '{text}': the range '{part.strip()}' runs backwards; write {stop}-{start}"
            )
        if len(seeds) + stop - start >= _MAX_SEEDS:
            raise UsageError(
                f"seeds '{text}': more than {_MAX_SEEDS} seeds; split the work into shorter ranges"
            )
        seeds.extend(range(start, stop + 1))
    return seeds


def seeds_text(seeds: Sequence[int]) -> str:
    """[0, 1, 2, 8] -> '0-2,8': what `parse_seeds` reads as the same list."""
    runs: list[list[int]] = []
    for seed in seeds:
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
