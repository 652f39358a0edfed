"""`gan tune`: short pilots rank gamma and learning rates by their score, and the best become a preset."""

import math
import os
from pathlib import Path
from typing import Any

import click

from gan.cli.common import Finite, debug_option, device_option, echo_json, runs_option, seed_option
from gan.errors import UsageError

METRIC = "fd-efficientnet-lite0"

EXAMPLES = """\b
Examples:
  gan tune --data faces.zip --preset stylegan2-small --budget 240
  gan tune --data data/openmoji-32.zip --preset demo --gammas 3,30,100 --lrs 0.001,0.002 --pilot-kimg 4
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
    "--preset", default="stylegan2-small", show_default=True, help="Recipe: a shipped name, or a .yaml file."
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
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Override one setting; repeatable."
)
@device_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@seed_option
@debug_option
def command(
    data: str,
    preset: str,
    out: Path,
    gammas: tuple[float, ...],
    lrs: tuple[float, ...],
    pilot_kimg: float | None,
    budget: float,
    metric: str,
    num_fakes: int | None,
    assignments: tuple[str, ...],
    device: str,
    as_json: bool,
    seed: int,
) -> None:
    """Find R1's gamma, and learning rates, for a data set by short trainings; write them as a preset.

    All candidates train for a while, the better half for twice as long, until two have been compared. Each is
    a run directory like any other. Stop whenever you like: the same command goes on where it was.
    """
    from gan.devices import pick
    from gan.jobs.training import shaped, typed
    from gan.jobs.tuning import Study, table
    from training.tuning import candidates, search

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UsageError("gan tune runs in one process: start it without torchrun")
    base = typed(preset, data, None, {"seed": seed}, assignments)
    _, dataset = shaped(base)
    found = candidates(base, math.prod(dataset.shape[1:]), gammas, lrs)
    study = Study(base, dataset, out, budget * 60, metric, num_fakes, pick(device))
    rounds = search(found, study.first_kimg(found, pilot_kimg), study.measure)
    result = study.finish(rounds)
    if as_json:
        echo_json(result)
    else:
        click.echo(table(result))
        click.echo(f"\ngan train --data {data} --preset {result['preset']}")
