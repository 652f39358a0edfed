"""RunConfig: everything that decides what a training run computes, checked before it starts."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from gan.errors import UsageError, unknown
from gan.latents import MAX_SEED
from gan.networks import discriminator_config, generator_config
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig
from gan.plugins import Plugin
from gan.shapes import image_shape
from training.augment import AUGMENTATIONS
from training.augment.config import AugmentConfig
from training.early_stop import StopConfig
from training.health import HealthConfig
from training.losses import LOSSES
from training.schedules import (
    Schedule,
    extremes,
)

GIVEN = "given:"  # before the class of a loss that was given as an object, in LossConfig.name


@runtime_checkable
class HasStyles(Protocol):
    """Config of a generator with a style space, of w_dim values a layer."""

    w_dim: int


@runtime_checkable
class ComparesSamples(Protocol):
    """Config of a discriminator with minibatch statistics over groups of samples (None: the whole batch)."""

    mbstd_group: int | None


@runtime_checkable
class TracksMagnitudes(Protocol):
    """Config of a generator with running mean squares of its layers' inputs, and their decay per batch."""

    magnitude_beta: float | None


@runtime_checkable
class EmbedsLabels(Protocol):
    """Config of a network with an embedding of labels, of `embedding` values whatever c_embed says."""

    c_embed: int | Literal["auto"] | None
    embedding: int


@runtime_checkable
class Freezes(Protocol):
    """Of a discriminator whose first `freeze_layers` convolutions (at most `most_frozen`) are fixed."""

    freeze_layers: int
    most_frozen: int


@runtime_checkable
class SeesFeatures(Protocol):
    """Of a discriminator on the features of a frozen network, in the two halves `mixed` and `of_mixed`.

    completed: the same with what follows from the network's file of weights.
    """

    feature_resolution: int

    def completed(self) -> "SeesFeatures": ...


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the images come from.

    path: of the data set, "" for an object given in Python.  held_out: of images that no step sees, which
    ticks and scores compare with those, "" for none; see `training.held_out`.
    xflip: mirror each image with probability 1/2.
    conditional: train on class labels or on vectors, whichever the set has; say which where it has both.
    workers: processes that decode images ahead, beside each one that trains; 0 decodes there; auto: as many
    as cores and the size of the images ask for, see `training.data.ahead.decoders`.
    """

    path: str = ""
    held_out: str = ""
    xflip: bool = False
    conditional: bool | Literal["labels", "vectors"] = False
    workers: int | Literal["auto"] = "auto"

    def __post_init__(self):
        if self.workers != "auto":
            at_least(self, 0, "workers")


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What the networks minimise.

    name: a key of LOSSES, or given:CLASS for an object handed to `gan.train`.
    d_steps: steps of D for each of G.
    r1_gamma: weight of R1; None: 0.0002 * pixels / batch; 0: off.  r2: the same penalty at the fakes.
    r1_on: where R1 and R2 take the slope: at the images, or at the mixed features of a projected
    discriminator, where nothing is differentiated twice but its heads; r1_gamma then has no rule.
    r1_interval: steps between two R1 steps (lazy regularisation, with Adam's correction); None: R1 in every
    step, in one backward pass with the adversarial loss.
    gradient_penalty_weight: of WGAN-GP, in every step; 0 is off.  lecam_weight: likewise, of LeCam.
    path_length_weight: 0 is off.  path_length_interval: steps of G between two.  path_length_shrink: takes
    1/n of the batch.  *_decay: weight of a batch in the running means.
    style_mixing: probability that a batch takes its later layers' w from other z.
    blur_sigma: blur of what D sees, in pixels at first, in a straight line to 0 within `blur_fade_kimg`
    (None: batch * 200 / 32).
    """

    name: str = "logistic"
    d_steps: int = 1
    r1_gamma: float | Schedule | None = None
    r1_interval: int | None = 16
    r1_on: Literal["images", "features"] = "images"
    r2: bool = False
    gradient_penalty_weight: float = 0.0
    lecam_weight: float = 0.0
    lecam_decay: float = 0.01
    path_length_weight: float = 0.0
    path_length_interval: int = 4
    path_length_decay: float = 0.01
    path_length_shrink: int = 2
    style_mixing: float = 0.0
    blur_sigma: float = 0.0
    blur_fade_kimg: float | None = None

    def __post_init__(self):
        if not self.name.startswith(GIVEN):
            _ = LOSSES[self.name]
        at_least(self, 1, "d_steps", "r1_interval", "path_length_interval", "path_length_shrink")
        weights = ("r1_gamma", "gradient_penalty_weight", "lecam_weight", "path_length_weight")
        at_least(self, 0, *weights, "blur_sigma", "blur_fade_kimg")
        within(self, 0, 1, "lecam_decay", "path_length_decay", "style_mixing")
        if self.r2 and self.r1_gamma == 0:
            raise ValueError("r2 has the weight r1_gamma, which is 0: set r1_gamma, or r2 to false")
        if self.gradient_penalty_weight and self.r1_gamma != 0:
            raise ValueError(
                "gradient_penalty_weight wants slopes of 1 and R1 slopes of 0: set r1_gamma to 0"
            )
        if self.blur_sigma and self.blur_fade_kimg == 0:
            raise ValueError("blur_sigma needs blur_fade_kimg > 0, the images within which it fades")

    @property
    def lazy_g(self) -> int | None:
        """Steps of G from one penalty step of its own to the next; None: there are none."""
        return self.path_length_interval if self.path_length_weight else None

    @property
    def lazy_d(self) -> int | None:
        """Steps of D from one penalty step of its own to the next; None: there are none."""
        return self.r1_interval if self.r1_gamma else None


