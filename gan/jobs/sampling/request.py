"""What is asked of `gan sample`, as plain frozen data: typed, written into every picture, and read again."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gan.config import from_dict, to_dict
from gan.errors import UsageError
from gan.latents import MAX_SEED, parse_seeds
from gan.latents.centers import CENTERS

MAX_SIDE = 8192  # pixels of a frame that --size may ask for
_NEAREST = re.compile(r"nearest(?::(\d{1,6}))?")


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a latent becomes a picture.

    psi, psi_cutoff: truncation; 1 is none, and None all layers.
    center: what it moves towards: global, the average w; class, that of the sample's class; nearest:K, the
    nearest of K centres that are found in w, or nearest for 64 of them.
    noise: const, random or none; noise_strength: None, or factors, one for all layers or one for each.
    translate: (x, y) in sides of a square picture, to the right and down; rotate: degrees counter-clockwise;
    both of StyleGAN3's input.
    """

    psi: float = 1.0
    psi_cutoff: int | None = None
    center: str = "global"
    noise: Literal["const", "random", "none"] = "const"
    noise_strength: tuple[float, ...] | None = None
    translate: tuple[float, float] = (0.0, 0.0)
    rotate: float = 0.0

    def __post_init__(self) -> None:
        if self.center not in ("global", "class") and not self.centers:
            raise UsageError(
                f"truncation towards '{self.center}': use global, class, nearest or nearest:K with K >= 1"
            )
        if self.center != "global" and self.psi == 1:
            raise UsageError(
                f"truncation towards '{self.center}' changes nothing at psi 1; give a psi such as 0.7"
            )
        if not all(math.isfinite(strength) for strength in self.noise_strength or ()):
            raise UsageError("strengths of noise are finite numbers, such as 0.5")

    @property
    def centers(self) -> int:
        """How many centres are to be found in w; 0 for the other two."""
        found = _NEAREST.fullmatch(self.center)
        return int(found[1] or CENTERS) if found else 0

    @property
    def moved(self) -> bool:
        """Whether the picture is to be moved or turned."""
        return self.translate != (0.0, 0.0) or self.rotate != 0


@dataclass(frozen=True, kw_only=True)
class Motion:
    """How a walk becomes a video.

    kind, space: of `gan.sampling.frames`; None: linear among styles (w), or spherical among latents (z) of a
    model without styles. frames_per_seed: from one seed to the next. fps: frames a second.
    walks: columns and rows of walks side by side, which share the seeds out in their order.
    scale: pixels a side for each of the model's, None for as many as bring the shorter side to 256.
    size: width and height to resize frames to, instead.
    """

    kind: Literal["linear", "spherical", "cubic"] | None = None
    space: Literal["w", "z"] | None = None
    frames_per_seed: int = 30
    fps: float = 30.0
    walks: tuple[int, int] = (1, 1)
    scale: int | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.scale is not None and self.size is not None:
            raise UsageError("--scale and --size both say how large a frame is; leave one of them out")
        if not 0 < self.fps <= 1000 or self.frames_per_seed < 1 or min(self.walks) < 1:
            raise UsageError("a video takes 1 frame per seed or more, one walk or more, and 0 to 1000 fps")
        if self.scale is not None and not 1 <= self.scale <= 64:
            raise UsageError(f"scale {self.scale}: use 1 to 64")
        if self.size is not None and not 1 <= min(self.size) <= max(self.size) <= MAX_SIDE:
            raise UsageError(f"frames of {self.size[0]}x{self.size[1]}: use sides of 1 to {MAX_SIDE} pixels")


@dataclass(frozen=True, kw_only=True)
class Mix:
    """Style mixing: every seed of `rows` with `layers` taken from every seed of `columns`.

    rows, columns: numbers and ranges joined by '+', such as 85-88+100. layers: as `parse_layers` reads them.
    """

    rows: str
    columns: str
    layers: str

    def seeds(self) -> tuple[list[int], list[int]]:
        """Seeds of the rows and of the columns."""
        return parse_seeds(self.rows.replace("+", ",")), parse_seeds(self.columns.replace("+", ","))


