"""`gan report`: one self-contained HTML page about a run."""

from pathlib import Path

import click

from gan.cli.common import debug_option

EXAMPLES = "Example: gan report runs/00003-stylegan2-faces"


@click.command("report", epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write.  [default: RUN/report.html]")
@debug_option
def command(run: Path, out: Path | None) -> None:
    """Write a page with the curves, grids, health events, scores and settings of RUN, and print its path.

    It opens offline, on a phone too. What is damaged is named, and left out.
    """
    from gan.jobs.reporting import report

    click.echo(report(run, out, say=lambda damage: click.echo(f"warning: {damage}", err=True)))
