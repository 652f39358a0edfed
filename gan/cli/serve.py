"""`gan serve MODEL...`: an HTTP API of images, its keys and its audit log."""

from pathlib import Path

import click

from gan.cli import serve_audit, serve_certificate, serve_cost, serve_keys
from gan.cli.common import debug_option, plugin_option
from gan.cli.serve_keys import state_option

EXAMPLES = """\b
Examples:
  gan serve keys create me --attest-age
  gan serve runs/00000-demo-openmoji-32
  curl -H "Authorization: Bearer KEY" -H "Content-Type: application/json" \\
    -d '{"seeds": [7]}' -o 7.png http://127.0.0.1:8000/v1/images
"""


class ServeGroup(click.Group):
    """`gan serve MODEL...` is `gan serve run MODEL...`; a model named as a subcommand is ./keys."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does, with `run` where no subcommand is named."""
        known = {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if not args or args[0] in known else ["run", *args])


@click.group("serve", cls=ServeGroup, epilog=EXAMPLES)
def command() -> None:
    """Serve models over HTTP: gan serve MODEL..., for clients that have an API key.

    gan serve run --help lists the options of serving.
    """


command.add_command(serve_keys.command)
command.add_command(serve_audit.command)
command.add_command(serve_certificate.command)
command.add_command(serve_cost.command)


@command.command("run", epilog=EXAMPLES)
@click.argument("models", metavar="MODEL...", nargs=-1)
@click.option("--config", type=click.Path(path_type=Path), help="YAML file of settings; see docs/SERVING.md.")
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0 for a free one.  [default: 8000]")
@state_option
@click.option("--device", help="auto (a GPU if there is one), cpu, cuda, cuda:1, ...  [default: auto]")
@click.option("--workers", type=click.IntRange(1, 256), help="Processes behind the port.  [default: 1]")
@click.option(
    "--ray",
    metavar="HOST:PORT|auto|local",
    help="Make the images on the machines of a Ray cluster: --workers are replicas there.",
)
@click.option("--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Any setting; repeatable.")
@plugin_option
@debug_option
def run(
    models: tuple[str, ...],
    config: Path | None,
    host: str | None,
    port: int | None,
    state: str | None,
    device: str | None,
    workers: int | None,
    ray: str | None,
    assignments: tuple[str, ...],
) -> None:
    """Serve each MODEL, a run directory (its newest checkpoint) or a checkpoint directory.

    What is typed goes before the file of --config. Prints the address; Ctrl-C or SIGTERM ends it when what
    was accepted is finished.
    """
    from gan.jobs.serving.settings import settings
    from gan.web.serve.running import run as serve

    typed = {"models": models, "host": host, "port": port, "state": state, "device": device}
    typed |= {"workers": workers, "ray": ray}
    serve(settings(config, assignments, typed), say=click.echo)
