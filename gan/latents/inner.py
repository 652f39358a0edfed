"""What a layer within a synthesis network returns, without computing what follows it.

For previews (a block of StyleGAN2 with a ToRGB of its own holds the picture at its level) and for work on
features. Letters: N samples, L style layers, D latent size.
"""

import threading
from typing import Any

from torch import Tensor, nn

from gan.networks.base import Noise


class _Reached(Exception):
    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def output_of(synthesis: nn.Module, name: str, ws: Tensor, noise: Noise = "const") -> Any:
    """The output of the submodule `name` for ws [N, L, D]; gradients flow through it as usual.

    Other threads may use the same network meanwhile. AttributeError where it has no such submodule,
    ValueError where that takes no part in a pass.
    """
    thread = threading.get_ident()

    def reached(_: nn.Module, __: Any, output: Any) -> None:
        if threading.get_ident() == thread:
            raise _Reached(output)

    handle = synthesis.get_submodule(name).register_forward_hook(reached)
    try:
        synthesis(ws, noise=noise)
    except _Reached as found:
        return found.output
    finally:
        handle.remove()
    raise ValueError(f"{name} takes no part in the synthesis")
