"""Two models, or two sets of images, against one data set -> how far their scores differ, and how surely."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan import distributed
from gan.errors import UsageError, UserError
from gan.jobs.comparison_page import write_page
from gan.jobs.evaluation import METRICS, is_model, loaded, opened, opened_with_networks, progress_bars
from gan.jobs.scoring import BATCH, DatasetImages, fake_count, score, warn_of_sizes
from gan.models import seen
from gan.sampling import remembered_conditions
from metrics import evaluate
from metrics.comparison import Observed, differences
from metrics.networks import Networks
from metrics.plan import plan
from metrics.sampler import Sampler
from training.data.images import ImageDataset


def compare(
    a: Any,
    b: Any,
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
    weights: Sequence[str] = (),
    precision: str = "float32",
    device: str = "auto",
    report: str | Path | None = None,
) -> list[dict]:
    """Differences of the scores of two models or sets of images against the images of a data set.

    a, b: models or images as `gan.evaluate` takes them. Models draw from seeds seed, seed + 1, ..., both from
    the same; image i of one is the partner of image i of the other.
    num_fakes: None is all images of the smaller set, or of two models each metric's own number; of a larger
    set a sample is taken, the same of two sets of one size.
    report: where to write a page with the differences as a picture. Other arguments as `gan.evaluate`.
    Returns a record per number as `metrics.comparison.differences` has it, with seen_by_d, of a and of b:
    whether the discriminator of that model saw these features, None where that is not known. Under several
    processes rank 0 has the records, the others an empty list.
    Raises what `gan.evaluate` raises; UsageError for a metric without intervals, and for psi with images.
    """
    _refuse(metrics, convention)
    models = [is_model(side) for side in (a, b)]
    if psi != 1 and not any(models):
        raise UsageError(f"psi {psi:g} needs a model; images are scored as they are")
    with opened_with_networks(data, metrics, convention, weights, precision, device) as (dataset, networks):
        count = _count([side for side, model in zip((a, b), models, strict=True) if not model], num_fakes)
        options: dict[str, Any] = {"convention": convention, "num_fakes": count, "num_reals": num_reals}
        options |= {"sampler": sampler, "seed": seed}
        sides, saw = [], []
        for side, model in zip((a, b), models, strict=True):
            observed = Observed()
            if model:
                drawing = {"psi": psi, "batch": batch}
                records, known = _of_model(side, dataset, metrics, networks, observed, options | drawing)
            else:
                records, known = _of_images(side, dataset, metrics, networks, observed, options), None
            sides.append((records, observed))
            saw.append(known)
    rows = differences(sides[0], sides[1], seed=seed)
    for row in rows:
        row["seen_by_d"] = [seen.by(row, known) for known in saw]
    if report and distributed.rank() == 0:
        write_page(Path(report), rows, (named(a), named(b)), dataset.place)
    return rows


def named(side: Any) -> str:
    """What a model or set of images is called: its path, or its type."""
    return str(side) if isinstance(side, str | Path) else type(side).__name__


def format_table(rows: Sequence[dict]) -> str:
    """One aligned line per record: label, values, the difference with its interval, p, which is better."""
    cells = [("", "A", "B", "A - B", "95 % interval", "p", "")]
    for row in rows:
        numbers = [f"{x:.4g}" for x in (row["a"], row["b"], row["difference"])]
        p = "-" if row["p"] is None else f"{row['p']:.2g}"
        cells.append(
            (row["label"], *numbers, " to ".join(f"{x:.4g}" for x in row["interval"]), p, verdict(row))
        )
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ("  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)) for line in cells)
    return "\n".join(line.rstrip() for line in lines)


def verdict(row: dict) -> str:
    """Which of both is better, where the interval leaves 0 out, and what flatters one of them."""
    low, high = row["interval"]
    marked = [side for side, known in zip("AB", row.get("seen_by_d") or (), strict=False) if known]
    mark = f" ({seen.MARK} of {' and '.join(marked)})" if marked else ""
    if not row["better"] or low <= 0 <= high:
        return ("" if not row["better"] else "no difference seen") + mark
    return ("A is better" if (high < 0) == (row["better"] == "lower") else "B is better") + mark


def _refuse(metrics: Sequence[str], convention: str) -> None:
    """UsageError for a metric without intervals."""
    for item in plan(metrics, convention):
        if not item.spec.has_interval:
            raise UsageError(f"{item.name} has no interval, so two of it are not compared; leave it out")


def _count(sets: Sequence[Any], num_fakes: int | None) -> int | None:
    """How many fakes of each side: as asked, else the images of the smaller set, else None."""
    sizes = []
    for images in sets:
        with opened(images) as shown:
            sizes.append(len(shown))
    if num_fakes is not None and sizes and num_fakes > min(sizes):
        raise UserError(f"only {min(sizes):,} images of {num_fakes:,}; ask for no more than there are")
    return num_fakes if num_fakes is not None else min(sizes, default=None)


def _of_model(
    model: Any,
    dataset: ImageDataset,
    metrics: Sequence[str],
    networks: Networks,
    observed: Observed,
    options: dict[str, Any],
) -> tuple[list[dict], list[seen.Network] | None]:
    """Records of images that a model draws, and what its discriminator saw."""
    generator, saved = loaded(model, networks.device)
    if remembered_conditions(generator) is not None:
        dataset = dataset.conditioned("vectors")
    options = {**options, "kimg": saved.kimg if saved else None}
    reals = options["num_reals"]
    total = fake_count(metrics, options["convention"], options["num_fakes"], len(dataset), reals)
    with progress_bars(reals or len(dataset), total) as shown:
        records = score(
            generator,
            dataset,
            metrics,
            networks=networks,
            progress=shown,
            intervals=True,
            observe=observed,
            **options,
        )
    return records, seen.of_config(saved.config) if saved else None


def _of_images(
    images: Any,
    dataset: ImageDataset,
    metrics: Sequence[str],
    networks: Networks,
    observed: Observed,
    options: dict[str, Any],
) -> list[dict]:
    """Records of images of a set. Its seed deals them into the blocks that the other side has."""
    reals = options["num_reals"] or len(dataset)
    with opened(images) as shown, progress_bars(reals, options["num_fakes"]) as progress:
        warn_of_sizes(shown.shape, dataset)
        return evaluate(
            DatasetImages(dataset),
            DatasetImages(shown),
            metrics,
            data_sha256=dataset.sha256,
            networks=networks,
            progress=progress,
            intervals=True,
            observe=observed,
            **options,
        )
