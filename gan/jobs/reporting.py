"""One self-contained HTML page about a run, from the files in its directory."""

import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from gan.config import load_yaml
from gan.errors import UserError
from gan.files import atomic_bytes, json_lines, read_json
from gan.jobs import report_scores
from gan.jobs.charts import CHARTS, chart, last
from gan.jobs.report_parts import picture, table, text, wide
from gan.jobs.report_style import STYLE
from gan.jobs.report_summary import summary

Say = Callable[[str], None]
NAME = "report.html"  # of the page in a run directory
GRIDS = 12  # shown at most
EVENT = {"kimg": "at kimg", "tick": "tick", "state": "state", "reason": "reason", "action": "what was done"}
EVENT |= {"rollbacks": "rollbacks so far"}
MACHINE = {"gan": "version of this project", "python": "Python", "torch": "PyTorch", "platform": "system"}
MACHINE |= {"threads": "threads of a process", "processes": "processes", "cpu": "instructions of the CPU"}
MACHINE |= {"cuda": "CUDA", "gpu": "GPU"}


def report(
    run: str | Path, out: str | Path | None = None, say: Say = lambda damage: None, nearest: int = 0
) -> Path:
    """Write `page` of a run directory to `out`, by default report.html in it -> its path.

    UserError if it is no run directory, or `out` cannot be written.
    """
    path = Path(run) / NAME if out is None else Path(out)
    atomic_bytes(path, page(Path(run), say, nearest).encode())
    return path


def page(run: Path, say: Say = lambda damage: None, nearest: int = 0) -> str:
    """The HTML of a run directory; `say` gets a line for everything damaged. UserError if it is none.

    nearest: samples that are drawn and compared with all training images; 0 compares none, and reads files
    of the run alone.
    """
    if not (run / "config.yaml").is_file():
        raise UserError(f"{run} is not a run directory: it has no config.yaml")
    stats, events, scores = (records(run / f"{name}.jsonl", say) for name in ("stats", "health", "metrics"))
    scores = report_scores.distinct(scores)
    config = _read(load_yaml, run / "config.yaml", say)
    sections = {
        "Images over time": _grids(run, say),
        "Scores": report_scores.section(scores),
        **_nearest(run, nearest, say),
        "Curves": _curves(stats),
        "Health": _events(events),
        "Phases": _attempt(_phases, run / "phases.json", say),
        "Settings": _settings(run / "config.yaml"),
        "Machine": _attempt(_machine, run / "environment.json", say),
    }
    links = "".join(f'<a href="#{_anchor(title)}">{title}</a>' for title in sections)
    body = "".join(f'<h2 id="{_anchor(title)}">{title}</h2>{content}' for title, content in sections.items())
    name = text(run.resolve().name)
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta name="color-scheme" content="light dark"><title>{name}</title><style>{STYLE}</style>'
    )
    top = f"<h1>{name}</h1>{summary(config, _data(run, say), stats, events, scores)}<nav>{links}</nav>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{top}{body}</body></html>\n'


def records(path: Path, say: Say) -> list[dict[str, Any]]:
    """Objects of a JSON-lines file, without damaged lines; [] if there is none."""
    found, lost = json_lines(path)
    if lost:
        say(f"{path}: {lost} damaged line{'s' * (lost > 1)} left out")
    return found


def numbered(paths: Iterable[Path], prefix: str = "") -> list[tuple[float, Path]]:
    """Kimg and path, by kimg, of those whose name is the prefix, a kimg as 000016.512, and maybe .png."""
    pattern = re.compile(rf"{re.escape(prefix)}(\d{{1,12}}(?:\.\d{{1,3}})?)(?:\.png)?", re.ASCII)
    found = [(match, path) for path in paths if (match := pattern.fullmatch(path.name))]
    return sorted((float(match[1]), path) for match, path in found)


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _read(reader: Callable[[Path], dict[str, Any]], path: Path, say: Say) -> dict[str, Any]:
    """What a file holds, or {} if it is damaged, which is said."""
    try:
        return reader(path)
    except UserError as error:
        say(str(error))
        return {}


