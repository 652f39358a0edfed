"""`gan explore`: look around in a model's latent space, on a page in the browser."""

import os
import sys
from pathlib import Path

import click

from gan.cli.common import debug_option, device_option, plugin_option

EPILOG = """\b
Examples:
  gan explore runs/00000-demo-openmoji-32
  gan explore runs/00000-demo-openmoji-32/checkpoints/000050 runs/00000-demo-openmoji-32
"""


@click.command("explore", epilog=EPILOG)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("model2", required=False, type=click.Path(path_type=Path))
@click.option("--data", help="Training images, for the nearest ones.  [default: those of the run]")
@click.option("--directions", metavar="FILE", help="Directions of MODEL, as gan directions writes them.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port.  [default: a free one]")
@click.option("--token", help="Secret in the address; needed with another --host.  [default: random]")
@click.option("--no-browser", is_flag=True, help="Print the address, and open no browser.")
@click.option(
    "--tuned",
    default="tuned",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Folder for models that the page tunes to pictures (Project, pti).",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads of PyTorch.  [default: its own choice]")
@device_option
@plugin_option
@debug_option
def command(
    model: Path,
    model2: Path | None,
    data: str | None,
    directions: str | None,
    host: str,
    port: int,
    token: str | None,
    no_browser: bool,
    tuned: Path,
    threads: int | None,
    device: str,
) -> None:
    """Look around in the latent space of MODEL, or of two models side by side, on a page in the browser.

    MODEL is a run directory (its newest checkpoint) or a checkpoint directory. Prints the address and opens
    it; Ctrl-C ends it. docs/EXPLORE.md has the panels, and the way over SSH.
    """
    from gan.web.explore.pages import explore

    def started(address: str) -> None:
        click.echo("open this in a browser; Ctrl-C ends it:", err=True)
        click.echo(address)
        if not no_browser and _has_display():
            click.launch(address)

    places = [model] if model2 is None else [model, model2]
    given = {"data": data, "directions": directions, "device": device, "threads": threads}
    given["tuned"] = tuned
    explore(places, host=host, port=port, token=token, say=started, **given)


def _has_display() -> bool:
    """Whether a browser would open in a window, and not in this terminal."""
    return sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