@dataclass(frozen=True, kw_only=True)
class AdamConfig:
    """Adam before the correction for lazy regularisation (Karras et al. 2020, appendix B)."""

    lr: float | Schedule = 0.002
    beta1: float = 0.0
    beta2: float | Schedule = 0.99
    eps: float = 1e-8

    def __post_init__(self):
        at_least(self, 0, "lr", "eps")
        within(self, 0, 1, "beta1", "beta2")
        if self.beta1 == 1 or extremes(self.beta2)[1] == 1:
            raise ValueError("beta1 and beta2 must be below 1, or nothing new counts")


@dataclass(frozen=True, kw_only=True)
class EMAConfig:
    """Average of the generator's weights.

    kimg: half-life, None: batch * 10 / 32.  rampup: at most this fraction of the images seen.
    """

    kimg: float | Schedule | None = None
    rampup: float | None = 0.05

    def __post_init__(self):
        at_least(self, 0, "kimg")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """A run.  kimg: length in thousands of real images shown to D.  batch: images per step.
    micro_batch: images that a process passes through the networks at once; None: all of its share; auto: as
    many as fit into memory.
    precision: of the activations in training, of the half_resolutions highest resolutions of both networks
    (None: all); weights, their average, optimisers and losses stay float32.
    checkpoint_activations: compute activations again in the backward pass instead of keeping them.
    threads: of PyTorch, on a CPU; auto: OMP_NUM_THREADS, else by timing steps, see `training.threads`.
    cuda_graphs: launch what an objective computes as one CUDA graph; auto: where `training.graphs` can.
    cudnn_benchmark: let cuDNN time its algorithms for each shape, and take the fastest.  tf32: products of
    float32 on a GPU with 10 bits of mantissa: faster, less exact.
    tick_kimg: images between two lines of statistics.  snapshot_ticks: ticks between two checkpoints.
    metrics_ticks: ticks between two scores of --metrics; None: with every checkpoint.
    keep_last, keep_every_kimg: checkpoints kept whole beside the best and the newest healthy one: that many
    of the newest (None: all), and one every so many kimg (None: none).  keep_light: of the others the
    averaged generator stays, to sample and score; else nothing.  max_disk_gib: room for all; None: no limit.
    plugins: files that added to the tables of networks, losses, ... see `gan.plugins`.
    init_from: model whose weights the networks start from (a run or checkpoint directory), "" for none.
    """

    preset: str = "custom"
    plugins: tuple[Plugin, ...] = ()
    init_from: str = ""
    seed: int = 0
    kimg: float = 25000.0
    batch: int = 32
    micro_batch: int | Literal["auto"] | None = None
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    half_resolutions: int | None = None
    checkpoint_activations: bool = False
    threads: int | Literal["auto"] = "auto"
    cuda_graphs: bool | Literal["auto"] = False
    cudnn_benchmark: bool = True
    tf32: bool = False
    tick_kimg: float = 4.0
    snapshot_ticks: int = 50
    metrics_ticks: int | None = None
    keep_last: int | None = 3
    keep_light: bool = True
    keep_every_kimg: float | None = None
    max_disk_gib: float | None = None
    data: DataConfig = field(default_factory=DataConfig)
    generator: Any = field(default_factory=GeneratorConfig, metadata={"variants": generator_config})
    discriminator: Any = field(
        default_factory=DiscriminatorConfig, metadata={"variants": discriminator_config}
    )
    loss: LossConfig = field(default_factory=LossConfig)
    optimizer_g: AdamConfig = field(default_factory=AdamConfig)
    optimizer_d: AdamConfig = field(default_factory=AdamConfig)
    ema: EMAConfig = field(default_factory=EMAConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    health: HealthConfig = field(default_factory=HealthConfig)
    stop: StopConfig = field(default_factory=StopConfig)

    def __post_init__(self):
        at_least(self, 1, "batch", "half_resolutions", "snapshot_ticks", "metrics_ticks", "keep_last")
        if self.micro_batch != "auto":
            at_least(self, 1, "micro_batch")
        if self.threads != "auto":
            at_least(self, 1, "threads")
        within(self, 0, MAX_SEED, "seed")
        if self.keep_every_kimg is not None and self.keep_every_kimg <= 0:
            raise ValueError(f"keep_every_kimg must be > 0; got {self.keep_every_kimg}")
        if self.kimg <= 0 or self.tick_kimg <= 0:
            raise ValueError(f"kimg and tick_kimg must be > 0; got {self.kimg} and {self.tick_kimg}")
        if self.augment.name not in ("none", *AUGMENTATIONS):
            raise UsageError(unknown("augmentation", self.augment.name, ("none", *AUGMENTATIONS)))
        check_networks(self)
        self.augment.check(*image_shape(self.discriminator))


def check_networks(config: RunConfig) -> None:
    """ValueError for settings that the chosen networks have no use for, or cannot follow."""
    generator, discriminator, loss = config.generator, config.discriminator, config.loss
    if not isinstance(generator, HasStyles):
        for name in ("path_length_weight", "style_mixing"):
            if getattr(loss, name):
                reason = f"needs a style space, which generator.type {generator.type} lacks"
                raise ValueError(f"loss.{name} {reason}: set it to 0")
    if loss.r1_on == "features":
        if not isinstance(discriminator, SeesFeatures):
            reason = f"which discriminator.type {discriminator.type} lacks"
            raise ValueError(f"loss.r1_on features needs mixed features, {reason}: set it to images")
        if loss.r1_gamma is None:
            raise ValueError("loss.r1_gamma has no rule for slopes at features: give a number, 0 for none")
    if generator.c_dim != discriminator.c_dim:
        both = f"generator.c_dim {generator.c_dim} and discriminator.c_dim {discriminator.c_dim}"
        raise ValueError(f"{both} differ: leave them out, they follow from data.conditional")


def at_least(config: object, minimum: float, *names: str) -> None:
    """ValueError naming the first field of `config` that is, or falls, below `minimum`; None is fine."""
    for name in names:
        value = getattr(config, name)
        if value is not None and extremes(value)[0] < minimum:
            raise ValueError(f"{name} must be >= {minimum}; got {extremes(value)[0]}")


def within(config: object, low: float, high: float, *names: str) -> None:
    """ValueError naming the first field of `config` that is, or goes, outside [low, high]."""
    for name in names:
        found = extremes(getattr(config, name))
        if found[0] < low or found[1] > high:
            raise ValueError(f"{name} must be between {low} and {high}; got {found[found[1] > high]}")