@dataclass(frozen=True, kw_only=True)
class Along:
    """Each seed along one direction of a file of `gan directions`.

    direction: FILE:NUMBER or FILE:name. span: from, to, in standard deviations. sha256: that the file must
    have, None for any.
    """

    direction: str
    span: tuple[float, float] = (-3.0, 3.0)
    sha256: str | None = None

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.span)) or self.span[0] > self.span[1]:
            raise UsageError(f"span {self.span}: two finite numbers, the smaller first")


@dataclass(frozen=True, kw_only=True)
class Request:
    """All that decides which pictures are drawn of a model.

    seeds: as `parse_seeds` reads them. seed: decides drawn classes and random noise.
    labels: a class for all seeds, by name or number, or one number for each; vectors: of conditions, one for
    all seeds or one for each; neither: drawn. columns: of a grid, None for near square.
    """

    seeds: str = "0-63"
    seed: int = 0
    labels: str | int | tuple[int, ...] | None = None
    vectors: tuple[tuple[float, ...], ...] | None = None
    columns: int | None = None
    look: Look = field(default_factory=Look)
    motion: Motion = field(default_factory=Motion)
    mix: Mix | None = None
    along: Along | None = None

    def __post_init__(self) -> None:
        if self.labels is not None and self.vectors is not None:
            raise UsageError("--class and --condition: a model knows one of them; leave the other out")
        if self.mix is not None and self.along is not None:
            raise UsageError("--mix and --direction: give one of them")
        if not 0 <= self.seed <= MAX_SEED:
            raise UsageError(f"seed {self.seed} is out of range; use 0 to {MAX_SEED}")


def changed(request: Request, typed: Mapping[str, Any]) -> Request:
    """The request with other values, by dotted name: {"look.psi": 0.5}. UsageError for what does not fit."""
    data = to_dict(request)
    for name, value in typed.items():
        node = data
        *sections, last = name.split(".")
        for section in sections:
            node = node[section]
        node[last] = to_dict(value)
    return from_dict(Request, data, "request")


def parse_mix(text: str, layers: str) -> Mix:
    """'85-88,55+821' and '0-3' -> a Mix of four rows and two columns. UsageError for anything else."""
    rows, comma, columns = text.partition(",")
    if not comma or "," in columns:
        raise UsageError(
            f"--mix {text}: write two seeds, or two lists joined by '+', as in 85,55 or 85-88,55+821"
        )
    mix = Mix(rows=rows.strip(), columns=columns.strip(), layers=layers)
    mix.seeds()
    return mix


def parse_span(text: str) -> tuple[float, float]:
    """'-3..3' -> (-3.0, 3.0). UsageError unless they are two finite numbers, the smaller first."""
    first, dots, last = text.partition("..")
    try:
        low, high = float(first), float(last)
    except ValueError:
        low = high = math.nan
    if not (dots and math.isfinite(low) and math.isfinite(high) and low < high):
        raise UsageError(f"--range {text}: write two numbers, the smaller first, such as -3..3")
    return low, high


def parse_size(text: str) -> tuple[int, int]:
    """'640x360' -> (640, 360); UsageError for anything else."""
    if found := re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text):
        return int(found[1]), int(found[2])
    raise UsageError(f"--size {text}: write width x height in pixels, such as 640x360")


def parse_walks(text: str) -> tuple[int, int]:
    """'4x2' -> (4, 2); UsageError for anything else."""
    if found := re.fullmatch(r"([1-9]\d?)x([1-9]\d?)", text):
        return int(found[1]), int(found[2])
    raise UsageError(f"--walks {text}: write columns x rows, such as 4x2")


def parse_numbers(option: str, text: str, count: int | None = None) -> tuple[float, ...]:
    """'0.5,-1' -> (0.5, -1.0): finite numbers, `count` of them. UsageError naming the option otherwise."""
    try:
        numbers = tuple(float(item) for item in text.split(","))
    except ValueError:
        numbers = ()
    if not numbers or not all(map(math.isfinite, numbers)) or count not in (None, len(numbers)):
        wanted = f"{count} numbers" if count else "numbers"
        raise UsageError(f"{option} {text}: write {wanted} with commas between, such as 0.5,-1")
    return numbers
