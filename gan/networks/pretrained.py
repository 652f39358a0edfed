"""What every generator can do with a hub: be saved, loaded by name, and pushed.

The names and first arguments are those of huggingface_hub's mixin, which is not used: it writes another
format, reads config.json whatever its size, does not insist that weights fit, and takes pickles where there
is no safetensors. The work lies behind the front of this package, which loads it when it is asked for.
"""

from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

import gan
from gan.errors import UserError

Kind = TypeVar("Kind", bound="Pretrained")


class Pretrained(nn.Module):
    """about: config of the checkpoint that it was read from, or None.  source: its place or name, or None."""

    about: dict[str, Any] | None = None
    source: str | None = None

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write the generator as a checkpoint that `gan.load` reads, and return its folder.

        What is known of run and data is kept with it. Raises UserError if `folder` is not writable.
        """
        return gan.save_pretrained(self, folder)

    @classmethod
    def from_pretrained(
        cls: type[Kind], name: str | Path, revision: str | None = None, device: str | torch.device = "cpu"
    ) -> Kind:
        """As `gan.load` of a folder, or of `user/name` on the hub at a branch, tag or commit.

        Raises what `gan.load` raises, and UserError for a generator of another class.
        """
        here = Path(name).exists() or str(name).startswith("hf:")
        place = name if here else f"hf://{name}" + (f"@{revision}" if revision else "")
        generator = gan.load(place, device)
        if not isinstance(generator, cls):
            kind = type(generator)
            raise UserError(f"{place} is a {kind.__module__}.{kind.__name__}: gan.load reads any generator")
        return generator

    def push_to_hub(self, name: str, *, private: bool = False, revision: str | None = None) -> str:
        """Push the generator, with its card, to `user/name`; returns its name there, with the commit.

        Raises UserError as `gan.push_to_hub`.
        """
        return gan.push_to_hub(self, name, private=private, revision=revision)["name"]
