"""Weights of one network for another of the same family: what fits is taken, what nearly fits is adapted.

Tensors belong together by name. Where shapes differ the name says what differs, and the tensor is adapted so
that the new network computes what the old one did, as far as it can: other image channels, other classes,
another base of the images. Layers that only one of the two has (of a resolution, of the label's embedding)
stay as they were initialised. Names count without the sizes in StyleGAN3's, and without the marks of torch's
parametrizations.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

Classes = Sequence[int | None]  # for each class of the new network, the class of the old one, None for none
FILTERS = ("resample_filter", "up_filter", "down_filter")  # no weights: they follow from the new config


@dataclass(kw_only=True)
class Report:
    """Where each tensor of the new network comes from; every name stands in one of the first four.

    taken: from the old one as it was.  adapted: from it, in another shape or order; name -> what was done.
    new: as initialised.  filters: fixed by the config.  unused: tensors of the old network without a place.
    taken_values, values: numbers in taken or adapted tensors, and in these and the new ones together.
    """

    taken: list[str] = field(default_factory=list)
    adapted: dict[str, str] = field(default_factory=dict)
    new: list[str] = field(default_factory=list)
    filters: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    taken_values: int = 0
    values: int = 0

    def lines(self, role: str) -> list[str]:
        """For people: one line of counts, then a line each for what was adapted, is new, or was not used."""
        share = 100 * self.taken_values / max(self.values, 1)
        found = [
            f"{role}: {len(self.taken)} tensors taken, {len(self.adapted)} adapted ({share:.1f} % of its "
            f"values), {len(self.new)} new; {len(self.unused)} of the model unused"
        ]
        found += [f"{role}: adapted {name}, {how}" for name, how in self.adapted.items()]
        for what, names in (("new", self.new), ("unused", self.unused)):
            if names:
                found.append(f"{role}: {what}: {', '.join(_grouped(names))}")
        return found


def transfer(
    new: Mapping[str, Tensor], old: Mapping[str, Tensor], classes: Classes | None = None
) -> tuple[dict[str, Tensor], Report]:
    """State of the new network with the weights of the old one where they fit, and the fate of each tensor.

    new: state as initialised; neither it nor `old` is changed. old: without parametrizations, or with those
    of `new`. classes: None pairs classes by number. Results have dtype and device of `new`.
    """
    available = {_key(name, old): name for name in old}
    result, report = {}, Report()
    for name, tensor in new.items():
        result[name] = tensor
        source = available.pop(_key(name, new), None)
        if name.endswith(FILTERS):
            report.filters.append(name)
            continue
        found = None if source is None else _fitted(_key(name, new), tensor, old[source].to(tensor), classes)
        report.values += tensor.numel()
        if found is None:
            report.new.append(name)
            if source is not None:
                report.unused.append(source)
            continue
        result[name], how = found
        report.taken_values += tensor.numel()
        if how:
            report.adapted[name] = how
        else:
            report.taken.append(name)
    report.unused += [name for name in available.values() if not name.endswith(FILTERS)]
    return result, report


def paired(new: Sequence[str], old: Sequence[str]) -> Classes | None:
    """Classes paired by name; None, by number, where either has no names."""
    return [old.index(name) if name in old else None for name in new] if new and old else None


def _key(name: str, state: Mapping[str, Tensor]) -> str:
    """The name that both networks share, whatever their resolutions.

    synthesis.L3_52_512.bias -> synthesis.L3.bias, the last torgb. Blocks of discriminators that are numbered
    from the image inwards are counted from the end instead, but for one that reads the image: blocks.first.
    """
    name = name.replace(".parametrizations.weight.original", ".weight")
    if match := re.match(r"synthesis\.L(\d+)_\d+_\d+\.(.+)", name):
        layer = "torgb" if int(match[1]) == _last(r"synthesis\.L(\d+)_", state) else f"L{match[1]}"
        return f"synthesis.{layer}.{match[2]}"
    match = re.match(r"(stages|blocks)\.(\d+)\.(.+)", name)
    if not match or any(other.startswith("to_rgb.") for other in state):
        return name
    place = int(match[2]) - _last(rf"{match[1]}\.(\d+)\.", state)
    first = match[1] == "blocks" and match[2] == "0"
    return f"{match[1]}.{'first' if first else place}.{match[3]}"


def _last(pattern: str, state: Mapping[str, Tensor]) -> int:
    return max(int(found[1]) for name in state if (found := re.match(pattern, name)))


def _fitted(key: str, new: Tensor, old: Tensor, classes: Classes | None) -> tuple[Tensor, str] | None:
    """The old tensor in the shape of the new one, and what was done to it; None: it does not fit."""
    if re.search(_CLASSES, key) and new.ndim == old.ndim == 2:
        by_number = classes is None or list(classes) == list(range(old.shape[1]))
        if not (by_number and new.shape == old.shape):
            return _per_class(new, old, classes, equalised="mapping." in key)
    if new.shape == old.shape:
        return old.clone(), ""
    for pattern, adapt, equalised in _RULES:
        if new.ndim == old.ndim and re.search(pattern, key) and (value := adapt(new, old)) is not None:
            return value * (_gain(new, old) if equalised else 1), f"{list(old.shape)} -> {list(new.shape)}"
    return None


def _per_class(
    new: Tensor, old: Tensor, classes: Classes | None, *, equalised: bool
) -> tuple[Tensor, str] | None:
    """Columns [E, K], one for each class; classes that only the new network knows are as initialised."""
    if len(new) != len(old):
        return None
    classes = classes or [k if k < old.shape[1] else None for k in range(new.shape[1])]
    result, pairs = new.clone(), [(mine, theirs) for mine, theirs in enumerate(classes) if theirs is not None]
    for mine, theirs in pairs:
        result[:, mine] = old[:, theirs] * (_gain(new, old) if equalised else 1)
    return result, f"{len(pairs)} of {new.shape[1]} classes"


def _inputs(new: Tensor, old: Tensor) -> Tensor | None:
    """Weight [out, in, ...]: the common inputs come first, those that are new count nothing."""
    if len(new) != len(old) or new.shape[2:] != old.shape[2:]:
        return None
    common, result = min(new.shape[1], old.shape[1]), torch.zeros_like(new)
    result[:, :common] = old[:, :common]
    return result


def _to_image(new: Tensor, old: Tensor) -> Tensor | None:
    """Weight or bias [channels, ...] of the layer that makes the image."""
    if new.shape[1:] != old.shape[1:]:
        return None
    mix, _ = _channels(len(new), len(old))
    return (mix.to(old) @ old.flatten(1)).view_as(new) if old.ndim > 1 else mix.to(old) @ old


def _from_image(new: Tensor, old: Tensor) -> Tensor | None:
    """Weight [out, channels, 1, 1] of a layer that reads the image."""
    if len(new) != len(old) or new.shape[2:] != old.shape[2:]:
        return None
    _, back = _channels(new.shape[1], old.shape[1])
    return torch.einsum("oc...,cn->on...", old, back.to(old))


def _constant(new: Tensor, old: Tensor) -> Tensor | None:
    """The learned input [C, H, W], enlarged or reduced."""
    if len(new) != len(old):
        return None
    return F.interpolate(old[None], new.shape[1:], mode="bilinear", antialias=True)[0]


def _channels(new: int, old: int) -> tuple[Tensor, Tensor]:
    """Images from old to new channels [new, old], and back [old, new]: grey <-> colours, else in order.

    Alpha, the channel after the colours, starts at 0, half transparent, and does not count.
    """
    if old == 1:
        colours = min(new, 3)
        mix = (torch.arange(new) < colours).float()[:, None]
        return mix, mix.T / colours
    if new == 1:
        back, mix = _channels(old, 1)
        return mix, back
    return torch.eye(new, old), torch.eye(old, new)


def _gain(new: Tensor, old: Tensor) -> float:
    """Equalised layers divide by sqrt(inputs) when they run; this undoes a change of that."""
    return (new[0].numel() / old[0].numel()) ** 0.5


_CLASSES = r"(^|\.)embed\.weight$|norm\d\.(gain|bias)\.weight$"
_RULES: tuple[tuple[str, Callable[[Tensor, Tensor], Tensor | None], bool], ...] = (
    # names, what to do, whether the layer is equalised
    (r"(^|\.)mapping\.fc0\.weight$", _inputs, True),  # z, and the label's embedding
    (r"^linear\.weight$", _inputs, False),  # the same of models without a mapping network
    (r"^b4\.conv\.weight$", _inputs, True),  # features, and minibatch statistics
    (r"(^|\.)to_?rgb\.(weight|bias)$", _to_image, False),
    (r"(^|\.)fromrgb\.weight$", _from_image, True),
    (r"^(from_rgb|blocks\.first\.(conv1|skip))\.weight$", _from_image, False),
    (r"\.b4\.const$|^basis$", _constant, False),
)


def _grouped(names: Sequence[str]) -> list[str]:
    """synthesis.b32.conv0.weight and its neighbours -> synthesis.b32.* (14)."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(".".join(name.split(".")[:2]), []).append(name)
    return [names[0] if len(names) == 1 else f"{start}.* ({len(names)})" for start, names in groups.items()]
