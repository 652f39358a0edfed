"""StyleGAN in PyTorch: `gan.load` gives a trained generator, `gan.latents` the seeds and edits to feed it.

Importing this package is cheap: torch is loaded with the first model or the first use of a submodule.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

__version__ = "0.1.0"

_SUBMODULES = ("images", "latents", "sampling")


def load(model: str | Path, device: "str | torch.device" = "cpu") -> "torch.nn.Module":
    """EMA generator of a model, in eval mode and without gradients of its weights.

    model: a run directory (its newest checkpoint) or one checkpoint directory. Raises UserError if there is
    none, CheckpointError if it is damaged.
    """
    from gan.models import checkpoint

    return checkpoint.read(checkpoint.resolve(model)).generator(device)


def load_discriminator(model: str | Path, device: "str | torch.device" = "cpu") -> "torch.nn.Module":
    """Discriminator of a model, `D(img, c=None)` -> [N, 1] logits; otherwise as `load`."""
    from gan.models import checkpoint

    return checkpoint.read(checkpoint.resolve(model)).discriminator(device)


def __getattr__(name: str) -> ModuleType:
    """Import a public submodule on first use, so that `gan.latents` works after a bare `import gan`."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
