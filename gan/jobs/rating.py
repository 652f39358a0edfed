"""A study: people judge pictures. Its folder holds all of it, and goes on after any end.

STUDY/study.json      kind, sources, raters with the key of each link, pictures, who sees which when
STUDY/pictures/       000000.png, ...
STUDY/answers.jsonl   what was answered, see `gan.jobs.rating_answers`

What `gan rate STUDY --report` makes of it lies beside these. Nothing here knows of HTTP.
"""

import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from gan import files
from gan.errors import UsageError, UserError, unknown
from gan.images import encode
from gan.jobs import rating_pictures
from gan.jobs.rating_schedule import (
    CATCH_EVERY,
    KINDS,
    MAX_RATERS,
    Picture,
    Plan,
    deal,
    places_of_catches,
    plan,
)

ABOUT, PICTURES, ANSWERS = "study.json", "pictures", "answers.jsonl"
FORMAT = 1
MAX_SOURCES = 20
LIMITS = (50, 60_000)  # milliseconds of a time limit


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a study is to be.

    places: of models, folders, zips; or of one study, which goes on.  out: the folder to make.
    kind: of KINDS, "" for a study that exists.  real: place of real pictures, for real-or-fake.
    trials, catch: of each rater; None for as many as usual.  time_limit: milliseconds that a picture is
    shown, None for as long as one looks.
    """

    places: tuple[Path, ...]
    out: Path | None = None
    kind: str = ""
    real: Path | None = None
    raters: int = 1
    trials: int | None = None
    catch: int | None = None
    time_limit: int | None = None
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True)
class Study:
    """A folder with a study.  about: of study.json, checked as far as it is used here."""

    path: Path
    about: dict[str, Any]

    @property
    def kind(self) -> str:
        """Of KINDS."""
        return self.about["kind"]

    @property
    def limit(self) -> int | None:
        """Milliseconds that a picture is shown; None without a limit."""
        return self.about["time_limit"]

    @property
    def names(self) -> list[str]:
        """Of the sources, for results. They never reach a rater."""
        return [source["name"] for source in self.about["sources"]]

    @property
    def real(self) -> int | None:
        """Which source is real, where one is."""
        return next((i for i, source in enumerate(self.about["sources"]) if source["real"]), None)

    @property
    def pictures(self) -> list[dict[str, Any]]:
        """Of each its source and name; `spoiled` is true for those of catch trials."""
        return self.about["pictures"]

    @cached_property
    def keys(self) -> dict[str, int]:
        """Which rater has the link with that key."""
        return {rater["key"]: number for number, rater in enumerate(self.about["raters"])}

    def trials(self, rater: int) -> list[list[int]]:
        """Pictures of each trial of a rater, from left to right."""
        return self.about["raters"][rater]["trials"]

    def is_catch(self, rater: int, trial: int) -> bool:
        """Whether everybody knows the answer."""
        return any(self.pictures[number]["spoiled"] for number in self.trials(rater)[trial])

    def picture(self, number: int) -> bytes:
        """A PNG. UserError where its file is lost."""
        path = self.path / PICTURES / f"{number:06d}.png"
        try:
            return path.read_bytes()
        except OSError as error:
            raise UserError(files.refusal("read", path, error)) from error


def is_study(place: Path) -> bool:
    """Whether a folder holds a study."""
    return (place / ABOUT).is_file()


def opened(place: Path) -> Study:
    """The study in a folder. Raises UserError where there is none, or it is damaged."""
    if not is_study(place):
        raise UserError(f"{place} is no study: make one, gan rate MODEL MODEL --kind pairs --out {place}")
    about = files.read_json(place / ABOUT, dict)
    try:
        count = len(about["pictures"])
        sound = about["format"] == FORMAT and about["kind"] in KINDS and about["raters"]
        for rater in about["raters"]:
            sound = sound and isinstance(rater["key"], str)
            sound = sound and all(number in range(count) for trial in rater["trials"] for number in trial)
        sound = sound and all({"name", "real"} <= set(source) for source in about["sources"])
        sound = sound and all({"source", "name", "spoiled"} <= set(found) for found in about["pictures"])
        sound = sound and "time_limit" in about
    except (KeyError, TypeError) as error:
        raise UserError(f"{place / ABOUT} is damaged ({error}): restore it") from error
    if not sound:
        raise UserError(f"{place / ABOUT} is damaged, or of another version: restore it")
    return Study(place, about)


def study_of(asked: Asked, say: Callable[[str], object] = print) -> Study:
    """The study that exists, or a new one. UsageError for what cannot be, UserError for what is not there."""
    if len(asked.places) == 1 and is_study(asked.places[0]):
        if asked.kind or asked.out or asked.real:
            raise UsageError(
                f"{asked.places[0]} is a study already: gan rate {asked.places[0]} goes on with it"
            )
        return opened(asked.places[0])
    if not asked.kind:
        raise UsageError(f"--kind is missing: one of {', '.join(KINDS)}; or name the folder of a study")
    if asked.kind not in KINDS:
        raise UsageError(unknown("kind", asked.kind, KINDS))
    if asked.out is None:
        raise UsageError("--out is missing: name a folder for the study")
    return created(asked, asked.out, say)


def created(asked: Asked, out: Path, say: Callable[[str], object] = print) -> Study:
    """Draw and read the pictures, plan who sees which, write all of it at once."""
    _check(asked, out)
    places = [*asked.places, *([asked.real] if asked.real else [])]
    names = rating_pictures.labels(places)
    sources = [rating_pictures.opened(place) for place in places]
    real = len(places) - 1 if asked.real else None
    found = plan(asked.kind, [source.size for source in sources], real, asked.trials, asked.seed)
    dealt = deal(found, asked.raters, asked.seed)
    numbers = {picture: i for i, picture in enumerate(sorted({p for deck in found.decks for p in deck}))}
    catch = found.trials // CATCH_EVERY if asked.catch is None else asked.catch
    if catch > found.trials:
        raise UsageError(f"--catch {catch} is more than the {found.trials} trials: take fewer")
    with files.atomic_folder(out) as temporary:
        (temporary / PICTURES).mkdir()
        pictures = _write(temporary / PICTURES, numbers, sources, names, catch, asked, say)
        raters = []
        for rater, trials in enumerate(dealt):
            shown = [[numbers[picture] for picture in trial] for trial in trials]
            shown = _with_catches(shown, asked.kind, rater, pictures, len(numbers), found, asked.seed)
            raters.append({"key": secrets.token_urlsafe(9), "trials": shown})
        about = {
            "format": FORMAT,
            "kind": asked.kind,
            "time_limit": asked.time_limit,
            "seed": asked.seed,
            "sources": [
                {**source.described(), "name": name, "real": i == real}
                for i, (name, source) in enumerate(zip(names, sources, strict=True))
            ],
            "raters": raters,
            "pictures": pictures,
        }
        (temporary / ABOUT).write_text(json.dumps(about) + "\n", encoding="utf-8")
    return opened(out)


def _check(asked: Asked, out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        what = f"gan rate {out} goes on with it" if is_study(out) else "choose another folder"
        raise UsageError(f"--out {out} exists: {what}")
    if asked.real and asked.kind != "real-or-fake":
        raise UsageError(f"--real belongs to --kind real-or-fake, not to {asked.kind}")
    if asked.time_limit is not None:
        low, high = LIMITS
        if asked.kind != "real-or-fake":
            raise UsageError(f"--time-limit belongs to --kind real-or-fake, not to {asked.kind}")
        if not low <= asked.time_limit <= high:
            raise UsageError(f"--time-limit {asked.time_limit}: give {low} to {high} milliseconds")
    if not 1 <= asked.raters <= MAX_RATERS:
        raise UsageError(f"--raters {asked.raters}: give 1 to {MAX_RATERS}")
    if len(asked.places) + bool(asked.real) > MAX_SOURCES:
        raise UsageError(f"{len(asked.places)} sources: at most {MAX_SOURCES}")


def _write(
    folder: Path,
    numbers: dict[Picture, int],
    sources: Sequence[rating_pictures.Source],
    names: Sequence[str],
    catch: int,
    asked: Asked,
    say: Callable[[str], object],
) -> list[dict[str, Any]]:
    """Write every picture, and a spoiled one of every so manieth -> what study.json says of each."""
    pictures: list[dict[str, Any]] = [{} for _ in numbers]
    shapes: dict[str, set[Any]] = {}
    kept: dict[int, tuple[int, Tensor]] = {}
    spread = {len(numbers) * i // catch % len(numbers): i for i in range(catch)} if catch else {}
    for source, (name, opened_source) in enumerate(zip(names, sources, strict=True)):
        mine = {own: number for (s, own), number in numbers.items() if s == source}
        drawn = opened_source.read(list(mine), asked.device)
        for number, (called, image) in zip(mine.values(), drawn, strict=True):
            (folder / f"{number:06d}.png").write_bytes(encode(image, ".png"))
            pictures[number] = {"source": source, "name": called, "spoiled": False}
            shapes.setdefault(name, set()).add(tuple(image.shape))
            if number in spread:
                kept[spread[number]] = number, image
    for place in sorted(kept):
        number, image = kept[place]
        worse = rating_pictures.spoiled(image, asked.seed + place)
        (folder / f"{len(pictures):06d}.png").write_bytes(encode(worse, ".png"))
        pictures.append(
            {"source": pictures[number]["source"], "name": pictures[number]["name"], "of": number}
        )
        pictures[-1]["spoiled"] = True
    rating_pictures.told_sizes(shapes, say)
    return pictures


def _with_catches(
    trials: list[list[int]],
    kind: str,
    rater: int,
    pictures: Sequence[dict[str, Any]],
    first: int,
    found: Plan,
    seed: int,
) -> list[list[int]]:
    """The trials with those of spoiled pictures, from number `first` on, among them."""
    spoiled = list(range(first, len(pictures)))
    places = places_of_catches(found.trials, len(spoiled), rater, seed)
    for turn, (place, number) in enumerate(zip(places, spoiled, strict=True)):
        shown = [number, pictures[number]["of"]] if kind == "pairs" else [number]
        trials.insert(place, shown[:: -1 if (turn + rater) % 2 else 1])
    return trials
