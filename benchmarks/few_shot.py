"""What trains best on 200 images: recipes at the same processor time, on one group of glyphs.

Each recipe trains with one thread until its process has used so many seconds, so that what else runs on the
machine changes little. Scores: KID and coverage on EfficientNet-Lite0, which no discriminator here sees; the
Frechet distance on it, biased upward by so few real images; and the share of fakes that are no copies.

A recipe that was scored is not trained again: typed again after a kill, the others follow.

    python -m benchmarks.few_shot --transfer runs/00000-demo-openmoji-32
"""

import json
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.budget import table, trained
from gan.files import write_json
from gan.jobs.datasets import subset
from gan.jobs.demo import Clock, prepare_data

GROUP, COUNT = "nature", 200
RECIPES: dict[str, tuple[str, list[str]]] = {
    "StyleGAN2 + ADA": ("stylegan2-tiny", ["augment.name=ada", "augment.policy=bgc", "augment.kimg=20"]),
    "StyleGAN2 + DiffAugment": ("stylegan2-tiny", ["augment.name=diffaugment"]),
    "StyleGAN2 + ADA, from another model": (
        "stylegan2-tiny",
        ["augment.name=ada", "augment.policy=bgc", "augment.kimg=20"],
    ),
    "projected": ("demo", []),
    "FastGAN, projected": (
        "demo",
        ["generator={type: fastgan, z_dim: 128, channel_base: 512, channel_max: 64}"],
    ),
}
TRANSFER = "StyleGAN2 + ADA, from another model"
METRICS = (
    "kid[efficientnet-lite0]",
    "fd-efficientnet-lite0",
    "dc[efficientnet-lite0]",
    "authpct[efficientnet-lite0]",
)


def scored(name: str, data: Path, out: Path, seconds: float, transfer: str | None) -> dict[str, Any]:
    """Train a recipe, or read what came of it -> its record."""
    folder = out / name.replace(" ", "-").replace(",", "").replace("+", "and")
    record = folder / "record.json"
    if record.is_file():
        return json.loads(record.read_text(encoding="utf-8"))
    preset, overrides = RECIPES[name]
    start = [f"init_from={transfer}"] if name == TRANSFER else []
    _, values = trained(preset, data, folder, seconds, [*overrides, *start], METRICS)
    write_json(record, {"recipe": name, **values})
    return {"recipe": name, **values}


@click.command(epilog="Example: python -m benchmarks.few_shot --transfer runs/00000-demo-openmoji-32")
@click.option("--data", default="data/openmoji-32.zip", show_default=True, type=click.Path(path_type=Path))
@click.option("--out", default="runs/few-shot", show_default=True, type=click.Path(path_type=Path))
@click.option("--seconds", default=1200.0, show_default=True, help="Of processor time for each recipe.")
@click.option(
    "--transfer", help="StyleGAN2 model of the same shape that one recipe starts from; without it, left out."
)
@click.option("--only", multiple=True, type=click.Choice(list(RECIPES)), help="Recipes.  [default: all]")
def main(data: Path, out: Path, seconds: float, transfer: str | None, only: tuple[str, ...]) -> None:
    """Train recipes on 200 images, and print their scores as a table."""
    torch.set_num_threads(1)
    prepare_data(data, Clock())
    few = out / f"{GROUP}-{COUNT}.zip"
    if not few.exists():
        out.mkdir(parents=True, exist_ok=True)
        subset(data, few, classes=[GROUP], count=COUNT)
    names = [name for name in only or RECIPES if name != TRANSFER or transfer]
    click.echo(table("recipe", [scored(name, few, out, seconds, transfer) for name in names]))


if __name__ == "__main__":
    main()
