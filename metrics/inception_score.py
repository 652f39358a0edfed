"""Inception Score (Salimans et al. 2016): exp(E_x KL(p(y|x) || p(y))). Higher is better.

Between 1 (every image gets the same prediction) and the number of classes C (every prediction is certain,
all classes equally often). No real image takes part, so it says nothing of diversity within a class or of
what the classifier does not know: rate the real images as well, and quote both. It grows with the number of
images per split.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metrics.rows import Rows, as_rows, total
from metrics.shards import Shards


class InceptionScore(NamedTuple):
    """mean and std over the splits; with one split std is 0, or None where ddof is 1."""

    mean: float
    std: float | None


def inception_score(
    predictions: Rows,
    *,
    logits: bool = False,
    splits: int = 10,
    shuffle_seed: int | None = None,
    ddof: int = 0,
) -> InceptionScore:
    """Score of predictions [N, C], in float64; split i holds the rows i N // splits to (i + 1) N // splits.

    logits: the rows are unnormalised, a softmax comes first; else they are probabilities that sum to 1.
    shuffle_seed: first order the rows by `numpy.random.RandomState(shuffle_seed).permutation(N)`; None keeps
    the order. ddof: 0 divides the squared deviations of the splits by their number, 1 by one less.
    Conventions differ in splits, shuffling, ddof and in whether the classifier's bias is in the logits.
    Raises ValueError for fewer rows than splits, or probabilities that are none.
    """
    rows = as_rows(predictions, "predictions", least=max(splits, 1))
    if splits < 1:
        raise ValueError(f"{splits} splits: at least 1 needed")
    if not logits:
        _check_probabilities(rows)
    order = torch.arange(len(rows))
    if shuffle_seed is not None:
        order = torch.from_numpy(np.random.RandomState(shuffle_seed).permutation(len(rows)))
    edges = [i * len(rows) // splits for i in range(splits + 1)]
    scores = [_score(rows.at(order[a:b]), logits) for a, b in pairwise(edges)]
    spread = float(np.std(scores, ddof=ddof)) if splits > ddof else None
    return InceptionScore(float(np.mean(scores)), spread)


def _score(rows: Shards, logits: bool) -> float:
    """exp of the mean over rows of sum_y p(y|x) (log p(y|x) - log p(y)), where 0 log 0 = 0."""

    def sums(block: Tensor) -> Tensor:
        """Of the probabilities of each class [C], and of the negative entropies [1]."""
        if logits:
            log_p = block.double().log_softmax(1)
            p = log_p.exp()
            negative_entropies = p * log_p
        else:
            p = block.double()
            negative_entropies = torch.xlogy(p, p)
        return torch.cat([p.sum(0), negative_entropies.sum()[None]])

    means = total(rows, sums) / len(rows)
    marginal = means[:-1]
    return (means[-1] - torch.xlogy(marginal, marginal).sum()).exp().item()


def _check_probabilities(rows: Shards) -> None:
    """ValueError unless all are >= 0 and every row sums to 1 (within what half precision rounds)."""
    for _, block in rows.blocks():
        wrong = (block.sum(1, dtype=torch.float64) - 1).abs().max().item()
        if block.min() < 0 or wrong > 1e-2:
            raise ValueError("these predictions are no probabilities; give logits=True if they are logits")
