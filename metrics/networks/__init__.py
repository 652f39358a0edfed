"""Feature networks by name: built when first asked for, then kept, from published or given files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from gan.errors import UsageError, unknown
from metrics.features import Extractor
from metrics.networks import lpips
from metrics.networks.extractors import BF16, EXTRACTORS, FLOAT32, PACKAGED

# Networks whose weights can be given as a file.
FROM_FILES = ("inception", "vgg16", "lpips", "dinov2", "clip", *PACKAGED)


class Networks:
    """Networks by name: those of EXTRACTORS, and "lpips".

    device: where they run. weights: files by network, instead of the published ones; keys of FROM_FILES.
    precision: "float32", or "bf16" for convolutions and matrix products in bfloat16: faster where the machine
    has it, and another detector, named so in every record. LPIPS stays in float32, because path lengths are
    differences too small for bfloat16.
    Looking one up raises UserError if its weights are not there; then nothing has been computed.
    """

    def __init__(
        self,
        device: torch.device | str = "cpu",
        weights: Mapping[str, str | Path] | None = None,
        precision: str = FLOAT32,
    ):
        self.device, self.weights, self.precision = torch.device(device), dict(weights or {}), precision
        self._built: dict[str, Extractor | nn.Module] = {}

    def __getitem__(self, name: str) -> Extractor | nn.Module:
        if name not in self._built:
            self._built[name] = self._build(name)
        return self._built[name]

    def _build(self, name: str) -> Extractor | nn.Module:
        if name == "lpips":
            return lpips.build(self.device, self.weights.get("vgg16"), self.weights.get("lpips"))
        built = EXTRACTORS[name](self.device, self.weights.get(family(name)))
        return built.to_bf16() if self.precision == BF16 else built


def family(name: str) -> str:
    """The network in a name of EXTRACTORS, without its preparation: 'inception-...' -> 'inception'."""
    return next((network for network in ("inception", "vgg16") if name.startswith(f"{network}-")), name)


def weight_files(texts: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """['FILE'] or ['vgg16=FILE', ...] -> file by network.

    names: the networks that will be used. A FILE alone is for Inception, or for the only other one.
    Raises UsageError if that leaves a doubt, and for an unknown network.
    """
    files = {}
    wanted = [name for name in dict.fromkeys(map(family, names)) if name in FROM_FILES]
    for text in texts:
        network, separator, file = text.partition("=")
        if separator and network not in FROM_FILES and not Path(text).exists():
            raise UsageError(f"--weights {text}: {unknown('network', network, FROM_FILES)}")
        if not separator or network not in FROM_FILES:
            network, file = "inception" if "inception" in wanted else "".join(wanted), text
        if network not in FROM_FILES:
            raise UsageError(f"--weights {text}: say for which network, such as --weights vgg16={text}")
        files[network] = file
    return files
