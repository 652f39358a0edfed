"""`gan verify IMAGE...`: is this picture ours, and how sure is that?"""

from dataclasses import asdict
from pathlib import Path

import click

from gan.cli.common import debug_option, echo_json
from gan.cli.serve_keys import state_option

EPILOG = """\b
Exit code:
  0  every IMAGE is ours
  1  nothing says so of one of them; that proves nothing, for marks can be removed
  2  one of them is no picture, cannot be read, or the command was typed wrong

Example: gan verify marked/cat.png
"""


@click.command("verify", epilog=EPILOG)
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print each verdict as a line of JSON.")
@state_option
@click.pass_context
@debug_option
def command(context: click.Context, images: tuple[Path, ...], as_json: bool, state: str | None) -> None:
    """Say of each IMAGE, a PNG, JPEG or WebP, whether it is ours: of `gan serve`, or of `gan mark`.

    Looked at are its C2PA signature, its watermark, the audit log, which knows every file that left, and what
    its metadata claims. Certificate, secret and log are those of `gan serve`, in --state.
    """
    from gan.jobs.verifying import lines, verify_files

    found = verify_files(images, state)
    for name, verdict in found:
        if as_json:
            told = {"error": verdict} if isinstance(verdict, str) else asdict(verdict)
            echo_json({"file": name, **told})
        else:
            click.echo("\n".join(lines(name, verdict)))
    if any(isinstance(verdict, str) for _, verdict in found):
        context.exit(2)
    if not all(verdict.ours for _, verdict in found if not isinstance(verdict, str)):
        context.exit(1)
