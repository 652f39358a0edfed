"""`gan report`: one self-contained HTML page about a run."""

from pathlib import Path

import click

from gan.cli.common import debug_option

EXAMPLES = "Example: gan report runs/00003-stylegan2-faces"


@click.command("report", epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write.  [default: RUN/report.html]")
@click.option(
    "--nearest",
    type=click.IntRange(min=2),
    metavar="N",
    help="Draw N samples of the best checkpoint and show the training images nearest to them; takes a pass"
    " over the data set.",
)
@debug_option
def command(run: Path, out: Path | None, nearest: int | None) -> None:
    """Write a page with the curves, grids, health events, scores and settings of RUN, and print its path.

    It opens offline, on a phone too. What is damaged is named, and left out.
    """
    from gan.jobs.reporting import report

    def say(damage: str) -> None:
        click.echo(f"warning: {damage}", err=True)

    click.echo(report(run, out, say, nearest or 0))
