"""Scores of generated images: METRICS lists them, `evaluate` runs them, `frechet_distance` is one by hand."""

from gan.registry import table
from metrics.evaluate import evaluate
from metrics.frechet import fd_efficientnet_lite0, fd_untrained, frechet_distance

METRICS = table(
    "metric",
    {
        "fd-efficientnet-lite0": fd_efficientnet_lite0,
        "fd-untrained": fd_untrained,
    },
)

__all__ = ["METRICS", "evaluate", "frechet_distance"]
