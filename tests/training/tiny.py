"""States of tiny networks, for the tests of the step and its parts."""

import torch

from gan.config import override
from training.config import RunConfig, fit
from training.state import TrainState, create

TINY = [
    *(f"{n}.channel_base=64" for n in ("generator", "discriminator")),
    *(f"{n}.channel_max=8" for n in ("generator", "discriminator")),
    "generator.z_dim=8",
    "generator.w_dim=8",
    "generator.mapping.layers=2",
    "discriminator.mapping.layers=2",
    "batch=4",
]


def tiny_state(*assignments: str, classes: int = 0) -> TrainState:
    """StyleGAN2 of 8x8 pixels and batches of 4, on the CPU."""
    config = override(RunConfig(), [*TINY, *assignments])
    return create(fit(config, shape=(3, 8, 8), classes=classes), torch.device("cpu"))


def weights(network: torch.nn.Module) -> list[torch.Tensor]:
    """A copy of every parameter."""
    return [p.detach().clone() for p in network.parameters()]


def moved(network: torch.nn.Module, before: list[torch.Tensor]) -> list[bool]:
    """Per parameter, whether it differs from its copy."""
    return [not torch.equal(p, b) for p, b in zip(network.parameters(), before, strict=True)]


class Plain(torch.nn.Module):
    """A generator without a style space: G(z, c) only."""

    z_dim, num_ws = 4, 0

    def __init__(self, c_dim):
        super().__init__()
        self.c_dim = c_dim
        self.linear = torch.nn.Linear(4 + c_dim, 3 * 8 * 8)

    def forward(self, z, c=None):
        return self.linear(z if c is None else torch.cat([z, c], dim=1)).view(-1, 3, 8, 8)


def plain_state(*assignments: str, classes: int = 0) -> TrainState:
    """The same with a `Plain` generator."""
    state = tiny_state(*assignments, classes=classes)
    state.generator = Plain(classes).requires_grad_(False)
    state.optimizer_g = torch.optim.Adam(state.generator.parameters(), lr=0.01)
    return state
