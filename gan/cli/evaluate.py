"""`gan evaluate`: a model, or a folder of images, against a data set -> records with their provenance."""

import contextlib
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from gan.cli.common import MAX_SEED, debug_option, device_option, echo_json, plugin_option, seed_option
from gan.errors import UsageError

BATCH = 40  # as gan.jobs.scoring, which loads torch, has it

EPILOG = """\b
Examples:
  gan evaluate --model runs/00000-demo-openmoji-32 --data data/openmoji-32.zip
  gan evaluate --images A --data B --metrics fid,kid --convention clean --json
  gan evaluate --images A --data B --metrics "kid[efficientnet-lite0],pr[st-lpips-vgg]" --num-reals 5000
  torchrun --nproc-per-node 2 --no-python gan evaluate --model RUN --data X.zip --metrics fid
"""


def _list(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the metrics and conventions there are, and stop."""
    if wanted:
        from metrics.listing import listing

        click.echo(listing())
        context.exit()


def _add(context: click.Context, _: click.Parameter, texts: tuple[str, ...]) -> None:
    """Add the detectors to the table of those that metrics can name."""
    if not context.resilient_parsing:
        for text in texts:
            from metrics.networks import detectors

            detectors.load(text)


@click.command("evaluate", epilog=EPILOG)
@click.option("--model", help="Run directory (its newest checkpoint) or checkpoint directory to score.")
@click.option("--images", help="Images to score instead of a model: a folder, zip, .npy or .npz.")
@click.option(
    "--data",
    required=True,
    help="The real images: a file or folder, as of `gan train`; or statistics of them, a .npz or stats:NAME.",
)
@click.option(
    "--metrics",
    default="fd-efficientnet-lite0",
    show_default=True,
    help="One or more, separated by commas, of those that --list shows; name[convention] or name[detector] "
    "for one of its own, such as fid[clean] or kid[efficientnet-lite0].",
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
    "vgg16, lpips, dinov2, clip, efficientnet-lite0, efficientnet-lite1 or st-lpips-vgg.  [default: from "
    "$GAN_CACHE/weights or the package, else downloaded]",
)
@click.option(
    "--detector",
    multiple=True,
    metavar="MODULE:OBJECT",
    expose_value=False,
    is_eager=True,
    callback=_add,
    help="A feature network of yours, in a module or FILE.py, for --metrics such as kid[NAME]; repeatable.",
)
@click.option(
    "--num-fakes",
    type=click.IntRange(min=2),
    help="Generated images to score.  [default: the metric's own number; with --images, all]",
)
@click.option(
    "--num-reals",
    type=click.IntRange(min=2),
    help="Real images to score against, a sample if there are more.  [default: all, or as the convention]",
)
@click.option(
    "--sample-seed",
    type=click.IntRange(0, MAX_SEED),
    help="Seed by which a part of the images of --data or --images is drawn.  [default: the convention's, 0]",
)
@click.option("--stratified", is_flag=True, help="Draw such a part with every class in its share.")
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
    "--intervals",
    is_flag=True,
    help="Add to each number that allows it a 95 % interval of what infinitely many images would give.",
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
@plugin_option
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
    num_reals: int | None,
    sample_seed: int | None,
    stratified: bool,
    batch: int,
    precision: str,
    psi: float,
    intervals: bool,
    report: Path | None,
    as_json: bool,
    device: str,
    seed: int,
) -> None:
    """Score generated images against real ones, all of them unless --num-reals says otherwise.

    Generated image i comes from seed --seed + i. Records of a run's checkpoint are also added to the run's
    metrics.jsonl. Statistics of real images are kept in $GAN_CACHE (default ~/.cache/gan). If a metric fails,
    the scores of the others are printed. Under torchrun processes share the work; the numbers stay the same.
    """
    from gan.jobs.evaluation import evaluate_images, evaluate_model
    from metrics.sampler import Sampler

    _refuse_combinations(context)
    names, sampler = [name.strip() for name in metrics.split(",")], Sampler(sample_seed, stratified)
    options = {"convention": convention, "num_fakes": num_fakes, "num_reals": num_reals, "sampler": sampler}
    options |= {"intervals": intervals, "weights": weights, "precision": precision}
    options |= {"device": device, "report": report, "told": partial(_print, as_json=as_json)}
    with shared_work():
        if images is not None:
            evaluate_images(images, data, names, **options)
        else:
            evaluate_model(model, data, names, seed=seed, psi=psi, batch=batch, **options)


def _refuse_combinations(context: click.Context) -> None:
    """UsageError unless one of model and images is given, and for options typed that only a model obeys."""
    given = context.params
    if (given["model"] is None) == (given["images"] is None):
        raise UsageError("give one of --model and --images")
    for name in ("psi", "seed", "batch") if given["images"] is not None else ():
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            raise UsageError(f"--{name} {given[name]:g} needs --model; images are scored as they are")


def _print(records: list[dict], as_json: bool) -> None:
    """The records as JSON, or as one line each."""
    from gan.jobs.scoring import format_table

    if as_json:
        echo_json(records)
    else:
        click.echo(format_table(records))


@contextlib.contextmanager
def shared_work() -> Iterator[None]:
    """The processes of torchrun work together inside; Python warnings are printed at the end, on stderr.

    One line each, once.
    """
    from gan import distributed

    with distributed.group(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                click.echo(f"gan: warning: {message}", err=True)
