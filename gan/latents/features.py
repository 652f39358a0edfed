"""What a layer of a generator makes on the way to the image, for components of features (GANSpace).

The network runs as far as that layer and no further, see `gan.latents.inner`.

Letters: N samples, D values of a layer's output.
"""

import torch
from torch import Tensor, nn

from gan.errors import UsageError, unknown
from gan.latents.inner import output_within
from gan.networks.blocks import Block


def feature_layers(generator: nn.Module) -> list[str]:
    """Names of the blocks whose features can be read, in the network's order: b4, b8, ...; stages.0, ..."""
    prefix = "synthesis."
    return [
        name.removeprefix(prefix)
        for name, module in generator.named_modules()
        if isinstance(module, Block) and module.level > 0
    ]


@torch.no_grad()
def features(generator: nn.Module, layer: str, z: Tensor, c: Tensor | None = None) -> Tensor:
    """z [N, z_dim], c [N, c_dim] -> the output of that layer in float32, flattened: [N, D].

    Noise is as trained. Raises UsageError for a layer that is none of `feature_layers`.
    """
    if layer not in (known := feature_layers(generator)):
        raise UsageError(unknown("layer", layer, known))
    module = dict(generator.named_modules()).get(f"synthesis.{layer}") or generator.get_submodule(layer)
    output = output_within(lambda: generator(z, c), module, layer)
    return (output[0] if isinstance(output, tuple) else output).float().flatten(1)
