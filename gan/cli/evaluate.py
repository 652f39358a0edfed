"""`gan evaluate`: a model, or a folder of images, against a data set -> records with their provenance."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gan.cli.common import debug_option, device_option, echo_json, seed_option
from gan.console import progress
from gan.errors import UsageError
from gan.jobs.scoring import (
    BATCH,
    DatasetImages,
    GeneratedImages,
    append_records,
    drawn_labels,
    fake_count,
    format_table,
    score,
    warn_of_sizes,
)

if TYPE_CHECKING:
    from metrics.evaluate import Progress
    from metrics.networks import Networks
    from training.data.archive import ImageDataset

EPILOG = """\b
Examples:
  gan evaluate --model runs/00000-demo-openmoji-32 --data data/openmoji-32.zip
  gan evaluate --images A --data B --metrics fid,kid,is,pr,dc --convention clean --json
  torchrun --nproc-per-node 2 -m gan evaluate --model runs/00000-demo-openmoji-32 --data X.zip --metrics fid
"""


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the metrics and conventions there are, and stop."""
    if wanted:
        from metrics.listing import listing

        click.echo(listing())
        context.exit()


@click.command("evaluate", epilog=EPILOG)
@click.option("--model", help="Run directory (its newest checkpoint) or checkpoint directory to score.")
@click.option("--images", help="Folder or zip of images to score instead of a model.")
@click.option("--data", required=True, help="Zip or folder of the real images.")
@click.option(
    "--metrics",
    default="fd-efficientnet-lite0",
    show_default=True,
    help="One or more, separated by commas, of those that --list shows; name[convention] for one of its own.",
)
@click.option(
    "--convention",
    default="nv",
    show_default=True,
    help="Whose numbers to reproduce, for metrics on published networks: a name that --list shows.",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="[NETWORK=]FILE",
    help="Weights of a feature network instead of the published file; repeatable. NETWORK is inception, "
    "vgg16, lpips, dinov2 or clip.  [default: from $GAN_CACHE/weights, else downloaded]",
)
@click.option(
    "--num-fakes",
    type=click.IntRange(min=2),
    help="Generated images to score.  [default: the metric's own number; with --images, all]",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1),
    default=BATCH,
    show_default=True,
    help="Images per call of the generator.",
)
@click.option(
    "--precision",
    type=click.Choice(["float32", "bf16"]),
    default="float32",
    show_default=True,
    help="Of the feature networks; bf16 is faster where the machine has it, moves scores a little and is "
    "said in every record. LPIPS stays in float32.",
)
@click.option("--psi", type=float, default=1.0, show_default=True, help="Truncation; 1 is none.")
@click.option(
    "--bootstrap",
    type=click.IntRange(min=2),
    default=None,
    metavar="DRAWS",
    help="Add a 95 % interval, from so many draws, to numbers that allow it.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Also write a page of the fakes that are nearest to copies of real images.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the records as a JSON list.")
@click.option(
    "--list",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_list,
    help="Print all metrics and conventions and stop.",
)
@device_option
@seed_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    model: str | None,
    images: str | None,
    data: str,
    metrics: str,
    convention: str,
    weights: tuple[str, ...],
    num_fakes: int | None,
    batch: int,
    precision: str,
    psi: float,
    bootstrap: int | None,
    report: Path | None,
    as_json: bool,
    device: str,
    seed: int,
) -> None:
    """Score generated images against all real ones.

    Generated image i comes from seed --seed + i. The records of a run's checkpoint are also added to the
    run's metrics.jsonl. Statistics of the real images are kept in $GAN_CACHE (default ~/.cache/gan).
    Under torchrun the processes share the images; the numbers stay the same.
    """
    from gan import distributed
    from gan.devices import pick
    from metrics.networks import Networks, weight_files
    from metrics.plan import plan
    from training.data.archive import open_dataset

    if (model is None) == (images is None):
        raise UsageError("give one of --model and --images")
    if images is not None:
        _refuse_options_of_models(context)
    names = [name.strip() for name in metrics.split(",")]
    items = plan(names, convention)  # refuse a misspelt name before anything is loaded
    files = weight_files(weights, [item.extractor for item in items if item.extractor])
    with distributed.group(), contextlib.closing(open_dataset(data)) as dataset, _spoken_warnings():
        options = {"convention": convention, "num_fakes": num_fakes, "bootstrap": bootstrap or 0}
        drawn = {"batch": batch, "psi": psi}
        networks = Networks(pick(device), files, precision)
        if images is not None:
            records = _score_images(images, dataset, names, options, networks)
        else:
            records = _score_model(model, dataset, names, {**options, "seed": seed, **drawn}, networks)
        if distributed.rank() == 0:
            if as_json:
                echo_json(records)
            else:
                click.echo(format_table(records))
        if report:
            _report(report, model, images, dataset, num_fakes, networks, drawn, seed)


