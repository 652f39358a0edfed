"""Do fakes look augmented?  A leak: the generator has learnt the augmentation, not only the data.

It happens at a probability near 1, where augmented and plain images can no longer be told apart in the mass
(Karras et al. 2020b, section 2.2 and figure 3). The statistic takes the fakes for a mixture: a share s[g] of
them like reals that the group g of transforms altered, the rest like reals. Then for simple image descriptors

    mean of fakes - mean of reals = sum over g of s[g] (mean of reals altered by g - mean of reals)

which is solved for s along the directions that best tell each group from the reals (Fisher's linear
discriminants, found on one half of the reals; the other half gives the means). Shares are 0 for no leak.
Other differences between fakes and reals move them either way: look at the fakes before you believe a small
one.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from gan import sampling
from gan.images import to_float
from gan.randomness import Draws
from training.augment import AUGMENTATIONS
from training.augment.adaptive import LEAKY
from training.augment.config import BLIT, COLOUR, GEOM, AugmentConfig
from training.data.images import ImageDataset
from training.state import TrainState

GROUPS = {"blit": BLIT, "geom": GEOM, "color": COLOUR}  # other transforms are groups by themselves
RIDGE = 0.05  # of the mean variance, added to every descriptor's
SEPARATED = 0.5  # standard deviations between reals and altered reals below which nothing can be said
SIGNIFICANT = 4.0  # standard errors
NOTABLE = 0.1  # share of the fakes
SAMPLES = 256  # images of each kind in the check of a run


@dataclass(frozen=True, kw_only=True)
class Leak:
    """One group of transforms.  share: of the fakes that look altered.  error: its standard error.

    separation: distance of altered from plain reals in standard deviations, so how well this can be told.
    """

    share: float
    error: float
    separation: float

    @property
    def found(self) -> bool:
        """Whether the share is notable and no accident, and reals and altered reals can be told apart."""
        significant = self.share > max(SIGNIFICANT * self.error, NOTABLE)
        return self.separation > SEPARATED and significant


def notice(state: TrainState, dataset: ImageDataset) -> str | None:
    """One line on what leaked into the weight average's images; None where p is too low for that, or nothing.

    Compares images of seeds 0, 1, ... with images evenly spaced over the set.
    """
    augmentation = state.augmentation
    if augmentation is None or augmentation.config.name != "ada" or augmentation.p < LEAKY or not state.nimg:
        return None
    count = min(SAMPLES, len(dataset))
    reals = [torch.from_numpy(dataset.image(i * len(dataset) // count).copy()) for i in range(count)]
    fakes = torch.cat([images.cpu() for images in sampling.images(state.ema, range(SAMPLES))])
    found = leaks(to_float(torch.stack(reals)), to_float(fakes), augmentation.config)
    listed = [f"{name} {leak.share:.0%} +- {leak.error:.0%}" for name, leak in found.items() if leak.found]
    if not listed:
        return None
    return (
        f"share of fakes that look augmented: {', '.join(listed)}. If fakes-*.png agree, resume an earlier "
        "checkpoint with a lower augment.max; fakes that differ from the data otherwise count as well"
    )


def leaks(reals: Tensor, fakes: Tensor, config: AugmentConfig, seed: int = 0) -> dict[str, Leak]:
    """Group of the policy -> how many fakes look as if that group had altered them.

    Args:
        reals, fakes: [N, C, H, W] in [-1, 1], not augmented; some hundred of each, N may differ.
        seed: of the halves and of the augmentation.

    Raises:
        ValueError: fewer than 8 reals or 2 fakes.
    """
    if len(reals) < 8 or len(fakes) < 2:
        raise ValueError(f"a leak shows in 8 reals and 2 fakes or more; got {len(reals)} and {len(fakes)}")
    draws = Draws(seed, 0, range(len(reals)), reals.device)
    first, second = draws.shared((len(reals),)).argsort().tensor_split(2)
    plain, altered = descriptors(reals), []
    policies = _policies(config)
    for policy in policies.values():
        augment = AUGMENTATIONS[config.name](dataclasses.replace(config, policy=policy))
        altered.append(descriptors(augment(reals, 1.0, draws.apart())))
    return dict(zip(policies, _mixture(plain, altered, descriptors(fakes), first, second), strict=True))


def descriptors(images: Tensor) -> Tensor:
    """[N, C, H, W] -> float64 [N, D] on the CPU: colour, saturation, layout, orientation, sharpness, blanks.

    Means and deviations of the first three channels and their mean distance from grey; a 4x4 thumbnail of the
    luma; logarithms of the energies of its differences along x, y and both diagonals and of its Laplacian;
    the share of pixels at zero.
    """
    rgb = images.detach()[:, :3].to("cpu", torch.float64)
    luma = rgb.mean(1, keepdim=True)
    moments = [rgb.mean((2, 3)), rgb.std((2, 3)), (rgb - luma).abs().mean((1, 2, 3))[:, None]]
    layout = F.adaptive_avg_pool2d(luma, 4).flatten(1)
    inner = luma[:, 0, 1:-1, 1:-1]
    across, down = luma[:, 0, 1:-1, 2:] - inner, luma[:, 0, 2:, 1:-1] - inner
    sharp = across - inner + luma[:, 0, 1:-1, :-2] + down - inner + luma[:, 0, :-2, 1:-1]
    energies = [part.square().mean((1, 2)) for part in (across, down, across + down, across - down, sharp)]
    blank = (rgb.abs().amax(1) < 0.01).double().mean((1, 2))[:, None]
    return torch.cat([*moments, layout, torch.stack(energies, 1).add(1e-6).log(), blank], dim=1)


def _policies(config: AugmentConfig) -> dict[str, str]:
    """The policy's transforms by group, each as a policy of its own in which p is the whole probability."""
    groups = {name: group for group, names in GROUPS.items() for name in names}
    policies: dict[str, list[str]] = {}
    for name in config.transforms:
        policies.setdefault(groups.get(name, name), []).append(name)
    return {group: ",".join(names) for group, names in policies.items()}


