"""How often intervals at 95 % hold the truth: the table of docs/METRICS.md.

    python -m benchmarks.coverage --repeats 200 --counts 2000,10000

Features are drawn from Gaussians whose variances fall as 1 / i (those of the networks do so, too), so that
every truth is known. Null: fakes and reals of one distribution. Gap: the fakes' mean is moved along the
first axis, and all is 10 % wider. Each repeat draws both sets anew, takes the interval and looks whether
the truth is inside. Scores of balls depend on the count: their truth is the mean over all repeats.
"""

import argparse
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metrics.blockwise import BlockFrechet, BlockInception, BlockKernel
from metrics.jackknife import GROUPS, Blockwise, replicates
from metrics.neighbour_blocks import authenticity_blocks, manifold_blocks

DIM = 64  # features
SHIFT, WIDTH = 0.5, 1.1  # of the gap
LARGE = 2**20  # images of which the Inception Score is as good as true


class Row(NamedTuple):
    """One line of the table. error: root mean square of what was said, over the deviation of `corrected`."""

    score: str
    case: str
    count: int
    truth: float
    value: float
    corrected: float
    inside: float
    error: float


def scales() -> Tensor:
    """Deviations [DIM] of the features."""
    return torch.arange(1, DIM + 1, dtype=torch.float64) ** -0.5


def drawn(rng: torch.Generator, count: int, gap: bool) -> Tensor:
    """Features [count, DIM]."""
    x = torch.randn(count, DIM, generator=rng, dtype=torch.float64) * scales() * (WIDTH if gap else 1)
    x[:, 0] += SHIFT if gap else 0
    return x


def true_frechet(gap: bool) -> float:
    """Squared gap of the means and of the deviations."""
    return SHIFT**2 + (WIDTH - 1) ** 2 * scales().square().sum().item() if gap else 0.0


def true_kernel(gap: bool) -> float:
    """E (x . y / D + 1)^3 of Gaussians: with m = E x . y, v its variance and t its third moment, by hand."""
    if not gap:
        return 0.0
    variances, mean = scales().square(), torch.zeros(DIM, dtype=torch.float64)
    mean[0] = SHIFT
    sides = ((torch.zeros_like(mean), variances), (mean, variances * WIDTH**2))
    pairs = {(i, j): _cubic(*sides[i], *sides[j]) for i in (0, 1) for j in (0, 1)}
    return pairs[0, 0] + pairs[1, 1] - 2 * pairs[0, 1]


def _cubic(m: Tensor, p: Tensor, n: Tensor, q: Tensor) -> float:
    """E (1 + s)^3, s = x . y / D, of x ~ N(m, p) and y ~ N(n, q) with diagonal p, q: by cumulants of s."""
    first = (m * n).sum() / DIM
    second = (p * q + m**2 * q + n**2 * p).sum() / DIM**2
    third = 6 * (m * n * p * q).sum() / DIM**3
    mean = 1 + first
    return (mean**3 + 3 * mean * second + third).item()


def large_inception(gap: bool) -> float:
    """Of LARGE images."""
    score = BlockInception(3 * drawn(torch.Generator().manual_seed(1), LARGE, gap))
    return score(torch.ones(GROUPS, dtype=torch.bool))


def of_balls(real: Tensor, fake: Tensor) -> dict[str, Blockwise]:
    """Precision, recall, density and coverage with k = 3, and AuthPct."""
    return {**manifold_blocks(real, fake, 3), "AuthPct": authenticity_blocks(real, fake)}


Make = Callable[[Tensor, Tensor], dict[str, Blockwise]]
SCORES: dict[str, tuple[Make, Callable[[bool], float] | None]] = {
    "frechet": (lambda real, fake: {"Frechet distance": BlockFrechet(real, fake)}, true_frechet),
    "kernel": (lambda real, fake: {"kernel distance": BlockKernel(real, fake)}, true_kernel),
    "inception": (lambda _, fake: {"Inception Score": BlockInception(3 * fake)}, large_inception),
    "balls": (of_balls, None),
}


def rows(scores: str, gap: bool, count: int, repeats: int, seed: int = 0) -> list[Row]:
    """Lines of the table, one per score, from `repeats` draws of both sets."""
    make, true = SCORES[scores]
    rng, found = torch.Generator().manual_seed(seed), {}
    for _ in range(repeats):
        for name, score in make(drawn(rng, count, False), drawn(rng, count, gap)).items():
            again = replicates(score)
            found.setdefault(name, []).append((again.value, again.estimate()))
    return [_row(name, "gap" if gap else "null", count, true and true(gap), f) for name, f in found.items()]


def _row(score: str, case: str, count: int, truth: float | None, found: list[tuple]) -> Row:
    value = float(np.mean([v for v, _ in found]))
    truth = value if truth is None else truth
    centres = [e.corrected for _, e in found]
    inside = np.mean([e.low <= truth <= e.high for _, e in found])
    error = np.mean([e.standard_error**2 for _, e in found]) ** 0.5 / np.std(centres)
    return Row(score, case, count, truth, value, float(np.mean(centres)), float(inside), float(error))


def main() -> None:
    """Print the table as Markdown, line by line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repeats", type=int, default=200)
    parser.add_argument("--counts", default="2000,10000", help="images of each set, separated by commas")
    parser.add_argument("--only", choices=list(SCORES), help="these instead of all")
    arguments = parser.parse_args()
    print("| Score | Case | Images | Truth | Mean value | Without bias | Truth inside | Error said / seen |")
    print("|---|---|---|---|---|---|---|---|")
    counts = list(map(int, arguments.counts.split(",")))
    for scores in [arguments.only] if arguments.only else SCORES:
        for gap, count in product((False, True), counts):
            for r in rows(scores, gap, count, arguments.repeats):
                told = f"{r.truth:.4g} | {r.value:.4g} | {r.corrected:.4g} | {100 * r.inside:.1f} %"
                print(f"| {r.score} | {r.case} | {r.count:,} | {told} | {r.error:.2f} |", flush=True)


if __name__ == "__main__":
    main()
