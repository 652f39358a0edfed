"""DETECTORS: what features a statistic can read, by the name that stands in the brackets: kid[dinov2].

A row says which network, which of its outputs are features and which are classes, and by what rules scores
are computed where no tool has them. A file or package of yours adds a row by `Detector.add`: see
docs/METRICS.md, "A detector of your own".
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from gan import plugins
from gan.errors import UsageError, UserError
from gan.registry import table
from metrics.conventions import CONVENTIONS, Convention
from metrics.features import Extractor
from metrics.networks.extractors import EXTRACTORS, NetExtractor, Weights, extractor_for
from metrics.resize import RESIZERS, SCALES, described, prepared

OWN = "unbiased"  # name of the rules of metrics that always read one network
# Rules on features that no published convention has: covariances over N - 1, k = 3, all reals.
PLAIN = Convention(name=OWN, detector="", resize="", scale="", num_fake=2_000, logits=None)


@dataclass(frozen=True, kw_only=True)
class Rated:
    """A row of DETECTORS: the network in EXTRACTORS, and the rules of scores on its features."""

    extractor: str
    rules: Convention


@dataclass(frozen=True, kw_only=True)
class Detector:
    """A feature network of your own: what to do with pixels, and a module that maps them to features.

    name: how it is asked for, kid[name], and what records call it.
    build: () -> nn.Module that maps float32 [N, 3, size, size] to features [N, D]: of each image alone,
    whatever the others are. With `logits` it gives a pair, features [N, D] and logits [N, K].
    size, resize, scale: what the module is given: side in pixels, a name in RESIZERS, a name in SCALES.
    features: D. logits: K, 0 for none.
    """

    name: str
    build: Callable[[], nn.Module]
    features: int
    size: int
    logits: int = 0
    resize: str = "pil-bicubic"
    scale: str = "unit"

    def add(self) -> None:
        """Put it into DETECTORS. UsageError for a name that is taken, another resize or scale."""
        if self.resize not in RESIZERS or self.scale not in SCALES:
            known = f"resize is one of {', '.join(RESIZERS)}; scale one of {', '.join(SCALES)}"
            raise UsageError(f"detector {self.name}: {known}")
        if self.name in CONVENTIONS:
            raise UsageError(f"a convention is called '{self.name}': choose another name for the detector")
        if self.name in DETECTORS and EXTRACTORS.get(self.name) != self:
            raise UsageError(f"there is a detector '{self.name}' already: choose another name")
        EXTRACTORS[self.name] = self
        logits = "logits" if self.logits else None
        DETECTORS[self.name] = _plain(self.name, self.name, logits=logits)

    def __call__(self, device: torch.device, given: Weights = None) -> Extractor:
        """The extractor, as EXTRACTORS has them. UserError if its output is not what it says."""
        if given is not None:
            raise UserError(f"the detector '{self.name}' builds its own network; leave --weights out")
        net = _Named(self, self.build().eval().requires_grad_(False))
        preparation = (self.size, self.resize, self.scale)

        def ready(images: Tensor) -> Tensor:
            return prepared(images, *preparation, device)

        heads = {"pool": self.features, **({"logits": self.logits} if self.logits else {})}
        return NetExtractor(self.name, self._digest(net), described(*preparation), heads, ready, net, device)

    def _digest(self, net: nn.Module) -> str:
        """sha256 of the text that builds the network and of its tensors: another text is another network."""
        digest = hashlib.sha256(_source(self.build))
        for name, tensor in net.state_dict().items():
            digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


class _Named(nn.Module):
    """The module of a Detector with its outputs by name."""

    def __init__(self, detector: Detector, net: nn.Module):
        super().__init__()
        self.net, self.detector = net, detector

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        found, wanted = self.net(x), self.detector
        parts = found if wanted.logits else (found,)
        widths = [(len(x), width) for width in (wanted.features, wanted.logits) if width]
        shapes = [tuple(part.shape) for part in parts]
        if shapes != widths:
            raise UserError(
                f"the detector '{wanted.name}' gives {shapes}, but says {widths}: mend its numbers"
            )
        return dict(zip(("pool", "logits"), parts, strict=False))


def _source(build: Callable) -> bytes:
    """The file in which a function or class is written; only its own text where there is no file."""
    try:
        file = inspect.getsourcefile(build)
        return Path(file).read_bytes() if file and Path(file).is_file() else inspect.getsource(build).encode()
    except (TypeError, OSError):
        return b""


def load(text: str) -> str:
    """Add the Detector that "module:object" or "FILE.py:object" names, and return its name.

    Raises UsageError where there is none, UserError with the reason where the module fails.
    """
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise UsageError(f"--detector {text}: write module:object or FILE.py:object")
    module = plugins.module_asked(place, f"--detector {text}", "object")
    found = getattr(module, name, None)
    if not isinstance(found, Detector):
        has = [key for key, value in vars(module).items() if isinstance(value, Detector)]
        raise UsageError(
            f"--detector {text}: '{name}' is no metrics.networks.detectors.Detector; "
            f"{place} has {', '.join(has) or 'none'}"
        )
    found.add()
    return found.name


def _under_conventions() -> Mapping[str, Rated]:
    """Inception as each convention prepares it, for the scores that its tool does not compute."""
    rows = [row for row in CONVENTIONS.values() if row.detector == "inception"]
    found = {}
    for row in rows:
        rules = replace(row, name=f"inception-{row.name}", scores={}, manifold="", most_reals={})
        rules = replace(rules, neighbours=3, strict=False, subsets_seed=None, subsets_least=2)
        rules = replace(rules, subsets_std=False)
        found[rules.name] = Rated(extractor=extractor_for("inception", row), rules=rules)
    return found


def _plain(
    name: str,
    extractor: str = "",
    *,
    features: str = "pool",
    logits: str | None = None,
    num_fake: int = PLAIN.num_fake,
) -> Rated:
    """A detector by PLAIN rules; its extractor has the same name unless another is given."""
    rules = replace(PLAIN, name=name, features=features, logits=logits, num_fake=num_fake)
    return Rated(extractor=extractor or name, rules=rules)


DETECTORS = table(
    "detector",
    {
        "efficientnet-lite0": _plain("efficientnet-lite0", logits="logits"),
        "efficientnet-lite1": _plain("efficientnet-lite1", logits="logits"),
        "st-lpips-vgg": _plain("st-lpips-vgg"),
        "untrained": _plain("untrained"),
        "dinov2": _plain("dinov2", num_fake=50_000),
        "clip": _plain("clip", num_fake=50_000),
        "vgg16-nv": _plain("vgg16-nv", "vgg16", features="fc2", num_fake=50_000),
        "vgg16-tfid": _plain("vgg16-tfid", "vgg16-tf1-bilinear", features="fc2", num_fake=50_000),
        **_under_conventions(),
    },
)
