"""`gan data push`: a data set to a hub, with its data sheet, under a name that every DATA can be."""

from pathlib import Path

import click

from gan.cli.common import branch_option, debug_option, echo_json, private_option

EPILOG = """\b
Examples:
  gan data push data/openmoji-32.zip user/glyphs --dry-run
  gan data push data/photos-256.zip user/photos --private --licence CC-BY-4.0
"""
_SHOWN = 20  # files that are printed


@click.command("push", epilog=EPILOG)
@click.argument("data", type=click.Path(path_type=Path))
@click.argument("name", metavar="USER/NAME")
@click.option(
    "--licence", "--license", help="Licence of the images of which the set says none, such as CC-BY-4.0."
)
@private_option
@branch_option
@click.option("--force", is_flag=True, help="Take away the files of another set that is there.")
@click.option("--dry-run", is_flag=True, help="Print the files and the card, and push nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print name, digest, files and card as JSON.")
@debug_option
def command(
    data: Path,
    name: str,
    licence: str | None,
    private: bool,
    revision: str | None,
    force: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Push DATA, a data set, to USER/NAME of the data sets on the Hugging Face hub.

    Its files go as they are, and the data sheet beside it as the card, with licence, sources, counts and
    digest. A token is needed that may write: `hf auth login`, or HF_TOKEN. What was cut off goes on when it
    is typed again. Afterwards DATA can be hf://datasets/USER/NAME anywhere.
    """
    from gan.jobs.data_pushing import push

    asked = {"licence": licence, "private": private, "revision": revision, "force": force}
    record = push(data, name, **asked, dry_run=dry_run)
    if as_json:
        echo_json(record)
        return
    for file, size in list(record["files"].items())[:_SHOWN]:
        click.echo(f"{file}  {size:,} bytes")
    if len(record["files"]) > _SHOWN:
        click.echo(f"and {len(record['files']) - _SHOWN:,} more files")
    if dry_run:
        click.echo(f"\n{record['readme']}")
    if record["open"] is None:
        click.echo(
            "there is no data sheet beside the set: nothing says who is shown, or who agreed", err=True
        )
    elif record["open"]:
        click.echo(f"{record['open']} questions of its data sheet are open", err=True)
    if dry_run:
        click.echo(f"nothing was pushed to {record['url']}", err=True)
    else:
        click.echo(f"pushed to {record['url']}; take it as {record['name']}")
