"""HTML from Jinja templates of the package, everything escaped."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gan
from gan.errors import UserError, install


def render(folders: Sequence[Path], name: str, context: Mapping[str, Any]) -> str:
    """The template `name`, looked for in these folders in order, filled with `context`.

    `version` is that of this project. Every value is escaped unless it is `markupsafe.Markup`; a name that
    the context lacks is an error, not a gap. Raises UserError where the extra `web` is missing.
    """
    try:
        import jinja2
    except ImportError as error:
        raise UserError(f"pages need the package jinja2; {install('web')}") from error

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(folder) for folder in folders]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name).render({**context, "version": gan.__version__})
