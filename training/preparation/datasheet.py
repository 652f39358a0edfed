"""A data sheet for a set, with the questions of Gebru et al. 2021, "Datasheets for Datasets".

What the tool knows is answered; what only people know is asked, and left open in so many words.
"""

from collections.abc import Mapping
from typing import Any

OPEN = "*Open: answer this before you share the set.*"
_MOST = 40  # rows of a table


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
    parts = [f"# Data sheet of {name}", _HEAD]
    for title, questions in _questions(form, summary, counted, measures):
        parts.append(f"## {title}")
        parts += [f"**{question}**\n\n{answer}" for question, answer in questions]
    return "\n\n".join(parts) + "\n"


_HEAD = (
    "After Gebru et al. 2021, *Datasheets for Datasets*. Numbers were counted by `gan data prepare`;"
    " questions marked open need a person."
)


def _questions(
    form: Mapping[str, Any],
    summary: Mapping[str, Any],
    counted: Mapping[str, Mapping[str, int]],
    measures: Mapping[str, tuple[float, float, float]],
) -> list[tuple[str, list[tuple[str, str]]]]:
    """(section, [(question, answer)])."""
    kept, files = summary["kept"], summary["files"]
    shape = f"{form['height']}x{form['width']} pixels, {form['channels']} channels, 8 bits"
    splits = ", ".join(f"{count} {split}" for split, count in summary["splits"].items()) or "none"
    labels = _table("class", summary["classes"]) if summary["classes"] else "No."
    spread = "\n".join(
        ["| measure | lowest | mean | highest |", "|---|---|---|---|"]
        + [
            f"| {name} | {low:.4g} | {mean:.4g} | {high:.4g} |"
            for name, (low, mean, high) in measures.items()
        ]
    )
    return [
        (
            "Motivation",
            [
                ("For what purpose was the set created?", OPEN),
                ("Who created it, and who funded it?", OPEN),
            ],
        ),
        (
            "Composition",
            [
                ("What do the instances represent?", OPEN),
                ("How many are there?", f"{kept} images of {shape}, of {files} files in the sources."),
                ("Is there a label, and how are the classes balanced?", labels),
                (
                    "Are there recommended splits?",
                    f"{splits}. An image's split follows from its pixels alone.",
                ),
                ("How do the images vary?", spread),
                ("Are there errors, noise or redundancies?", _table("fault", _fault_counts(summary))),
                ("Does the set show people, or anything confidential or offensive?", OPEN),
                ("Which groups of people are shown, and how are they balanced?", OPEN),
            ],
        ),
        (
            "Collection",
            [
                ("How were the images acquired, and over what time?", OPEN),
                ("Did the people shown consent, and were minors among them?", OPEN),
                ("Was there an ethical review?", OPEN),
            ],
        ),
        (
            "Preprocessing",
            [
                (
                    "Was the data cleaned?",
                    f"{files - kept} files were left out:\n\n{_table('reason', summary['reasons'])}",
                ),
                (
                    "How were the images made?",
                    f"Turned upright, made sRGB, crop `{form['crop']}`, resized by `{form['filter']}`.",
                ),
                (
                    "Of what files?",
                    f"{_table('format', counted['format'])}\n\n{_table('mode', counted['mode'])}",
                ),
                ("Are the sources kept?", OPEN),
            ],
        ),
        ("Uses", [("For what has it been used?", OPEN), ("For what should it not be used?", OPEN)]),
        (
            "Distribution and maintenance",
            [
                ("Under which licences are the images?", _table("licence", counted["licence"])),
                ("Who maintains the set, and how can images be taken out?", OPEN),
            ],
        ),
    ]


def _fault_counts(summary: Mapping[str, Any]) -> dict[str, int]:
    return {f"{kind} ({said['policy']})": said["files"] for kind, said in summary["faults"].items()}


def _table(what: str, counts: Mapping[str, int]) -> str:
    """Counts as a table, the largest first; the rest as one row."""
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
