"""What a picture or video says of itself: model, seeds and settings, from which it is made again.

One JSON text, in ASCII: of PNGs the text chunk `gan`; of JPEG and WebP the EXIF tag ImageDescription; of GIFs
the comment; of MP4 the tag `comment`. A file may come from a stranger: its text is bounded, and every value
is checked as a typed one is.

What other commands make says so in the same places, see `elsewhere`: `gan sample` cannot make it again, and
tells who can.
"""

import json
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

import gan
from gan.config import from_dict, to_dict
from gan.errors import UsageError, UserError, install
from gan.files import refusal
from gan.images import DESCRIPTION, NOTE
from gan.jobs.sampling.request import Request

FORMAT = 1
MOST = 60_000  # characters of a text: what EXIF, and a command line of ffmpeg, hold
READ = ("PNG", "JPEG", "WEBP", "GIF")
ELSEWHERE = {  # kind of thing -> what makes it again
    "explored": "the page of gan explore made it, and shows what its metadata call view",
    "projected": "gan project found it, from the file that its metadata call latents",
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a file was made.

    weights: `gan.networks.base.digest` of the generator. made: image (of a folder), grid or video.
    """

    weights: str
    made: Literal["image", "grid", "video"]
    request: Request

    def text(self) -> str:
        """As JSON; UsageError where it is longer than files hold."""
        described = {"format": FORMAT, "program": f"gan {gan.__version__}", **to_dict(self)}
        text = json.dumps(described, separators=(",", ":"))
        if len(text) > MOST:
            raise UsageError(
                f"seeds and conditions take {len(text):,} characters in the metadata, which hold {MOST:,}; "
                "draw fewer at once, or seeds in ranges"
            )
        return text

    def check(self, weights: str, source: str | Path) -> None:
        """UsageError unless these are the weights of the model that drew `source`."""
        if weights != self.weights:
            raise UsageError(
                f"{source} was drawn by a model whose weights have the digest {self.weights[:16]}..., and "
                f"this model's have {weights[:16]}...; name the model that drew it"
            )


def elsewhere(made: Literal["explored", "projected"], facts: Mapping[str, Any]) -> str:
    """The text for what `gan sample` cannot make again: JSON, facts beside who made it.

    facts: JSON data: weights, settings and the like; where they are longer than files hold, the longest of
    them are left out, by name.
    """
    described = {"format": FORMAT, "program": f"gan {gan.__version__}", "made": made, **facts}
    while len(text := json.dumps(described, separators=(",", ":"))) > MOST:
        longest = max(facts.keys() & described.keys(), key=lambda key: len(json.dumps(described[key])))
        described = {key: value for key, value in described.items() if key != longest}
        described["left_out"] = [*described.get("left_out", ()), longest]
    return text


def read(path: str | Path) -> Recipe:
    """The recipe in a file that `gan sample` wrote.

    Raises UserError naming the file where there is none, and where another command made it.
    """
    path = Path(path)
    try:
        note = _tag_of_mp4(path) if path.suffix.lower() == ".mp4" else _note_of_picture(path)
    except OSError as error:
        if error.strerror:
            raise UserError(refusal("read", path, error)) from error
        note = None
    except (ValueError, Image.DecompressionBombError, subprocess.TimeoutExpired):
        note = None
    try:
        data = json.loads(note) if note else None
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or "format" not in data:
        raise UserError(f"{path} has no settings of gan sample in its metadata: give the options yourself")
    if data["format"] != FORMAT:
        raise UserError(f"{path}: its settings have format {data['format']!r}; this version reads {FORMAT}")
    if data.get("made") in ELSEWHERE:
        raise UserError(f"{path} is not of gan sample: {ELSEWHERE[data['made']]}")
    return _checked(path, {key: value for key, value in data.items() if key not in ("format", "program")})


def _checked(path: Path, data: dict[str, Any]) -> Recipe:
    try:
        recipe = from_dict(Recipe, data, "settings")
    except UsageError as error:
        raise UserError(f"{path}: {error}") from error
    if not re.fullmatch(r"[0-9a-f]{64}", recipe.weights):
        raise UserError(f"{path}: settings.weights is no sha256")
    return recipe


def _note_of_picture(path: Path) -> str | None:
    """The text of a picture, None for one without."""
    with Image.open(path, formats=READ) as image:
        if image.format == "PNG":
            note = image.info.get(NOTE)  # of a chunk before the pixels; nothing is decoded
        elif image.format == "GIF":
            note = image.info.get("comment", b"")
        else:
            note = image.getexif().get(DESCRIPTION)
    note = note.decode("ascii", "replace") if isinstance(note, bytes) else note
    return note if isinstance(note, str) and len(note) <= MOST else None


def _tag_of_mp4(path: Path) -> str | None:
    """The tag `comment` as ffmpeg writes it out: key=value, a \\ before each of = ; # \\ and line ends."""
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ImportError as error:
        raise UserError(f"cannot read {path}: mp4 needs imageio-ffmpeg; {install('video')}") from error
    path.open("rb").close()
    command = [get_ffmpeg_exe(), "-v", "error", "-protocol_whitelist", "file", "-f", "mov"]
    command += ["-i", f"file:{path}", "-f", "ffmetadata", "-"]
    done = subprocess.run(command, capture_output=True, timeout=60, stdin=subprocess.DEVNULL, check=False)
    text = done.stdout[: 4 * MOST].decode("utf-8", "replace")
    found = re.search(r"^comment=((?:\\[\s\S]|[^\\\n])*)$", text, re.MULTILINE)
    return re.sub(r"\\([\s\S])", r"\1", found[1]) if found else None
