"""`gan serve keys`: API keys of `gan serve`, made, listed and revoked."""

import getpass
import os
import time
from pathlib import Path

import click

from gan.cli.common import Finite, debug_option, echo_json
from gan.jobs.serving.keys import ROLES, USUAL

state_option = click.option("--state", help="Folder of keys and of the audit log.  [default: serve]")
config_option = click.option(
    "--config", type=click.Path(path_type=Path), help="Settings of the server, whose redis has the keys."
)


@click.group("keys", epilog="Example: gan serve keys create me --attest-age")
def command() -> None:
    """Make, list and revoke API keys; a running server heeds it at once."""


@command.command("create", epilog="Example: gan serve keys create me --attest-age --days 90")
@click.argument("name")
@click.option(
    "--attest-age",
    is_flag=True,
    help="You attest that the holder is of age and agrees to the terms; needed to make images.",
)
@click.option("--terms", default="1", show_default=True, help="Version of your terms that they agree to.")
@click.option(
    "--role",
    type=click.Choice(list(ROLES)),
    default=USUAL,
    show_default=True,
    help="user makes images; verifier asks whether a picture is ours; operator reads figures.",
)
@click.option("--days", type=Finite(min=0, min_open=True), help="Until it expires.  [default: never]")
@click.option("--per-minute", type=click.IntRange(1, 10**6), default=60, show_default=True, help="Requests.")
@click.option("--per-day", type=click.IntRange(1, 10**9), default=1000, show_default=True, help="Images.")
@state_option
@config_option
@debug_option
def create(
    name: str,
    attest_age: bool,
    terms: str,
    role: str,
    days: float | None,
    per_minute: int,
    per_day: int,
    state: str | None,
    config: Path | None,
) -> None:
    """Make a key and print it: it is shown once, and only a hash of it is kept."""
    from gan.jobs.serving.administration import create as make
    from gan.jobs.serving.settings import place_of_keys

    folder, redis = place_of_keys(config, state)
    made = make(
        folder,
        name,
        per_minute=per_minute,
        per_day=per_day,
        days=days,
        terms=terms if attest_age else None,
        attested_by=_user() if attest_age else None,
        role=role,
        redis=redis,
    )
    click.echo("this key is shown once; keep it as a password:", err=True)
    if "images" in ROLES[role] and not attest_age:
        click.echo("without --attest-age it makes images only where require_attestation is false", err=True)
    click.echo(made)


@command.command("list", epilog="Example: gan serve keys list --json")
@click.option("--json", "as_json", is_flag=True, help="Print each key as a line of JSON.")
@state_option
@config_option
@debug_option
def list_(as_json: bool, state: str | None, config: Path | None) -> None:
    """List all keys, never their secrets."""
    from gan.jobs.serving.administration import overview
    from gan.jobs.serving.settings import place_of_keys

    for record in overview(*place_of_keys(config, state)):
        if as_json:
            echo_json(record)
        else:
            attested = f"attested {_day(record['attested'])}, terms {record['terms']}"
            attested = attested if record["attested"] else "not attested"
            limits = f"{record['per_minute']}/minute, {record['used_today']} of {record['per_day']} today"
            named = f"{record['number']}  {record['name']}  {record['role']}  {record['state']}"
            click.echo(f"{named}  {attested}  {limits}")


@command.command("revoke", epilog="Example: gan serve keys revoke me")
@click.argument("name")
@state_option
@config_option
@debug_option
def revoke(name: str, state: str | None, config: Path | None) -> None:
    """Let a key, by NAME or number, open nothing from now on. Its name stays taken."""
    from gan.jobs.serving.administration import revoke as end
    from gan.jobs.serving.settings import place_of_keys

    folder, redis = place_of_keys(config, state)
    key = end(folder, name, redis)
    click.echo(f"revoked {key.name} ({key.number})")


@command.command("share", epilog="Example: gan serve keys share --config serve.yaml")
@state_option
@config_option
@debug_option
def share(state: str | None, config: Path | None) -> None:
    """Move the keys of --state into the redis of --config, where several machines look them up."""
    from gan.jobs.serving.administration import share as move
    from gan.jobs.serving.settings import place_of_keys

    for key in move(*place_of_keys(config, state)):
        click.echo(f"moved {key.name} ({key.number})")


def _user() -> str:
    """Who types; a container's user may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _day(seconds: float | None) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds or 0))