def _data(run: Path, say: Say) -> dict[str, Any]:
    """What the newest checkpoint tells of the data set; {} where there is none."""
    found = [
        path for _, path in numbered((run / "checkpoints").glob("*")) if (path / "config.json").is_file()
    ]
    config = _read(partial(read_json, kind=dict), found[-1] / "config.json", say) if found else {}
    data = config.get("data")
    return data if isinstance(data, dict) else {}


def _attempt(section: Callable[[Path], str], path: Path, say: Say) -> str:
    """The section made of the file at `path`, or what is wrong with it."""
    try:
        return section(path)
    except UserError as error:
        say(str(error))
        return f"<p>{text(error)}</p>"


def _nearest(run: Path, samples: int, say: Say) -> dict[str, str]:
    """A section of nearest training images, where some are asked for."""
    if not samples:
        return {}
    from gan.jobs.report_nearest import section  # which loads what scores need

    return {"Nearest training images": _attempt(partial(section, samples=samples), run, say)}


def _curves(stats: Sequence[dict[str, Any]]) -> str:
    """Every chart that has something to show: none of an augmentation that was never on."""
    if not stats:
        return "<p>No tick has been recorded yet.</p>"
    off = not any(record.get("augment/p") for record in stats)
    charts = [
        chart(title, stats, keys, statistics.median if "sec_per_kimg" in keys.values() else last)
        for title, keys in CHARTS
        if not (off and "augment/p" in keys.values())
    ]
    note = '<p class="note">Over kimg, thousands of real images shown. Numbers: of the last tick.</p>'
    return f'{note}<div class="charts">{"".join(charts)}</div>'


def _grids(run: Path, say: Say) -> str:
    fakes = numbered(run.glob("fakes-*.png"), "fakes-")
    if len(fakes) > GRIDS:  # evenly spaced, first and last included
        fakes = [fakes[round(i * (len(fakes) - 1) / (GRIDS - 1))] for i in range(GRIDS)]
    shown = [(path, f"{kimg:g} kimg", f"Grid of generated images at {kimg:g} kimg") for kimg, path in fakes]
    if (run / "reals.png").is_file():
        shown.append((run / "reals.png", "real images", "Grid of real images of the data set"))
    lost = numbered((run / "evidence").glob("*"))
    lost = [(kimg, folder / "fakes.png") for kimg, folder in lost if (folder / "fakes.png").is_file()]
    shown += [
        (path, f"evidence at {kimg:g} kimg", f"Grid of generated images of a lost run at {kimg:g} kimg")
        for kimg, path in lost[:GRIDS]
    ]
    figures = [
        _attempt(partial(picture, caption=caption, alt=alt), path, say) for path, caption, alt in shown
    ]
    if not figures:
        return "<p>None yet.</p>"
    note = '<p class="note">A click, or Enter, enlarges a picture.</p>'
    return f'{note}<div class="pictures">{"".join(figures)}</div>'


def _events(found: Sequence[dict[str, Any]]) -> str:
    """Changes of health, one row each; what has no name here keeps its key."""
    if not found:
        return "<p>No event: every tick so far was healthy.</p>"
    rows = [{EVENT.get(key, key): value for key, value in event.items()} for event in found]
    return table(rows, "Changes of health")


def _phases(path: Path) -> str:
    """What was changed while the run went on, one row a setting."""
    found = read_json(path, list) if path.is_file() else []
    rows = [
        {"phase": number, "from kimg": phase["kimg"], **change}
        for number, phase in enumerate(found, 2)
        for change in phase["changes"]
    ]
    return table(rows, "Phases") if rows else "<p>One: nothing was changed on the way.</p>"


def _settings(path: Path) -> str:
    """The file as it is: what is wrong with it has been said when it was read for the summary."""
    try:
        return wide(f"<pre>{text(path.read_text(encoding='utf-8', errors='replace'))}</pre>", "Settings")
    except OSError as error:
        return f"<p>{text(error)}</p>"


def _machine(path: Path) -> str:
    if not path.is_file():
        return "<p>Not recorded.</p>"
    found = read_json(path, dict)
    return table([{MACHINE.get(key, key): "none" if v is None else v for key, v in found.items()}], "Machine")
