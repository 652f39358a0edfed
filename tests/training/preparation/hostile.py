"""A folder as the world gives it: every kind of bad or odd file, with what is true of each.

`build(folder)` writes it. Every picture in it is another scene, unless it is said to be a copy, so that what
a tool says of copies, faults and pixels can be compared with the truth.

A fault is named as `gan data prepare --on` has it. Files of which a decoder may say one thing or another have
several `faults` and `exactly` False: one of them is right.
"""

import functools
import io
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tests.training.preparation import hostile_bytes as raw
from tests.training.preparation import hostile_pictures as pictures
from tests.training.preparation import scenes

HEIGHT, WIDTH = 96, 128
DAMAGED = ("truncated", "corrupt")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One entry. kind: a name for it, no two share one.  path: below the folder, as the system has it.

    faults: see above.  has_pixels: a picture can be had.  copy_of: kind of the case of which it is a copy.
    exact: with the same pixels.
    """

    kind: str
    path: bytes
    faults: tuple[str, ...] = ()
    exactly: bool = True
    has_pixels: bool = True
    copy_of: str | None = None
    exact: bool = False


class Builder:
    """Writes files below a folder and remembers what they are."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cases = folder, []
        self._seeds = itertools.count(5000)

    def scene(self, height: int = HEIGHT, width: int = WIDTH) -> Image.Image:
        """A picture that was never there before."""
        return Image.fromarray(scenes.scene(next(self._seeds), height, width))

    def place(self, path: str | bytes) -> Path:
        """The full path, its folders made."""
        full = self.folder / os.fsdecode(path)
        full.parent.mkdir(parents=True, exist_ok=True)
        return full

    def add(self, kind: str, path: str | bytes, data: bytes | None, *faults: str, **truth: object) -> None:
        """One more case; data None: the entry is there already."""
        if data is not None:
            self.place(path).write_bytes(data)
        self.cases.append(Case(kind=kind, path=os.fsencode(path), faults=faults, **truth))


