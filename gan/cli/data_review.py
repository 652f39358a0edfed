"""`gan data review`: look at what became of files, and decide otherwise, in a browser."""

from pathlib import Path

import click

from gan.cli.common import debug_option

EXAMPLES = "Example: gan data review faces-256.zip"


@click.command("review", epilog=EXAMPLES)
@click.argument("place", metavar="OUT|WORKDIR", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port.  [default: a free one]")
@click.option("--token", help="Secret in the address; needed with another --host.  [default: random]")
@debug_option
def command(place: Path, host: str, port: int, token: str | None) -> None:
    """Keep, drop or relabel files on a page in the browser, for the next `gan data prepare` to honour.

    OUT is what `gan data prepare` wrote, WORKDIR its folder OUT.prepare. Prints the address to open; each
    decision is saved at once to WORKDIR/decisions.jsonl; Ctrl-C ends it. Other users of this machine that
    know the address can decide too.
    """
    from gan.web.review.pages import review

    def started(address: str) -> None:
        click.echo("open this in a browser; Ctrl-C ends it:", err=True)
        click.echo(address)

    decided = review(place, host=host, port=port, token=token, say=started)
    click.echo(f"decisions hold for {decided} files; the next `gan data prepare`, with --force, applies them")
