"""What can be done with a generator, and in words what cannot.

Letters: L style inputs (layers), H rows, W columns.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from gan.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Abilities:
    """What a generator of any family offers.

    kind: its type, such as stylegan2.
    layers: L of its style space, 0 without one: then there is z alone, and no truncation, mixing or w.
    noise: (H, W) of each map of noise that it adds, from its first layer on; empty where it adds none.
    movable: whether its input can be moved and turned (StyleGAN3).
    classes: how long its conditions are, 0 for none.
    """

    kind: str
    layers: int
    noise: tuple[tuple[int, int], ...]
    movable: bool
    classes: int

    def lacking(self) -> list[str]:
        """In words, what this model has not, one text each."""
        texts = []
        if not self.layers:
            texts.append("no style space: no w, no truncation, no style mixing; it can be edited in z")
        if not self.noise:
            texts.append("no noise")
        if not self.movable:
            texts.append("no input that moves or turns; that is StyleGAN3's")
        return [f"a {self.kind} generator has {text}" for text in texts]


def abilities(generator: nn.Module) -> Abilities:
    """What this generator offers, found by its structure, so that plug-ins count as well."""
    return Abilities(
        kind=getattr(getattr(generator, "config", None), "type", type(generator).__name__),
        layers=getattr(generator, "num_ws", 0),
        noise=tuple(tuple(layer.noise_const.shape) for layer in noisy_layers(generator)),
        movable=movable(generator),
        classes=generator.c_dim,
    )


def noisy_layers(generator: nn.Module) -> list[nn.Module]:
    """The layers that add noise, in the order in which they draw it: each has a `noise_const` [H, W]."""
    return [m for m in generator.modules() if isinstance(getattr(m, "noise_const", None), Tensor)]


def movable(generator: nn.Module) -> bool:
    """Whether the input of the synthesis network has a `transform` [3, 3], as StyleGAN3's."""
    if not getattr(generator, "num_ws", 0):
        return False
    layer = getattr(getattr(generator, "synthesis", None), "input", None)
    return isinstance(getattr(layer, "transform", None), Tensor)


def require_styles(generator: nn.Module, action: str) -> None:
    """UsageError where the model has no style space. action: what was wanted, such as 'truncated'."""
    found = abilities(generator)
    if not found.layers:
        raise UsageError(
            f"a {found.kind} generator has no style space: it cannot be {action}; it has z alone"
        )


def require_noise(generator: nn.Module) -> None:
    """UsageError where the model adds no noise."""
    found = abilities(generator)
    if not found.noise:
        raise UsageError(f"a {found.kind} generator adds no noise here; leave the options of noise out")


def require_movable(generator: nn.Module) -> None:
    """UsageError where the model's input cannot be moved and turned."""
    found = abilities(generator)
    if not found.movable:
        raise UsageError(
            f"a {found.kind} generator cannot be moved or turned: only StyleGAN3's input can; "
            "leave translation and rotation out"
        )
