"""Pictures of a run for a page of bounded size: grids over time, real images, evidence of what was lost."""

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image

from gan.errors import UserError
from gan.jobs.charts import spread
from gan.jobs.report_files import RunFiles, Say, numbered

TOTAL = 900_000  # bytes of all pictures of a page
GRIDS = 12  # of a run at most
SIDE = 1024  # longer side in pixels of a picture at most
SMALL = 512  # shorter ones are enlarged without smoothing
LEAST = 64  # shorter than that, a picture is not made smaller to save bytes
MAX_PIXELS = 2**26  # of a picture that is read
QUALITIES = (85, 70, 50)  # of WebP, until a picture is small enough


@dataclass(frozen=True, kw_only=True)
class Picture:
    """source: a data URL.  kimg: None for what has no time.  small: whether its pixels are to be seen."""

    source: str
    caption: str
    alt: str
    width: int
    height: int
    small: bool
    kimg: float | None = None


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Of one run: its grids by kimg, real images, evidence of lost states, and what could not be read."""

    run: str
    grids: list[Picture]
    others: list[Picture]
    faults: list[str]


def pictures(run: RunFiles, say: Say, runs: int = 1) -> Pictures:
    """The pictures of a run, which takes its share of TOTAL among so many runs."""
    most = max(4, GRIDS // runs)
    wanted = [
        (path, f"{kimg:g} kimg", f"Grid of generated images at {kimg:g} kimg", kimg)
        for kimg, path in spread(numbered(run.path.glob("fakes-*.png"), "fakes-"), most)
    ]
    if (run.path / "reals.png").is_file():
        wanted.append((run.path / "reals.png", "real images", "Grid of real images of the data set", None))
    lost = numbered((run.path / "evidence").glob("*"))
    lost = [(kimg, folder / "fakes.png") for kimg, folder in lost if (folder / "fakes.png").is_file()]
    wanted += [
        (path, f"evidence at {kimg:g} kimg", f"Grid of generated images of a lost run at {kimg:g} kimg", None)
        for kimg, path in spread(lost, most)
    ]
    share = TOTAL // runs // max(len(wanted), 1)
    found: dict[bool, list[Picture]] = {True: [], False: []}
    faults = []
    for path, caption, alt, kimg in wanted:
        try:
            source, width, height = embedded(path, path.stat().st_mtime_ns, share)
        except (UserError, OSError) as error:
            say(str(error))
            faults.append(str(error))
            continue
        small = max(width, height) < SMALL
        found[kimg is not None].append(
            Picture(
                source=source, caption=caption, alt=alt, width=width, height=height, small=small, kimg=kimg
            )
        )
    return Pictures(run=run.name, grids=found[True], others=found[False], faults=faults)


@lru_cache(maxsize=64)
def embedded(path: Path, changed: int, most: int) -> tuple[str, int, int]:
    """Data URL, width and height of the PNG at `path`, in at most about so many bytes.

    It is kept as it is where it is small enough, else made a WebP, and smaller. changed: when the file was
    written. UserError if it is damaged or has too many pixels.
    """
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise UserError(
                    f"{path} has {image.width} x {image.height} pixels, more than {MAX_PIXELS:,}: left out"
                )
            plain = max(image.size) <= SIDE and path.stat().st_size <= most
            image.load()
            if plain:
                return _url("png", path.read_bytes()), *image.size
            image.thumbnail((SIDE, SIDE))
            data, size = _packed(image, most)
            return _url("webp", data), *size
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} has far more than {MAX_PIXELS:,} pixels: left out") from error
    except (OSError, SyntaxError, ValueError) as error:  # UnidentifiedImageError repeats the path
        raise UserError(f"{path} is no whole image") from error


def _url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def _packed(image: Image.Image, most: int) -> tuple[bytes, tuple[int, int]]:
    shown = image.convert("RGBA" if image.has_transparency_data else "RGB")
    while True:
        for quality in QUALITIES:
            buffer = io.BytesIO()
            shown.save(buffer, "WEBP", quality=quality, method=3)
            if buffer.tell() <= most or max(shown.size) <= LEAST:
                return buffer.getvalue(), shown.size
        shown = shown.resize([max(1, round(side * 0.7)) for side in shown.size], Image.Resampling.LANCZOS)
