"""What becomes of an image that a filter finds: it is blocked, blurred, marked, or let through.

A blurred image is made of the means of its SIDE x SIDE parts, each rounded to one of LEVELS, and of nothing
else: nobody can have more back from it than those 16 colours. Its transparency, which would show an outline,
is left out.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from gan.images import rgb_view

Action = Literal["block", "blur", "mark", "allow"]

STRICTEST_FIRST: tuple[Action, ...] = ("block", "blur", "mark", "allow")
SIDE = 4  # parts of an image that is blurred, a direction
LEVELS = 16  # of each channel of a part


@dataclass(frozen=True, kw_only=True)
class Policies:
    """What is done where a filter finds something, by filter.

    content: the classifier of sexual content.  blocklist: the list of hashes.  memorised: too near a training
    image. A filter that fails blocks, whatever its policy is.
    """

    content: Action = "block"
    blocklist: Action = "block"
    memorised: Action = "block"


def strictest(actions: list[Action]) -> Action:
    """The one that counts where several filters find something; "allow" where none does."""
    return min(actions, key=STRICTEST_FIRST.index, default="allow")


def blurred(image: Tensor) -> Tensor:
    """uint8 [C, H, W] -> uint8 [3, H, W], of which only coarse patches of colour can be seen."""
    height, width = image.shape[1:]
    means = torch.nn.functional.adaptive_avg_pool2d(rgb_view(image)[None].double(), SIDE)  # [1, 3, 4, 4]
    step = 256 / LEVELS
    coarse = ((means / step).floor() + 0.5) * step  # the middle of its level
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    return smooth[0].round().clamp(0, 255).to(torch.uint8)
