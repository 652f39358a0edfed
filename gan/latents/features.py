"""What a layer of a generator makes on the way to the image, for components of features (GANSpace).

The network runs as far as that layer and no further. Its module tells what it makes by a hook that lives for
one call and hears only the calling thread, so that others may use the same generator meanwhile.

Letters: N samples, D values of a layer's output.
"""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from gan.errors import UsageError, unknown
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
    thread = threading.get_ident()

    def reached(_: nn.Module, __: Any, output: Any) -> None:
        if threading.get_ident() == thread:
            raise _Reached(output[0] if isinstance(output, tuple) else output)

    handle = module.register_forward_hook(reached)
    try:
        generator(z, c)
    except _Reached as found:
        return found.output.float().flatten(1)
    finally:
        handle.remove()
    raise UsageError(f"layer {layer} takes no part in making the image")


class _Reached(Exception):
    """The layer has run; the rest of the network need not."""

    def __init__(self, output: Tensor):
        super().__init__()
        self.output = output
