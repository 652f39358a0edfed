"""`gan space`: a page that draws from a model, as a folder that the Hugging Face hub runs."""

from pathlib import Path

import click

from gan.cli.common import debug_option

EPILOG = """\b
Examples:
  gan space runs/00000-demo-openmoji-32 --out glyphs-space
  gan space runs/00000-demo-openmoji-32 --out glyphs-space --name hf://user/glyphs
"""


@click.command("space", epilog=EPILOG)
@click.argument("model")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
@click.option(
    "--name",
    metavar="hf://USER/NAME",
    help="The model on the hub, loaded when the page starts.  [default: inside]",
)
@click.option("--title", help="Title of the page.  [default: what the images are of]")
@debug_option
def command(model: str, out: Path, name: str | None, title: str | None) -> None:
    """Write a Space for MODEL: a page of gradio with seeds, truncation and classes, that runs on CPUs.

    To see it here: pip install -r OUT/requirements.txt, then python OUT/app.py. To publish it:
    hf upload USER/NAME OUT --repo-type space. Model and page at once: gan push MODEL USER/NAME --space.
    """
    from gan.jobs.space import write

    made = write(model, out, name=name, title=title)
    click.echo(f"wrote {made['path']}: {made['files']} files, {made['bytes']:,} bytes, model {made['model']}")
    click.echo(f"see it: pip install -r {out}/requirements.txt, then python {out}/app.py", err=True)
