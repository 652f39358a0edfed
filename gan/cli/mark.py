"""`gan mark IMAGE...`: pictures of one's own, marked as AI-generated."""

from pathlib import Path

import click

from gan.cli.common import debug_option, echo_json
from gan.cli.serve_keys import state_option

EPILOG = """\b
Examples:
  gan mark cat.png dog.jpg --out marked
  gan mark cat.png --out marked --model runs/00000-demo-openmoji-32
  gan verify marked/cat.png
"""


@click.command("mark", epilog=EPILOG)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the marked files.")
@click.option("--model", help="MODEL that made them, whose digest the marks then hold.  [default: unknown]")
@click.option("--json", "as_json", is_flag=True, help="Print each file as a line of JSON.")
@state_option
@debug_option
def command(images: tuple[Path, ...], out: Path, model: str | None, as_json: bool, state: str | None) -> None:
    """Mark each IMAGE, a PNG, JPEG or WebP, as AI-generated: metadata, watermark, C2PA signature.

    The marked files keep their names, in --out; the originals stay as they are. The secret of the watermark
    and the certificate are those of `gan serve`, in --state; without a certificate nothing is signed, and the
    line of the file says so.
    """
    from gan.jobs.marking_files import line, mark, record

    for file in mark(images, out, state, model):
        echo_json(record(file)) if as_json else click.echo(line(file))
