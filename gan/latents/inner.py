"""What a layer within a network returns, without computing what follows it.

For previews (a block of StyleGAN2 with a ToRGB of its own holds the picture at its level) and for work on
features. The layer tells by a hook that lives for one call and hears only the calling thread, so that others
may use the same network meanwhile. Letters: N samples, L style layers, D latent size.
"""

import threading
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from gan.networks.base import Noise


class _Reached(Exception):
    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


def output_of(synthesis: nn.Module, name: str, ws: Tensor, noise: Noise = "const") -> Any:
    """The output of the submodule `name` for ws [N, L, D]; gradients flow through it as usual.

    AttributeError where there is no such submodule, ValueError where it takes no part in a pass.
    """
    return output_within(lambda: synthesis(ws, noise=noise), synthesis.get_submodule(name), name)


def output_within(run: Callable[[], Any], module: nn.Module, name: str) -> Any:
    """What a module returns within run(), which ends there. ValueError, by `name`, where it is not called."""
    thread = threading.get_ident()

    def reached(_: nn.Module, __: Any, output: Any) -> None:
        if threading.get_ident() == thread:
            raise _Reached(output)

    handle = module.register_forward_hook(reached)
    try:
        run()
    except _Reached as found:
        return found.output
    finally:
        handle.remove()
    raise ValueError(f"{name} takes no part in making the image")
