"""`gan stats`: mean and covariance of a data set's features -> a file that stands for it in scores."""

from pathlib import Path

import click

from gan.cli import evaluate
from gan.cli.common import debug_option, device_option, echo_json, plugin_option
from gan.errors import UsageError

SHARED = (
    "convention",
    "weights",
    "detector",
    "precision",
)  # of `gan evaluate`, the same here
EPILOG = """\b
Examples:
  gan stats data/x.zip --metric fid --convention clean --out x-clean.npz
  gan evaluate --model RUN --data x-clean.npz --metrics "fid[clean]"
  gan stats data/x.zip --name x && gan evaluate --model RUN --data stats:x
"""


@click.command("stats", epilog=EPILOG)
@click.argument("data", metavar="DATA")
@click.option(
    "--metric",
    default="fd-efficientnet-lite0",
    show_default=True,
    help="Whose features: a name that gan evaluate --list shows.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE.npz", help="Where to write it.")
@click.option("--name", help="Keep it in $GAN_CACHE instead, for --data stats:NAME.")
@click.option("--features", is_flag=True, help="Also keep the features of single images, as kid needs.")
@click.option("--json", "as_json", is_flag=True, help="Print where it is and what it is of as JSON.")
@device_option
@plugin_option
@debug_option
def command(
    data: str,
    metric: str,
    out: Path | None,
    name: str | None,
    features: bool,
    as_json: bool,
    device: str,
    convention: str,
    weights: tuple[str, ...],
    precision: str,
) -> None:
    """Write mean, covariance and count of the features of DATA, a zip, folder, .npy or .npz.

    The file has the keys of clean-fid's, EDM's and ADM's, which can read it; gan evaluate --data reads
    theirs.
    """
    from gan import distributed
    from gan.jobs.evaluation import opened
    from gan.jobs.statistics import place_of, save

    if (out is None) == (name is None):
        raise UsageError("give one of --out and --name")
    if out is not None and out.suffix != ".npz":
        raise UsageError(f"--out {out} must end in .npz")
    path = place_of(name) if name is not None else out
    options = {"convention": convention, "features": features, "weights": weights}
    options |= {"precision": precision, "device": device}
    with evaluate.shared_work(), opened(data) as dataset:
        told = save(dataset, path, metric, **options)
        if distributed.rank() == 0:
            echo_json({"path": str(path), **told}) if as_json else click.echo(path)


command.params += [param for param in evaluate.command.params if param.name in SHARED]
