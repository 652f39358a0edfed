"""The controller of the augmentation probability (Karras et al. 2020b, section 3 and figure 5)."""

import torch
from torch import Tensor

from training.augment.config import AugmentConfig

LEAKY = 0.6  # from here on the generator may learn augmented images: figure 4 measures 0.8, with luck


def adjusted(
    p: float, mean_sign: float, *, target: float, batch: int, interval: int, kimg: float, limit: float
) -> float:
    """p after one step of the controller, in [0, limit].

    D overfits where it tells reals with more certainty than `target`: mean_sign = E[sign(D(real))] is 0 for a
    D that guesses and 1 for one that knows every real. A step is as long as `interval` batches take of the
    `kimg` thousand images in which p may go from 0 to 1; at the target p stays.
    """
    step = batch * interval / (kimg * 1000)
    direction = (mean_sign > target) - (mean_sign < target)
    return min(max(p + direction * step, 0.0), limit)


class Controller:
    """p of a run, and the signs of the logits since its last step.

    p: probability now; fixed, or adapted from 0 on.  signs: sum of signs and their count, float64 [2].
    """

    def __init__(self, config: AugmentConfig, batch: int, device: torch.device):
        self.config, self.batch = config, batch
        self.p = 0.0 if config.adaptive else float(config.p)
        self.signs = torch.zeros(2, dtype=torch.float64, device=device)

    def observe(self, real_logits: Tensor) -> None:
        """Remember the signs of one batch of reals as D saw them, augmented."""
        self.signs[0] += real_logits.detach().sign().sum()
        self.signs[1] += real_logits.numel()

    def step(self, done: int) -> None:
        """After `done` batches of the run: adapt p if it is due, and forget the signs."""
        if self.config.adaptive and done % self.config.interval == 0:
            total, count = self.signs.tolist()
            self.p = adjusted(
                self.p,
                total / count,
                target=self.config.target,
                batch=self.batch,
                interval=self.config.interval,
                kimg=self.config.kimg,
                limit=self.config.max,
            )
            self.signs.zero_()
