"""Pieces of the page of `gan report`: text, tables and pictures, everything escaped."""

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from gan.errors import UserError

SIDE = 1024  # longer side in pixels of a picture at most
SMALL = 512  # shorter ones are enlarged without smoothing
MAX_PIXELS = 2**26  # of a picture that is read
MAX_PNG = 2**19  # bytes, beyond which a picture is a JPEG
LONG = 60  # characters of a cell that are not wrapped


def text(value: Any) -> str:
    """A value as HTML: "" for None, five digits of a float."""
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return html.escape(f"{value:.5g}" if isinstance(value, float) else str(value))


def table(rows: Sequence[Mapping[str, Any]], about: str) -> str:
    """Rows of one set of keys in a box that scrolls sideways; a single row is shown upright.

    about: what a screen reader says of the box. The key "state" is also the class of its row.
    """
    if len(rows) == 1:
        body = "".join(f'<tr><th scope="row">{text(k)}</th>{_cell(v)}</tr>' for k, v in rows[0].items())
    else:
        keys = list(dict.fromkeys(key for row in rows for key in row))
        head = "".join(f'<th scope="col">{text(key)}</th>' for key in keys)
        lines = [
            f'<tr class="{text(row.get("state"))}">{"".join(_cell(row.get(key)) for key in keys)}</tr>'
            for row in rows
        ]
        body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return wide(f"<table>{body}</table>", about)


def wide(content: str, about: str) -> str:
    """HTML in a box that scrolls sideways, by the keyboard too, and never widens the page."""
    return f'<div class="wide" tabindex="0" role="region" aria-label="{text(about)}">{content}</div>'


def picture(path: Path, caption: str, alt: str) -> str:
    """The PNG at `path`, embedded; a click or Enter enlarges it. UserError if it is damaged or too large."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"{path} has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}: left out"
                )
            image.thumbnail((SIDE, SIDE))
            kind, data = _encoded(image)
            small = ' class="small"' if max(image.size) < SMALL else ""
            size = f'width="{image.width}" height="{image.height}"'
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} has far more than {MAX_PIXELS:,} pixels: left out") from error
    except (OSError, SyntaxError, ValueError) as error:  # UnidentifiedImageError repeats the path
        raise UserError(f"{path} is no whole image") from error
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    image = f'<img{small} {size} alt="{text(alt)}" src="{source}">'
    label = f'<span class="caption">{text(caption)}</span><span class="more"></span>'
    return f"<details><summary>{image}{label}</summary></details>"


def _cell(value: Any) -> str:
    found = text(value)
    return f'<td class="long">{found}</td>' if len(found) > LONG else f"<td>{found}</td>"


def _encoded(image: Image.Image) -> tuple[str, bytes]:
    """As PNG, or where that is large and nothing is transparent, as JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    if buffer.tell() <= MAX_PNG or image.has_transparency_data:
        return "png", buffer.getvalue()
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=90)
    return "jpeg", buffer.getvalue()
