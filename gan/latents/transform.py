"""Where the picture of a StyleGAN3 model is: moved and turned before its first layer (Karras et al. 2021).

Coordinates are (x, y), x to the right and y down, the origin is the picture's centre, the unit is
`resolution` pixels: the side of a square picture.

Letters: N samples, L layers, D latent size, C channels, H rows, W columns.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gan.errors import UsageError
from gan.latents.abilities import require_movable
from gan.networks.base import Noise


def placement(translate: Sequence[float] = (0.0, 0.0), rotate: float = 0.0) -> Tensor:
    """Matrix [3, 3], float32, for `synthesized`: turn the picture about its centre, then move it.

    translate: (x, y), to the right and down. rotate: degrees, counter-clockwise as seen.
    The matrix takes a place in the new picture to the place of the old one that is shown there, which is what
    the input layer multiplies its coordinates with. Raises UsageError for numbers that are not finite.
    """
    x, y = translate
    if not all(map(math.isfinite, (x, y, rotate))):
        raise UsageError(f"translation {x},{y} and rotation {rotate}: give finite numbers")
    angle = math.radians(rotate)
    cos, sin = math.cos(angle), math.sin(angle)
    # A place p of the old picture goes to R p + t; the inverse, R^T (q - t), is wanted.
    turn = torch.tensor([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    move = torch.tensor([[1.0, 0.0, -x], [0.0, 1.0, -y], [0.0, 0.0, 1.0]], dtype=torch.float64)
    return (turn @ move).to(torch.float32)


def synthesized(
    generator: nn.Module, ws: Tensor, *, noise: Noise = "const", transform: Tensor | None = None
) -> Tensor:
    """`generator.synthesis` of ws [N, L, D] under a `placement` -> [N, C, H, W]; the model stays as it was.

    transform: [3, 3] for all samples, or [N, 3, 3]; None as the model has it. Differentiable.
    Raises UsageError for a transform where the model cannot be moved.
    """
    if transform is None:
        return generator.synthesis(ws, noise=noise)
    require_movable(generator)
    state = {"input.transform": transform.to(generator.synthesis.input.transform)}
    return torch.func.functional_call(generator.synthesis, state, (ws,), {"noise": noise})
