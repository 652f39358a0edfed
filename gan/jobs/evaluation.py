"""A model, or a set of images, against a data set -> records with their provenance."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan import distributed, hub
from gan.console import progress
from gan.errors import UsageError, UserError
from gan.jobs.copies import write_page
from gan.jobs.scoring import (
    BATCH,
    DatasetImages,
    GeneratedImages,
    append_records,
    drawn,
    fake_count,
    named_classes,
    networks_of,
    score,
    warn_of_sizes,
)
from gan.jobs.statistics import check_named, statistics_at
from gan.models import checkpoint, seen
from gan.networks.base import nonfinite
from gan.sampling import remembered_conditions
from metrics import evaluate as measured
from metrics.evaluate import Progress, Told
from metrics.networks import Networks
from metrics.plan import plan
from metrics.sampler import Sampler, sampled
from metrics.statistics import Statistics
from training.data.images import ImageDataset, open_together, share_fingerprint

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
    intervals: bool = False,
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
    shared: dict[str, Any] = {
        "convention": convention,
        "num_fakes": num_fakes,
        "intervals": intervals,
        "weights": weights,
    }
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
    if hub.is_name(fakes):
        return not hub.is_data_set(fakes)
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
    intervals: bool = False,
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
    as the sampler says; None takes all. psi, batch, convention, intervals: as `score` has them.
    weights: "FILE" or "NETWORK=FILE", instead of published ones. precision: of the feature networks, float32
    or bf16. report: where to write a page of the fakes that are nearest to copies.
    told: called once with all records that there are, before the page is made, and also where a metric fails.
    Under several processes rank 0 has the records, the others an empty list.
    Raises what `score` raises, UserError where model, data or weights are missing, and UsageError for names
    that are unknown.
    """
    if found := statistics_at(data):
        options: dict[str, Any] = {
            "convention": convention,
            "num_fakes": num_fakes,
            "intervals": intervals,
            "report": report,
        }
        options |= {"num_reals": num_reals, "sampler": sampler, "told": told}
        options |= {"batch": batch, "psi": psi, "seed": seed}
        return _against(model, found, metrics, weights, precision, device, **options)
    with opened_with_networks(data, metrics, convention, weights, precision, device) as (dataset, networks):
        generator, saved = loaded(model, networks.device)
        options = {"convention": convention, "num_fakes": num_fakes, "intervals": intervals}
        options |= {"seed": seed, "psi": psi, "batch": batch, "kimg": saved.kimg if saved else None}
        options |= {"num_reals": num_reals, "sampler": sampler}
        fakes = fake_count(metrics, convention, num_fakes, len(dataset), num_reals)
        with progress_bars(num_reals or len(dataset), fakes) as bars:
            if remembered_conditions(generator) is not None:
                dataset = dataset.conditioned("vectors")
            with _kept(told, saved) as keep:
                options |= {"networks": networks, "told": keep, "progress": bars}
                records = score(generator, dataset, metrics, **options)
        if report:
            seeds = range(seed, seed + (num_fakes or ON_PAGE))
            page = drawn(generator, dataset, seeds, psi, batch)
            write_page(Path(report), DatasetImages(dataset), page, networks)
    return records


def loaded(
    model: nn.Module | str | Path, device: torch.device | str
) -> tuple[nn.Module, checkpoint.Checkpoint | None]:
    """A generator, on `device` where it is read from the checkpoint that comes with it.

    Raises UserError where there is none, or its weights are not finite.
    """
    saved: checkpoint.Checkpoint | None = None
    if isinstance(model, nn.Module):
        generator = model
    else:
        saved = checkpoint.read(checkpoint.resolve(model))
        generator = saved.generator(device)
    if wrong := nonfinite(generator):
        raise UserError(f"{saved.path if saved else 'the model'}: {wrong}; score an older checkpoint")
    return generator, saved


def evaluate_images(
    images: Any,
    data: Any,
    metrics: Sequence[str] = METRICS,
    *,
    convention: str = "nv",
    num_fakes: int | None = None,
    num_reals: int | None = None,
    sampler: Sampler | None = None,
    intervals: bool = False,
    weights: Sequence[str] = (),
    precision: str = "float32",
    device: str = "auto",
    report: str | Path | None = None,
    told: Told = lambda records: None,
) -> list[dict]:
    """Score the images of a folder, zip or open data set, all or a sample of num_fakes, against a data set.

    Other arguments, records and errors as in `evaluate_model`; UserWarning where the sizes differ.
    """
    if found := statistics_at(data):
        options: dict[str, Any] = {
            "convention": convention,
            "num_fakes": num_fakes,
            "intervals": intervals,
            "report": report,
        }
        options |= {"num_reals": num_reals, "sampler": sampler, "told": told}
        return _against(images, found, metrics, weights, precision, device, **options)
    ready = opened_with_networks(data, metrics, convention, weights, precision, device)
    with ready as (dataset, networks), opened(images) as shown:
        warn_of_sizes(shown.shape, dataset)
        real = DatasetImages(dataset)
        count = len(shown) if num_fakes is None else num_fakes
        options = {"convention": convention, "num_fakes": count, "intervals": intervals}
        named = named_classes(dataset, metrics, convention)
        options |= {"data_sha256": dataset.sha256, "classes": named}
        options |= {"num_reals": num_reals, "sampler": sampler}
        fakes = DatasetImages(shown)
        with progress_bars(num_reals or len(dataset), count) as bars, _kept(told, None) as keep:
            options |= {"networks": networks, "told": keep, "progress": bars}
            records = measured(real, fakes, metrics, **options)
        if report:
            page: Any = sampled(fakes, num_fakes, sampler or Sampler())
            write_page(Path(report), real, page, networks)
    return records


