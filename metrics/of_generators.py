"""Metrics that take the generator itself and draw their own samples: path lengths and equivariance."""

from collections.abc import Callable

from metrics.equivariance import equivariance_of_model
from metrics.path_length import perceptual_path_length
from metrics.registry import Inputs, Score, Spec, metric


def path_length(space: str, sampling: str) -> Callable[[Inputs], dict[str, Score]]:
    """The metric ppl-<space>-<sampling>."""
    name = f"ppl-{space}-{sampling}"

    @metric(
        Spec(
            features="lpips",
            scores="generator",
            fakes=50_000,
            unit="LPIPS / step^2",
            better="lower",
            convention="vgg16-0.1",
        )
    )
    def ppl(inputs: Inputs) -> dict[str, Score]:
        found = perceptual_path_length(
            inputs.generator,
            inputs.extractor.features,
            space=space,
            sampling=sampling,
            samples=inputs.count,
            labels=inputs.labels,
            seed=inputs.seed,
            progress=inputs.progress,
        )
        return {name: Score(found.value, found.standard_error)}

    ppl.__doc__ = f"Perceptual path length in {space}, {sampling} points, no crop (Karras et al. 2019)."
    return ppl


def equivariance(name: str, what: str) -> Callable[[Inputs], dict[str, float]]:
    """The metric of that name in `metrics.equivariance`."""

    @metric(
        Spec(
            scores="generator",
            movable=True,
            fakes=50_000,
            unit="dB",
            better="higher",
            convention="karras-2021",
        )
    )
    def eq(inputs: Inputs) -> dict[str, float]:
        options = {"samples": inputs.count, "labels": inputs.labels, "seed": inputs.seed}
        options |= {"progress": inputs.progress}
        return {name: equivariance_of_model(inputs.generator, name, **options)}

    eq.__doc__ = f"Equivariance to {what}; for models whose input can be moved (Karras et al. 2021)."
    return eq
