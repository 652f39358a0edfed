"""What `gan report` reads of a run directory: records, settings and places of pictures, damage named."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gan.config import load_yaml
from gan.errors import UserError
from gan.files import MAX_JSON, json_lines, read_json

Say = Callable[[str], None]
Record = dict[str, Any]
LINES = 200_000  # of a log that are read


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """Files of one run.

    name: of the run among those of the page.  config: of config.yaml, which `settings` has as text.  data:
    what the newest checkpoint tells of the data set.  stats, events, scores: of stats.jsonl, health.jsonl and
    metrics.jsonl.  phases, machine: of phases.json and environment.json, or the reason why there is none.
    """

    path: Path
    name: str
    config: Record
    settings: str
    data: Record
    stats: Sequence[Record]
    events: Sequence[Record]
    scores: Sequence[Record]
    phases: Sequence[Record] | str
    machine: Record | str
    log: Sequence[str] = field(default=())


def read(path: Path, name: str, say: Say) -> RunFiles:
    """All of a run; `say` gets a line for everything damaged. UserError if it is no run directory."""
    if not (path / "config.yaml").is_file():
        raise UserError(f"{path} is not a run directory: it has no config.yaml")
    stats, events, scores = (records(path / f"{kind}.jsonl", say) for kind in ("stats", "health", "metrics"))
    try:
        settings = (path / "config.yaml").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        settings = str(error)
    return RunFiles(
        path=path,
        name=name,
        config=_read(load_yaml, path / "config.yaml", say),
        settings=settings,
        data=_data(path, say),
        stats=stats,
        events=events,
        scores=scores,
        phases=_or_reason(path / "phases.json", list, [], say),
        machine=_or_reason(path / "environment.json", dict, {}, say),
        log=_log(path / "log.txt"),
    )


def names(runs: Sequence[Path]) -> list[str]:
    """What each run is called: its folder, with as many of those above as tell it from the others."""
    parts = [path.resolve().parts[1:] or ("/",) for path in runs]
    for count in range(1, max(map(len, parts)) + 1):
        found = ["/".join(each[-count:]) for each in parts]
        if len(set(found)) == len(set(parts)):
            break
    return found


def records(path: Path, say: Say) -> list[Record]:
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


def _read(reader: Callable[[Path], Record], path: Path, say: Say) -> Record:
    """What a file holds, or {} if it is damaged, which is said."""
    try:
        return reader(path)
    except UserError as error:
        say(str(error))
        return {}


def _or_reason(path: Path, kind: type, absent: Any, say: Say) -> Any:
    """What a JSON file holds, `absent` where there is none, or what is wrong with it, which is said."""
    try:
        return read_json(path, kind) if path.is_file() else absent
    except UserError as error:
        say(str(error))
        return str(error)


def _data(run: Path, say: Say) -> Record:
    """What the newest checkpoint tells of the data set; {} where there is none."""
    found = [
        path for _, path in numbered((run / "checkpoints").glob("*")) if (path / "config.json").is_file()
    ]
    config = _read(lambda path: read_json(path, dict), found[-1] / "config.json", say) if found else {}
    data = config.get("data")
    return data if isinstance(data, dict) else {}


def _log(path: Path) -> list[str]:
    """Lines of the log, where there is one of reasonable size."""
    try:
        if path.stat().st_size > MAX_JSON:
            return []
        return path.read_text(encoding="utf-8", errors="replace").splitlines()[:LINES]
    except OSError:
        return []
