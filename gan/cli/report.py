"""`gan report`: one self-contained HTML page about a run."""

from pathlib import Path

import click

from gan.cli.common import debug_option

EXAMPLES = "Example: gan report runs/00003-stylegan2-faces --out report.html"


@click.command("report", epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", default="report.html", show_default=True, help="File to write.")
@debug_option
def command(run: Path, out: str) -> None:
    """Write a page with the curves, grids, health events, scores and settings of RUN. It opens offline.

    What is damaged is named, and left out.
    """
    from gan.jobs.reporting import report

    report(run, out, say=lambda damage: click.echo(f"warning: {damage}", err=True))
    click.echo(out)
