"""`gan data info | verify | merge | subset`: data sets that are made already."""

from pathlib import Path
from typing import Any

import click

from gan.cli.common import debug_option, echo_json, seed_option

_PATH = click.Path(path_type=Path)
_force = click.option("--force", is_flag=True, help="Replace what is at --out.")
_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
_out = click.option("--out", required=True, type=_PATH, help="Where to write: a .zip, shards, else a folder.")
_SHOWN = 20  # classes and problems that are printed


@click.command("info", epilog="Example: gan data info data/openmoji-32.zip")
@click.argument("data", type=_PATH)
@_json
@debug_option
def info(data: Path, as_json: bool) -> None:
    """Say what a data set or a folder is: how many images, sizes, classes, licence, problems."""
    from gan.jobs import datasets

    found = datasets.info(data)
    if as_json:
        echo_json(found)
        return
    what = "data set" if found["prepared"] else "images"
    click.echo(
        f"{found['path']}: {found['kind']}, {what}, {found['images']} images, {found['bytes']:,} bytes"
    )
    for name in ("formats", "sizes"):
        click.echo(f"{name}: " + ", ".join(f"{key} ({n})" for key, n in list(found[name].items())[:_SHOWN]))
    if found["looked_at"] < found["images"]:
        click.echo(f"sizes are of {found['looked_at']} files looked into")
    if found["classes"]:
        told = ", ".join(f"{name} ({count})" for name, count in list(found["classes"].items())[:_SHOWN])
        click.echo(f"{len(found['classes'])} classes: {told}")
    click.echo(f"captions: {found['captions']}, vectors: {'yes' if found['vectors'] else 'no'}")
    click.echo(f"licence: {found['licence'] or 'not told'}")
    for problem in found["problems"][:_SHOWN]:
        click.echo(f"problem: {problem}")
    if found["remedy"]:
        click.echo(f"to train on it: {found['remedy']}")


@click.command("verify", epilog="Example: gan data verify data/photos-256.zip --full")
@click.argument("data", type=_PATH)
@click.option("--full", is_flag=True, help="Read and decode every image, and compare its sha256.")
@_json
@debug_option
@click.pass_context
def verify(context: click.Context, data: Path, full: bool, as_json: bool) -> None:
    """Check a data set against its manifest: names, sizes, labels. Exits with 1 where something is wrong."""
    from gan.jobs import datasets

    found = datasets.verify(data, full=full)
    if as_json:
        echo_json(found)
    else:
        for problem in found["problems"]:
            click.echo(problem)
        count = len(found["problems"])
        how = "names, sizes and contents" if full else "names and sizes; --full reads the contents too"
        told = "no problem" if not count else f"{count} problem{'s' if count > 1 else ''}"
        click.echo(f"{data}: {found['images']} images, {told} ({how})")
    context.exit(1 if found["problems"] else 0)


@click.command("merge", epilog="Example: gan data merge a.zip b.zip --out ab.zip")
@click.argument("sets", metavar="DATA...", nargs=-1, required=True, type=_PATH)
@_out
@_force
@_json
@seed_option
@debug_option
def merge(sets: tuple[Path, ...], out: Path, force: bool, as_json: bool, seed: int) -> None:
    """Make one data set of several of one size, equal images once. Nothing is random: --seed changes nothing.

    Classes of one name become one; images, captions, licences stay as they are.
    """
    from gan.jobs import datasets

    _told(datasets.merge(sets, out, force=force), as_json)


@click.command("subset", epilog="Example: gan data subset all.zip --classes dogs,cats --out few.zip")
@click.argument("data", type=_PATH)
@_out
@click.option("--classes", default="", metavar="A,B,...", help="Only these.  [default: all]")
@click.option("--count", type=click.IntRange(min=1), help="So many, drawn by --seed.  [default: all]")
@click.option("--where", metavar="CONDITION", help="Only images of which it is true: \"licence == 'CC0'\".")
@_force
@_json
@seed_option
@debug_option
def subset(
    data: Path,
    out: Path,
    classes: str,
    count: int | None,
    where: str | None,
    force: bool,
    as_json: bool,
    seed: int,
) -> None:
    """Make a data set of a part of another one. Which images are drawn follows from content and --seed."""
    from gan.jobs import datasets

    names = tuple(name.strip() for name in classes.split(",") if name.strip())
    asked = {"classes": names, "count": count, "condition": where}
    _told(datasets.subset(data, out, **asked, seed=seed, force=force), as_json)


def _told(made: dict[str, Any], as_json: bool) -> None:
    if as_json:
        echo_json(made)
    else:
        click.echo(f"wrote {made['path']}: {made['images']} images, {len(made['classes'])} classes")


COMMANDS = (info, verify, merge, subset)
