"""What the page of `gan data report` is about: a preparation, or a finished data set without one."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from gan.jobs import work_folder
from gan.jobs.thumbnails import shrunk, thumbnail
from gan.jobs.work_folder import Seen, WorkFolder

MEASURED = 2000  # images of a finished data set that are decoded
_LUMA = np.array([0.299, 0.587, 0.114])  # Rec. 601
_COLOURS = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A data set.

    total: files of it.  files: those that are measured.  classes: (name, kept, of them all).
    thumbnail: (file, longer side) -> bytes of a WebP file; raises Refused or DataError where there is none.
    faults: of faults.jsonl.  about: facts by name.  prepared: whether it is known what was left out.
    """

    name: str
    total: int
    files: list[Seen]
    classes: list[tuple[str, int, int]]
    thumbnail: Callable[[Seen, int], bytes]
    prepared: bool
    faults: list[dict[str, Any]] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)


def of(place: Path) -> Subject:
    """The preparation at or beside `place`, else the data set there. UserError where there is neither."""
    folder = work_folder.find(place)
    return _prepared(WorkFolder(folder)) if folder else _finished(place)


def _prepared(work: WorkFolder) -> Subject:
    every = Counter(seen.label for seen in work.files if seen.label is not None)
    kept = Counter(seen.label for seen in work.files if seen.verdict == "keep")
    options = work.about.get("options")
    return Subject(
        name=work.name,
        total=len(work.files),
        files=work.files,
        classes=[(name, kept[name], count) for name, count in every.most_common()],
        thumbnail=lambda seen, side: thumbnail(work.content(seen), side),
        prepared=True,
        faults=work.faults,
        about={
            "Sources": ", ".join(map(str, work.sources)),
            **(options if isinstance(options, dict) else {}),
            "Version": work.about.get("version"),
        },
    )


def _finished(place: Path) -> Subject:
    from training.data.images import called, open_dataset

    dataset = open_dataset(place)
    step = max(1, -(-len(dataset) // MEASURED))
    files = []
    for number in range(0, len(dataset), step):
        image = dataset.image(number)
        label = None if dataset.labels is None else dataset.classes[dataset.labels[number]]
        files.append(
            Seen(
                number=number,
                path=called(dataset.source, number),
                source=0,
                verdict="keep",
                label=label,
                width=image.shape[2],
                height=image.shape[1],
                mode=_COLOURS.get(len(image), f"{len(image)} channels"),
                **measures(image),
            )
        )
    counts = sorted(zip(dataset.classes, dataset.counts.tolist(), strict=True), key=lambda pair: -pair[1])
    return Subject(
        name=dataset.name,
        total=len(dataset),
        files=files,
        classes=[(name, count, count) for name, count in counts],
        thumbnail=lambda seen, side: shrunk(dataset.image(seen.number), side),
        prepared=False,
        about={"Path": str(place), "Licence": dataset.licence, "Content": dataset.sha256},
    )


def measures(image: np.ndarray) -> dict[str, float]:
    """Numbers of uint8 [C, H, W], of its first three channels.

    brightness, contrast: mean and standard deviation of the luma, in levels of 0 to 255.  sharpness: variance
    of its discrete Laplacian.  colourfulness: Hasler and Suesstrunk 2003, eq. 5.
    """
    rgb = image[:3] if len(image) >= 3 else image[:1].repeat(3, axis=0)
    red, green, blue = rgb.astype(np.float64)
    luma = np.tensordot(_LUMA, rgb, axes=1)  # [H, W]
    inner = luma[1:-1, 1:-1]
    edges = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    rg, yb = red - green, (red + green) / 2 - blue
    spread, middle = np.hypot(rg.std(), yb.std()), np.hypot(rg.mean(), yb.mean())
    return {
        "brightness": float(luma.mean()),
        "contrast": float(luma.std()),
        "sharpness": float(edges.var()) if edges.size else 0.0,
        "colourfulness": float(spread + 0.3 * middle),
    }
