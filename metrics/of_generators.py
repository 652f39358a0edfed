"""Metrics that take the generator itself and draw their own samples: path lengths and equivariance."""

from collections.abc import Callable
from functools import partial

from metrics.equivariance import BATCH, decibels_of, errors_of_model
from metrics.path_length import perceptual_path_length
from metrics.registry import Inputs, Score, Spec, metric
from metrics.sample_blocks import BlockDecibels, BlockPaths


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
            own_blocks=True,
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
        blocks = partial(BlockPaths, found.distances, seed=inputs.seed)
        return {name: Score(found.value, found.standard_error, blocks=blocks)}

    ppl.__doc__ = f"Perceptual path length in {space}, {sampling} points, no crop (Karras et al. 2019)."
    return ppl


def equivariance(name: str, what: str) -> Callable[[Inputs], dict[str, Score]]:
    """The metric of that name in `metrics.equivariance`."""

    @metric(
        Spec(
            scores="generator",
            movable=True,
            fakes=50_000,
            unit="dB",
            better="higher",
            convention="karras-2021",
            own_blocks=True,
            together=BATCH,
        )
    )
    def eq(inputs: Inputs) -> dict[str, Score]:
        options = {"samples": inputs.count, "labels": inputs.labels, "seed": inputs.seed}
        options |= {"progress": inputs.progress}
        errors = errors_of_model(inputs.generator, name, **options)
        return {name: Score(decibels_of(errors), blocks=partial(BlockDecibels, errors, seed=inputs.seed))}

    eq.__doc__ = f"Equivariance to {what}; for models whose input can be moved (Karras et al. 2021)."
    return eq
