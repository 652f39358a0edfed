"""What the subcommands share: options, JSON on stdout, progress on stderr.

A subcommand is a module `gan/cli/<name>.py` with a `command` that returns None, and a line in `gan.cli.main`:

    import click

    from gan.cli.common import debug_option, echo_json, seed_option
    from gan.console import progress

    @click.command(epilog="Example: gan count --times 3 --json")
    @click.option("--times", default=10, show_default=True, help="How far to count.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @seed_option
    @debug_option
    def command(times: int, as_json: bool, seed: int) -> None:
        \"\"\"Count.\"\"\"
        import torch  # heavy imports wait until the command runs, so that --help is quick

        total = sum(progress(range(times), "counting"))
        if as_json:
            echo_json({"total": total})
        else:
            click.echo(f"total {total}")

It raises UserError for failed work (exit 1) and UsageError for a wrong request (exit 2); `gan.cli.main`
prints them. Results go to stdout through click.echo, all else to stderr through click.echo(..., err=True).
"""

import json
import math
from pathlib import Path
from typing import Any

import click

MAX_SEED = 2**32 - 1  # as gan.latents, which loads torch, has it


class Finite(click.FloatRange):
    """A range of numbers without nan and inf, which click lets through."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; a usage error for anything else."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number

    def _describe_range(self) -> str:  # what --help shows; click's own says x<=None where there is no bound
        bounded = self.min is not None or self.max is not None
        return super()._describe_range() if bounded else ""


# Read by gan.cli.main from the arguments themselves, because an error may come before they are parsed.
debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, help="Show the traceback of an error as well."
)

seed_option = click.option(
    "--seed",
    type=click.IntRange(0, MAX_SEED),
    default=0,
    show_default=True,
    help="Seed of everything random; the same seed repeats the result.",
)


def _load(context: click.Context, _: click.Parameter, values: tuple[str, ...]) -> None:
    """Run the plug-ins, those of installed packages first."""
    if not context.resilient_parsing:
        from gan import plugins

        plugins.load_installed()
        for value in values:
            plugins.load(value)


plugin_option = click.option(
    "--plugin",
    multiple=True,
    metavar="FILE.py",
    expose_value=False,
    callback=_load,
    help="Run a file of yours first that adds networks, losses, metrics, ... by name; repeatable.",
)

runs_option = click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="runs",
    show_default=True,
    help="Folder of run directories.",
)

private_option = click.option(
    "--private", is_flag=True, help="Make a repository that only you and your organisation see."
)

branch_option = click.option(
    "--revision", metavar="BRANCH", help="Branch to push to, made if there is none.  [default: main]"
)

device_option = click.option(
    "--device", default="auto", show_default=True, help="auto (a GPU if there is one), cpu, cuda, cuda:1, ..."
)


class CountOrAuto(click.ParamType):
    """A whole number from 1 on, or the word auto."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """The number or the word; click's usage error for anything else."""
        return value if value == "auto" else click.IntRange(min=1).convert(value, param, ctx)


def echo_json(obj: Any) -> None:
    """Print an object as one line of JSON on stdout."""
    click.echo(json.dumps(obj, ensure_ascii=False))
