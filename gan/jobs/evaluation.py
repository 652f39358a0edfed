"""A model, or a set of images, against a data set -> records with their provenance."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from gan import distributed
from gan.console import progress
from gan.devices import pick
from gan.errors import UsageError, UserError
from gan.jobs.copies import write_page
from gan.jobs.scoring import (
    BATCH,
    DatasetImages,
    append_records,
    drawn,
    fake_count,
    named_classes,
    score,
    warn_of_sizes,
)
from gan.models import checkpoint
from gan.networks.base import nonfinite
from gan.sampling import remembered_conditions
from metrics import evaluate as measured
from metrics.evaluate import Progress, Told
from metrics.networks import Networks, weight_files
from metrics.plan import plan
from metrics.sampler import Sampler, sampled
from training.data.images import ImageDataset, open_dataset, share_fingerprint

METRICS = ("fd-efficientnet-lite0",)  # unless others are named; its weights need no download
ON_PAGE = 2_000  # images of a model that are looked through for copies, unless a number is given
MODEL_FILES = ("config.yaml", "checkpoints", "manifest.json")  # one is in every run or checkpoint directory


def evaluate(
    fakes: Any,
    data: Any,
    metrics: Sequence[str] = METRICS,
    *,
    convention: str = "nv",
    num_fakes: int | None = None,
    num_reals: int | None = None,
    sampler: Sampler | None = None,
    seed: int = 0,
    psi: float = 1.0,
    batch: int = BATCH,
    bootstrap: int = 0,
    weights: Sequence[str] = (),
    precision: str = "float32",
    device: str = "auto",
    report: str | Path | None = None,
    told: Told = lambda records: None,
) -> list[dict]:
    """Score a model or images, whichever `fakes` is, against the images of a data set.

    fakes: a generator, or the path of a run or checkpoint directory; or images: the path of a folder or zip,
    an array or tensor, or any data set that `training.data.images.open_dataset` opens, as `data` is.
    Arguments, records and errors are those of `evaluate_model` and
    `evaluate_images`; also UsageError for seed, psi or batch with images, which are scored as they are.
    """
    shared = {"convention": convention, "num_fakes": num_fakes, "bootstrap": bootstrap, "weights": weights}
    shared |= {"num_reals": num_reals, "sampler": sampler}
    shared |= {"precision": precision, "device": device, "report": report, "told": told}
    if is_model(fakes):
        return evaluate_model(fakes, data, metrics, seed=seed, psi=psi, batch=batch, **shared)
    for name, value, neutral in (("seed", seed, 0), ("psi", psi, 1), ("batch", batch, BATCH)):
        if value != neutral:
            raise UsageError(f"{name} {value:g} needs a model; images are scored as they are")
    return evaluate_images(fakes, data, metrics, **shared)


def is_model(fakes: Any) -> bool:
    """Whether it is a generator or the path of a run or checkpoint directory; else it is images.

    Raises UserError where nothing lies at the path.
    """
    if not isinstance(fakes, str | Path):
        return isinstance(fakes, nn.Module)
    path = Path(fakes)
    if path.name == "best" and checkpoint.best(path.parent.parent):
        return True
    if not path.exists():
        raise UserError(
            f"nothing at {path}: give a run or checkpoint directory, or a folder or zip of images"
        )
    return any((path / name).exists() for name in MODEL_FILES)


def evaluate_model(
    model: nn.Module | str | Path,
    data: Any,
    metrics: Sequence[str] = METRICS,
    *,
    convention: str = "nv",
    num_fakes: int | None = None,
    num_reals: int | None = None,
    sampler: Sampler | None = None,
    seed: int = 0,
    psi: float = 1.0,
    batch: int = BATCH,
    bootstrap: int = 0,
    weights: Sequence[str] = (),
    precision: str = "float32",
    device: str = "auto",
    report: str | Path | None = None,
    told: Told = lambda records: None,
) -> list[dict]:
    """Score images that a model draws from seeds seed, seed + 1, ... against the images of a data set.

    model: a run directory (its newest checkpoint) or a checkpoint directory, or a generator, which stays on
    its device. The records of a run's checkpoint are also added to the run's metrics.jsonl.
    num_fakes: None is each metric's own number. num_reals, sampler: of the real images only so many, drawn
    as the sampler says; None takes all. psi, batch, convention, bootstrap: as `score` has them.
    weights: "FILE" or "NETWORK=FILE", instead of published ones. precision: of the feature networks, float32
    or bf16. report: where to write a page of the fakes that are nearest to copies.
    told: called once with all records that there are, before the page is made, and also where a metric fails.
    Under several processes rank 0 has the records, the others an empty list.
    Raises what `score` raises, UserError where model, data or weights are missing, and UsageError for names
    that are unknown.
    """
    with _ready(data, metrics, convention, weights, precision, device) as (dataset, networks):
        saved = None if isinstance(model, nn.Module) else checkpoint.read(checkpoint.resolve(model))
        options = {"convention": convention, "num_fakes": num_fakes, "bootstrap": bootstrap}
        options |= {"seed": seed, "psi": psi, "batch": batch, "kimg": saved.kimg if saved else None}
        options |= {"num_reals": num_reals, "sampler": sampler}
        fakes = fake_count(metrics, convention, num_fakes, len(dataset), num_reals)
        with _bars(num_reals or len(dataset), fakes) as bars:
            generator = saved.generator(networks.device) if saved else model
            if wrong := nonfinite(generator):
                raise UserError(f"{saved.path if saved else 'the model'}: {wrong}; score an older checkpoint")
            if remembered_conditions(generator) is not None:
                dataset = dataset.conditioned("vectors")
            with _kept(told, saved and saved.path) as keep:
                options |= {"networks": networks, "told": keep, "progress": bars}
                records = score(generator, dataset, metrics, **options)
        if report:
            seeds = range(seed, seed + (num_fakes or ON_PAGE))
            fakes = drawn(generator, dataset, seeds, psi, batch)
            write_page(Path(report), DatasetImages(dataset), fakes, networks)
    return records


def evaluate_images(
    images: Any,
    data: Any,
    metrics: Sequence[str] = METRICS,
    *,
    convention: str = "nv",
    num_fakes: int | None = None,
    num_reals: int | None = None,
    sampler: Sampler | None = None,
    bootstrap: int = 0,
    weights: Sequence[str] = (),
    precision: str = "float32",
    device: str = "auto",
    report: str | Path | None = None,
    told: Told = lambda records: None,
) -> list[dict]:
    """Score the images of a folder, zip or open data set, all or a sample of num_fakes, against a data set.

    Other arguments, records and errors as in `evaluate_model`; UserWarning where the sizes differ.
    """
    ready = _ready(data, metrics, convention, weights, precision, device)
    with ready as (dataset, networks), _opened(images) as shown:
        warn_of_sizes(shown.shape, dataset)
        real = DatasetImages(dataset)
        count = len(shown) if num_fakes is None else num_fakes
        options = {"convention": convention, "num_fakes": count, "bootstrap": bootstrap}
        named = named_classes(dataset, metrics, convention)
        options |= {"data_sha256": dataset.sha256, "classes": named}
        options |= {"num_reals": num_reals, "sampler": sampler}
        fakes = DatasetImages(shown)
        with _bars(num_reals or len(dataset), count) as bars, _kept(told, None) as keep:
            options |= {"networks": networks, "told": keep, "progress": bars}
            records = measured(real, fakes, metrics, **options)
        if report:
            write_page(Path(report), real, sampled(fakes, num_fakes, sampler or Sampler()), networks)
    return records


@contextlib.contextmanager
def _kept(told: Told, folder: Path | None) -> Iterator[Told]:
    """A callback that collects records; at the end, be it an error, they are told and added to the run's."""
    records: list[dict] = []
    try:
        yield records.extend
    finally:
        if records:
            told(records)
        if records and folder:
            append_records(folder, records)


