"""Mode coverage by a classifier: how many classes appear among the fakes, and how evenly.

Used on stacked MNIST, with 1,000 digit triples as modes (Metz et al. 2017, section 3.3.1): the number of
modes (higher is better, up to K) and KL(fake || reference) of the class frequencies (lower is better, 0 for
equal frequencies). They are as good as the classifier, and depend on the number of images.

Letters: N images, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from metrics.rows import Rows, as_rows, over_blocks
from metrics.shards import Shards


class ModeCoverage(NamedTuple):
    """modes: classes with at least one image. kl: in nats, infinite where the reference lacks a class.

    missing: the classes of the reference that no image is of, in order.
    """

    modes: int
    kl: float
    missing: tuple[int, ...]


def mode_coverage(fake: Rows | Sequence[int], reference: Rows | Sequence[int] | int) -> ModeCoverage:
    """Modes and KL of the classes of generated images.

    fake: logits or probabilities [N, K], of which the largest counts, or classes [N].
    reference: the same of real images, or K for the uniform distribution over K classes.
    Raises ValueError for no images, different K, or a class outside of [0, K).
    """
    uniform = isinstance(reference, int)
    given = class_counts(fake), torch.ones(reference) if uniform else class_counts(reference)
    widths = {len(counts) for counts, x in zip(given, (fake, reference), strict=True) if _has_columns(x)}
    widths |= {reference} if uniform else set()
    size = max(len(counts) for counts in given)
    if widths and (len(widths) > 1 or size > max(widths)):
        raise ValueError(f"a class number {size - 1}, or different numbers of classes: {sorted(widths)}")
    counts, wanted = (torch.nn.functional.pad(x.double().cpu(), (0, size - len(x))) for x in given)
    p, q = counts / counts.sum(), wanted / wanted.sum()
    kl = torch.where(p > 0, p * (p / q).log(), 0.0).sum().item()
    missing = ((counts == 0) & (wanted > 0)).nonzero().flatten().tolist()
    return ModeCoverage(int((counts > 0).sum()), max(0.0, kl), tuple(missing))


def class_counts(predictions: Rows | Sequence[int]) -> Tensor:
    """Images per class, int64 [K] or, of classes, [largest class + 1]. Counts of parts of a set add up.

    predictions: logits or probabilities [N, K], or classes [N]. ValueError for no images or a negative class.
    """
    if _has_columns(predictions):
        rows = as_rows(predictions, "predictions")
        return torch.bincount(over_blocks(rows, lambda block: block.argmax(1)), minlength=rows.dim)
    labels = torch.as_tensor(predictions, dtype=torch.int64)
    if len(labels) == 0 or labels.min() < 0:
        raise ValueError("classes must be numbers from 0 up, at least one of them")
    return torch.bincount(labels)


def _has_columns(predictions: Rows | Sequence[int] | int) -> bool:
    return isinstance(predictions, Shards) or (
        isinstance(predictions, Tensor | np.ndarray) and predictions.ndim == 2
    )
