"""What a study comes to, written beside it: a page, JSON, CSV, decisions about flagged files, and cards.

STUDY/report.html      self-contained
STUDY/results.json     of `gan.jobs.rating_results`
STUDY/answers.csv      one row an answer
STUDY/decisions.jsonl  of flags: files to drop, as `gan data prepare` reads it
"""

import base64
import csv
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan.errors import UsageError
from gan.files import atomic_bytes
from gan.jobs import decisions, rating
from gan.jobs.charts import plain
from gan.jobs.rating_answers import Answers
from gan.jobs.rating_results import results, rows
from gan.jobs.report_sheet import sheet
from gan.jobs.still_charts import Still, intervals
from gan.models import card, checkpoint

SHOWN = 60  # flagged pictures on the page
COLUMNS = ("rater", "trial", "catch", "right", "sources", "pictures", "answer", "note", "ms", "time")
MEASURES = {
    "pairs": "strength",
    "real-or-fake": "HYPE",
    "quality": "mean of 1 to 5",
    "flags": "share with a flag",
}


def report(place: Path, *, cards: bool = False, seed: int = 0) -> dict[str, Any]:
    """Write all of it -> the results, with `files` that were written.

    cards: whether the models' cards get their scores. seed: of the resampling. Raises UserError where there
    is no study, a file cannot be written, or the extra `report` is missing, UsageError for cards of flags.
    """
    study = rating.opened(place)
    answers = Answers(study)
    found = results(study, answers, seed)
    written = {
        "results.json": json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n",
        "answers.csv": table(study, rows(study, answers)).encode(),
        "report.html": page(study, found).encode(),
    }
    if study.kind == "flags":
        written[decisions.NAME] = decided(study, found).encode()
    for name, data in written.items():
        atomic_bytes(place / name, data)
    if cards:
        found["cards"] = write_cards(study, found)
    return found | {"files": [str(place / name) for name in written]}


def lines(found: dict[str, Any]) -> list[str]:
    """The results for a terminal."""
    told = [f"{found['kind']}: {found['answers']} answers"]
    for source in found["sources"]:
        if source.get("value") is not None:
            told.append(f"{source['name']}  {MEASURES[found['kind']]} {_number(source)}")
        else:
            told.append(
                f"{source['name']}  {plain(source['wins'], 3)} of {plain(source['comparisons'], 3)} won"
            )
    alpha = found["agreement"]["alpha"]
    told.append(f"agreement (Krippendorff's alpha) {'unknown' if alpha is None else plain(alpha, 3)}")
    return told + [f"note: {note}" for note in found["notes"]]


def table(study: rating.Study, found: Sequence[dict[str, Any]]) -> str:
    """Answers as CSV. A text that a spreadsheet would compute gets an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for row in found:
        answer: Any = row["answer"]
        note = ""
        if isinstance(answer, dict):
            answer, note = " ".join(answer["flags"]) or "fine", answer["note"]
        known = row | {"answer": answer, "note": note, "pictures": " | ".join(row["pictures"])}
        known["sources"] = " | ".join(study.names[source] for source in row["sources"])
        writer.writerow([_harmless(known[name]) for name in COLUMNS])
    return out.getvalue()


def decided(study: rating.Study, found: dict[str, Any]) -> str:
    """Lines of decisions.jsonl that drop what half of its raters or more flagged; models have no files."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    told = []
    for flagged in found.get("flagged", []):
        source = study.pictures[flagged["picture"]]["source"]
        if flagged["drop"] and not study.about["sources"][source].get("checkpoint"):
            record = {"path": flagged["name"], "source": source, "decision": "drop"}
            told.append(json.dumps(record | {"flags": flagged["flags"], "time": now}) + "\n")
    return "".join(told)


def page(study: rating.Study, found: dict[str, Any]) -> str:
    """The HTML of the results."""
    names = {picture["picture"] for picture in found.get("flagged", [])[:SHOWN]}
    images = {number: base64.b64encode(study.picture(number)).decode() for number in names}
    context = {
        "title": study.path.resolve().name,
        "found": found,
        "measure": MEASURES[study.kind],
        "names": study.names,
        "drawing": _drawing(found["sources"]),
        "flagged": found.get("flagged", [])[:SHOWN],
        "images": images,
        "number": _number,
        "plain": plain,
    }
    return sheet("rating_report.html", "gan rate", context)


def write_cards(study: rating.Study, found: dict[str, Any]) -> list[str]:
    """Give each judged checkpoint a section of what people said -> the folders. UsageError for flags."""
    if study.kind == "flags":
        raise UsageError("flags are no score for a card: leave --cards out")
    places = {source["name"]: source.get("checkpoint") for source in study.about["sources"]}
    written = []
    for source in found["sources"]:
        folder = places[source["name"]]
        if folder is None or source.get("value") is None:
            continue
        text = (checkpoint.read(folder).path / "card.md").read_text(encoding="utf-8")
        others = ", ".join(name for name in study.names if name != source["name"]) or "nothing else"
        alpha = found["agreement"]["alpha"]
        body = [
            f"{study.kind}, {MEASURES[study.kind]}: {_number(source)}, beside {others}",
            f"{found['answers']} answers of {sum(r['kept'] for r in found['raters'])} raters, "
            f"interval 95 % over {found['resampled']}, "
            f"Krippendorff's alpha {'unknown' if alpha is None else plain(alpha, 3)}"
            + (f", {study.limit} ms a picture" if study.limit else ""),
        ]
        checkpoint.replace_card(folder, card.with_section(text, f"Judged by people: {study.kind}", body))
        written.append(folder)
    return written


def _number(source: dict[str, Any]) -> str:
    """'0.31 (0.12 to 0.5)'."""
    value = plain(source["value"], 3)
    if source.get("low") is None:
        return value
    return f"{value} ({plain(source['low'], 3)} to {plain(source['high'], 3)})"


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value


def _drawing(sources: Sequence[dict[str, Any]]) -> Still | None:
    """The intervals of the sources on one scale; None without any."""
    known = [source for source in sources if source.get("value") is not None]
    if not known:
        return None
    rows = [{key: source.get(key) for key in ("name", "low", "value", "high")} for source in known]
    return intervals(rows, "Intervals of the sources", {"tickCount": 5})
