"""The whole view of the page as frozen dataclasses, which are also what its address and saved JSON hold.

`Point` decides one picture, `View` the page. Plain data leaves out what has its default, so that an address
says only what was changed. Letters: L style layers, D latent size.
"""

import base64
import binascii
import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from urllib.parse import quote, unquote

import numpy as np
import torch
from torch import Tensor

from gan import config
from gan.errors import UsageError
from gan.latents import checked_seed

S = TypeVar("S")

MOST_KEYFRAMES = 64
MOST_FRAMES = 3000
MOST_DIRECTIONS = 64
MOST_LAYERS = 64
FARTHEST = 100.0  # standard deviations, and what else a slider counts in
MOST_TEXT = 4 * 2**20  # characters of a state


@dataclass(frozen=True, kw_only=True)
class Point:
    """What decides one picture.

    seed: of z.  latent: styles instead of those of the seed, or z of a model without styles, see `packed`; ""
    for none.
    psi, psi_cutoff: truncation.  label: one of `gan.sampling.choices`, None draws it from the seed.
    noise, noise_seed: as `gan.sampling.images` has them.
    noise_layers: strength of the noise of each layer, as a factor of the trained one; () leaves all.
    mix_seed, mix_layers: these layers' styles come from that seed.
    place: coordinates on the map of w, in standard deviations; None where the seed falls.
    method, amounts: directions by where they are from, and how far along each, in standard deviations.
    layers: first and last layer that directions change; None lets them say.
    shift, turn: of the input of StyleGAN3, in shares of the image's side (right, down) and degrees.
    """

    seed: int = 0
    latent: str = ""
    psi: float = 1.0
    psi_cutoff: int | None = None
    label: int | None = None
    noise: Literal["const", "random", "none"] = "const"
    noise_seed: int = 0
    noise_layers: tuple[float, ...] = ()
    mix_seed: int = 1
    mix_layers: tuple[int, ...] = ()
    place: tuple[float, float] | None = None
    method: Literal["pca", "sefa", "file"] = "pca"
    amounts: tuple[float, ...] = ()
    layers: tuple[int, int] | None = None
    shift: tuple[float, float] = (0.0, 0.0)
    turn: float = 0.0

    def __post_init__(self):
        for seed in (self.seed, self.noise_seed, self.mix_seed):
            checked_seed(seed)
        numbers = (self.psi, self.turn / 360, *self.shift, *(self.place or ()))
        if not all(
            math.isfinite(n) and abs(n) <= FARTHEST for n in numbers + self.amounts + self.noise_layers
        ):
            raise ValueError(f"numbers of a picture lie between -{FARTHEST:g} and {FARTHEST:g}")
        if self.layers is not None and not 0 <= self.layers[0] <= self.layers[1]:
            raise ValueError("layers are the first and the last one that directions change")
        if len(self.amounts) > MOST_DIRECTIONS or len(self.noise_layers) > MOST_LAYERS:
            raise ValueError(f"a picture has at most {MOST_DIRECTIONS} directions, and as many layers")
        if self.latent:
            unpacked(self.latent)


@dataclass(frozen=True, kw_only=True)
class View:
    """The whole page.

    model: first digits of the digest of the model's weights, "" for any.
    keyframes: points that a path goes through.  kind, steps, loop, fps: of that path and its video.
    """

    model: str = ""
    point: Point = Point()
    keyframes: tuple[Point, ...] = ()
    kind: Literal["linear", "spherical", "cubic"] = "cubic"
    steps: int = 24
    loop: bool = True
    fps: int = 24

    def __post_init__(self):
        if len(self.keyframes) > MOST_KEYFRAMES:
            raise ValueError(f"a path has at most {MOST_KEYFRAMES} keyframes")
        if self.steps * len(self.keyframes) > MOST_FRAMES:
            raise ValueError(f"a path has at most {MOST_FRAMES:,} frames: take fewer steps or keyframes")
        if not 1 <= self.steps <= 240 or not 1 <= self.fps <= 60:
            raise ValueError("a path has 1 to 240 steps from keyframe to keyframe, at 1 to 60 a second")


def plain(state: Point | View) -> dict[str, Any]:
    """What differs from the defaults, as JSON data."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(state):
        value = getattr(state, field.name)
        if value == field.default:
            continue
        if isinstance(value, Point):
            value = plain(value)
        elif field.name == "keyframes":
            value = [plain(point) for point in value]
        found[field.name] = config.to_dict(value)
    return found


def point(data: Any) -> Point:
    """A point from JSON data. UsageError for what is none."""
    return _read(Point, data, "point")


def view(data: Any) -> View:
    """A view from JSON data. UsageError for what is none."""
    return _read(View, data, "view")


def _read(kind: type[S], data: Any, name: str) -> S:
    try:
        return config.from_dict(kind, data, name)
    except OverflowError as error:
        raise UsageError(f"{name}: a number is too large") from error


def fragment(state: View) -> str:
    """What follows # in the page's address: the JSON of `plain`, with % for what an address may not hold."""
    return quote(json.dumps(plain(state), separators=(",", ":")), safe=":,")


def from_fragment(text: str) -> View:
    """The view of an address. UsageError for what is none."""
    if len(text) > MOST_TEXT:
        raise UsageError(f"a state has at most {MOST_TEXT:,} characters")
    try:
        return view(json.loads(unquote(text)))
    except (ValueError, RecursionError) as error:
        raise UsageError("the address ends in no state of this page: copy all of it") from error


def packed(ws: Tensor) -> str:
    """Styles [L, D] as text: LxD, a dot, and float32 in base64url, of one row where all are equal."""
    array = ws.detach().to("cpu", torch.float32).numpy().astype("<f4")
    rows = array[:1] if (array == array[:1]).all() else array
    text = base64.urlsafe_b64encode(rows.tobytes()).decode().rstrip("=")
    return f"{array.shape[0]}x{array.shape[1]}.{text}"


def unpacked(text: str) -> Tensor:
    """Styles [L, D] of a text of `packed`. ValueError for any other text."""
    size, _, body = text.partition(".")
    try:
        layers, width = (int(number) for number in size.split("x"))
        data = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True)
        rows = np.frombuffer(data, "<f4").astype(np.float32).reshape(-1, width)
    except (ValueError, binascii.Error) as error:
        raise ValueError("latent is no text that this page wrote") from error
    if not 0 < layers <= MOST_LAYERS or len(rows) not in (1, layers) or not np.isfinite(rows).all():
        raise ValueError("latent is no text that this page wrote")
    return torch.from_numpy(rows).expand(layers, -1).contiguous()