def build(folder: Path) -> list[Case]:
    """Write all of it into a folder, which may not be there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Builder(folder)
    for part in (formats, cut, damaged, bombs, turned, coloured, named, linked, poor, copied):
        part(made)
    kinds = [case.kind for case in made.cases]
    assert len(set(kinds)) == len(kinds)
    return made.cases


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a file of a format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def formats(made: Builder) -> None:
    """Everything that Pillow writes."""
    for kind, suffix, mode, faults in pictures.FORMATS:
        image = made.scene(128, 128) if kind == "ICNS" else made.scene()
        has_pixels = "type" not in faults
        data = saved(image.convert(mode), kind)
        made.add(f"format {kind}", f"formats/{kind}{suffix}", data, *faults, has_pixels=has_pixels)
    made.add("progressive JPEG", "formats/progressive.jpg", saved(made.scene(), "JPEG", progressive=True))
    made.add("grey JPEG", "formats/grey.jpeg", saved(made.scene().convert("L"), "JPEG"))
    made.add("lossless WebP", "formats/lossless.webp", saved(made.scene(), "WEBP", lossless=True))
    made.add("TIFF by LZW", "formats/lzw.tif", saved(made.scene(), "TIFF", compression="tiff_lzw"))
    made.add("capital suffix", "formats/CAPITAL.PNG", saved(made.scene(), "PNG"))
    made.add("bytes after the end", "formats/trailing.png", saved(made.scene(), "PNG") + b"trailing")
    made.add(
        "interlaced bytes of a camera", "formats/maker.jpg", raw.with_maker_note(saved(made.scene(), "JPEG"))
    )


def cut(made: Builder) -> None:
    """Files that end too early, at several points."""
    for kind, suffix in (
        ("PNG", ".png"),
        ("JPEG", ".jpg"),
        ("WEBP", ".webp"),
        ("BMP", ".bmp"),
        ("AVIF", ".avif"),
    ):
        data = saved(made.scene(), kind)
        for part in (0.02, 0.5, 0.9):
            some, name = data[: max(int(len(data) * part), 4)], f"cut/{kind}-{part}{suffix}"
            made.add(f"{kind} cut at {part}", name, some, *DAMAGED, exactly=False, has_pixels=False)
    for size in (3, 8, 33):
        data = saved(made.scene(), "PNG")[:size]
        name = f"cut/{size}-bytes.png"
        made.add(f"PNG of {size} bytes", name, data, *DAMAGED, exactly=False, has_pixels=False)


def damaged(made: Builder) -> None:
    """What is no image, whatever its name says, and images that were hit."""
    made.add("zero bytes", "damaged/zero.png", b"", "empty", has_pixels=False)
    for name, data in raw.IMPOSTORS.items():
        suffix = ".png" if "png" in name else ".jpg"
        path = f"damaged/{name.replace(' ', '-')}{suffix}"
        made.add(name, path, data, *DAMAGED, "type", exactly=False, has_pixels=False)
    made.add("plain text", "damaged/notes.txt", b"no image at all\n", "type", has_pixels=False)
    made.add("video", "damaged/film.mp4", b"\0\0\0\x18ftypisom" + bytes(400), "type", has_pixels=False)
    for name, change in raw.HITS.items():
        data = change(saved(made.scene(), "PNG"))
        path = f"damaged/{name.replace(' ', '-')}.png"
        made.add(name, path, data, *DAMAGED, exactly=False, has_pixels=False)
    made.add("JPEG named png", "suffix/jpeg.png", saved(made.scene(), "JPEG"), "suffix")
    made.add("PNG named jpg", "suffix/png.jpg", saved(made.scene(), "PNG"), "suffix")
    made.add("WebP named jpeg", "suffix/webp.jpeg", saved(made.scene(), "WEBP"), "suffix")
    made.add("PNG named txt", "suffix/png.txt", saved(made.scene(), "PNG"), "suffix")
    made.add("PNG without a suffix", "suffix/none", saved(made.scene(), "PNG"), "suffix")


def bombs(made: Builder) -> None:
    """Small files that want much memory."""
    for name, (suffix, data) in raw.bombs().items():
        made.add(name, f"bombs/{name.replace(' ', '-')}{suffix}", data, "bomb", has_pixels=False)
    png = saved(made.scene(), "PNG")
    made.add("text of 64 MiB", "bombs/text.png", raw.with_chunk(png, b"zTXt", raw.long_text(2**26)))
    png = saved(made.scene(), "PNG")
    made.add("80 texts", "bombs/texts.png", raw.with_chunk(png, b"tEXt", b"k\0" + b"x" * 2**14, count=80))
    jpeg = saved(made.scene(), "JPEG", icc_profile=bytes(3 * 2**20))
    made.add("profile of 3 MiB of zeros", "bombs/profile.jpg", jpeg, "profile")


def turned(made: Builder) -> None:
    """Every orientation, and every place where it is written."""
    for number in range(1, 9):
        faults = () if number == 1 else ("orientation",)
        data = saved(made.scene(), "JPEG", exif=raw.exif(number))
        made.add(f"orientation {number}", f"turned/{number}.jpg", data, *faults)
    data = saved(made.scene(), "JPEG", exif=raw.exif(6, kind=4))
    made.add("orientation as LONG", "turned/long.jpg", data, "orientation")
    data = saved(made.scene(), "JPEG", exif=raw.exif(6, order="<"))
    made.add("orientation of a little end", "turned/little.jpg", data, "orientation")
    data = saved(made.scene(), "WEBP", exif=raw.exif(3))
    made.add("orientation in WebP", "turned/webp.webp", data, "orientation")
    data = raw.with_chunk(saved(made.scene(), "PNG"), b"eXIf", raw.exif(6)[6:], after=True)
    made.add("orientation behind the pixels", "turned/behind.png", data, "orientation")
    data = raw.with_chunk(saved(made.scene(), "PNG"), b"iTXt", raw.XMP)
    made.add("orientation in XMP", "turned/xmp.png", data, "orientation")
    data = saved(made.scene(), "JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff")
    made.add("broken EXIF", "turned/broken.jpg", data)


def coloured(made: Builder) -> None:
    """Modes, depths, profiles, transparency, several pictures in one."""
    for name, (path, change, faults) in pictures.COLOURS.items():
        made.add(name, f"coloured/{path}", change(made.scene()), *faults)
    for name, (kind, path) in pictures.ANIMATED.items():
        frames = [made.scene() for _ in range(3)]
        data = saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
        extra = ("palette",) if kind == "GIF" else ()
        made.add(name, f"coloured/{path}", data, "animated", *extra)


def named(made: Builder) -> None:
    """Names in many scripts, names that break lines, terminals and shells, and pairs that are almost one."""
    for name, path in pictures.NAMES.items():
        made.add(name, b"names/" + path, saved(made.scene(), "PNG"))
    for name, (first, second) in pictures.TWINS.items():
        for number, path in enumerate((first, second)):
            data = saved(made.scene(), "PNG")
            made.add(f"{name}, {number}", b"names/" + path, data, "name")
    made.add("hidden file", "names/.hidden.png", saved(made.scene(), "PNG"), "hidden", has_pixels=False)
    made.add("hidden folder", "names/.git/a.png", saved(made.scene(), "PNG"), "hidden", has_pixels=False)
    for path in ("names/Thumbs.db", "names/.DS_Store", "names/desktop.ini"):
        made.add(path.partition("/")[2], path, b"\0" * 600, "system", has_pixels=False)
    made.add("resource fork", "names/__MACOSX/._a.png", b"\0\5\x16\7" + bytes(90), "system", has_pixels=False)


def linked(made: Builder) -> None:
    """Links, loops, pipes, and what nobody may read."""
    target = saved(made.scene(), "PNG")
    made.add("target of a link", "links/target.png", target)
    made.place("links/link.png").symlink_to("target.png")
    truth = {"copy_of": "target of a link", "exact": True}
    made.add("link to a file", "links/link.png", None, "link", **truth)
    made.place("links/dangling.png").symlink_to("nowhere.png")
    made.add("link to nothing", "links/dangling.png", None, "loop", has_pixels=False)
    made.place("links/self.png").symlink_to("self.png")
    made.add("link to itself", "links/self.png", None, "loop", has_pixels=False)
    made.place("links/up").symlink_to("..")
    made.add("link to the folder above", "links/up", None, "loop", has_pixels=False)
    os.mkfifo(made.place("links/pipe.png"))
    several = {"exactly": False, "has_pixels": False}
    made.add("pipe", "links/pipe.png", None, "unreadable", "type", "system", **several)
    made.add("in a folder named png", "links/folder.png/inside.png", saved(made.scene(), "PNG"))
    if os.geteuid():
        made.add("forbidden", "links/forbidden.png", target, "unreadable", has_pixels=False)
        made.place("links/forbidden.png").chmod(0)


def poor(made: Builder) -> None:
    """Pictures of which little is to be had."""
    for name, (path, change, faults) in pictures.POOR.items():
        made.add(name, f"poor/{path}", saved(change(made.scene(192, 256)), "PNG"), *faults)


def copied(made: Builder) -> None:
    """Originals with all their copies, and look-alikes, which are none."""
    rng = np.random.default_rng(0)
    png = functools.partial(saved, kind="PNG", compress_level=1)  # most of the folder's time is theirs
    for number in range(6):
        original = scenes.scene(9000 + number)
        name = f"copies/{number}"
        first = f"original {number}"
        image = Image.fromarray(original)
        made.add(first, f"{name}/original.png", png(image))
        same = {"copy_of": first, "exact": True}
        made.add(f"{first} again", f"{name}/again.png", png(image), **same)
        made.add(f"{first} as BMP", f"{name}/other.bmp", saved(image, "BMP"), **same)
        made.add(f"{first} by TIFF", f"{name}/other.tif", saved(image, "TIFF"), **same)
        for kind, rgb in scenes.copies(original, rng).items():
            path = f"{name}/{kind.replace(' ', '-').replace(',', '')}.png"
            made.add(f"{first}, {kind}", path, png(Image.fromarray(rgb)), copy_of=first)
        for kind, rgb in scenes.look_alikes(9000 + number).items():
            path = f"{name}/other-{kind.replace(' ', '-')}.png"
            made.add(f"{first}, {kind}", path, png(Image.fromarray(rgb)))


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """Files of every format and oddity to be mutated: those of the folder without copies."""
    return tuple(_files())


def _files() -> Iterator[bytes]:
    image = Image.fromarray(scenes.scene(1, 48, 64))
    for kind, _, mode, _ in pictures.FORMATS:
        if kind in ("PNG", "JPEG", "WEBP"):
            yield saved(image.convert(mode), kind)
    yield saved(image, "JPEG", exif=raw.exif(6), progressive=True)
    yield raw.with_chunk(saved(image, "PNG"), b"zTXt", raw.long_text(2**16))
    yield raw.with_chunk(saved(image, "PNG"), b"iTXt", raw.XMP)
    yield from (change(image) for _, change, _ in pictures.COLOURS.values())
    for kind in ("PNG", "WEBP"):
        yield saved(image, kind, save_all=True, append_images=[image.rotate(90)] * 2)
