"""`gan serve audit`: is the log of `gan serve` what was written?"""

import click

from gan.cli.common import debug_option, echo_json
from gan.cli.serve_keys import state_option


@click.group("audit", epilog="Example: gan serve audit verify")
def command() -> None:
    """Check the audit log, audit.jsonl in the folder of --state."""


@command.command("verify", epilog="Example: gan serve audit verify --head HASH")
@click.option("--head", help="Hash of a line that must be in the chain, printed by an earlier verify.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@state_option
@debug_option
def verify(head: str | None, as_json: bool, state: str | None) -> None:
    """Check the chain of hashes, line by line; the first line that breaks it is named.

    Lines cut off the end leave a chain that holds: keep the head that this prints elsewhere, and give it as
    --head the next time.
    """
    from gan.jobs.serving.audit import verify as check

    lines, found = check(state, head)
    if as_json:
        echo_json({"lines": lines, "head": found})
    else:
        click.echo(f"{lines} lines, each as it was written; head {found}")
