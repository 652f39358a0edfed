"""`gan evaluate`: a model, or a folder of images, against a data set -> records with their provenance."""

import contextlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan.cli.common import debug_option, device_option, echo_json, pick_device, progress, seed_option
from gan.errors import UsageError, UserError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from metrics.evaluate import Progress
    from training.data.archive import ImageDataset

EPILOG = "Example: gan evaluate --model runs/00000-demo-openmoji-32 --data data/openmoji-32.zip"


@click.command("evaluate", epilog=EPILOG)
@click.option("--model", help="Run directory (its newest checkpoint) or checkpoint directory to score.")
@click.option("--images", help="Folder or zip of images to score instead of a model.")
@click.option("--data", required=True, help="Zip or folder of the real images.")
@click.option(
    "--metrics",
    default="fd-efficientnet-lite0",
    show_default=True,
    help="One or more, separated by commas, of fd-efficientnet-lite0, fd-untrained.",
)
@click.option(
    "--num-fakes",
    type=click.IntRange(min=2),
    help="Generated images to score.  [default: the metric's own number (2,000); with --images, all]",
)
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, help="Images per batch.")
@click.option("--psi", type=float, default=1.0, show_default=True, help="Truncation; 1 is none.")
@click.option("--json", "as_json", is_flag=True, help="Print the records as a JSON list.")
@device_option
@seed_option
@debug_option
def command(
    model: str | None,
    images: str | None,
    data: str,
    metrics: str,
    num_fakes: int | None,
    batch: int,
    psi: float,
    as_json: bool,
    device: str,
    seed: int,
) -> None:
    """Score generated images against all real ones.

    Generated image i comes from seed --seed + i. The records of a run's checkpoint are also added to the
    run's metrics.jsonl. Statistics of the real images are kept in $GAN_CACHE (default ~/.cache/gan).
    """
    from metrics.evaluate import plan
    from training.data.archive import open_dataset

    if (model is None) == (images is None):
        raise UsageError("give one of --model and --images")
    if images is not None and psi != 1:
        raise UsageError(f"--psi {psi:g} needs --model; images are scored as they are")
    names = [name.strip() for name in metrics.split(",")]
    plan(names)  # refuse a misspelt name before anything is loaded
    place = pick_device(device)
    with contextlib.closing(open_dataset(data)) as dataset, _spoken_warnings():
        if images is not None:
            records = _score_images(images, dataset, names, num_fakes, batch, place)
        else:
            records = _score_model(model, dataset, names, num_fakes, batch, place, psi, seed)
    if as_json:
        echo_json(records)
    else:
        click.echo(format_table(records))


def score(
    generator: "nn.Module",
    dataset: "ImageDataset",
    metrics: Sequence[str],
    *,
    num_fakes: int | None,
    seed: int,
    kimg: float | None,
    batch: int = 64,
    psi: float = 1.0,
    progress: "Progress | None" = None,
) -> list[dict]:
    """Score images of seeds seed, seed + 1, ... against the whole data set, on the generator's device.

    num_fakes: None is each metric's own number. kimg: of the weights, only recorded. progress: called with
    "real" or "fake" and the number of images just measured. A psi other than 1 is added to the convention.
    A conditional model draws the class of each seed from the labels of the data set.
    Returns records as `metrics.evaluate` does. Raises what it raises, and UserError if the model has classes
    and the data set has none or others.
    """
    from gan import sampling
    from metrics import evaluate

    seeds = range(seed, seed + fake_count(metrics, num_fakes))
    labels = _drawn_labels(dataset, seeds, generator.c_dim) if generator.c_dim else None
    records = evaluate(
        real_batches(dataset, batch),
        sampling.images(generator, seeds, labels=labels, psi=psi, batch=batch),
        metrics,
        num_fakes=num_fakes,
        seed=seed,
        kimg=kimg,
        data_sha256=dataset.sha256,
        device=next(generator.parameters()).device,
        progress=progress,
    )
    if psi != 1:
        records = [{**record, "convention": f"{record['convention']}-psi{psi:g}"} for record in records]
    return records