def _mixture(
    plain: Tensor, altered: Sequence[Tensor], made: Tensor, first: Tensor, second: Tensor
) -> list[Leak]:
    """Directions from the `first` reals, means from the `second` ones; descriptors [N, D] of every set."""
    center, scale = plain[first].mean(0), plain[first].std(0).clamp_min(1e-8)
    plain, made, *altered = (_squared((x - center) / scale) for x in (plain, made, *altered))
    within = torch.cat([x[first] - x[first].mean(0) for x in (plain, *altered)])
    covariance = within.T @ within / len(within)
    ridge = RIDGE * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=covariance.dtype)
    shifts = torch.stack([x[first].mean(0) - plain[first].mean(0) for x in altered], dim=1)  # [D, G]
    w = torch.linalg.solve(covariance + ridge, shifts)
    real, fake, changed = plain[second] @ w, made @ w, [x[second] @ w for x in altered]  # [N, G]
    gaps = torch.stack([x.mean(0) - real.mean(0) for x in changed], dim=1)  # column: a group's shift
    inverse = torch.linalg.pinv(gaps).T  # columns: what a direction's score says of a group's share
    shares = (fake.mean(0) - real.mean(0)) @ inverse
    variance = (fake @ inverse).var(0) / len(fake) + (1 - shares.sum()) ** 2 * (real @ inverse).var(0) / len(
        real
    )
    for share, scores in zip(shares, changed, strict=True):
        variance = variance + share**2 * (scores @ inverse).var(0) / len(scores)
    spreads = [(real[:, g].var() + x[:, g].var()).div(2).sqrt() for g, x in enumerate(changed)]
    return [
        Leak(share=shares[g].item(), error=variance[g].sqrt().item(), separation=(gaps[g, g] / spread).item())
        for g, spread in enumerate(spreads)
    ]


def _squared(x: Tensor) -> Tensor:
    """Descriptors beside their squares, so that a wider spread shows as well as a shift."""
    x = x.clamp(-5, 5)
    return torch.cat([x, x.square()], dim=1)
