"""The controller of the augmentation probability (Karras et al. 2020b, section 3 and figure 5)."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from gan import distributed
from gan.randomness import Draws
from training.augment import AUGMENTATIONS
from training.augment.config import AugmentConfig
from training.schedules import value_at

LEAKY = 0.6  # above about 0.8 generators leak for certain (section 2.2); before that it depends on the data


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


class Augmentation:
    """What the images of a run go through on their way to D, and the probability of that.

    p: probability now.  signs: sum and count of the signs of D's real logits since p moved last, float64 [2].
    """

    def __init__(self, config: AugmentConfig, batch: int, device: torch.device):
        self.config, self.batch = config, batch
        self.p = 0.0 if config.adaptive else 1.0
        self.signs = torch.zeros(2, dtype=torch.float64, device=device)
        self._seen = torch.zeros_like(self.signs)  # by this process, since `step`
        self._apply = AUGMENTATIONS[config.name](config)
        self._warned = False
        self.step(0)

    def __call__(self, images: Tensor, draws: Draws) -> Tensor:
        """[N, C, H, W] in [-1, 1] -> the same, augmented by `draws` of these N."""
        return self._apply(images, self.p, draws)

    def observe(self, real_logits: Tensor) -> None:
        """Remember the signs of one batch of reals as D saw them, augmented."""
        if self.config.adaptive:
            self._seen[0] += real_logits.detach().sign().sum()
            self._seen[1] += real_logits.numel()

    def step(self, done: int) -> None:
        """After `done` batches of the run: move p if it is due."""
        config = self.config
        if not config.adaptive:
            self.p = 1.0 if config.p == "adaptive" else value_at(config.p, done * self.batch)
            return
        self.signs += distributed.summed(self._seen)
        self._seen.zero_()
        if done and done % config.interval == 0:
            total, count = self.signs.tolist()
            self.signs.zero_()
            settings = {"batch": self.batch, "interval": config.interval, "kimg": config.kimg}
            self.p = adjusted(self.p, total / count, target=config.target, limit=config.max, **settings)

    def counters(self) -> dict[str, float]:
        """State, for JSON."""
        total, count = self.signs.tolist()
        return {"augment/p": self.p, "augment/sign_sum": total, "augment/sign_count": count}

    def undo(self) -> Callable[[], None]:
        """What brings this moment back; it waits for no device, as reading `counters` does."""
        p, signs = self.p, self.signs.clone()

        def back() -> None:
            self.p = p
            self.signs.copy_(signs)
            self._seen.zero_()

        return back

    def restore(self, counters: Mapping[str, float]) -> None:
        """Inverse of `counters`. An adaptive p goes on from whatever p was, or from 0 if there was none."""
        self._seen.zero_()
        if not self.config.adaptive:
            self.step(int(counters["nimg"]) // self.batch)
            return
        self.p = min(float(counters.get("augment/p", 0.0)), self.config.max)
        self.signs[0], self.signs[1] = (
            counters.get(f"augment/sign_{name}", 0.0) for name in ("sum", "count")
        )

    def warning(self) -> str | None:
        """The first time that p is found at 0.6 or above: what this means. None otherwise."""
        if self._warned or self.p < LEAKY or self.config.name != "ada":
            return None
        self._warned = True
        return (
            f"augment/p is {self.p:.2f}: from {LEAKY:g} on the generator may learn the augmentation itself. "
            "Look for turned or recoloured images in fakes-*.png; more data or a lower augment.max avoids it"
        )
