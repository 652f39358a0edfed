"""A picture that carries a watermark, and a folder with secret and certificate, for tests of marks."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from gan.jobs.marking.certificates import create
from gan.jobs.marking.secret import secret_of


def photograph(side: int = 256) -> np.ndarray:
    """uint8 [side, side, 3]: smooth shapes with some texture, drawn from a fixed seed."""
    rng = np.random.default_rng(5)
    coarse = [Image.fromarray(rng.integers(40, 216, (n, n, 3), np.uint8)) for n in (4, 16, 64)]
    layers = [np.asarray(each.resize((side, side), Image.Resampling.BICUBIC), np.float64) for each in coarse]
    return (0.5 * layers[0] + 0.3 * layers[1] + 0.2 * layers[2]).clip(0, 255).astype(np.uint8)


def encoded(pixels: np.ndarray, form: str = "PNG") -> bytes:
    """As a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, quality=92)
    return buffer.getvalue()


def state(folder: Path, name: str = "Me") -> Path:
    """A state folder with a secret, and with a certificate."""
    secret_of(folder)
    create(folder, name)
    return folder
