"""Are two sets of paired images different: a test by exchanging the partners (Fisher 1935, section 21)."""

import numpy as np
import torch
from torch import Tensor

PERMUTATIONS = 9_999  # so that 1 / 10,000 is the least p
_DRAWS = 2**23  # signs that are drawn at a time
_TIE = 1e-9  # relative: means that differ by less are equal


def paired_p(differences: Tensor, *, permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Two-sided p of the mean of differences [N] between partners: the share of exchanges that give as much.

    If who of a pair belongs to which set is chance, each difference could as well have the other sign. The
    signs are drawn from `numpy.random.RandomState(seed)`; the set as it is counts as one exchange, so that
    p is at least 1 / (permutations + 1), and no more than a share p of equal sets gets a p as small
    (Phipson & Smyth 2010). ValueError for fewer than 1 difference or permutation.
    """
    x = differences.double().cpu()
    if len(x) < 1 or permutations < 1:
        raise ValueError(f"{permutations} permutations of {len(x)} pairs: at least 1 of both needed")
    rng = np.random.RandomState(seed)
    reached, bound = 0, abs(x.sum().item()) - _TIE * x.abs().sum().item()
    step = max(1, _DRAWS // len(x))
    for start in range(0, permutations, step):
        size = min(step, permutations - start), len(x)
        signs = torch.from_numpy(rng.randint(0, 2, size=size, dtype=np.int8)).double().mul_(2).sub_(1)
        reached += int(((signs @ x).abs() >= bound).sum())
    return (1 + reached) / (1 + permutations)