@contextlib.contextmanager
def _ready(
    data: Any,
    metrics: Sequence[str],
    convention: str,
    weights: Sequence[str],
    precision: str,
    device: str,
) -> Iterator[tuple[ImageDataset, Networks]]:
    """The open data set and the feature networks; a misspelt name is refused before anything is loaded."""
    items = plan(metrics, convention)
    files = weight_files(weights, [item.extractor for item in items if item.extractor])
    with _opened(data) as dataset:
        share_fingerprint(dataset)
        yield dataset, Networks(pick(device), files, precision)


@contextlib.contextmanager
def _opened(images: Any) -> Iterator[ImageDataset]:
    """A data set as it is given, or the one at a path, which is closed at the end."""
    if not isinstance(images, str | Path):
        yield open_dataset(images)
        return
    with contextlib.closing(open_dataset(images)) as dataset:
        if dataset.left_out and distributed.rank() == 0:
            warnings.warn(dataset.left_out, stacklevel=2)
        yield dataset


@contextlib.contextmanager
def _bars(reals: int, fakes: int) -> Iterator[Progress]:
    """Progress callback with a bar for each kind of image, which appears with the first of them."""
    with contextlib.ExitStack() as stack:
        totals, bars = {"real": reals, "fake": fakes}, {}

        def report(stage: str, count: int) -> None:
            if distributed.rank():
                return
            if stage not in bars:
                bars[stage] = stack.enter_context(progress(totals.get(stage), f"{stage} images", unit="img"))
            bars[stage].update(count)

        yield report
