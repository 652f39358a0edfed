"""Pictures for the tests of preparation: patterns that survive resizing, as files of any kind."""

import io
from pathlib import Path

import numpy as np
from PIL import Image


def pattern(seed: int, height: int = 48, width: int = 64, cells: int = 8) -> np.ndarray:
    """uint8 [H, W, 3]: random colours in cells x cells rectangles."""
    colours = np.random.default_rng(seed).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(colours).resize((width, height), Image.Resampling.NEAREST))


def photograph(seed: int, side: int = 192) -> Image.Image:
    """A picture of smooth colours at many scales, as photographs are."""
    rng = np.random.default_rng(seed)
    total = np.zeros((side, side, 3))
    for cells in (3, 6, 12, 24):
        colours = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8))
        total += np.asarray(colours.resize((side, side), Image.Resampling.BICUBIC)) * (3.0 / cells)
    return Image.fromarray((total * (255 / total.max())).astype(np.uint8))


def encoded(pixels: np.ndarray | Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """A file of these pixels in Pillow's format `kind`."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def messy_folder(folder: Path, count: int = 12) -> Path:
    """`count` pictures in three folders, PNG and JPEG, some with captions; beside them what is no picture."""
    for i in range(count):
        place = folder / f"class{i % 3}"
        place.mkdir(parents=True, exist_ok=True)
        kind, suffix = ("PNG", "png") if i % 2 else ("JPEG", "jpg")
        (place / f"picture{i}.{suffix}").write_bytes(encoded(pattern(i), kind))
        if i % 4 == 0:
            (place / f"picture{i}.txt").write_text(f"pattern number {i}\n")
    (folder / "cut.png").write_bytes(encoded(pattern(100))[:-200])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "notes.pdf").write_bytes(b"%PDF-1.4 nothing")
    (folder / ".hidden.png").write_bytes(encoded(pattern(101)))
    (folder / "class0" / "again.png").write_bytes(encoded(pattern(1)))  # equal to picture1 in class1
    return folder
