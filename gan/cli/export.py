"""`gan export`: a generator as a file that other programs run, compared with the model before it appears."""

from pathlib import Path

import click

from gan.cli.common import debug_option, echo_json, plugin_option

EPILOG = """\b
Examples:
  gan export runs/00000-demo-openmoji-32 --format onnx --out glyphs.onnx
  gan export runs/00000-demo-openmoji-32 --format torch-export --out glyphs.pt2 --noise input --json
"""


@click.command("export", epilog=EPILOG)
@click.argument("model")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["onnx", "torch-export"]),
    required=True,
    help="onnx (FILE.onnx), or torch-export (FILE.pt2, for torch.export.load and AOTInductor).",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@click.option(
    "--noise",
    type=click.Choice(["const", "none", "input"]),
    default="const",
    show_default=True,
    help="Per-pixel noise: as trained, left out, or one input [batch, 1, rows, columns] per layer.",
)
@click.option("--seeds", default="0-3", show_default=True, help="Images to compare with the model's.")
@click.option("--json", "as_json", is_flag=True, help="Print what was written and the differences as JSON.")
@plugin_option
@debug_option
def command(model: str, format_: str, out: Path, noise: str, seeds: str, as_json: bool) -> None:
    """Write the generator of MODEL, a run or checkpoint directory, for use without this project.

    \b
    Its inputs, for any batch size:
      z      [batch, z_dim] float32, standard normal
      c      [batch, classes] float32, one-hot; only if the model has classes
      psi    [] float32, truncation: 1 is none; only if the model has a style space
      noise  [batch, 1, rows, columns] float32 for each layer; only with --noise input
    Its output is `image`, [batch, channels, rows, columns] float32, about [-1, 1].

    The file appears if its images equal the model's to 1e-4, at psi 1 and 0.5, one by one and as a batch.
    Beside it FILE.md keeps the model's card, the inputs and the measured difference.
    """
    from gan.jobs.exporting import export_model, summary

    record = export_model(model, out, format=format_, noise=noise, seeds=seeds)
    if as_json:
        echo_json(record)
    else:
        click.echo(summary(record))
