"""`gan compare`: two models, or folders of images, against a data set -> which is better, and how surely."""

from pathlib import Path

import click

from gan.cli import evaluate
from gan.cli.common import debug_option, device_option, echo_json, plugin_option, seed_option

# Options of `gan evaluate` that are the same here.
SHARED = ("metrics", "convention", "weights", "detector", "num_fakes", "num_reals", "sample_seed")
SHARED += ("stratified", "batch", "precision", "psi")
EPILOG = """\b
Example:
  gan compare runs/00000-demo-x runs/00001-demo-x --data data/x.zip --report compared.html
"""


@click.command("compare", epilog=EPILOG)
@click.argument("a", metavar="A")
@click.argument("b", metavar="B")
@click.option("--data", required=True, help="The real images: a file or folder, as of `gan train`.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    metavar="FILE.html",
    help="Also write a page with the differences as a picture.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the records as a JSON list.")
@device_option
@seed_option
@plugin_option
@debug_option
def command(
    a: str,
    b: str,
    data: str,
    report: Path | None,
    as_json: bool,
    device: str,
    seed: int,
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
) -> None:
    """Say how far the scores of A and B differ: two models, or folders or zips of images.

    Image i of A and image i of B are partners; models draw both from seed --seed + i. A - B comes with a 95 %
    interval, and with the p of a test that exchanges partners at random.
    """
    from gan import distributed
    from gan.jobs.comparison import compare, format_table
    from metrics.sampler import Sampler

    names, sampler = [name.strip() for name in metrics.split(",")], Sampler(sample_seed, stratified)
    options = {"convention": convention, "num_fakes": num_fakes, "num_reals": num_reals, "sampler": sampler}
    options |= {"seed": seed, "psi": psi, "batch": batch, "weights": weights, "precision": precision}
    options |= {"device": device, "report": report}
    with evaluate.shared_work():
        rows = compare(a, b, data, names, **options)
        if distributed.rank() == 0:
            echo_json(rows) if as_json else click.echo(format_table(rows))


command.params += [param for param in evaluate.command.params if param.name in SHARED]
