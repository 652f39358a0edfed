"""Weights times the constants of equalised learning rates: once for a whole step, all in one operation.

On its own every layer scales its weight in each pass, which is a launch for each of them, forward and
backward. Within `prepared` the first layer that asks has all of its network's scaled together.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class Scaled(nn.Module):
    """A module whose forward takes some of its parameters times constants."""

    ready: "Weights | None" = None

    @property
    def factors(self) -> Mapping[str, float]:
        """Name of a parameter -> its constant; one without is taken as it is."""
        return {}

    def scaled(self, name: str) -> Tensor:
        """The parameter of that name times its constant."""
        if self.ready is not None and (found := self.ready.get(self, name)) is not None:
            return found
        value, factor = getattr(self, name), self.factors.get(name, 1.0)
        return value if factor == 1 else value * factor


class Weights:
    """What `Scaled` modules of a network ask for: computed when the first one asks, with its derivatives.

    Weights that are functions of others (gan/networks/reparametrize.py) are left to their modules.
    """

    def __init__(self, network: nn.Module) -> None:
        self.modules = _scaled_modules(network)
        self._found: dict[tuple[nn.Module, str], Tensor] | None = None

    def get(self, module: nn.Module, name: str) -> Tensor | None:
        """The scaled parameter, None for one that is none of these."""
        if self._found is None:
            self._found = self._computed()
        return self._found.get((module, name))

    def _computed(self) -> dict[tuple[nn.Module, str], Tensor]:
        trained: dict[tuple[nn.Module, str], tuple[Tensor, float]] = {}
        fixed: dict[tuple[nn.Module, str], tuple[Tensor, float]] = {}
        for module in self.modules:
            for name, factor in module.factors.items():
                if factor == 1 or parametrize.is_parametrized(module, name):
                    continue
                value = getattr(module, name)
                (trained if value.requires_grad else fixed)[module, name] = value, factor
        found: dict[tuple[nn.Module, str], Tensor] = {}
        for some in (trained, fixed):
            if some:
                values, factors = zip(*some.values(), strict=True)
                with torch.enable_grad():  # whoever asks first may want no gradient of its own
                    found |= zip(some, _Products.apply(factors, *values), strict=True)
        return found


@contextlib.contextmanager
def prepared(*networks: nn.Module) -> Iterator[None]:
    """Within, the weights of the networks stay as they are, and are scaled once."""
    weights = [Weights(network) for network in networks]
    try:
        for each in weights:
            for module in each.modules:
                module.__dict__["ready"] = each  # a module's own way to set attributes is slow
        yield
    finally:
        for each in weights:
            for module in each.modules:
                module.__dict__.pop("ready", None)


def _scaled_modules(network: nn.Module) -> list[Scaled]:
    """Kept with the network, as a walk over all of its modules takes long; copied with it too."""
    if "scaled_modules" not in network.__dict__:
        network.__dict__["scaled_modules"] = [m for m in network.modules() if isinstance(m, Scaled)]
    return network.__dict__["scaled_modules"]


class _Products(torch.autograd.Function):
    """Tensors times constants; linear, so that its derivative of any order is itself."""

    @staticmethod
    def forward(ctx: Any, factors: Sequence[float], *values: Tensor) -> tuple[Tensor, ...]:
        ctx.factors = factors
        ctx.set_materialize_grads(False)
        return tuple(torch._foreach_mul(values, factors))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple:
        given = [i for i, gradient in enumerate(gradients) if gradient is not None]
        found: list[Tensor | None] = [None] * len(gradients)
        if given:
            products = _Products.apply([ctx.factors[i] for i in given], *(gradients[i] for i in given))
            for i, product in zip(given, products, strict=True):
                found[i] = product
        return None, *found
