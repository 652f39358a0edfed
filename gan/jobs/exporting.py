"""A saved model -> a file that other programs run, with a card that says how near it is to the model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from gan.files import atomic_bytes
from gan.latents import parse_seeds
from gan.models import checkpoint
from gan.models.export import Noise, export, require_onnx


def export_model(
    model: str | Path,
    out: str | Path,
    *,
    format: Literal["onnx", "torch-export"],
    noise: Noise = "const",
    seeds: Sequence[int] | str = "0-3",
) -> dict[str, Any]:
    """Write the generator of a run or checkpoint directory to `out`, and its card beside it, at `card_path`.

    seeds: of the images that are compared with the model's, numbers or text such as "0-3,8". The rest, the
    record that is returned and the errors raised are those of `gan.models.export.export`; also UserError
    where there is no model, CheckpointError where it is damaged.
    """
    if format == "onnx":
        require_onnx()
    saved = checkpoint.read(checkpoint.resolve(model))
    card = (saved.path / "card.md").read_text(encoding="utf-8") if (saved.path / "card.md").is_file() else ""
    numbers = parse_seeds(seeds) if isinstance(seeds, str) else seeds
    record = export(saved.generator(), out, format=format, noise=noise, seeds=numbers, notes=card)
    atomic_bytes(card_path(out), f"{card}\n{section(record)}".lstrip().encode())
    return record


def card_path(out: str | Path) -> Path:
    """glyphs.onnx -> glyphs.onnx.md"""
    return Path(f"{out}.md")


def summary(record: dict[str, Any]) -> str:
    """Three lines: the file and its inputs, the difference from the model, the card."""
    inputs = ", ".join(f"{name} {_shape(shape)}" for name, shape in record["inputs"].items())
    return (
        f"wrote {record['file']}: image {_shape(record['output'])} from {inputs}\n"
        f"{difference(record['parity'])}\n"
        f"wrote {card_path(record['file'])}: the model's card, with these figures"
    )


def section(record: dict[str, Any]) -> str:
    """What `export_model` returned, as a section of a model card."""
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
