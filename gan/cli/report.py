"""`gan report`: one self-contained HTML page about a run, or about several side by side."""

from pathlib import Path

import click

from gan.cli.common import debug_option

EXAMPLES = """\b
Examples:
  gan report runs/00003-stylegan2-faces
  gan report runs/00003-stylegan2-faces runs/00004-stylegan2-faces --out both.html
"""


@click.command("report", epilog=EXAMPLES)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File to write.  [default: RUN/report.html; of several, comparison.html in the first]",
)
@click.option(
    "--nearest",
    type=click.IntRange(min=2),
    metavar="N",
    help="Draw N samples of the best checkpoint and show the training images nearest to them; takes a pass"
    " over the data set.",
)
@debug_option
def command(runs: tuple[Path, ...], out: Path | None, nearest: int | None) -> None:
    """Write a page with the curves, grids, health events, scores and settings of RUN, and print its path.

    Several runs are compared: curves in one chart, settings that differ, scores side by side. The page opens
    offline, on a phone too. What is damaged is named, and left out.
    """
    from gan.jobs.reporting import report

    def say(damage: str) -> None:
        click.echo(f"warning: {damage}", err=True)

    click.echo(report(runs, out, say, nearest or 0))
