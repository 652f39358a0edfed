"""`gan directions`: a model -> directions of its latents in a file, and a contact sheet of them."""

from pathlib import Path

import click

from gan.cli.common import debug_option, device_option, echo_json, plugin_option, seed_option

EPILOG = """\b
Examples:
  gan directions runs/00000-demo-openmoji-32 --method sefa --out sefa.safetensors --sheet sefa.png
  gan directions runs/00000-demo-openmoji-32 --method pca --layers 0-3 --out pca.safetensors
  gan directions runs/00000-demo-openmoji-32 --method supervised --score brightness --score warmth \\
      --out attributes.safetensors
  gan directions runs/00000-demo-openmoji-32 --method supervised --labels smiles.csv --out smile.safetensors
"""


@click.command("directions", epilog=EPILOG)
@click.argument("model")
@click.option(
    "--method",
    type=click.Choice(["sefa", "pca", "supervised"]),
    required=True,
    help="sefa: from the weights alone; pca: where samples vary most; supervised: from scores or labels.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write, .safetensors.")
@click.option("--sheet", type=click.Path(path_type=Path), help="Picture of all directions, five steps a row.")
@click.option("--count", type=click.IntRange(1, 1000), help="sefa, pca: how many.  [default: 10]")
@click.option(
    "--space",
    type=click.Choice(["z", "w", "s"]),
    help="pca, supervised: of the latents; s are the styles of --layers.  [default: w; z without w]",
)
@click.option("--layers", metavar="A-B", help="First and last layer that they move.  [default: all]")
@click.option(
    "--features",
    metavar="LAYER",
    help="pca: of its features, told back to latents.  [default: of w; without w, the first block]",
)
@click.option(
    "--samples",
    type=click.IntRange(20, 10_000_000),
    help="Samples to look at.  [default: 2000 for sefa's scale, 10000 for pca, 1000 for supervised]",
)
@click.option(
    "--score",
    multiple=True,
    metavar="NAME|module:function",
    help="supervised: brightness, contrast, saturation, warmth, detail, symmetry, or a function of yours of"
    " images [N, C, H, W] in -1..1 that gives N numbers; also FILE.py:function; repeatable.",
)
@click.option(
    "--labels", metavar="FILE.csv", help="supervised: columns seed, label, ...; numbers, or words as classes."
)
@click.option(
    "--fit",
    type=click.Choice(["auto", "logistic", "linear"]),
    default="auto",
    show_default=True,
    help="supervised: auto is logistic for two-valued scores, linear for others.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@device_option
@seed_option
@plugin_option
@debug_option
def command(
    model: str,
    method: str,
    out: Path,
    sheet: Path | None,
    count: int | None,
    space: str | None,
    layers: str | None,
    features: str | None,
    samples: int | None,
    score: tuple[str, ...],
    labels: str | None,
    fit: str,
    as_json: bool,
    device: str,
    seed: int,
) -> None:
    """Find directions in the latent space of MODEL, a run or checkpoint directory, along which images change.

    The file holds them for this model alone. Look at them with --sheet, and move along one with
    gan sample MODEL --direction FILE:3 --range -3..3 (standard deviations) --out grid.png.
    Models without w (R3GAN, SNGAN, FastGAN) have directions in z, by pca and supervised.
    """
    from gan.jobs import directions as job
    from gan.latents.directions import parse_range

    look = {"samples": samples, "scores": score, "labels": labels, "fit": fit, "sheet": sheet}
    look |= {"count": count, "space": space, "features_of": features, "seed": seed, "device": device}
    found = job.find(model, method, out, layers=None if layers is None else parse_range(layers), **look)
    if as_json:
        echo_json(job.as_record(found))
        return
    click.echo("\n".join(job.summary(found)))
    click.echo(f"wrote {len(found)} directions in {found.space} to {out}" + (f", {sheet}" if sheet else ""))
