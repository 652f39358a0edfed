"""A small prepared data set, to be pushed."""

from pathlib import Path

import numpy as np
from PIL import Image

from training.preparation.writer import About, Entry, encode_png, write_dataset


def make(place: Path, licence: str = "CC0-1.0", count: int = 6) -> Path:
    """A set of noise, 16x16, of two classes, from a site and from a file."""
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 256, (count, 16, 16, 3), np.uint8)
    sources = ("https://example.org/a.png", "secret-folder/b.png")
    entries = [
        Entry(png=encode_png(Image.fromarray(p)), source=sources[i % 2], licence=licence, label=i % 2)
        for i, p in enumerate(pixels)
    ]
    about = About(
        name="",
        licence=licence,
        attribution="drawn by dice",
        source="see the files",
        height=16,
        width=16,
        channels=3,
        classes=("cat", "dog"),
    )
    write_dataset(place, entries, about)
    return place
