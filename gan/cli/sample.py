"""`gan sample`: seeds -> a folder of PNGs, one labelled grid, or a looped video, by the suffix of --out."""

import math
import re
from collections.abc import Sequence
from pathlib import Path

import click

from gan.cli.common import debug_option, device_option, plugin_option, seed_option
from gan.errors import UsageError

ONLY_FOR = {
    "columns": "grid",
    "space": "video",
    "frames_per_seed": "video",
    "fps": "video",
    "walks": "video",
    "scale": "video",
}

EPILOG = """\b
Examples:
  gan sample runs/00000-demo-openmoji-32 --out grid.png
  gan sample runs/00000-demo-openmoji-32 --seeds 0-999 --psi 0.7 --out samples
  gan sample runs/00000-demo-openmoji-32 --seeds 3,14,15,92 --out walk.gif
  gan sample runs/00000-demo-openmoji-32 --seeds 0-31 --walks 4x2 --out walks.gif
  gan sample runs/00000-demo-openmoji-32 --seeds 0-7 --direction sefa.safetensors:3 --out along.png
"""


@click.command("sample", epilog=EPILOG)
@click.argument("model")
@click.option("--out", required=True, type=click.Path(), help="Where to write; see above.")
@click.option("--seeds", default="0-63", show_default=True, help="Numbers and ranges, as in 1,5,8-10.")
@click.option("--psi", default=1.0, show_default=True, help="Truncation: 1 is none, 0 gives the average.")
@click.option("--psi-cutoff", type=click.IntRange(min=0), help="Truncate the first N layers.  [default: all]")
@click.option("--class", "class_", help="Class, by name or number.  [default: drawn for each seed]")
@click.option(
    "--condition",
    metavar="X,X,...|FILE.npy",
    help="Vector of conditions for all, or a file of one for each seed.  [default: some of the data's]",
)
@click.option(
    "--noise",
    type=click.Choice(["const", "random", "none"]),
    default="const",
    show_default=True,
    help="Per-pixel noise: as trained, drawn for each image, or left out.",
)
@click.option("--columns", type=click.IntRange(min=1), help="Grid: images per row.  [default: near square]")
@click.option(
    "--space",
    type=click.Choice(["w", "z"]),
    help="Video: walk straight between styles (w), or on the sphere of latents (z)."
    "  [default: w; z for a model without styles]",
)
@click.option(
    "--frames-per-seed",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Video: frames from one seed to the next.",
)
@click.option(
    "--fps",
    type=click.IntRange(1, 120),
    default=30,
    show_default=True,
    help="Video: frames per second. GIF counts in 1/100 s, so it rounds this, to 50 at most.",
)
@click.option(
    "--walks",
    metavar="CxR",
    default="1x1",
    show_default=True,
    help="Video: walks side by side, in columns x rows; the seeds are shared out in their order.",
)
@click.option(
    "--scale",
    type=click.IntRange(1, 64),
    help="Video: whole factor to enlarge it by.  [default: what makes 256 of the shorter side]",
)
@click.option(
    "--direction",
    metavar="FILE:NUMBER",
    help="Each seed along a direction of gan directions, by number or name: a row of a grid, of --columns"
    " steps; a file a step; in a video there and back in --frames-per-seed.  [default: 5 steps]",
)
@click.option(
    "--range", "span", default="-3..3", show_default=True, help="--direction: standard deviations, from..to."
)
@device_option
@seed_option
@plugin_option
@debug_option
@click.pass_context
def command(
    ctx: click.Context,
    model: str,
    out: str,
    seeds: str,
    psi: float,
    psi_cutoff: int | None,
    class_: str | None,
    condition: str | None,
    noise: str,
    columns: int | None,
    space: str | None,
    frames_per_seed: int,
    fps: int,
    walks: str,
    scale: int | None,
    direction: str | None,
    span: str,
    device: str,
    seed: int,
) -> None:
    """Draw images from MODEL, a run directory (its newest checkpoint) or a checkpoint directory.

    \b
    The suffix of --out decides what is written:
      none, or a number   one file per seed in a folder: seed0007.png, of --class flags seed0007-flags.png
      .png, .jpg, .webp   one grid, each image labelled with its seed
      .gif, .mp4          a looped video through the seeds (mp4: the extra "video")

    An image depends on its own number in --seeds; --seed decides drawn classes and random noise.
    """
    from gan.jobs.sampling import label_of, sample

    kind = _kind(ctx, out)
    look = {"labels": label_of(class_, condition), "psi": psi, "psi_cutoff": psi_cutoff, "noise": noise}
    look |= {"seed": seed, "columns": columns, "space": space, "frames_per_seed": frames_per_seed, "fps": fps}
    if direction or _typed(ctx, "span"):
        return _along(ctx, (model, seeds, direction, span, out), {**look, "scale": scale, "device": device})
    paths = sample(model, seeds, out=out, device=device, walks=_grid(walks), scale=scale, **look)
    click.echo(_summary(Path(out), kind, paths, seeds, frames_per_seed / math.prod(_grid(walks))))


def _along(ctx: click.Context, what: tuple, look: dict) -> None:
    """Draw along a direction, and say what was written. UsageError for options without a meaning there."""
    from gan.jobs.direction_pictures import along

    model, seeds, direction, span, out = what
    if direction is None:
        raise UsageError(f"--range {span} goes along a --direction FILE:NUMBER; give one, or leave it out")
    for name in ("space", "walks"):
        if _typed(ctx, name):
            raise UsageError(f"--{name} is for a walk through seeds, not along a --direction; leave one out")
    del look["space"]
    paths = along(model, seeds, direction, span, out=out, **look)
    click.echo(f"wrote {len(paths)} file{'s' * (len(paths) > 1)} along {direction}, {span}, to {out}")


def _typed(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE


def _grid(text: str) -> tuple[int, int]:
    """'4x2' -> (4, 2); UsageError for anything else."""
    if found := re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text):
        return int(found[1]), int(found[2])
    raise UsageError(f"--walks {text}: write columns x rows, such as 4x2")


def _summary(out: Path, kind: str, paths: Sequence[Path], seeds: str, frames_per_seed: float) -> str:
    """One line: what was written, and where."""
    from gan.latents import parse_seeds

    count = len(parse_seeds(seeds))
    if kind == "video":
        return f"wrote a looped video of {round(count * frames_per_seed)} frames to {out}"
    if kind == "grid":
        return f"wrote a grid of {count} images to {out}"
    more = f" ... {paths[-1].name}" if len(paths) > 1 else ""
    return f"wrote {len(paths)} images to {out}/{paths[0].name}{more}"


def _kind(ctx: click.Context, out: str) -> str:
    """What is written; UsageError for an option that was typed but has no meaning for it."""
    from gan.jobs.sampling import output_kind

    kind = output_kind(out)
    for name, wanted in ONLY_FOR.items():
        if wanted != kind and _typed(ctx, name):
            option = "--" + name.replace("_", "-")
            raise UsageError(
                f"{option} is for a {wanted}, and this --out makes a {kind}; leave one of them out"
            )
    return kind
