"""`gan push`: a model to a hub, with its card, under a name that every MODEL can be."""

import click

from gan.cli.common import branch_option, debug_option, echo_json, plugin_option, private_option

EPILOG = """\b
Examples:
  gan push runs/00000-demo-openmoji-32 user/glyphs --dry-run
  gan push runs/00000-demo-openmoji-32 user/glyphs --private
  gan push runs/00000-demo-openmoji-32 user/glyphs --space
"""


@click.command("push", epilog=EPILOG)
@click.argument("model")
@click.argument("name", metavar="USER/NAME")
@private_option
@branch_option
@click.option("--space", is_flag=True, help="Push a Space of that name too: a page that draws from it.")
@click.option("--dry-run", is_flag=True, help="Print the files and the card, and push nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print name, address, files and card as JSON.")
@plugin_option
@debug_option
def command(
    model: str,
    name: str,
    private: bool,
    revision: str | None,
    space: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Push MODEL, a run or checkpoint directory, to USER/NAME on the Hugging Face hub.

    The generator goes, the discriminator if there is one, and a card with scores, licence and digest of the
    data; what only training reads stays here, and so do the folders of this machine. A token is needed that
    may write: `hf auth login`, or HF_TOKEN. Afterwards MODEL can be hf://USER/NAME anywhere. The page of
    --space is that of `gan space`, and draws from the commit that was pushed.
    """
    from gan.jobs.pushing import push

    record = push(model, name, space=space, private=private, revision=revision, dry_run=dry_run)
    if as_json:
        echo_json(record)
        return
    for file, size in record["files"].items():
        click.echo(f"{file}  {size:,} bytes")
    page = record.get("space")
    for file, size in page["files"].items() if page else ():
        click.echo(f"space: {file}  {size:,} bytes")
    if dry_run:
        click.echo(f"\n{record['readme']}")
        click.echo(
            f"nothing was pushed to {record['url']}" + (f" and {page['url']}" if page else ""), err=True
        )
        return
    click.echo(f"pushed to {record['url']}; take it as {record['name']}")
    if page:
        click.echo(f"the page: {page['url']}")
    if page and private:
        click.echo(f"it needs HF_TOKEN as a secret, to read the model: {page['url']}/settings", err=True)
