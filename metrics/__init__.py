"""Scores of generated images: METRICS lists them, `evaluate` runs them, the rest are single ones by hand."""

from metrics.catalogue import METRICS
from metrics.evaluate import evaluate
from metrics.frechet import frechet_distance
from metrics.inception_score import inception_score
from metrics.kernel import kernel_distance
from metrics.precision_recall import precision_recall

__all__ = [
    "METRICS",
    "evaluate",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "precision_recall",
]
