"""`gan tune`: short pilots rank gamma and learning rates by their score, and the best become a preset."""

import math
import shlex
from pathlib import Path
from typing import Any

import click

from gan.cli.common import Finite, debug_option, device_option, echo_json, plugin_option, runs_option
from gan.cli.settings import seed_setting, set_option, typed_settings

METRIC = "fd-efficientnet-lite0"  # as gan.jobs.tuning, which loads torch, has it

EXAMPLES = """\b
Examples:
  gan tune --data faces.zip --preset stylegan2-small --budget 240
  gan tune --data data/openmoji-32.zip --gammas 3,30,100 --lrs 0.001,0.002 --pilot-kimg 4
"""


class Numbers(click.ParamType):
    """Numbers >= 0, separated by commas."""

    name = "X[,X]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        """The text as a tuple; a click error for anything else."""
        try:
            numbers = tuple(float(item) for item in value.split(",")) if isinstance(value, str) else value
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as 0.1,1,10", param, ctx)
        if any(not 0 <= x < math.inf for x in numbers):
            self.fail(f"{value!r}: numbers must be >= 0", param, ctx)
        return numbers


@click.command("tune", epilog=EXAMPLES)
@click.option("--data", required=True, help="Data set: a zip or folder of images of one size.")
@click.option(
    "--preset",
    help="Recipe: a shipped name, or a .yaml file."
    "  [default: stylegan2-tiny on a CPU, stylegan2-small on a GPU]",
)
@runs_option
@click.option(
    "--gammas",
    type=Numbers(),
    default=(),
    help="Values of loss.r1_gamma.  [default: around 0.0002 * pixels / batch]",
)
@click.option(
    "--lrs", type=Numbers(), default=(), help="Learning rates of the generator.  [default: the preset's]"
)
@click.option(
    "--pilot-kimg",
    type=Finite(min=0, min_open=True),
    help="Length of the first round; each later one is twice as long.  [default: as the budget allows]",
)
@click.option(
    "--budget",
    type=Finite(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="MINUTES",
    help="Time for all pilots and scores, interrupted sessions included.",
)
@click.option("--metric", default=METRIC, show_default=True, help="What ranks the pilots.")
@click.option(
    "--num-fakes", type=click.IntRange(min=2), help="Images to score.  [default: the metric's own number]"
)
@set_option
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@seed_setting
@plugin_option
@debug_option
@click.pass_context
def command(
    context: click.Context,
    data: str,
    preset: str | None,
    out: Path,
    gammas: tuple[float, ...],
    lrs: tuple[float, ...],
    pilot_kimg: float | None,
    budget: float,
    metric: str,
    num_fakes: int | None,
    device: str,
    as_json: bool,
) -> None:
    """Find R1's gamma, and learning rates, for a data set by short trainings; write them as a preset.

    All candidates train for a while, the better half for twice as long, until two have been compared. Each is
    a run directory like any other. Stop whenever you like: the same command goes on where it was.
    """
    from gan.jobs import tuning

    result = tuning.tune(
        preset,
        data,
        out=out,
        gammas=gammas,
        lrs=lrs,
        pilot_kimg=pilot_kimg,
        minutes=budget,
        metric=metric,
        num_fakes=num_fakes,
        overrides=typed_settings(context),
        device=device,
    )
    if as_json:
        echo_json(result)
    else:
        click.echo(tuning.table(result))
        click.echo(f"\n{train_command(data, result['preset'])}")


def train_command(data: str, preset: str) -> str:
    """What to type to train with the preset that was found."""
    return shlex.join(["gan", "train", "--data", data, "--preset", preset])