def fake_count(metrics: Sequence[str], num_fakes: int | None) -> int:
    """How many images to generate: `num_fakes`, or the largest of the metrics' own numbers."""
    from metrics.evaluate import plan

    return max(spec.fakes for spec in plan(metrics).values()) if num_fakes is None else num_fakes


def real_batches(dataset: "ImageDataset", batch: int) -> Iterator["Tensor"]:
    """Every image in the data set's order, uint8 [n, C, H, W], n <= batch."""
    import numpy as np
    import torch

    for start in range(0, len(dataset), batch):
        indices = range(start, min(start + batch, len(dataset)))
        yield torch.from_numpy(np.stack([dataset.image(i) for i in indices]))


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
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def format_table(records: Sequence[dict]) -> str:
    """One aligned line per record: name, value, counts and convention."""
    name_width = max(len(record["metric"]) for record in records)
    values = [
        f"{record['value']:.2f}" if record["value"] >= 1 else f"{record['value']:.4g}" for record in records
    ]
    value_width = max(len(value) for value in values)
    return "\n".join(
        f"{record['metric']:<{name_width}}  {value:>{value_width}}  ({record['num_fake']:,} fakes vs "
        f"{record['num_real']:,} reals, {record['convention']})"
        for record, value in zip(records, values, strict=True)
    )


def _score_model(
    model: str,
    dataset: "ImageDataset",
    metrics: Sequence[str],
    num_fakes: int | None,
    batch: int,
    device: "torch.device",
    psi: float,
    seed: int,
) -> list[dict]:
    """Score a saved model and add the records to its run."""
    from gan import checkpoint

    folder = checkpoint.resolve(model)
    saved = checkpoint.read(folder)
    with _bars(len(dataset), fake_count(metrics, num_fakes)) as report:
        records = score(
            saved.generator(device),
            dataset,
            metrics,
            num_fakes=num_fakes,
            seed=seed,
            kimg=saved.kimg,
            batch=batch,
            psi=psi,
            progress=report,
        )
    append_records(folder, records)
    return records


def _score_images(
    path: str,
    dataset: "ImageDataset",
    metrics: Sequence[str],
    num_fakes: int | None,
    batch: int,
    device: "torch.device",
) -> list[dict]:
    """Score the images of a folder or zip, all of them or the first `num_fakes`."""
    from metrics import evaluate
    from training.data.archive import open_dataset

    with contextlib.closing(open_dataset(path, use_labels=False)) as shown:
        count = len(shown) if num_fakes is None else num_fakes
        with _bars(len(dataset), count) as report:
            return evaluate(
                real_batches(dataset, batch),
                real_batches(shown, batch),
                metrics,
                num_fakes=count,
                data_sha256=dataset.sha256,
                device=device,
                progress=report,
            )


def _drawn_labels(dataset: "ImageDataset", seeds: Sequence[int], c_dim: int) -> list[int]:
    """Class of one image of the data set per seed, drawn from that seed alone."""
    from gan.sampling import labels_from_seeds

    labels = [] if dataset.labels is None else [int(label) for label in dataset.labels if label >= 0]
    if not labels or max(labels) >= c_dim:
        has = f"labels 0 to {max(labels)}" if labels else "no labels"
        raise UserError(
            f"the model has {c_dim} classes but {dataset.path} has {has}; score against its own data"
        )
    return [labels[i] for i in labels_from_seeds(seeds, len(labels))]


@contextlib.contextmanager
def _bars(reals: int, fakes: int) -> Iterator["Progress"]:
    """Progress callback with a bar for each kind of image, which appears with the first of them."""
    with contextlib.ExitStack() as stack:
        totals, bars = {"real": reals, "fake": fakes}, {}

        def report(stage: str, count: int) -> None:
            if stage not in bars:
                bars[stage] = stack.enter_context(progress(totals[stage], f"{stage} images"))
            bars[stage].update(count)

        yield report


@contextlib.contextmanager
def _spoken_warnings() -> Iterator[None]:
    """Print Python warnings raised inside as one line each on stderr, at the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for warning in caught:
                click.echo(f"gan: warning: {warning.message}", err=True)
