"""Scores of a generator or of images: what the metrics read, and the records that come of it."""

import json
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from gan import sampling
from gan.devices import pick
from gan.errors import UsageError, UserError
from gan.files import refusal
from gan.models import seen
from gan.sampling import labels_from_seeds
from metrics import evaluate
from metrics.evaluate import Progress, Told
from metrics.images import Pixels, readers
from metrics.networks import Networks, weight_files
from metrics.plan import Item, plan
from metrics.records import Observe
from metrics.sampler import Sampler
from training.data.images import ImageDataset

BATCH = 40  # images per call of a generator; divides metrics.images.BATCH


class DatasetImages:
    """A data set as `metrics.images.Images`: decoded in threads, ahead of the network; sizes may differ.

    Files are read in several threads at once; an own data set, which may not bear that, in one.
    """

    concurrent = True

    def __init__(self, dataset: ImageDataset, limit: int | None = None) -> None:
        self.dataset = dataset
        self.readers = readers() if dataset.path is not None else 1
        self._length = len(dataset) if limit is None else min(limit, len(dataset))

    @property
    def labels(self) -> list[int] | None:
        """The class of each; DataError where the labels of the set cannot be used."""
        labels = self.dataset.labels
        return None if labels is None else labels[: self._length].tolist()

    def __len__(self) -> int:
        return self._length

    def read(self, start: int, stop: int) -> Pixels:
        """Images start to stop - 1 in the data set's order, uint8 [stop - start, C, H, W], or a list."""
        images = [self.dataset.raw(i) for i in range(start, stop)]
        if len({image.shape for image in images}) == 1:
            return torch.from_numpy(np.stack(images))
        return [torch.from_numpy(image.copy()) for image in images]  # what is read may be read-only


class GeneratedImages:
    """Images of a generator by seed as `metrics.images.Images`; a conditional one needs a label per seed."""

    concurrent = False
    random_order = True  # each of its own seed: any part is a random one

    def __init__(
        self,
        generator: nn.Module,
        seeds: Sequence[int],
        labels: sampling.Labels | None = None,
        psi: float = 1.0,
        batch: int = BATCH,
    ) -> None:
        self.generator, self.seeds, self.psi, self.batch, self._conditions = (
            generator,
            seeds,
            psi,
            batch,
            labels,
        )
        self.labels = None if isinstance(labels, Tensor) else labels  # metrics know of classes only

    def __len__(self) -> int:
        return len(self.seeds)

    def read(self, start: int, stop: int) -> Tensor:
        """Images of seeds[start:stop], uint8 [stop - start, C, H, W]."""
        labels = None if self._conditions is None else self._conditions[start:stop]
        seeds = self.seeds[start:stop]
        drawn = sampling.images(self.generator, seeds, labels=labels, psi=self.psi, batch=self.batch)
        return torch.cat(list(drawn))


def score(
    generator: nn.Module,
    dataset: ImageDataset,
    metrics: Sequence[str],
    *,
    num_fakes: int | None,
    seed: int,
    kimg: float | None,
    num_reals: int | None = None,
    sampler: Sampler | None = None,
    convention: str = "nv",
    batch: int = BATCH,
    psi: float = 1.0,
    intervals: bool = False,
    networks: Networks | None = None,
    told: Told = lambda records: None,
    progress: Progress | None = None,
    observe: Observe | None = None,
) -> list[dict]:
    """Score images of seeds seed, seed + 1, ... against the data set.

    metrics, convention, intervals, num_reals, sampler, observe: as `metrics.evaluate` has them. num_fakes:
    None is each metric's own.
    kimg: of the weights, only recorded. progress: called with what is measured and how many more of it.
    A psi other than 1 is added to the convention. A conditional model draws the class of each seed from the
    labels of the data set, and likewise those of the samples that metrics of the generator draw.
    Returns records as `metrics.evaluate` does. Raises what it raises, and UserError if the model has classes
    and the data set has none or others. networks: None builds them on the generator's device.
    """
    if hasattr(generator, "image_shape"):
        warn_of_sizes(generator.image_shape, dataset)
    seeds = range(seed, seed + fake_count(metrics, convention, num_fakes, len(dataset), num_reals))
    return evaluate(
        DatasetImages(dataset),
        drawn(generator, dataset, seeds, psi, batch),
        metrics,
        convention=convention,
        variant="" if psi == 1 else f"psi{psi:g}",
        num_fakes=num_fakes,
        num_reals=num_reals,
        sampler=sampler,
        seed=seed,
        kimg=kimg,
        data_sha256=dataset.sha256,
        classes=named_classes(dataset, metrics, convention),
        generator=generator,
        conditions=partial(drawn_labels, dataset, c_dim=generator.c_dim),
        intervals=intervals,
        networks=networks,
        told=told,
        progress=progress,
        observe=observe,
    )


def networks_of(items: Sequence[Item], weights: Sequence[str], precision: str, device: str) -> Networks:
    """The feature networks of a plan, which are built when asked for."""
    files = weight_files(weights, [item.extractor for item in items if item.extractor])
    return Networks(pick(device), files, precision)


