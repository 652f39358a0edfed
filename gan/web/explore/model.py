"""A model as the page has it: its renderer, its name and digest, and what its panels can serve."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from gan import hub, shapes
from gan.devices import pick
from gan.errors import UserError
from gan.files import sha256
from gan.jobs import distances, video
from gan.latents import abilities
from gan.models import checkpoint, direction_files
from gan.sampling import choices, remembered_conditions
from gan.web.explore.renderer import Renderer
from gan.web.explore.state import Point

SHOWN = 600  # dots on the map


@dataclass(frozen=True)
class Model:
    """name: for people.  digest: sha256 of the weights.  classes: names, [] where there are none.

    data: path of the training images, None where it is not known or not there.  place: the checkpoint, None
    where there is none on disk.
    """

    renderer: Renderer
    name: str
    digest: str
    classes: Sequence[str]
    data: str | None = None
    place: Path | None = None

    def spaces(self) -> list[str]:
        """Those that pictures are projected into."""
        found = ["w", "w+"] if self.renderer.styled else ["z"]
        return found + ["pti"] * (self.place is not None)

    def facts(self) -> dict[str, Any]:
        """What the page needs to lay out its panels, as JSON data."""
        generator = self.renderer.generator
        able = abilities(generator)
        _, height, width = generator.image_shape
        facts = {
            "name": self.name,
            "digest": self.digest,
            "family": generator.config.type,
            "width": width,
            "height": height,
            "styled": self.renderer.styled,
            "labels": self._labels(),
            "methods": self.renderer.methods(),
            "spaces": self.spaces(),
            "videos": _videos(),
            "data": self.data is not None,
            "distances": [name for name in distances.DISTANCES if name != "lpips"],  # which takes a file
            "noise": [f"{rows}\u00d7{columns}" for rows, columns in able.noise],
            "movable": able.movable,
        }
        if self.renderer.styled:
            facts |= {"layers": layer_names(generator), "dim": generator.w_dim}
        return facts

    def fitted(self, point: Point) -> Point:
        """What this model can make of a point that was chosen for another one."""
        renderer, able = self.renderer, abilities(self.renderer.generator)
        label = point.label if point.label is not None and point.label < choices(renderer.generator) else None
        method = point.method if point.method in renderer.methods() and point.method != "file" else "pca"
        amounts = point.amounts if method == point.method else ()
        if not able.layers:
            return Point(seed=point.seed, label=label, method=method, amounts=amounts)
        return replace(
            point,
            label=label,
            latent="",
            method=method,
            amounts=amounts,
            layers=None if point.layers is None or point.layers[1] >= able.layers else point.layers,
            mix_layers=tuple(layer for layer in point.mix_layers if layer < able.layers),
            noise_layers=point.noise_layers if len(point.noise_layers) == len(able.noise) else (),
            shift=point.shift if able.movable else (0.0, 0.0),
            turn=point.turn if able.movable else 0.0,
        )

    def map(self) -> list[list[float]]:
        """Places of the first seeds on the map of w, in standard deviations."""
        places = self.renderer.coordinates(self.renderer.w(range(SHOWN)))
        return [[round(value, 3) for value in place] for place in places.tolist()]

    def directions(self, method: str) -> dict[str, Any]:
        """What sliders say of directions, as JSON data. UsageError where there are none of that method."""
        found = self.renderer.directions(method)
        explained = [None] * len(found) if found.explained is None else found.explained.tolist()
        return {"space": found.space, "names": found.names, "explained": explained}

    def _labels(self) -> list[str]:
        """Names of the conditions to choose from."""
        generator = self.renderer.generator
        count = choices(generator)
        if remembered_conditions(generator) is not None:
            return [f"condition {i} of the data" for i in range(count)]
        return [self.classes[i] if i < len(self.classes) else str(i) for i in range(count)]


def opened(
    place: str | Path, device: str, data: str | Path | None = None, directions: str | Path | None = None
) -> Model:
    """The model of a run or checkpoint directory.

    data: its training images, None for those that it was trained on, where they are still there. directions:
    a file of them. Raises as `gan.models.checkpoint.read` and `gan.models.direction_files.read`.
    """
    saved = checkpoint.read(checkpoint.resolve(place))
    generator, about = saved.generator(pick(device)), saved.config.get("data") or {}
    given = None if directions is None else direction_files.read(directions, generator)
    trained = ((saved.config.get("run") or {}).get("data") or {}).get("path")
    if data is None and trained and Path(trained).exists():
        data = trained
    name = saved.run.name if saved.path.parent.name == "checkpoints" else saved.path.name
    name = saved.source if hub.is_name(saved.source) else name
    return Model(
        Renderer(generator, given),
        f"{name} at {saved.kimg:g} kimg",
        sha256(saved.path / "generator.safetensors"),
        about.get("classes") or [],
        None if data is None else str(data),
        saved.path,
    )


def layer_names(generator: nn.Module) -> list[str]:
    """For people: what each of the style layers makes, such as the rows of its feature map."""
    config, count = generator.config, generator.num_ws
    if config.type != "stylegan2":
        names = ["input", *(name.split("_")[1] for name in getattr(generator.synthesis, "layers", ()))]
        return names if len(names) == count else [str(i) for i in range(count)]
    rows = [shapes.size_at(config.base, level)[0] for level in shapes.levels(config.resolution)]
    return [str(row) for row in rows for _ in range(2)][1:] + ["RGB"]


def _videos() -> list[str]:
    """Suffixes of the videos that can be written here."""
    found = []
    for suffix in video.VIDEOS:
        with contextlib.suppress(UserError):
            video.check_writable(Path(f"path{suffix}"))
            found.append(suffix)
    return found
