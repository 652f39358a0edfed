"""Records that are kept, and their images -> entries for the writer, and what it says of the set."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from gan.errors import UserError
from training.data.hub_sets import UNKNOWN
from training.preparation.catalogue import Store
from training.preparation.convert import Form
from training.preparation.decide import known, ordered
from training.preparation.writer import About, Entry


def classes_of(counted: Iterable[str], told: Sequence[str]) -> tuple[str, ...]:
    """Names of the classes, in the order of a `dataset.json` as far as it goes, then by name."""
    present = set(counted)
    if not present:
        return ()
    first = [name for name in told if name in present]
    return (*first, *ordered(present - set(first)))


def licence_of(counts: Mapping[str, int]) -> str:
    """The licence of the whole: the one of all images, or all of them, the most frequent one first."""
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return names[0] if len(names) == 1 else f"various: {'; '.join(names)}" if names else UNKNOWN


def about(form: Form, licence: str, classes: tuple[str, ...], split: str, vectors: Sequence[str]) -> About:
    """What the set says of itself: nothing that depends on where it was made, or when."""
    making = {
        "tool": "gan data prepare",
        "filter": form.filter,
        "crop": form.crop,
        "background": "#" + "".join(f"{value:02x}" for value in form.background),
        "colours": "sRGB",
        "split": split,
    }
    return About(
        name="",
        licence=licence,
        attribution="",
        source="see the files",
        height=form.height,
        width=form.width,
        channels=form.channels,
        classes=classes,
        making={**making, **({"vectors": list(vectors)} if vectors else {})},
    )


def entries(
    records: Iterable[Mapping[str, Any]],
    images: Store,
    form: Form,
    classes: Sequence[str],
    vectors: Sequence[str],
) -> Iterator[Entry]:
    """An entry a record. classes: none means that labels are left out. vectors: fields of numbers."""
    numbers = {name: number for number, name in enumerate(classes)}
    for record in records:
        details: dict[str, Any] = {}
        if record["author"]:
            details["author"] = record["author"]
        if record["custom"]:
            details["custom"] = record["custom"]
        yield Entry(
            png=images.get(form.key(record["pixels_sha256"])),
            source=record["source_url"] or record["path"],
            licence=record["licence"] or UNKNOWN,
            label=numbers[record["label"]] if classes else None,
            caption=record["caption"],
            vector=tuple(_number(record, name) for name in vectors) or None,
            details=details,
        )


def _number(record: Mapping[str, Any], name: str) -> float:
    value = known(record, name)
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{record['path']} has {value!r} as {name}, which --vectors needs as a number:"
            f" mend its table, or leave out such files with --require {name}"
        ) from error
