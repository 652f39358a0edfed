"""AugmentConfig: what the discriminator's images go through, and how often."""

from dataclasses import dataclass, field
from typing import Literal

from gan.errors import unknown
from training.schedules import Schedule, extremes

BLIT = ("xflip", "rotate90", "xint")
GEOM = ("scale", "rotate", "aniso", "xfrac")
COLOUR = ("brightness", "contrast", "lumaflip", "hue", "saturation")
TRANSFORMS = (*BLIT, *GEOM, *COLOUR, "imgfilter", "noise", "cutout")
# Categories of the paper's figure 4: b(lit), g(eometric), c(olour), f(ilter), n(oise), c(utout).
POLICIES = {
    "blit": BLIT,
    "geom": GEOM,
    "color": COLOUR,
    "filter": ("imgfilter",),
    "bg": (*BLIT, *GEOM),
    "bgc": (*BLIT, *GEOM, *COLOUR),
    "bgcf": (*BLIT, *GEOM, *COLOUR, "imgfilter"),
    "bgcfn": (*BLIT, *GEOM, *COLOUR, "imgfilter", "noise"),
    "bgcfnc": TRANSFORMS,
}
MIN_SIDE = 22  # of images for imgfilter: its reflected border must be narrower than the image
PUBLISHED_DIFF = ("color", "translation", "cutout")  # groups of DiffAugment
DIFF = (*PUBLISHED_DIFF, "shift")
DEFAULT_POLICY = {"none": "", "ada": "bgc", "diffaugment": ",".join(PUBLISHED_DIFF)}


@dataclass(frozen=True, kw_only=True)
class StrengthConfig:
    """How far each transform of `ada` goes; defaults as published (Karras et al. 2020b, appendix B).

    xint_max, xfrac_std: shifts as a fraction of the image.  scale_std, aniso_std: of log2 of the factor.
    rotate_max, hue_max: of 180 degrees.  brightness_std, noise_std: of values in [-1, 1].
    contrast_std, saturation_std, imgfilter_std: of log2 of the factor.
    imgfilter_bands: factor of the probability of each band.  cutout_size: side as a fraction of the image.
    """

    xint_max: float = 0.125
    scale_std: float = 0.2
    rotate_max: float = 1.0
    aniso_std: float = 0.2
    xfrac_std: float = 0.125
    brightness_std: float = 0.2
    contrast_std: float = 0.5
    hue_max: float = 1.0
    saturation_std: float = 1.0
    imgfilter_bands: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    imgfilter_std: float = 1.0
    noise_std: float = 0.1
    cutout_size: float = 0.5

    def __post_init__(self):
        for name, value in vars(self).items():
            if min(value if isinstance(value, tuple) else (value,)) < 0:
                raise ValueError(f"{name} must be >= 0; got {value}")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Augmentation of everything the discriminator sees, reals and fakes alike.

    name: none, or a key of AUGMENTATIONS: ada (Karras et al. 2020b); diffaugment (Zhao et al. 2020), which
    alters every image; an own one, to which policy is a text of its own.
    policy: transforms separated by commas, each a name or a group of names (`bgc`, `blit`, `color`, ...),
    with `=factor` where its probability is a multiple of p, as in "blit,hue=0.5". For diffaugment: color,
    translation, cutout, and shift, a translation that repeats the edge where that one brings in zeros. null:
    bgc, or the first three.
    p: probability of each transform of ada, fixed or a schedule; "adaptive" holds the mean sign of D's real
    logits at `target`, by steps every `interval` batches that would take p from 0 to 1 in `kimg` thousand
    images, and never beyond `max`.
    """

    name: str = "none"
    policy: str | None = None
    p: float | Schedule | Literal["adaptive"] = "adaptive"
    target: float = 0.6
    interval: int = 4
    kimg: float = 500.0
    max: float = 0.8
    strengths: StrengthConfig = field(default_factory=StrengthConfig)

    def __post_init__(self):
        _ = self.transforms
        if self.name == "diffaugment" and self.p != "adaptive":
            raise ValueError("p is for ada: diffaugment alters every image")
        if self.p != "adaptive" and not 0 <= extremes(self.p)[0] <= extremes(self.p)[1] <= 1:
            raise ValueError(f"p is a probability or 'adaptive'; got {self.p}")
        if not (self.interval >= 1 and self.kimg > 0 and -1 <= self.target <= 1 and 0 <= self.max <= 1):
            raise ValueError("an adaptive p needs interval >= 1, kimg > 0, target in [-1, 1], max in [0, 1]")

    @property
    def adaptive(self) -> bool:
        """Whether p follows the discriminator."""
        return self.name == "ada" and self.p == "adaptive"

    @property
    def transforms(self) -> dict[str, float]:
        """Name -> factor of p for every transform that is on; for diffaugment the factor means nothing.

        Raises ValueError for an unknown name or a factor that is no number >= 0.
        """
        if self.name not in DEFAULT_POLICY:
            return {}
        policy = DEFAULT_POLICY[self.name] if self.policy is None else self.policy
        groups = {name: (name,) for name in DIFF}
        if self.name != "diffaugment":
            groups = {name: (name,) for name in TRANSFORMS} | POLICIES
        found = {}
        for item in filter(None, (part.strip() for part in policy.split(","))):
            name, equals, factor = item.partition("=")
            if name not in groups:
                raise ValueError(f"policy: {unknown('transform', name, groups)}")
            found |= dict.fromkeys(groups[name], _factor(item, factor) if equals else 1.0)
        return found

    def check(self, channels: int, height: int, width: int) -> None:
        """ValueError where a transform cannot act on images of this shape."""
        transforms = self.transforms
        if "imgfilter" in transforms and min(height, width) < MIN_SIDE:
            raise ValueError(
                f"augment.policy: imgfilter needs images of {MIN_SIDE} pixels or more on each side, got "
                f"{height}x{width}; choose a policy without it, such as bgc"
            )
        coloured = sorted(set(COLOUR) & set(transforms)) or ["color"] * ("color" in transforms)
        if coloured and channels == 2:
            raise ValueError(
                f"augment.policy: {', '.join(coloured)} need images of 1 channel, or of 3 or more (the "
                "first three are red, green and blue), got 2; choose a policy without them, such as bg"
            )


def _factor(item: str, text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = -1.0
    if not 0 <= factor < float("inf"):
        raise ValueError(f"policy: '{item}' must be name=factor with a factor >= 0")
    return factor
