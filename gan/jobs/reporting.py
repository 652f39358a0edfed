"""One self-contained HTML page about a run, or several side by side, from the files in their directories."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gan.errors import UsageError, UserError
from gan.files import atomic_bytes
from gan.jobs import chart_library, report_curves, report_scores, report_settings
from gan.jobs.charts import Chart
from gan.jobs.report_files import RunFiles, Say, names, read
from gan.jobs.report_marks import marks
from gan.jobs.report_pictures import pictures
from gan.jobs.report_sheet import FOLDER, sheet, text
from gan.jobs.report_style import COLOURS, CURVES, RULES
from gan.jobs.report_summary import summary
from gan.models.seen import MARK

NAME, TOGETHER = "report.html", "comparison.html"  # of the page in a run directory, about it or about several
EVENT = {"kimg": "at kimg", "tick": "tick", "state": "state", "reason": "reason", "action": "what was done"}
EVENT |= {"rollbacks": "rollbacks so far"}
MACHINE = {"gan": "version of this project", "python": "Python", "torch": "PyTorch", "platform": "system"}
MACHINE |= {"threads": "threads of a process", "processes": "processes", "cpu": "instructions of the CPU"}
MACHINE |= {"cuda": "CUDA", "gpu": "GPU", "cudnn_benchmark": "cuDNN picks by trial", "tf32": "TF32"}


def report(
    runs: Sequence[str | Path],
    out: str | Path | None = None,
    say: Say = lambda damage: None,
    nearest: int = 0,
) -> Path:
    """Write `page` of run directories to `out`, by default into the first of them -> its path.

    UserError if one is no run directory, `out` cannot be written, or the extra `report` is missing.
    """
    places = [Path(run) for run in runs]
    path = places[0] / (NAME if len(places) == 1 else TOGETHER) if out is None else Path(out)
    atomic_bytes(path, page(places, say, nearest).encode())
    return path


def page(runs: Sequence[Path], say: Say = lambda damage: None, nearest: int = 0) -> str:
    """The HTML about run directories; `say` gets a line for everything damaged.

    nearest: samples of each that are drawn and compared with all training images; 0 compares none, and reads
    files of the runs alone. Raises UserError as `report`, UsageError for more runs than there are colours, or
    one that is named twice.
    """
    library, script = chart_library.scripts(), own_script()
    about = context(runs, say, nearest)
    about |= {"style": COLOURS + rules(), "library": library, "script": script}
    return sheet("report.html", "gan report", about | {"policy": policy(library, script)})


def context(runs: Sequence[Path], say: Say = lambda damage: None, nearest: int = 0) -> dict[str, Any]:
    """What the templates are filled with. Arguments and errors as `page`."""
    if len(runs) > len(CURVES):
        raise UsageError(f"{len(runs)} runs: at most {len(CURVES)} have curves that eyes can tell apart")
    if len({path.resolve() for path in runs}) < len(runs):
        raise UsageError("a run is named twice: name each once")
    found = [read(path, name, say) for path, name in zip(runs, names(runs), strict=True)]
    several = len(found) > 1
    happened = [mark for run in found for mark in marks(run, several)]
    scores = {run.name: report_scores.distinct(run.scores) for run in found}
    curve_charts = _named("curve", report_curves.charts(found, happened))
    score_charts = _named("score", report_scores.charts(scores, happened))
    rows = [_row(run) for run in found]
    shown = [pictures(run, say, len(found)) for run in found]
    flattered = any(record.get("seen_by_d") for each in scores.values() for record in each)
    return {
        "title": found[0].name if not several else f"{len(found)} runs: {', '.join(scores)}",
        "text": text,
        "runs": rows,
        "fact_names": list(dict.fromkeys(name for row in rows for name in row["facts"])),
        "pictures": [one for one in shown if one.grids or one.others or one.faults],
        "score_rows": report_scores.rows(scores),
        "score_sides": report_scores.side_by_side(scores),
        "score_charts": score_charts,
        "flattered": MARK if flattered else "",
        "nearest": [(run.name, _nearest(run.path, nearest, len(found), say)) for run in found if nearest],
        "curve_charts": curve_charts,
        "chart_data": {name: one.data() for name, one in (*curve_charts, *score_charts)},
        "mark_rows": [{**_of(several, m.run), "kimg": m.kimg, "event": m.what} for m in happened],
        "event_rows": [_of(several, run.name) | _named_keys(e, EVENT) for run in found for e in run.events],
        "phase_rows": [row for run in found for row in _phases(run, several)],
        "phase_faults": [run.phases for run in found if isinstance(run.phases, str)],
        "setting_rows": report_settings.against_each_other(found),
    }


def rules() -> str:
    """The style sheet of the page but for its colours."""
    return RULES + (FOLDER / "report.css").read_text(encoding="utf-8")


def own_script() -> str:
    """What draws the charts and moves the slider, beside `chart_library.scripts`."""
    return (FOLDER / "report.js").read_text(encoding="utf-8")


def policy(*scripts: str) -> str:
    """The page's Content-Security-Policy: these scripts, pictures within, and nothing from elsewhere."""
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:;"
        " base-uri 'none'; form-action 'none'"
    )


def _named(kind: str, charts: Sequence[Chart]) -> list[tuple[str, Chart]]:
    return [(f"{kind}-{number}", chart) for number, chart in enumerate(charts, 1)]


def _row(run: RunFiles) -> dict[str, Any]:
    """What the page tells of one run."""
    changed, same = report_settings.against_preset(run)
    machine = run.machine
    if isinstance(machine, dict):
        machine = {key: "none" if value is None else value for key, value in machine.items()}
        machine = _named_keys(machine, MACHINE)
    facts = {fact.name: fact for fact in summary(run)}
    named = {"name": run.name, "facts": facts, "settings": run.settings, "machine": machine}
    return named | {"changed": changed, "same": same}


def _nearest(run: Path, samples: int, runs: int, say: Say) -> dict[str, Any] | str:
    """Rows of nearest training images, or why there are none."""
    from gan.jobs import report_nearest  # which loads what scores need

    try:
        return report_nearest.section(run, samples, max(3, report_nearest.SHOWN // runs))
    except UserError as error:
        say(str(error))
        return str(error)


def _phases(run: RunFiles, several: bool) -> list[dict[str, Any]]:
    """What was changed while the run went on, one row a setting."""
    return [
        {**_of(several, run.name), "phase": number, "from kimg": phase.get("kimg"), **change}
        for number, phase in enumerate(run.phases if isinstance(run.phases, list) else [], 2)
        if isinstance(phase, Mapping)
        for change in phase.get("changes") or []
        if isinstance(change, Mapping)
    ]


def _of(several: bool, run: str) -> dict[str, str]:
    return {"run": run} if several else {}


def _named_keys(record: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """The record with its keys in words; one that has none keeps its own."""
    return {words.get(key, key): value for key, value in record.items()}
