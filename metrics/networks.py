"""Feature networks by name: built when first asked for, then kept, from published or given files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from gan.errors import UsageError
from metrics import lpips
from metrics.extractors import EXTRACTORS
from metrics.features import Extractor

FROM_FILES = ("inception", "vgg16", "lpips", "dinov2", "clip")  # whose weights can be given


class Networks:
    """Networks by name: those of EXTRACTORS, and "lpips".

    device: where they run. weights: files by network, instead of the published ones; keys of FROM_FILES.
    Looking one up raises UserError if its weights are not there; then nothing has been computed.
    """

    def __init__(self, device: torch.device | str = "cpu", weights: Mapping[str, str | Path] | None = None):
        self.device, self.weights = torch.device(device), dict(weights or {})
        self._built: dict[str, Extractor | nn.Module] = {}

    def __getitem__(self, name: str) -> Extractor | nn.Module:
        if name not in self._built:
            self._built[name] = self._build(name)
        return self._built[name]

    def _build(self, name: str) -> Extractor | nn.Module:
        if name == "lpips":
            return lpips.build(self.device, self.weights.get("vgg16"), self.weights.get("lpips"))
        return EXTRACTORS[name](self.device, self.weights.get(family(name)))


def family(name: str) -> str:
    """The network in a name of EXTRACTORS, without its preparation: 'inception-...' -> 'inception'."""
    return "inception" if name.startswith("inception-") else name


def weight_files(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """['FILE'] or ['vgg16=FILE', ...] -> file by network.

    names: the networks that will be used. A FILE alone is for Inception, or for the only other one.
    Raises UsageError if that leaves a doubt.
    """
    files = {}
    wanted = [name for name in dict.fromkeys(map(family, names)) if name in FROM_FILES]
    for text in texts:
        network, separator, file = text.partition("=")
        if not separator or network not in FROM_FILES:
            network, file = "inception" if "inception" in wanted else "".join(wanted), text
        if network not in FROM_FILES:
            raise UsageError(f"--weights {text}: say for which network, such as --weights vgg16={text}")
        files[network] = file
    return files
