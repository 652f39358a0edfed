"""One self-contained HTML page about a run, from the files in its directory."""

import base64
import html
import io
import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from gan.errors import UserError
from gan.files import atomic_bytes, json_lines, read_json
from gan.jobs.charts import CHARTS, chart

Say = Callable[[str], None]
GRIDS, SIDE = 12, 320  # grids shown at most, and their longer side in pixels
MAX_PIXELS = 2**26  # of a grid that is read
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;padding:0 1em;color:#222}
h2{border-bottom:1px solid #ddd;margin-top:2em} table{border-collapse:collapse;font-size:14px}
td,th{padding:3px 10px;border-bottom:1px solid #eee;text-align:left;vertical-align:top}
pre{background:#f6f6f6;padding:1em;overflow:auto;font-size:12px} figure{display:inline-block;margin:6px}
figcaption{font-size:13px;color:#555} .collapsed,.diverged{color:#c0392b} .drifting{color:#b9770e}
@media(prefers-color-scheme:dark){body{background:#1c1c1c;color:#ddd} pre{background:#2a2a2a}}
"""


def report(run: str | Path, out: str | Path, say: Say = lambda damage: None) -> None:
    """Write `page` of a run directory to `out`. UserError if it is none, or `out` cannot be written."""
    atomic_bytes(out, page(Path(run), say).encode())


def page(run: Path, say: Say = lambda damage: None) -> str:
    """The HTML of a run directory; `say` gets a line for everything damaged. UserError if it is none."""
    if not (run / "config.yaml").is_file():
        raise UserError(f"{run} is not a run directory: it has no config.yaml")
    stats, events, scores = (records(run / f"{name}.jsonl", say) for name in ("stats", "health", "metrics"))
    sections = {
        "State": _table([_state(stats)]) if stats else "<p>No tick has been recorded yet.</p>",
        "Curves": "".join(chart(title, stats, keys) for title, keys in CHARTS),
        "Images over time": _grids(run, say),
        "Health": _table(events) if events else "<p>No event: every tick so far was healthy.</p>",
        "Phases": _attempt(_phases, run / "phases.json", say),
        "Scores": _scores(scores),
        "Settings": _attempt(_settings, run / "config.yaml", say),
        "Machine": _attempt(_machine, run / "environment.json", say),
    }
    body = "".join(f"<h2>{title}</h2>{content}" for title, content in sections.items())
    name = html.escape(run.resolve().name)
    head = f'<meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
    return f"<!doctype html><html lang=en><head>{head}</head><body><h1>{name}</h1>{body}</body></html>\n"


def records(path: Path, say: Say) -> list[dict[str, Any]]:
    """Objects of a JSON-lines file, without damaged lines; [] if there is none."""
    found, lost = json_lines(path)
    if lost:
        say(f"{path}: {lost} damaged line{'s' * (lost > 1)} left out")
    return found


def picture(path: Path, caption: str) -> str:
    """A figure with the PNG at `path`, made smaller and embedded. UserError if it is damaged or too large."""
    buffer = io.BytesIO()
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"{path} has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}: left out"
                )
            image.thumbnail((SIDE, SIDE))
            image.save(buffer, "PNG", optimize=True)
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} has far more than {MAX_PIXELS:,} pixels: left out") from error
    except (OSError, SyntaxError, ValueError) as error:  # UnidentifiedImageError repeats the path
        raise UserError(f"{path} is no whole image") from error
    data = base64.b64encode(buffer.getvalue()).decode()
    caption = html.escape(caption)
    image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def numbered(paths: Iterable[Path], prefix: str = "") -> list[tuple[float, Path]]:
    """Kimg and path, by kimg, of those whose name is the prefix, a kimg as 000016.512, and maybe .png."""
    pattern = re.compile(rf"{re.escape(prefix)}(\d{{1,12}}(?:\.\d{{1,3}})?)(?:\.png)?", re.ASCII)
    found = [(match, path) for path in paths if (match := pattern.fullmatch(path.name))]
    return sorted((float(match[1]), path) for match, path in found)


def _state(stats: Sequence[dict[str, Any]]) -> dict[str, Any]:
    keys = ("kimg", "tick", "seconds", "sec_per_kimg", "memory_gib", "health")
    return {key: stats[-1].get(key) for key in keys}


def _attempt(section: Callable[[Path], str], path: Path, say: Say) -> str:
    """The section made of the file at `path`, or what is wrong with it."""
    try:
        return section(path)
    except UserError as error:
        say(str(error))
        return f"<p>{html.escape(str(error))}</p>"


def _grids(run: Path, say: Say) -> str:
    fakes = numbered(run.glob("fakes-*.png"), "fakes-")
    if len(fakes) > GRIDS:  # evenly spaced, first and last included
        fakes = [fakes[round(i * (len(fakes) - 1) / (GRIDS - 1))] for i in range(GRIDS)]
    shown = [(path, f"{kimg:g} kimg") for kimg, path in fakes]
    shown += [(run / "reals.png", "real images")] if (run / "reals.png").is_file() else []
    lost = numbered((run / "evidence").glob("*"))
    lost = [(kimg, folder / "fakes.png") for kimg, folder in lost if (folder / "fakes.png").is_file()]
    shown += [(path, f"evidence at {kimg:g} kimg") for kimg, path in lost[:GRIDS]]
    figures = [_attempt(partial(picture, caption=caption), path, say) for path, caption in shown]
    return "".join(figures) or "<p>None yet.</p>"


def _scores(found: Sequence[dict[str, Any]]) -> str:
    """One row per record; what tells one convention from another is shown beside the value."""
    if not found:
        return "<p>None: train with --metrics, or use gan evaluate.</p>"
    keys = ("kimg", "label", "value", "convention", "num_fake", "num_real")
    curves = {}
    for record in found:
        curves.setdefault(str(record.get("metric")), []).append({**record, "kimg": record.get("kimg") or 0})
    charts = [
        chart(html.escape(name), [{"kimg": r["kimg"], name: r.get("value")} for r in rows], (name,))
        for name, rows in curves.items()
    ]
    return "".join(charts) + _table([{key: record.get(key) for key in keys} for record in found])


def _phases(path: Path) -> str:
    """What was changed while the run went on, one row a setting."""
    found = read_json(path, list) if path.is_file() else []
    rows = [
        {"phase": number, "from kimg": phase["kimg"], **change}
        for number, phase in enumerate(found, 2)
        for change in phase["changes"]
    ]
    return _table(rows) if rows else "<p>One: nothing was changed on the way.</p>"


def _settings(path: Path) -> str:
    try:
        return f"<pre>{html.escape(path.read_text(encoding='utf-8'))}</pre>"
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged ({error})") from error


def _machine(path: Path) -> str:
    return _table([read_json(path, dict)]) if path.is_file() else "<p>Not recorded.</p>"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of one set of keys; a single row is shown upright."""
    if len(rows) == 1:
        cells = "".join(f"<tr><th>{_text(k)}</th><td>{_text(v)}</td></tr>" for k, v in rows[0].items())
        return f"<table>{cells}</table>"
    keys = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{_text(key)}</th>" for key in keys)
    lines = []
    for row in rows:
        cells = "".join(f"<td>{_text(row.get(key))}</td>" for key in keys)
        lines.append(f'<tr class="{_text(row.get("state"))}">{cells}</tr>')
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _text(value: Any) -> str:
    if value is None:
        return ""
    return html.escape(f"{value:.5g}" if isinstance(value, float) else str(value))
