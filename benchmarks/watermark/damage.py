"""What happens to pictures on their way: (picture, generator of random numbers) -> picture."""

import io
from collections.abc import Callable
from functools import partial

import numpy as np
from PIL import Image, ImageFilter

Damage = Callable[[Image.Image, np.random.Generator], Image.Image]
BICUBIC = Image.Resampling.BICUBIC


def saved(form: str, quality: int, picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """Saved again with loss."""
    buffer = io.BytesIO()
    picture.save(buffer, form, quality=quality)
    return Image.open(buffer, formats=(form,)).convert("RGB")


def resized(factor: float, picture: Image.Image, _: np.random.Generator, stretch: float = 1.0) -> Image.Image:
    """Sides times the factor; the width also times `stretch`."""
    width, height = picture.size
    return picture.resize((round(width * factor * stretch), round(height * factor)), BICUBIC)


def cropped(share: float, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Both sides shorter by that share, anywhere."""
    sides = [round(side * (1 - share)) for side in picture.size]
    left, top = (int(rng.integers(0, a - b + 1)) for a, b in zip(picture.size, sides, strict=True))
    return picture.crop((left, top, left + sides[0], top + sides[1]))


def screenshot(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Shown at 1.25 the size, a little blurred, in another gamma, cropped by 2 %, saved as a JPEG of 90."""
    shown = resized(1.25, picture, rng).filter(ImageFilter.GaussianBlur(0.8))
    levels = 255 * (np.asarray(shown) / 255) ** 1.15
    return saved("JPEG", 90, cropped(0.02, Image.fromarray(levels.round().astype(np.uint8)), rng), rng)


def noisy(deviation: float, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Normal noise, in grey levels."""
    pixels = np.asarray(picture) + rng.normal(0, deviation, (*picture.size[::-1], 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def palette(colours: int, picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """As a PNG of that many colours, dithered as Pillow does."""
    return picture.quantize(colours).convert("RGB")


def both(first: Damage, second: Damage, picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """One after the other."""
    return second(first(picture, rng), rng)


def gamma(exponent: float, picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """Brighter below 1, darker above."""
    return picture.point([round(255 * (level / 255) ** exponent) for level in range(256)] * 3)


def turned(degrees: float, picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """Turned about the middle."""
    return picture.rotate(degrees, BICUBIC)


def mirrored(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """Left for right."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def unchanged(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    """As it is."""
    return picture


def _damages() -> dict[str, Damage]:
    found: dict[str, Damage] = {"none": unchanged}
    found |= {f"JPEG {quality}": partial(saved, "JPEG", quality) for quality in (95, 85, 75, 65, 50)}
    found |= {f"WebP {quality}": partial(saved, "WEBP", quality) for quality in (90, 75, 50)}
    found |= {f"resize {factor:g}": partial(resized, factor) for factor in (0.5, 0.75, 1.3, 2.0)}
    found |= {f"crop {100 * share:g} %": partial(cropped, share) for share in (0.05, 0.1, 0.25)}
    found["crop 10 %, JPEG 75"] = partial(both, partial(cropped, 0.1), partial(saved, "JPEG", 75))
    found["crop 10 %, resize 0.8"] = partial(both, partial(cropped, 0.1), partial(resized, 0.8))
    found |= {f"blur {radius:g} px": partial(_blurred, radius) for radius in (0.5, 1.0)}
    found["screenshot"] = screenshot
    found |= {f"gamma {exponent:g}": partial(gamma, exponent) for exponent in (0.8, 1.25)}
    found |= {f"noise {deviation}": partial(noisy, deviation) for deviation in (5, 10)}
    found |= {f"palette {colours}": partial(palette, colours) for colours in (256, 32)}
    found |= {"turned 1 degree": partial(turned, 1.0), "mirrored": mirrored}
    found["stretched 1.1"] = partial(resized, 1.0, stretch=1.1)
    return found


def _blurred(radius: float, picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(radius))


DAMAGES = _damages()
