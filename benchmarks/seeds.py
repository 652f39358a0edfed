"""The recipe of the demo beside another, several seeds of each in the same time.

Each run trains on as many images as its recipe shows in so many seconds of one thread (SPEED), so that what
else the machine does meanwhile changes nothing. Scores of 2,000 samples on the features of three networks, of
which EfficientNet-Lite1 is the one that the discriminator of `demo` looks through; and the share of samples
that a classifier recognises.

A run that was scored is not trained again: typed again after a kill, the others follow.

    python -m benchmarks.seeds --recipe stylegan2-tiny --seeds 3
"""

import json
import math
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks import recognise
from benchmarks.budget import FAKES, table, trained
from gan.files import write_json
from gan.jobs.demo import Clock, prepare_data
from training.data.images import open_dataset

SPEED = {"demo": 70.9, "stylegan2-tiny": 56.1}  # images/s of one thread, quiet: benchmarks.busy, Intel Xeon
RECIPES: dict[str, list[str]] = {"demo": ["data.conditional=labels"], "stylegan2-tiny": []}
METRICS = (
    "fd-efficientnet-lite0",
    "kid[efficientnet-lite0]",
    "pr[efficientnet-lite0]",
    "dc[efficientnet-lite0]",
    "fd[efficientnet-lite1]",
    "fd[st-lpips-vgg]",
)
SURE = 0.5  # least probability of a sample's group


def scored(recipe: str, seed: int, data: Path, out: Path, seconds: float) -> dict[str, Any]:
    """Train a recipe with a seed, or read what came of it -> its record."""
    folder = out / f"{recipe}-{seed}"
    record = folder / "record.json"
    if record.is_file():
        return json.loads(record.read_text(encoding="utf-8"))
    settings = [*RECIPES[recipe], f"seed={seed}", f"kimg={SPEED[recipe] * seconds / 1000:.3f}"]
    run, values = trained(recipe, data, folder, math.inf, settings, METRICS)
    _, _, fakes = recognise.compared(str(run), open_dataset(data), FAKES, SURE, seed)
    values |= {"seconds": seconds, "recognised": float(fakes.sure.mean())}
    found = {"run": f"{recipe}, seed {seed}", **values}
    write_json(record, found)
    return found


@click.command(epilog="Example: python -m benchmarks.seeds --recipe stylegan2-tiny --seeds 3")
@click.option("--data", default="data/openmoji-32.zip", show_default=True, type=click.Path(path_type=Path))
@click.option("--out", default="runs/seeds", show_default=True, type=click.Path(path_type=Path))
@click.option("--seconds", default=600.0, show_default=True, help="Of quiet training for each run.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1), help="Of each recipe.")
@click.option("--recipe", multiple=True, type=click.Choice(list(RECIPES)), help="[default: both]")
def main(data: Path, out: Path, seconds: float, seeds: int, recipe: tuple[str, ...]) -> None:
    """Train recipes with several seeds each, and print their scores as a table."""
    torch.set_num_threads(1)
    prepare_data(data, Clock())
    runs = [(name, seed) for name in recipe or RECIPES for seed in range(seeds)]
    click.echo(table("run", [scored(name, seed, data, out, seconds) for name, seed in runs]))


if __name__ == "__main__":
    main()
