"""Which samples of a model a classifier of the real images' groups recognises, beside held-out real images.

    python -m benchmarks.recognise runs/00000-demo-openmoji-32 --data data/openmoji-32.zip

The classifier is a logistic regression on features of a network that no discriminator of a preset looks
through, fitted to four fifths of the real images; groups weigh alike, however large. An image is recognised
where the probability of one group reaches `--sure`. Of held-out images the right group is known.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import click
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from gan.jobs.scoring import DatasetImages, drawn
from gan.models import checkpoint
from metrics.features import Extractor
from metrics.images import Images, batches
from metrics.networks import Networks
from training.data.images import ImageDataset, open_dataset

NETWORK = "efficientnet-lite0"
HELD_OUT = 0.2  # of the real images
WEIGHT_DECAY = 1e-3  # inverse of scikit-learn's C: 1,280 features, and groups of a hundred images


@dataclass(frozen=True, kw_only=True)
class Recognition:
    """What a classifier makes of images.

    chosen: the likeliest group of each [N].  sure: whether its probability reaches the threshold [N].
    """

    chosen: np.ndarray
    sure: np.ndarray

    def counts(self, groups: int) -> np.ndarray:
        """How many images are recognised as each group [groups]."""
        return np.bincount(self.chosen[self.sure], minlength=groups)


def features(extractor: Extractor, images: Images) -> np.ndarray:
    """float32 [N, D] of all images."""
    return torch.cat(
        [extractor(torch.as_tensor(part))["pool"].cpu() for part in batches(images, None)]
    ).numpy()


def fitted(x: np.ndarray, labels: Sequence[int], seed: int) -> Pipeline:
    """The classifier: x [N, D], labels [N]."""
    regression = LogisticRegression(C=WEIGHT_DECAY, class_weight="balanced", max_iter=300, random_state=seed)
    return make_pipeline(StandardScaler(), regression).fit(x, labels)


def recognised(classifier: Pipeline, x: np.ndarray, sure: float) -> Recognition:
    """The groups of images with features x [N, D]."""
    probabilities = classifier.predict_proba(x)
    chosen = classifier.classes_[probabilities.argmax(axis=1)]
    return Recognition(chosen=chosen, sure=probabilities.max(axis=1) >= sure)


def confusion(labels: np.ndarray, found: Recognition, groups: int) -> np.ndarray:
    """Recognised images by their group and the one they are taken for [groups, groups]."""
    table = np.zeros((groups, groups), int)
    np.add.at(table, (labels[found.sure], found.chosen[found.sure]), 1)
    return table


def table(classes: Sequence[str], labels: np.ndarray, reals: Recognition, fakes: Recognition) -> str:
    """Markdown: a row per group, then both sums."""
    counts, matrix = fakes.counts(len(classes)), confusion(labels, reals, len(classes))
    rows = [f"| Group | held out | recognised | rightly | samples | {' | '.join(classes)} |"]
    rows.append("|---" * (5 + len(classes)) + "|")
    for group, name in enumerate(classes):
        cells = [name, (labels == group).sum(), matrix[group].sum(), matrix[group, group]]
        rows.append(f"| {' | '.join(map(str, [*cells, counts[group], *matrix[group]]))} |")
    right = matrix.trace() / max(matrix.sum(), 1)
    rows.append(
        f"\nHeld-out reals: {reals.sure.mean():.0%} recognised, {right:.0%} of these rightly."
        f" Samples: {fakes.sure.mean():.0%} recognised, in {(counts > 0).sum()} of {len(classes)} groups."
    )
    return "\n".join(rows)


def compared(
    model: str, dataset: ImageDataset, samples: int, sure: float, seed: int
) -> tuple[np.ndarray, Recognition, Recognition]:
    """(groups of held-out images, what is made of these, what is made of so many samples of a model)."""
    extractor, labels = Networks()[NETWORK], np.asarray(dataset.labels)
    x = features(extractor, DatasetImages(dataset))
    kept, held = train_test_split(np.arange(len(x)), test_size=HELD_OUT, stratify=labels, random_state=seed)
    classifier = fitted(x[kept], labels[kept], seed)
    generator = checkpoint.read(checkpoint.resolve(model)).generator()
    fakes = features(extractor, drawn(generator, dataset, range(seed, seed + samples)))
    reals, seen = (recognised(classifier, part, sure) for part in (x[held], fakes))
    return labels[held], reals, seen


@click.command(epilog="Example: python -m benchmarks.recognise runs/00000-demo-openmoji-32")
@click.argument("model")
@click.option("--data", default="data/openmoji-32.zip", show_default=True, help="Images with classes.")
@click.option("--samples", default=2000, show_default=True, help="Images that the model draws.")
@click.option("--sure", default=0.5, show_default=True, help="Least probability of what is recognised.")
@click.option("--seed", default=0, show_default=True, help="Of the samples and of what is held out.")
@click.option("--json", "as_json", is_flag=True, help="Shares and counts as one JSON object.")
def main(model: str, data: str, samples: int, sure: float, seed: int, as_json: bool) -> None:
    """Print a row per group: its held-out images, and the samples taken for it."""
    dataset = open_dataset(data)
    if dataset.labels is None:
        raise click.UsageError(f"{data} has no classes: name a set with classes by --data")
    labels, reals, fakes = compared(model, dataset, samples, sure, seed)
    if not as_json:
        click.echo(table(dataset.classes, labels, reals, fakes))
        return
    matrix = confusion(labels, reals, len(dataset.classes))
    shares = {"reals": float(reals.sure.mean()), "samples": float(fakes.sure.mean())}
    counts = dict(zip(dataset.classes, fakes.counts(len(dataset.classes)).tolist(), strict=True))
    click.echo(
        json.dumps({**shares, "right": float(matrix.trace() / max(matrix.sum(), 1)), "counts": counts})
    )


if __name__ == "__main__":
    main()
