"""Data sets made from nothing but installed packages, with a progress bar where somebody watches."""

import time
from pathlib import Path
from typing import Any

from gan.console import progress
from training.preparation import openmoji, writer


def draw_openmoji(
    out: str | Path | None = None,
    *,
    resolution: int = 32,
    workers: int | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Draw the glyphs of OpenMoji as a data set -> path, images (their number), classes and seconds.

    out: a .zip, else a folder; None is data/openmoji-RESOLUTION.zip. resolution: pixels a side. workers:
    processes that draw, None one per core. force: replace what is at `out`.
    Raises UserError if something is there already, `out` cannot be written or a package is missing.
    """
    started = time.monotonic()
    out = Path(out or Path("data", f"openmoji-{resolution}.zip"))
    writer.refuse_existing(out, force)
    about = openmoji.about(resolution)
    entries = progress(openmoji.render(resolution, workers=workers), "drawing", unit="glyph")
    entries.total = len(openmoji.glyph_codes())
    with entries:
        count = writer.write_dataset(out, entries, about, force=force)
    seconds = round(time.monotonic() - started, 1)
    return {"path": str(out), "images": count, "classes": list(about.classes), "seconds": seconds}
