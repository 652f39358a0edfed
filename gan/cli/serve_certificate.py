"""`gan serve certificate`: who signs the images."""

import click

from gan.cli.common import Finite, debug_option
from gan.cli.serve_keys import state_option


@click.group("certificate", epilog="Example: gan serve certificate create --name Me")
def command() -> None:
    """Make the certificate with which images are signed (C2PA)."""


@command.command("create", epilog="Example: gan serve certificate create --name Me --days 90")
@click.option("--name", required=True, help="Who signs: 1 to 40 characters, seen by everybody.")
@click.option(
    "--days", type=Finite(min=1, max=3650), default=365, show_default=True, help="Until the certificate ends."
)
@state_option
@debug_option
def create(name: str, days: float, state: str | None) -> None:
    """Make a test certificate and its key in --state; servers started later sign with them.

    Nobody but you trusts it: other programs show its signer as unknown. For a signature that they know, set
    c2pa_certificate and c2pa_private_key to files of an authority on their lists.
    """
    from gan.jobs.serving.administration import make_certificate

    made, chain, key = make_certificate(state, name, days)
    click.echo(f"{chain}: {made.name}, until {made.until:%Y-%m-%d}")
    click.echo(f"{key}: its key, mode 0600; who has it signs in your name", err=True)
    click.echo("this is a test certificate: nobody but you trusts it", err=True)
