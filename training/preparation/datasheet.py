"""A data sheet for a set, with the questions of Gebru et al. 2021, "Datasheets for Datasets".

What the tool knows is answered; what only people know is asked, and left open in so many words. What a model
inherits of it, its card repeats.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.data import hub_sets
from training.preparation.writer import place_of

OPEN = "*Open: answer this before you share the set.*"
SECTIONS: dict[str, dict[str, str | None]] = {  # section -> question -> which answer the tool has
    "Motivation": {
        "For what purpose was the set created?": None,
        "Who created it, and who funded it?": None,
    },
    "Composition": {
        "What do the instances represent?": None,
        "How many are there?": "count",
        "Is there a label, and how are the classes balanced?": "classes",
        "Are there recommended splits?": "splits",
        "How do the images vary?": "spread",
        "Are there errors, noise or redundancies?": "faults",
        "Does the set show people, or anything confidential or offensive?": None,
        "Which groups of people are shown, and how are they balanced?": None,
    },
    "Collection": {
        "How were the images acquired, and over what time?": None,
        "Did the people shown consent, and were minors among them?": None,
        "Was there an ethical review?": None,
    },
    "Preprocessing": {
        "Was the data cleaned?": "left out",
        "How were the images made?": "making",
        "Of what files?": "files",
        "Are the sources kept?": None,
    },
    "Uses": {
        "For what has it been used?": None,
        "For what should it not be used?": None,
    },
    "Distribution and maintenance": {
        "Under which licences are the images?": "licences",
        "Who maintains the set, and how can images be taken out?": None,
    },
}
_HEAD = (
    "After Gebru et al. 2021, *Datasheets for Datasets*. Numbers were counted by `gan data prepare`;"
    " questions marked open need a person."
)
_MOST = 40  # rows of a table
_READ, _ANSWER = 2**18, 2000  # characters of a sheet that are read, and of an answer that are kept


def datasheet(
    name: str,
    form: Mapping[str, Any],
    summary: Mapping[str, Any],
    counted: Mapping[str, Mapping[str, int]],
    measures: Mapping[str, tuple[float, float, float]],
) -> str:
    """The sheet as Markdown.

    form: height, width, channels, crop, filter of the images. summary: as `summary.json`. counted: licences,
    formats and modes of the files that were kept. measures: name -> lowest, mean and highest value.
    """
    answers = {**_answers(form, summary, counted), "spread": _spread(measures)}
    parts = [f"# Data sheet of {name}", _HEAD]
    for title, questions in SECTIONS.items():
        parts.append(f"## {title}")
        parts += [f"**{text}**\n\n{answers[key] if key else OPEN}" for text, key in questions.items()]
    return "\n\n".join(parts) + "\n"


def sheet_of(path: Path) -> Path:
    """Where the sheet of a set lies: beside it."""
    place = place_of(path)
    return place.with_name(f"{place.stem}.DATASHEET.md")


def text_of(path: Path) -> str:
    """The sheet beside a set, or of one from a hub the card, which has the sheet in it; "" without one."""
    try:
        with sheet_of(path).open(encoding="utf-8") as file:
            return file.read(_READ)
    except (OSError, ValueError):
        return hub_sets.card(path)[:_READ]


def answered(path: Path) -> dict[str, str]:
    """Question -> answer in the sheet of a set, of the questions above that are not open; {} without one.

    Long answers are cut. Never raises: a sheet is for people, who may have written anything.
    """
    text = text_of(path)
    known = {question for questions in SECTIONS.values() for question in questions}
    parts = re.split(r"^\*\*(.+)\*\*$", re.sub(r"^## .*$", "", text, flags=re.M), flags=re.M)
    found = {
        question: answer.strip()[:_ANSWER] for question, answer in zip(parts[1::2], parts[2::2], strict=True)
    }
    return {q: answer for q, answer in found.items() if q in known and answer and answer != OPEN}


def _answers(
    form: Mapping[str, Any], summary: Mapping[str, Any], counted: Mapping[str, Mapping[str, int]]
) -> dict[str, str]:
    kept, files = summary["kept"], summary["files"]
    shape = f"{form['height']}x{form['width']} pixels, {form['channels']} channels, 8 bits"
    splits = ", ".join(f"{count} {split}" for split, count in summary["splits"].items())
    reasons = table("reason", summary["reasons"])
    faults = {f"{kind} ({said['policy']})": said["files"] for kind, said in summary["faults"].items()}
    return {
        "count": f"{kept} images of {shape}, of {files} files in the sources.",
        "classes": table("class", summary["classes"]) if summary["classes"] else "There are no labels.",
        "splits": f"{splits}. The split of an image follows from its pixels alone.",
        "faults": table("fault", faults),
        "left out": f"{files - kept} files were left out.\n\n{reasons}",
        "making": f"Turned upright, made sRGB, crop `{form['crop']}`, resized by `{form['filter']}`.",
        "files": f"{table('format', counted['format'])}\n\n{table('mode', counted['mode'])}",
        "licences": table("licence", counted["licence"]),
    }


def _spread(measures: Mapping[str, tuple[float, float, float]]) -> str:
    lines = ["| measure | lowest | mean | highest |", "|---|---|---|---|"]
    for name, values in measures.items():
        lines.append(f"| {name} | " + " | ".join(f"{value:.4g}" for value in values) + " |")
    return "\n".join(lines)


def table(what: str, counts: Mapping[str, int]) -> str:
    """Counts of files as a Markdown table, the largest first; the rest as one row."""
    if not counts:
        return "None were found."
    total = sum(counts.values())
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"| {what} | files | part |", "|---|---|---|"]
    for name, count in rows[:_MOST]:
        text = name.replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {text} | {count} | {count / total:.1%} |")
    if rest := rows[_MOST:]:
        count = sum(number for _, number in rest)
        lines.append(f"| {len(rest)} more | {count} | {count / total:.1%} |")
    return "\n".join(lines)
