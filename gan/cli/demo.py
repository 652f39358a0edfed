"""`gan demo`: the whole story in one command."""

from pathlib import Path

import click

from gan.cli.common import Finite, debug_option, runs_option, seed_option

RESOLUTION = 32  # as gan.jobs.demo, which loads torch, has it


@click.command("demo", epilog="Example: gan demo --minutes 30")
@runs_option
@click.option(
    "--data",
    default=f"data/openmoji-{RESOLUTION}.zip",
    show_default=True,
    help=f"Data set; if it is named openmoji-{RESOLUTION}... and missing, it is drawn first.",
)
@click.option(
    "--minutes",
    type=Finite(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Training time at most, interrupted sessions included.",
)
@click.option("--fresh", is_flag=True, help="Train anew even if a demo run exists.")
@seed_option
@debug_option
def command(out: Path, data: str, minutes: float, fresh: bool, seed: int) -> None:
    """Draw a data set, train a small model on it from scratch, score it and show its images.

    Stop it whenever you like: the same command goes on where it was. A finished run is only reported.
    """
    import dataclasses

    from gan.jobs import demo
    from training.recipes import load_preset

    preset = load_preset(demo.PRESET)
    config = dataclasses.replace(preset, seed=seed, data=dataclasses.replace(preset.data, path=data))
    run, record = demo.run_demo(config, out, minutes=minutes, fresh=fresh)
    click.echo(demo.summary(run, record, config))
