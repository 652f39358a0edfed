"""Pages of reports from their templates, which share a head and an end that names this project's version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gan
from gan.jobs.report_style import STYLE
from gan.templates import render

FOLDER = Path(__file__).parent / "templates"


def sheet(name: str, maker: str, context: Mapping[str, Any]) -> str:
    """The HTML of a template that extends `sheet.html`.

    maker: the command, such as `gan report`. `style` in the context replaces the rules that all pages share.
    Raises UserError where the extra `web` is missing.
    """
    shared = {"style": STYLE, "maker": maker, "version": gan.__version__}
    return render((FOLDER,), name, {**shared, **context})
