"""Weights as functions of other tensors: spectral normalisation and low-rank adapters, for any network.

Both act on `weight`, of two axes or more, of each module, seen as the matrix [out, rest]. They are
parametrizations of torch: `x.weight` becomes `x.parametrizations.weight.original`, and what a layer
multiplies its input by is computed from it, once per forward. Networks without either are left as they are.

A module whose forward multiplies its weight by a constant names it `weight_gain`. None keeps the spectral
norm off, where demodulation makes the weight's scale void, or where that scale is the point. One whose weight
starts as zeros says so by `starts_at_zero = True`.
"""

import contextlib
import copy
import dataclasses
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ops.spectral_norm import SpectralNorm


class LowRank(nn.Module):
    """Parametrization W -> W + B A / sqrt(rank) (Hu et al. 2021, section 4.1; the root: Kalajdzievski 2023).

    A [rank, rest] starts as unit normal, B [out, rank] as zeros. A step on B then moves each entry of W by as
    much as the same step on W would, whatever the rank. The rank is at most that of W.
    """

    def __init__(self, weight: Tensor, rank: int):
        super().__init__()
        rows, rest = weight.shape[0], weight[0].numel()
        rank = min(rank, rows, rest)
        self.scale = rank**-0.5
        self.a = nn.Parameter(weight.new_empty(rank, rest).normal_())
        self.b = nn.Parameter(weight.new_zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return torch.addmm(weight.flatten(1), self.b, self.a, alpha=self.scale).view(weight.shape)


def applied(network: nn.Module, spectral_norm: bool, lora_rank: int = 0, part: str = "") -> nn.Module:
    """The same network with what its config asks for; the norm in its submodule `part` only."""
    if lora_rank:
        add_low_rank(network, lora_rank)
    if spectral_norm:
        add_spectral_norm(network.get_submodule(part))
    return network


def check_rank(rank: int) -> None:
    """ValueError for a rank that no adapter has; 0 stands for none."""
    if rank < 0:
        raise ValueError(f"lora_rank must be >= 0; got {rank}")


def add_low_rank(network: nn.Module, rank: int) -> None:
    """Add a `LowRank` to every weight, and train nothing else.

    What were parameters become buffers of the same names: they have neither gradient nor optimiser state, and
    weight averages copy them.
    """
    weights = _weights(network)
    for module in network.modules():
        module.frozen = [name for name, _ in module.named_parameters(recurse=False)]  # read by `merged`
        for name in module.frozen:
            value = getattr(module, name).detach()
            delattr(module, name)
            module.register_buffer(name, value)
    for module in weights:
        parametrize.register_parametrization(module, "weight", LowRank(module.weight, rank))


def add_spectral_norm(network: nn.Module) -> None:
    """Give every weight a largest singular value of 1 (Miyato et al. 2018, section 2.1).

    It is that of the weight in effect, `weight_gain` included, by one power iteration per forward in training
    mode. A weight that starts as zeros, such as that of a residual branch which starts as nothing, has no
    direction to be normalised: its singular values are kept from exceeding 1. Demodulated weights are left
    out: the network and all its gradients would be the same.
    """
    for module in _weights(network):
        gain = getattr(module, "weight_gain", 1.0)
        if gain is not None:
            bound = getattr(module, "starts_at_zero", False)
            norm = SpectralNorm(module.weight, norm=1 / gain, bound=bound)
            parametrize.register_parametrization(module, "weight", norm)


def sigmas(network: nn.Module) -> dict[str, Tensor]:
    """Module -> [], the singular value that its weight in effect had before it was normalised.

    Estimated with u and v as they are: one pass over each weight. Empty for a network without spectral norm.
    """
    return {name: norm.sigma(weight) / norm.norm for name, norm, weight in _normalised(network)}


def settle(network: nn.Module) -> None:
    """Bring the spectral norms up to weights that have been replaced; without any, do nothing.

    Until then the vectors of the power iteration belong to other weights: what they estimate is too small.
    """
    for _, norm, weight in _normalised(network):
        norm.settle(weight)


def computed(module: nn.Module) -> dict[nn.Module, Tensor]:
    """The weights in effect of what is reparametrized within `module`, for `using`; norms move on by this."""
    found = (m for m in module.modules() if parametrize.is_parametrized(m, "weight"))
    return {m.parametrizations["weight"]: m.weight for m in found}


@contextlib.contextmanager
def using(weights: dict[nn.Module, Tensor]) -> Iterator[None]:
    """Within, weights are these tensors of `computed`, and are not computed again."""
    for parametrization, weight in weights.items():
        parametrization.forward = lambda weight=weight: weight
    try:
        yield
    finally:
        for parametrization in weights:
            del parametrization.forward


@torch.no_grad()
def merged(network: nn.Module) -> nn.Module:
    """A plain copy that can be trained as a whole, with the output that `network` has in eval mode.

    It is in the mode of `network`; gradients are not asked for yet.
    """
    plain = copy.deepcopy(network).eval()
    for module in list(plain.modules()):
        parameters = {name: getattr(module, name) for name in module.__dict__.pop("frozen", ())}
        if parametrize.is_parametrized(module, "weight"):
            weight, original = module.weight, module.parametrizations["weight"].original
            if isinstance(original, nn.Parameter):
                parameters["weight"] = weight
            del module.parametrizations  # not by torch, which would take the class of both copies to pieces
            module.__class__ = module.__class__.__bases__[0]
            module.register_buffer("weight", weight)
        for name, value in parameters.items():
            delattr(module, name)
            module.register_parameter(name, nn.Parameter(value))
    if config := getattr(plain, "config", None):
        off = {"spectral_norm": False, "lora_rank": 0}
        names = {f.name for f in dataclasses.fields(config)}
        plain.config = dataclasses.replace(config, **{key: off[key] for key in off.keys() & names})
    return plain.train(network.training).requires_grad_(False)


def _weights(network: nn.Module) -> list[nn.Module]:
    """Modules whose `weight` is a matrix, or more."""
    found = ((module, getattr(module, "weight", None)) for module in network.modules())
    return [module for module, weight in found if isinstance(weight, Tensor) and weight.ndim >= 2]


def _normalised(network: nn.Module) -> Iterator[tuple[str, SpectralNorm, Tensor]]:
    """Module, its spectral norm, and the weight that this gets."""
    for name, module in network.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            *before, last = module.parametrizations["weight"]
            if isinstance(last, SpectralNorm):
                weight = module.parametrizations["weight"].original.detach()
                with torch.no_grad():
                    for step in before:
                        weight = step(weight)
                yield name, last, weight
