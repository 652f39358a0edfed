"""Pages of reports from their templates, which share the frame of all pages and the look of reports."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gan.jobs.report_style import STYLE
from gan.templates import render

FOLDER = Path(__file__).parent / "templates"


def sheet(name: str, maker: str, context: Mapping[str, Any]) -> str:
    """The HTML of a template that extends `sheet.html`.

    maker: the command, such as `gan report`. `style` in the context replaces the rules that all pages share.
    Raises UserError where the extra `web` is missing.
    """
    return render((FOLDER,), name, {"style": STYLE, "maker": maker, **context})


def text(value: Any) -> str:
    """A value as words: "" for None, yes or no, five digits of a float."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(text, value))
    return f"{value:.5g}" if isinstance(value, float) else str(value)
