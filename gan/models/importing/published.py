"""R3GAN's networks under the published names: their configs follow from the shapes of their weights."""

import re
from typing import Any

from gan.models.importing.storages import Network, Weight
from gan.models.importing.unpickler import Refused
from gan.networks.r3gan import from_published

_ENDS = ("AggregationLayer.Layer.weight", "ExtractionLayer.Layer.weight")  # of the generator, of the other


def network(tensors: dict[str, Weight], entry: str) -> Network:
    """Config and weights of an R3GAN network. Refused if its weights do not belong together.

    What stands before all names, where the network lies within another module, is passed over.
    """
    found = [name.removesuffix(end) for name in tensors for end in _ENDS if name.endswith(end)]
    if len(found) != 1:
        raise Refused(f"its {entry} is no R3GAN network: neither a layer to RGB nor one from it")
    given = {name.removeprefix(found[0]): weight for name, weight in tensors.items()}
    try:
        weights = from_published(given)
        return Network(_config(weights), weights, entry)
    except (ValueError, KeyError, IndexError, ZeroDivisionError) as error:
        raise Refused(f"its {entry} is no R3GAN network: {type(error).__name__} {error}") from error


def _config(weights: dict[str, Weight]) -> dict[str, Any]:
    """Fields of the config; stages of the generator begin at level 4, those of the other one end there."""
    shapes = {name: weight.shape for name, weight in weights.items()}
    generates = "to_rgb.weight" in shapes
    blocks: dict[int, int] = {}
    for name in shapes:
        if match := re.fullmatch(r"stages\.(\d{1,2})\.blocks\.\d+\.conv1\.weight", name):
            blocks[int(match[1])] = blocks.get(int(match[1]), 0) + 1
    stages = sorted(blocks, reverse=not generates)  # from level 4 up
    inner = [shapes[f"stages.{i}.blocks.0.conv2.weight"] for i in stages]  # [inner, inner / groups, 3, 3]
    widths = [shapes[f"stages.{i}.blocks.0.conv3.weight"][0] for i in stages]
    c_embed, c_dim = shapes.get("embed.weight", (0, 0))
    embedding = {"c_embed": c_embed} if c_dim else {}
    fields = {
        "type": "r3gan",
        "resolution": 4 * 2 ** (len(stages) - 1),
        "channels": shapes["to_rgb.weight"][0] if generates else shapes["from_rgb.weight"][1],
        "c_dim": c_dim,
        "widths": widths,
        "cardinality": [shape[0] // shape[1] for shape in inner],
        "blocks": [blocks[i] for i in stages],
        "expansion": inner[0][0] // widths[0],
    }
    return fields | embedding | ({"z_dim": shapes["linear.weight"][1] - c_embed} if generates else {})
