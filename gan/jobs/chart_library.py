"""Vega-Lite, which draws every chart: as scripts of a page, and as still drawings for pages without scripts.

Both come out of the package vl-convert-python (extra `report`), which holds Vega, Vega-Lite and Vega-Embed,
and needs neither a browser nor a network.
"""

import contextlib
import functools
import re
from collections.abc import Mapping
from importlib import metadata
from typing import Any

from gan.errors import UserError, install
from gan.files import atomic_bytes, cache_folder

PACKAGE = "vl-convert-python"
VERSION = "6.4"  # of Vega-Lite, in which `gan.jobs.charts` writes


@functools.cache
def scripts() -> str:
    """JavaScript, about 0.9 MB, that defines `vegaEmbed`. UserError where the extra `report` is missing.

    It is bundled once for each version of the package and kept in the cache folder.
    """
    library = _library()
    path = cache_folder() / "charts" / f"vega-{metadata.version(PACKAGE)}-{VERSION}.js"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        found = library.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VERSION)
    found = found.replace("</script", "<\\/script")
    with contextlib.suppress(UserError):  # a cache that cannot be written costs a second
        atomic_bytes(path, found.encode())
    return found


def drawing(spec: Mapping[str, Any]) -> str:
    """The chart of a Vega-Lite specification as SVG, whose texts are escaped. UserError as `scripts`."""
    found = _library().vegalite_to_svg(dict(spec), vl_version=VERSION)
    return re.sub(r' xmlns(:xlink)?="[^"]*"', "", found, count=2)  # HTML knows what an svg is


def _library() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise UserError(f"charts need the package {PACKAGE}; {install('report')}") from error
    return vl_convert