def _refuse_options_of_models(context: click.Context) -> None:
    """UsageError for an option that was typed but says how a model draws, where images are given."""
    for name in ("psi", "seed", "batch"):
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            value = context.params[name]
            raise UsageError(f"--{name} {value:g} needs --model; images are scored as they are")


def _score_model(
    model: str,
    dataset: "ImageDataset",
    metrics: Sequence[str],
    options: dict[str, Any],
    networks: "Networks",
) -> list[dict]:
    """Score a saved model and add the records to its run. options: as `score` has them."""
    from gan.models import checkpoint

    folder = checkpoint.resolve(model)
    saved = checkpoint.read(folder)
    fakes = fake_count(metrics, options["convention"], options["num_fakes"], len(dataset))
    with _bars(len(dataset), fakes) as report:
        generator = saved.generator(networks.device)
        more = {"kimg": saved.kimg, "networks": networks, "progress": report}
        records = score(generator, dataset, metrics, **options, **more)
    append_records(folder, records)
    return records


def _score_images(
    path: str,
    dataset: "ImageDataset",
    metrics: Sequence[str],
    options: dict[str, Any],
    networks: "Networks",
) -> list[dict]:
    """Score the images of a folder or zip, all of them or the first num_fakes."""
    from metrics import evaluate
    from training.data.archive import open_dataset

    with contextlib.closing(open_dataset(path)) as shown:
        warn_of_sizes(shown.shape, dataset)
        count = len(shown) if options["num_fakes"] is None else options["num_fakes"]
        with _bars(len(dataset), count) as report:
            return evaluate(
                DatasetImages(dataset),
                DatasetImages(shown),
                metrics,
                **{**options, "num_fakes": count},
                data_sha256=dataset.sha256,
                classes=dataset.classes,
                networks=networks,
                progress=report,
            )


def _report(
    out: Path,
    model: str | None,
    images: str | None,
    dataset: "ImageDataset",
    num_fakes: int | None,
    networks: "Networks",
    drawn: dict[str, Any],
    seed: int,
) -> None:
    """Write the page of near copies: of the images, or of the model's first ones (2,000 unless told)."""
    from gan.jobs.copies import write_page
    from gan.models import checkpoint
    from training.data.archive import open_dataset

    real = DatasetImages(dataset)
    if images is not None:
        with contextlib.closing(open_dataset(images, use_labels=False)) as shown:
            write_page(out, real, DatasetImages(shown, num_fakes), networks)
        return
    generator = checkpoint.read(checkpoint.resolve(model)).generator(networks.device)
    seeds = range(seed, seed + (num_fakes or 2_000))
    labels = drawn_labels(dataset, seeds, generator.c_dim) if generator.c_dim else None
    write_page(out, real, GeneratedImages(generator, seeds, labels, **drawn), networks)


@contextlib.contextmanager
def _bars(reals: int, fakes: int) -> Iterator["Progress"]:
    """Progress callback with a bar for each kind of image, which appears with the first of them."""
    from gan import distributed

    with contextlib.ExitStack() as stack:
        totals, bars = {"real": reals, "fake": fakes}, {}

        def report(stage: str, count: int) -> None:
            if distributed.rank():
                return
            if stage not in bars:
                bars[stage] = stack.enter_context(progress(totals.get(stage), f"{stage} images", unit="img"))
            bars[stage].update(count)

        yield report


@contextlib.contextmanager
def _spoken_warnings() -> Iterator[None]:
    """Print Python warnings raised inside as one line each, once, on stderr at the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                click.echo(f"gan: warning: {message}", err=True)
