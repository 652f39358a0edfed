"""`gan project`: pictures -> latents of a model, the images that these give, and how near they are."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gan.cli.common import Finite, debug_option, device_option, echo_json, plugin_option, seed_option

if TYPE_CHECKING:
    from gan.latents.projection import Settings

EPILOG = """\b
Of each picture, in --out:
  NAME.safetensors  its latents: ws [layers, w_dim], or z [z_dim]
  NAME.png          the image that they give; NAME-pair.png has the picture beside it
  report.json       PSNR, SSIM, perceptual distance, and the latents' distance from the mean
  tuned             with --space pti: the tuned model, a MODEL for every command

\b
Examples:
  gan project runs/00000-demo-openmoji-32 smile.png --out smile
  gan project runs/00000-demo-openmoji-32 photos --space w+ --crop centre --out found --video gif
  gan project runs/00000-demo-openmoji-32 cat.jpg dog.jpg --space pti --crop centre --out pets
  gan sample pets/tuned --seeds 0-15 --out grid.png
  gan project runs/00000-demo-openmoji-32 seed0007.png --out near --nearest data/openmoji-32.zip
"""


@click.command("project", epilog=EPILOG)
@click.argument("model")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder to make, or of work to go on with."
)
@click.option(
    "--space",
    type=click.Choice(["w", "w+", "z", "pti"]),
    help="w: one for all layers; w+: one for each; z: for models without styles; pti: w, and then the model"
    " is tuned.  [default: w; z for a model without styles]",
)
@click.option(
    "--distance",
    default="efficientnet-lite0",
    show_default=True,
    help="Perceptual distance: efficientnet-lite0, st-lpips, lpips or pixels.",
)
@click.option(
    "--weights",
    multiple=True,
    metavar="NETWORK=FILE",
    help="Weights of --distance lpips: vgg16=FILE and lpips=FILE.  [default: the published ones]",
)
@click.option("--steps", type=click.IntRange(min=1), default=500, show_default=True, help="Of the search.")
@click.option(
    "--start",
    metavar="mean|best|FILE",
    default="mean",
    show_default=True,
    help="The mean of latents, the best of some samples, or latents that this command wrote.",
)
@click.option(
    "--noise",
    type=click.Choice(["const", "fitted"]),
    default="const",
    show_default=True,
    help="Per-pixel noise: as trained, or maps that are fitted to each picture.",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    help="Steps without a fall of the distance by 1 % that end a search.  [default: never]",
)
@click.option(
    "--tune-steps", type=click.IntRange(min=1), default=350, show_default=True, help="Of --space pti."
)
@click.option(
    "--tune-rate",
    type=Finite(min=0, min_open=True),
    default=0.01,
    show_default=True,
    help="Learning rate of --space pti; 0.0003 for large models, as of 1024x1024.",
)
@click.option("--class", "class_", help="Class of the pictures, by name or number.  [default: the nearest]")
@click.option("--condition", metavar="X,X,...|FILE.npy", help="Vector of conditions of the pictures.")
@click.option(
    "--crop",
    type=click.Choice(["none", "centre", "face"]),
    default="none",
    show_default=True,
    help="none refuses pictures of other proportions; centre takes the middle; face cuts around the largest"
    " face, as gan data prepare --crop face does (extra faces).",
)
@click.option("--batch", type=click.IntRange(min=1), default=8, show_default=True, help="Pictures at a time.")
@click.option("--video", type=click.Choice(["gif", "mp4"]), help="Also a video of the way of each picture.")
@click.option("--nearest", metavar="DATA", help="Also the nearest images of a data set to each picture.")
@click.option(
    "--neighbours", type=click.IntRange(min=1), default=5, show_default=True, help="How many --nearest shows."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@device_option
@seed_option
@plugin_option
@debug_option
def command(
    model: str,
    images: tuple[str, ...],
    out: Path,
    space: str | None,
    distance: str,
    weights: tuple[str, ...],
    steps: int,
    start: str,
    noise: str,
    patience: int | None,
    tune_steps: int,
    tune_rate: float,
    class_: str | None,
    condition: str | None,
    crop: str,
    batch: int,
    video: str | None,
    nearest: str | None,
    neighbours: int,
    as_json: bool,
    device: str,
    seed: int,
) -> None:
    """Find the latents of MODEL that give each IMAGE, a file, or a folder of files.

    Cut short, it goes on where it was when the same command is typed again.
    """
    from gan.jobs import projecting, projection_files
    from gan.jobs.sampling.labels import label_of

    given, search = _search(start, steps=steps, noise=noise, patience=patience, seed=seed)
    tuning = projecting.TuningSettings(steps=tune_steps, learning_rate=tune_rate, seed=seed)
    what = {"space": space, "settings": search, "tuning": tuning, "start": given, "crop": crop}
    what |= {"perceptual": distance, "weights": weights, "batch": batch, "film": video}
    what |= {"labels": label_of(class_, condition), "nearest": nearest, "count": neighbours}
    report = projecting.project(model, images, out=out, device=device, **what)
    echo_json(report) if as_json else click.echo(projection_files.summary(report, out))


def _search(
    start: str, *, steps: int, noise: str, patience: int | None, seed: int
) -> tuple[str | None, "Settings"]:
    """A file of latents to start from, where one is given, and the settings of the search."""
    from gan.latents.projection import Settings

    known = start in ("mean", "best")
    settings = Settings(
        start=start if known else "mean", steps=steps, noise=noise, patience=patience, seed=seed
    )
    return None if known else start, settings