def _against(
    fakes: Any,
    found: Statistics,
    metrics: Sequence[str],
    weights: Sequence[str],
    precision: str,
    device: str,
    *,
    convention: str,
    num_fakes: int | None,
    num_reals: int | None,
    sampler: Sampler | None,
    intervals: bool,
    report: str | Path | None,
    told: Told,
    seed: int = 0,
    psi: float = 1.0,
    batch: int = BATCH,
) -> list[dict]:
    """Records of a model or images against a file of statistics."""
    if report:
        raise UsageError(f"a page of copies needs the real images, not {found.path}; leave the report out")
    if num_reals:
        raise UsageError(f"{found.path} is taken whole: leave the number of real images out")
    items = plan(metrics, convention, num_fakes)
    check_named(found, metrics)
    networks = networks_of(items, weights, precision, device)
    options: dict[str, Any] = {
        "convention": convention,
        "intervals": intervals,
        "networks": networks,
        "sampler": sampler,
    }
    if not is_model(fakes):
        with opened(fakes) as shown:
            count = num_fakes or len(shown)
            with progress_bars(found.moments.count, count) as progress:
                options |= {"num_fakes": count, "progress": progress}
                with _kept(told, None) as keep:
                    return measured(found, DatasetImages(shown), metrics, told=keep, **options)
    generator, saved = loaded(fakes, networks.device)
    if generator.c_dim:
        raise UserError(
            f"the model takes its classes from the data, which {found.path} is not; name the data"
        )
    count = fake_count(metrics, convention, num_fakes, found.moments.count or 50_000)
    options |= {"variant": "" if psi == 1 else f"psi{psi:g}", "seed": seed, "num_fakes": num_fakes}
    images = GeneratedImages(generator, range(seed, seed + count), psi=psi, batch=batch)
    with progress_bars(found.moments.count, count) as progress:
        options |= {"kimg": saved.kimg if saved else None, "progress": progress, "generator": generator}
        with _kept(told, saved) as keep:
            return measured(found, images, metrics, told=keep, **options)


@contextlib.contextmanager
def _kept(told: Told, saved: checkpoint.Checkpoint | None) -> Iterator[Told]:
    """A callback that collects records; at the end, be it an error, they are told and added to the run's.

    Before that they get what the discriminator of the model saw, unknown of images.
    """
    records: list[dict] = []
    try:
        yield records.extend
    finally:
        seen.mark(records, seen.of_config(saved.config) if saved else None)
        if records:
            told(records)
        if records and saved:
            append_records(saved.path, records)


@contextlib.contextmanager
def opened_with_networks(
    data: Any,
    metrics: Sequence[str],
    convention: str,
    weights: Sequence[str],
    precision: str,
    device: str,
) -> Iterator[tuple[ImageDataset, Networks]]:
    """The open data set and the feature networks; a misspelt name is refused before anything is loaded."""
    items = plan(metrics, convention)
    networks = networks_of(items, weights, precision, device)
    with opened(data) as dataset:
        share_fingerprint(dataset)
        yield dataset, networks


@contextlib.contextmanager
def opened(images: Any) -> Iterator[ImageDataset]:
    """A data set as it is given, or the one at a path, which is closed at the end."""
    if not isinstance(images, str | Path):
        yield open_together(images)
        return
    with contextlib.closing(open_together(images)) as dataset:
        if dataset.left_out and distributed.rank() == 0:
            warnings.warn(dataset.left_out, stacklevel=2)
        yield dataset


@contextlib.contextmanager
def progress_bars(reals: int, fakes: int) -> Iterator[Progress]:
    """Progress callback with a bar for each kind of image, which appears with the first of them."""
    with contextlib.ExitStack() as stack:
        totals, bars = {"real": reals, "fake": fakes}, dict[str, Any]()

        def report(stage: str, count: int) -> None:
            if distributed.rank():
                return
            if stage not in bars:
                bars[stage] = stack.enter_context(progress(totals.get(stage), f"{stage} images", unit="img"))
            bars[stage].update(count)

        yield report
