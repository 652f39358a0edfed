"""Settings on the page of `gan report`: what differs from the preset, and from run to run."""

from collections.abc import Sequence
from typing import Any

from gan.config import flat, to_dict
from gan.errors import UserError
from gan.jobs.report_files import RunFiles
from training.initial import OF_DATA
from training.recipes import load_preset, preset_names


def against_preset(run: RunFiles) -> tuple[list[dict[str, Any]], str]:
    """Rows (setting, this run, preset), and why there are none; what follows from the data is left out."""
    name = run.config.get("preset")
    if not isinstance(name, str) or name not in preset_names():
        return [], f"The preset {name} is not known here." if name else "The run has no preset."
    try:
        preset = flat(to_dict(load_preset(name)))
    except UserError as error:
        return [], str(error)
    found = flat(run.config)
    rows = [
        {"setting": key, "this run": shown(found[key]), f"preset {name}": shown(preset.get(key))}
        for key in found
        if shown(found[key]) != shown(preset.get(key)) and not _of_data(key)
    ]
    return rows, "" if rows else f"Nothing: all settings are those of the preset {name}."


def against_each_other(runs: Sequence[RunFiles]) -> list[dict[str, Any]]:
    """One row for each setting that is not the same in all runs."""
    found = [flat(run.config) for run in runs]
    rows = []
    for key in dict.fromkeys(key for each in found for key in each):
        values = [shown(each[key]) if key in each else "not there" for each in found]
        if len(set(values)) > 1:
            rows.append({"setting": key, **dict(zip((run.name for run in runs), values, strict=True))})
    return rows


def shown(value: Any) -> str:
    """As YAML has it, roughly."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _of_data(key: str) -> bool:
    section, _, name = key.partition(".")
    return key in ("preset", "data.path") or (section in ("generator", "discriminator") and name in OF_DATA)
