"""Zips of images: the names of the files in them, and the manifest that says what they are."""

from collections.abc import Sequence
from typing import Any

from gan.jobs.serving.orders import Made, Order


def file_name(order: Order, seed: int) -> str:
    """Of the image of a seed."""
    return f"seed{seed:04d}.{order.file_form}"


def record_of(made: Made) -> dict[str, Any]:
    """What the manifest says of an image."""
    verdict = made.verdict
    scores = {"content": verdict.content, "nearest": verdict.nearest}
    return {
        "seed": made.seed,
        "verdict": str(verdict),
        **scores,
        "marked": made.marked,
        "signed": made.signed,
    }


def manifest(order: Order, digest: str, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """manifest.json of records, as `record_of` makes them. digest: sha256 of the model's weights."""
    about = {"model": order.model, "digest": f"sha256:{digest}", "psi": order.psi}
    about |= {"directions": [move._asdict() for move in order.moves], "size": order.size}
    return {**about, "images": list(records), "ai_generated": True}
