"""`gan export`: a generator as a file that other programs run, compared with the model before it appears."""

from pathlib import Path
from typing import Any

import click

from gan.cli.common import debug_option, echo_json
from gan.files import atomic_bytes

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
    from gan.latents import parse_seeds
    from gan.models import checkpoint
    from gan.models.export import export, require_onnx

    if format_ == "onnx":
        require_onnx()
    saved = checkpoint.read(checkpoint.resolve(model))
    card = (saved.path / "card.md").read_text(encoding="utf-8") if (saved.path / "card.md").is_file() else ""
    record = export(saved.generator(), out, format=format_, noise=noise, seeds=parse_seeds(seeds), notes=card)
    beside = out.with_name(f"{out.name}.md")
    atomic_bytes(beside, f"{card}\n{section(record)}".lstrip().encode())
    if as_json:
        echo_json(record)
        return
    inputs = ", ".join(f"{name} {_shape(shape)}" for name, shape in record["inputs"].items())
    click.echo(f"wrote {out}: image {_shape(record['output'])} from {inputs}")
    click.echo(difference(record["parity"]))
    click.echo(f"wrote {beside}: the model's card, with these figures")


def section(record: dict[str, Any]) -> str:
    """What `gan.models.export.export` returned, as a section of a model card."""
    opset = f", opset {record['opset']}" if "opset" in record else ""
    inputs = "".join(
        f"- input `{name}`: {_shape(shape)}, float32\n" for name, shape in record["inputs"].items()
    )
    return (
        f"## Export\n\n- {Path(record['file']).name}: {record['format']}{opset}, noise {record['noise']}\n"
        f"- sha256 {record['sha256']}\n{inputs}- output `image`: {_shape(record['output'])}, float32\n"
        f"- {difference(record['parity'])}\n"
    )


def difference(parity: dict[str, Any]) -> str:
    """One line: how far the file's images are from the model's."""
    psi = " and ".join(f"{value:g}" for value in parity["psi"])
    batches = " and ".join(map(str, parity["batches"]))
    return (
        f"largest difference from the model {parity['max_abs_error']:.2g}, in pixels of up to "
        f"{parity['largest_pixel']:.2g} (limit {parity['tolerance']:g}): {len(parity['seeds'])} seeds, "
        f"psi {psi}, batches of {batches}, {parity['runtime']}"
    )


def _shape(shape: list[int | str]) -> str:
    return f"[{', '.join(map(str, shape))}]"
