"""`gan data report`: one self-contained HTML page about a data set and how it was made."""

from pathlib import Path

import click

from gan.cli.common import debug_option

EXAMPLES = "Example: gan data report faces-256.zip --out faces.html"


@click.command("report", epilog=EXAMPLES)
@click.argument("place", metavar="X", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write.  [default: X.report.html]")
@debug_option
def command(place: Path, out: Path | None) -> None:
    """Write a page about X, what `gan data prepare` wrote or its folder X.prepare, and print its path.

    It shows what was dropped and why, duplicates side by side, the sharpest and dullest, classes, sizes and
    colours. Of a data set without such a folder it shows the images and their statistics. It opens offline
    and without scripts.
    """
    from gan.jobs.data_report import report

    click.echo(report(place, out, say=lambda line: click.echo(line, err=True)))
