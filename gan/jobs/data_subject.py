"""What the page of `gan data report` is about: a preparation, or a finished data set without one."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan.jobs import work_folder
from gan.jobs.thumbnails import of_file, shrunk
from gan.jobs.work_folder import MEASURES, Seen, WorkFolder
from training.preparation.quality import measure
from training.preparation.reading import rgb

MEASURED = 2000  # images of a finished data set that are decoded
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
        thumbnail=lambda seen, side: of_file(work, seen, side),
        prepared=True,
        faults=work.faults,
        about={
            "Sources": ", ".join(map(str, work.sources)),
            **(options if isinstance(options, dict) else {}),
            "Format of the records": work.about.get("version"),
        },
    )


def _finished(place: Path) -> Subject:
    from training.data.images import called, open_dataset

    dataset = open_dataset(place)
    step = max(1, -(-len(dataset) // MEASURED))
    files = []
    for number in range(0, len(dataset), step):
        image = dataset.image(number)
        measured = measure(rgb(image.transpose(1, 2, 0)))
        figures: dict[str, Any] = {name: measured[name] for name in MEASURES}
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
                **figures,
            )
        )
    counts = sorted(zip(dataset.classes, dataset.counts.tolist(), strict=True), key=lambda pair: -pair[1])
    return Subject(
        name=dataset.name,
        total=len(dataset),
        files=files,
        classes=[(name, count, count) for name, count in counts],
        thumbnail=lambda seen, side: shrunk(dataset.image(seen.number).transpose(1, 2, 0), side),
        prepared=False,
        about={"Path": str(place), "Licence": dataset.licence, "Content": dataset.sha256},
    )
