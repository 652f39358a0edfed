"""`gan data prepare`: from folders and archives of any images to a data set."""

from pathlib import Path
from typing import Any

import click

from gan.cli.common import debug_option, echo_json, seed_option

_KEY = "gan.preparation"  # in the meta of a click context: what is asked for, by name
EXAMPLES = """\b
Examples:
  gan data prepare photos/ --out data/photos-256.zip --resolution 256
  gan data prepare birds/ --out data/birds.zip --resolution 128 --labels folders --val 0.05 --dry-run
  gan data prepare a.zip b.tar --out data/ab.zip --resolution 64x96 --where "sharpness > 80" --on alpha=drop
"""


def _asked(name: str) -> dict[str, Any]:
    """What makes of a click option one whose value becomes that argument of the request."""

    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        context.meta.setdefault(_KEY, {})[name] = value

    return {"expose_value": False, "callback": keep}


def _names(name: str) -> dict[str, Any]:
    """As `_asked`, for names separated by commas."""

    def keep(context: click.Context, _: click.Parameter, value: str) -> None:
        names = tuple(part.strip() for part in value.split(",") if part.strip())
        context.meta.setdefault(_KEY, {})[name] = names

    return {"expose_value": False, "callback": keep}


@click.command("prepare", epilog=EXAMPLES)
@click.argument("sources", metavar="SRC...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Where to write: a .zip; DIR/NAME-%05d.tar for WebDataset shards; else a folder.",
)
@click.option(
    "--resolution",
    **_asked("resolution"),
    required=True,
    metavar="R|HxW",
    help="Pixels a side, or height x width.",
)
@click.option(
    "--channels",
    **_asked("channels"),
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="1 grey, 2 grey with alpha, 3 RGB, 4 RGB with alpha; more from NumPy files that have as many.",
)
@click.option(
    "--crop",
    **_asked("crop"),
    type=click.Choice(["centre", "wide", "tall", "none", "face"]),
    default="centre",
    show_default=True,
    help="The middle; the full width or height, on --background where it does not fill; all, stretched; or"
    " around the largest face.",
)
@click.option(
    "--filter",
    **_asked("resampling"),
    type=click.Choice(["lanczos", "box"]),
    default="lanczos",
    show_default=True,
    help="How images are resized; both are antialiased.",
)
@click.option(
    "--background",
    **_asked("background"),
    default="white",
    show_default=True,
    help="Colour behind what is transparent or not filled: a name or #rrggbb.",
)
@click.option(
    "--on",
    **_asked("on"),
    multiple=True,
    metavar="FAULT=POLICY",
    help="What to do about a kind of fault, such as blurred=drop: fix, drop, quarantine or stop; repeatable.",
)
@click.option(
    "--labels",
    **_asked("labels"),
    default="auto",
    show_default=True,
    help="Where classes come from: auto (dataset.json, metadata.csv or .jsonl, files beside images), folders,"
    " none, or a CSV or JSON file.",
)
@click.option(
    "--vectors",
    **_names("vectors"),
    default="",
    metavar="A,B,...",
    help="Columns of numbers that become the condition of an image, in place of a class.",
)
@click.option(
    "--provenance",
    **_asked("tables"),
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="CSV or JSON with file_name or sha256, and licence, author, source_url, or any columns; repeatable.",
)
@click.option(
    "--licence",
    "--license",
    **_asked("licence"),
    help="Licence of files of which nothing says one, such as CC-BY-4.0.",
)
@click.option(
    "--require",
    **_names("require"),
    default="",
    metavar="A,B,...",
    help="Leave out files of which these are not known, such as licence,source.",
)
@click.option(
    "--where",
    **_asked("where"),
    metavar="CONDITION",
    help='Leave out all others, such as "sharpness > 80 and width >= 256".',
)
@click.option(
    "--val",
    **_asked("val"),
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="Part to write apart, beside --out with -val in its name; chosen by content.",
)
@click.option(
    "--copies",
    **_asked("copies"),
    type=click.Choice(["near", "exact", "keep"]),
    default="near",
    show_default=True,
    help="Of which copies one is kept: of what looks alike, of equal pixels, or all.",
)
@click.option(
    "--against",
    **_asked("against"),
    type=click.Path(path_type=Path),
    metavar="SET",
    help="Leave out what is in this set too, such as one for validation; copies as --copies has them.",
)
@click.option(
    "--blocklist",
    **_asked("blocklist"),
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Leave out what is on this list, a sha256 or a perceptual hash a line, whatever else is said.",
)
@click.option(
    "--content-filter",
    **_asked("content_filter"),
    is_flag=True,
    help="Leave out what the packaged network takes for sexual content; scores are recorded.",
)
@click.option(
    "--features",
    **_asked("features"),
    is_flag=True,
    help="A network looks at each picture: it records outliers, and has a say on what looks alike.",
)
@click.option(
    "--faces",
    **_asked("faces"),
    is_flag=True,
    help="Count faces, for --where; --crop face does so by itself.",
)
@click.option("--workers", type=click.IntRange(min=1), help="Processes.  [default: one per core]")
@click.option(
    "--ray",
    metavar="ADDRESS|local",
    help="Work on the machines of a Ray cluster, which see the same files; the result is the same.",
)
@click.option("--work", type=click.Path(path_type=Path), help="Working folder.  [default: OUT.prepare]")
@click.option("--dry-run", is_flag=True, help="Scan and decide, and write no set.")
@click.option("--force", is_flag=True, help="Replace what is at --out.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@seed_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    sources: tuple[Path, ...],
    out: Path,
    workers: int | None,
    ray: str | None,
    work: Path | None,
    dry_run: bool,
    force: bool,
    as_json: bool,
    seed: int,
) -> None:
    """Make a data set of any images: SRC are folders, zips, tars, WebDataset shards, MNIST or CIFAR files.

    Everything is decoded once, in processes that a broken file cannot take down; faults are listed, copies
    found, labels and licences read; what is kept is turned upright, made sRGB, cropped and resized. A run
    that was killed goes on where it was. OUT.prepare has a line on every file: gan data review shows them.
    Nothing here is random: --seed changes nothing, and the same files and options give the same bytes.
    """
    from gan.jobs.preparation import prepare
    from training.preparation.request import request

    wanted = request(**context.meta[_KEY])
    how = {"workers": workers, "work": work, "force": force, "dry_run": dry_run, "ray": ray}
    made = prepare(sources, out, wanted, **how)
    if as_json:
        echo_json(made)
        return
    for line in _lines(made):
        click.echo(line)


def _lines(made: dict[str, Any]) -> list[str]:
    """The result for a person: a line a fault, a line a reason, and what was written."""
    faults = [
        f"  {kind:<12} {found['files']:>8}  {found['policy']}" for kind, found in made["faults"].items()
    ]
    reasons = [f"  {count:>8}  {reason}" for reason, count in made["reasons"].items()]
    lines = [f"{made['files']} files, {made['kept']} kept"]
    lines += ["faults, files, policy:", *faults] if faults else ["no faults"]
    lines += ["left out:", *reasons] if reasons else []
    lines += [f"note: {remark}" for remark in made["remarks"]]
    lines.append(f"a line on every file: {made['work']}/files.jsonl")
    if "unchanged" not in made:
        lines.append("nothing was written: this was a dry run")
    else:
        told = "is up to date" if made["unchanged"] else "written"
        parts = ", ".join(f"{count} {split}" for split, count in made["splits"].items())
        lines.append(f"{made['path']} {told}: {parts}, {len(made['classes'])} classes, {made['seconds']} s")
    return lines