def drawn(
    generator: nn.Module,
    dataset: ImageDataset,
    seeds: Sequence[int],
    psi: float = 1.0,
    batch: int = BATCH,
) -> GeneratedImages:
    """Images of those seeds; a conditional model takes their classes from the labels of the data set."""
    labels = drawn_labels(dataset, seeds, generator.c_dim) if generator.c_dim else None
    return GeneratedImages(generator, seeds, labels, psi, batch)


def named_classes(dataset: ImageDataset, metrics: Sequence[str], convention: str) -> list[str]:
    """Names of the classes if one of the metrics asks for them; else labels stay unread, and this is []."""
    return dataset.classes if any(item.spec.labels for item in plan(metrics, convention)) else []


def metric_names(text: str, options: Mapping[str, int | None]) -> list[str]:
    """The names in --metrics. UsageError for an unknown one, and for options of metrics without any."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    plan(names)
    given = [f"{name} {value}" for name, value in options.items() if value is not None]
    if given and not names:
        raise UsageError(f"{given[0]} needs --metrics: name what to score")
    return names


def fake_count(
    metrics: Sequence[str],
    convention: str,
    num_fakes: int | None,
    there_are: int,
    num_reals: int | None = None,
) -> int:
    """How many images to generate: `num_fakes`, or the largest of the metrics' own numbers.

    there_are: real images, of which `num_reals` are taken.
    """
    items = plan(metrics, convention, num_fakes, there_are, num_reals=num_reals)
    return max((item.fakes for item in items if item.spec.scores != "generator"), default=0)


def drawn_labels(dataset: ImageDataset, seeds: Sequence[int], c_dim: int) -> sampling.Labels:
    """Condition of one image of the data set per seed, drawn from that seed alone: classes, or [N, c_dim].

    Raises UserError if the set has none, or others than a model of `c_dim` values knows.
    """
    if dataset.vectors is not None and dataset.c_dim == c_dim:
        return torch.from_numpy(dataset.vectors[labels_from_seeds(seeds, len(dataset))])
    labels = [] if dataset.labels is None else [int(label) for label in dataset.labels if label >= 0]
    if not labels or max(labels) >= c_dim:
        has = f"labels 0 to {max(labels)}" if labels else "no labels"
        if dataset.vectors is not None:
            has = f"vectors of {dataset.c_dim} values"
        remedy = (None if labels else dataset.index_remedy) or "score against its own data"
        raise UserError(f"the model has {c_dim} classes but {dataset.place} has {has}; {remedy}")
    return [labels[i] for i in labels_from_seeds(seeds, len(labels))]


def warn_of_sizes(shape: Sequence[int], dataset: ImageDataset) -> None:
    """UserWarning if fakes of that (channels, rows, columns) are not of the size of the real images."""
    fake, real = tuple(shape[1:]), tuple(dataset.shape[1:])
    if fake != real:
        sizes = f"the fakes are {fake[0]}x{fake[1]}, {dataset.place} is {real[0]}x{real[1]}"
        warnings.warn(f"{sizes}: resizing alone sets them apart; take data of one size", stacklevel=2)


def append_records(folder: Path, records: Sequence[dict]) -> None:
    """Add records to metrics.jsonl of the run that checkpoint `folder` is part of; a lone one has none."""
    folder = folder.resolve()
    run = folder.parent.parent
    if folder.parent.name != "checkpoints" or not (run / "config.yaml").is_file():
        return
    path = run / "metrics.jsonl"
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(json.dumps(record, allow_nan=False) + "\n" for record in records))
    except OSError as error:
        raise UserError(refusal("write", path, error)) from error


def format_table(records: Sequence[dict]) -> str:
    """One aligned line per record: label, value with its error, counts, convention, and what else to know."""
    width = max(len(record["label"]) for record in records)
    values = [_value(record) for record in records]
    value_width = max(len(value) for value in values)
    return "\n".join(
        f"{record['label']:<{width}}  {value:>{value_width}}  ({_counts(record)}, {record['convention']})"
        + (f"; {seen.MARK}" if record.get("seen_by_d") else "")
        + (f"; {record['note']}" if "note" in record else "")
        for record, value in zip(records, values, strict=True)
    )


def _value(record: dict) -> str:
    text = " +- ".join(_digits(record[key]) for key in ("value", "error") if key in record)
    if "interval" in record:
        if record["corrected"] != record["value"]:
            text += f", without bias {_digits(record['corrected'])}"
        text += f" [{' to '.join(map(_digits, record['interval']))}]"
    return text


def digits(value: float | None, form: str) -> str:
    """A value by a format such as '.4g'; None stands for infinity, which JSON does not have."""
    return "inf" if value is None else f"{value:{form}}"


def _digits(value: float | None) -> str:
    return digits(value, ".2f" if value is not None and value >= 10 else ".4g")


def _counts(record: dict) -> str:
    counts = (("fakes", record["num_fake"]), ("reals", record["num_real"]))
    return " vs ".join(f"{number:,} {kind}" for kind, number in counts if number)
