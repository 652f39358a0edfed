"""A source with odd files, and the work folder that a preparation of it leaves, as files for tests."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFilter

CLASSES = ("apple", "boat", "cloud")


def picture(number: int, size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A drawing that no other number has."""
    ground = (37 * number % 200 + 30, 91 * number % 200 + 30, 53 * number % 200 + 30)
    image = Image.new("RGB", size, ground)
    draw = ImageDraw.Draw(image)
    left, top = 7 * number % 50, 5 * number % 30
    draw.ellipse((left, top, left + 36, top + 30), fill=(255 - ground[0], 240, 255 - ground[2]))
    draw.line((0, 63 - top, 95, top), fill="black", width=2)
    return image


def record(number: int, path: str, **changes: Any) -> dict[str, Any]:
    """A line of files.jsonl about a file that is kept, with changes."""
    found = {
        "path": path,
        "source": 0,
        "bytes": 1000 + number,
        "sha256": f"{number:064x}",
        "pixels_sha256": f"{number:064x}",
        "width": 96,
        "height": 64,
        "mode": "RGB",
        "format": "PNG",
        "faults": [],
        "phash": f"{number:016x}",
        "sharpness": 50.0 + number,
        "brightness": 10.0 + 2 * (number % 90),
        "contrast": 40.0,
        "colourfulness": 20.0 + number % 40,
        "label": CLASSES[number % 3],
        "caption": f"drawing {number}",
        "verdict": "keep",
        "reason": None,
        "cluster": None,
        "keeper": False,
        "split": "train",
        "out": f"00000/img{number:08d}.png",
        "licence": "CC0-1.0",
        "author": "a test",
        "source_url": None,
        "custom": {},
    }
    assert set(changes) <= set(found)
    return found | changes


def dropped(reason: str, detail: str = "", verdict: str = "drop", **more: Any) -> dict[str, Any]:
    """Changes of a record that is left out."""
    kind = reason.removeprefix("fault:")
    faults = [{"kind": kind, "detail": detail}] if kind != reason else []
    return {"verdict": verdict, "reason": reason, "faults": faults, "split": None, "out": None, **more}


def make(folder: Path, kept: int = 12) -> Path:
    """Write folder/source and folder/out.zip.prepare -> the latter.

    `kept` drawings a/000.png, ...; then b/blurred.png, b/turned.jpg, b/cut.png, b/copy.png, b/gone.png and
    b/ünï <b>.png, in the order of their bytes.
    """
    source = folder / "source"
    records = []
    for number in range(kept):
        records.append(save(source, picture(number), record(number, f"a/{number:03d}.png")))
    records[0] |= {"cluster": 0, "keeper": True}
    blurred = picture(1).filter(ImageFilter.GaussianBlur(4))
    odd = [
        save(source, blurred, record(90, "b/blurred.png", **dropped("fault:blurred", "3.1"), sharpness=3.1)),
        save(source, picture(0), record(91, "b/copy.png", **dropped("duplicate of a/000.png", cluster=0))),
        save(
            source,
            picture(2),
            record(92, "b/cut.png", **dropped("fault:truncated", "ends early"), pixels_sha256=None),
        ),
        record(93, "b/gone.png", **dropped("require:licence", licence=None)),
        save(source, picture(3, (64, 96)), record(94, "b/turned.jpg", format="JPEG")),
        save(
            source,
            picture(4),
            record(95, "b/ünï <b>.png", **dropped("fault:float", "0 to 9", "quarantine"), caption='<b>"&'),
        ),
    ]
    cut = source / "b/cut.png"
    cut.write_bytes(cut.read_bytes()[:120])
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(3).save(source / "b/turned.jpg", exif=exif)
    return write(folder / "out.zip.prepare", [source], [*records, *odd])


def save(source: Path, image: Image.Image, about: dict[str, Any]) -> dict[str, Any]:
    """Write the image to the path of its record -> the record."""
    path = source / about["path"]
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return about


def write(folder: Path, sources: Sequence[Path], records: Sequence[dict[str, Any]]) -> Path:
    """A work folder with these records -> `folder`."""
    folder.mkdir(parents=True)
    about = {
        "sources": [str(source.absolute()) for source in sources],
        "options": {"resolution": 64, "where": "sharpness > 5"},
        "version": "0.1.0",
        "stage": "done",
    }
    faults = [
        {"path": r["path"], "source": r["source"], **fault, "policy": r["verdict"]}
        for r in records
        for fault in r["faults"]
    ]
    (folder / "prepare.json").write_text(json.dumps(about))
    (folder / "files.jsonl").write_text("".join(f"{json.dumps(r)}\n" for r in records))
    (folder / "faults.jsonl").write_text("".join(f"{json.dumps(f)}\n" for f in faults))
    return folder
