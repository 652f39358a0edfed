"""StyleGAN in PyTorch: train, load, sample and score generators; `gan.latents` has the seeds and edits.

    run = gan.train("demo", "data.zip")
    G = gan.load("runs/00000-demo-data")
    images = gan.sample(G, "0-63")
    records = gan.evaluate(G, "data.zip")

Importing this package is cheap: torch is loaded with the first use of what needs it.
"""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from gan.jobs.comparison import compare as compare
    from gan.jobs.evaluation import evaluate as evaluate
    from gan.jobs.sampling import sample as sample
    from gan.jobs.training import train as train
    from gan.models.hub import push_to_hub as push_to_hub
    from gan.models.hub import save_pretrained as save_pretrained

__version__ = "0.1.0"

_SUBMODULES = ("images", "latents", "plugins", "sampling")
_FUNCTIONS = {  # function -> module
    "compare": "jobs.comparison",
    "evaluate": "jobs.evaluation",
    "sample": "jobs.sampling",
    "train": "jobs.training",
    "save_pretrained": "models.hub",
    "push_to_hub": "models.hub",
}


def load(model: str | Path, device: "str | torch.device" = "cpu") -> "torch.nn.Module":
    """EMA generator of a model, in eval mode and without gradients of its weights.

    model: a run directory (its newest checkpoint), one checkpoint directory, or `hf://user/name@revision` on
    a hub. Raises UserError if there is none or a plug-in that it needs is not loaded, CheckpointError if it
    is damaged.
    """
    from gan.models import checkpoint

    return checkpoint.read(checkpoint.resolve(model)).generator(device)


def load_discriminator(model: str | Path, device: "str | torch.device" = "cpu") -> "torch.nn.Module":
    """Discriminator of a model, `D(img, c=None)` -> [N, 1] logits; otherwise as `load`."""
    from gan.models import checkpoint

    return checkpoint.read(checkpoint.resolve(model)).discriminator(device)


def __getattr__(name: str) -> Any:
    """Import a submodule or function on first use, so that `gan.latents` works after a bare `import gan`."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"{__name__}.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
