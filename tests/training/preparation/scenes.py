"""Pictures made by code that look like photographs to a hash, their look-alikes, and copies of them.

A scene is a sky over hills, with a few shaded things before it and fine texture over all. Everything follows
from a seed. `look_alikes` are other pictures that share most of a scene; `copies` are the same picture, saved
in another way.
"""

import functools
import io

import numpy as np
from PIL import Image, ImageEnhance
from scipy import ndimage


def clouds(rng, shape, exponent=1.6):
    """float [H, W] in 0..1: noise whose spectrum falls like that of photographs."""
    y, x = (np.fft.fftfreq(n)[:, None] if i == 0 else np.fft.fftfreq(n) for i, n in enumerate(shape))
    spectrum = (
        np.fft.fft2(rng.standard_normal(shape)) / np.maximum(np.hypot(y, x), 1 / max(shape)) ** exponent
    )
    field = np.fft.ifft2(spectrum).real
    return (field - field.min()) / np.ptp(field)


def hue_turned(rgb, angle):
    """uint8 [H, W, 3] with its hue turned by degrees."""
    hsv = np.array(Image.fromarray(rgb).convert("HSV"))
    hsv[..., 0] += np.uint8(round(angle / 360 * 256) % 256)
    return np.asarray(Image.fromarray(hsv, "HSV").convert("RGB"))


@functools.lru_cache(maxsize=512)
def scene(seed, height=192, width=256, things=None, textured=None):
    """uint8 [H, W, 3]. things, textured: seeds of the things and the texture, where another than `seed`."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    sky, ground, low = rng.uniform(40, 255, 3), rng.uniform(0, 200, 3), rng.uniform(0, 255, 3)
    picture = sky + (low - sky) * (y / y.max())[..., None]  # [H, W, 3]
    picture = picture * (0.6 + 0.6 * clouds(rng, (height, width), 1.4)[..., None])
    ridge = ndimage.gaussian_filter1d(rng.standard_normal(width), width / rng.uniform(8, 30), mode="wrap")
    line = y.max() * rng.uniform(0.3, 0.8) + 0.25 * ridge / np.abs(ridge).max()
    shade = 0.5 + clouds(rng, (height, width), 1.2)[..., None]
    picture = np.where((y > line)[..., None], ground * shade, picture)
    rng = np.random.default_rng([seed if things is None else things, 1])
    for _ in range(rng.integers(3, 9)):
        picture = _with_thing(picture, rng, y, x)
    rng = np.random.default_rng([seed if textured is None else textured, 2])
    picture += 40 * (clouds(rng, (height, width), 0.9)[..., None] - 0.5)
    made = np.clip(picture, 0, 255).astype(np.uint8)
    made.setflags(write=False)
    return made


def _with_thing(picture, rng, y, x):
    """One ellipse, bar or box at a place, lit from one side."""
    cy, cx, ry, rx = rng.uniform(0, y.max()), rng.uniform(0, x.max()), *rng.uniform(0.04, 0.22, 2)
    turn, kind = rng.uniform(0, np.pi), rng.integers(3)
    u, v = (
        (y - cy) * np.cos(turn) + (x - cx) * np.sin(turn),
        (x - cx) * np.cos(turn) - (y - cy) * np.sin(turn),
    )
    if kind == 2:
        rx *= 0.3
    inside = (u / ry) ** 2 + (v / rx) ** 2 < 1 if kind == 0 else (abs(u) < ry) & (abs(v) < rx)
    light = 1 + 0.5 * (u / ry + v / rx) / 2
    colour = rng.uniform(0, 255, 3) * light[..., None]
    return np.where(inside[..., None], colour, picture)


def look_alikes(seed):
    """Name -> uint8 [H, W, 3]: other pictures that share much with `scene(seed)`."""
    original = scene(seed)
    moved = original.copy()
    moved[60:140, 150:230] = scene(seed + 50_000)[60:140, 150:230]
    return {
        "other things": scene(seed, things=seed + 10_000),
        "another part": moved,
        "another colour": hue_turned(original, 120),
        "inverted": 255 - original,
        "upside down": np.ascontiguousarray(original[::-1]),
        "half": np.ascontiguousarray(original[:, :128]),
    }


def copies(rgb, rng):
    """Name -> uint8 [H, W, 3]: the same picture, saved again, resized, mirrored, recoloured, cropped."""
    image = Image.fromarray(rgb)
    (width, height), found = image.size, {}
    for kind, quality in (("JPEG", 30), ("JPEG", 75), ("WEBP", 50)):
        found[f"{kind} {quality}"] = _saved(image, kind, quality=quality)
    found["palette"] = np.asarray(image.quantize(64).convert("RGB"))
    for factor in (0.4, 0.75, 1.7):
        size = round(width * factor), round(height * factor)
        found[f"resized {factor}"] = np.asarray(image.resize(size, Image.Resampling.LANCZOS))
    found["squeezed"] = np.asarray(image.resize((width, round(height * 0.8)), Image.Resampling.BICUBIC))
    found["mirrored"] = np.ascontiguousarray(rgb[:, ::-1])
    found["mirrored, JPEG 60"] = _saved(Image.fromarray(rgb[:, ::-1]), "JPEG", quality=60)
    for name, enhance in (
        ("brighter", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ):
        found[f"recoloured, {name}"] = np.asarray(enhance(image).enhance(rng.choice([0.75, 1.25])))
    found["recoloured, hue"] = hue_turned(rgb, rng.choice([-8, 8]))
    gamma = 255 * (rgb / 255) ** rng.choice([0.8, 1.25])
    found["recoloured, gamma"] = gamma.round().astype(np.uint8)
    found["sharpened"] = np.asarray(ImageEnhance.Sharpness(image).enhance(2.0))
    for kept in (0.95, 0.9, 0.85, 0.8):
        found[f"cropped to {kept}"] = cropped(rgb, kept, *rng.uniform(0, 1, 2))
    found["cropped, mirrored"] = np.ascontiguousarray(cropped(rgb, 0.88, *rng.uniform(0, 1, 2))[:, ::-1])
    smaller = Image.fromarray(cropped(rgb, 0.9, 0.5, 0.5)).resize((width // 2, height // 2))
    found["cropped, resized, JPEG 70"] = _saved(smaller, "JPEG", quality=70)
    return found


def cropped(rgb, kept, across, down):
    """The part that keeps a fraction of both sides, at a place from 0 to 1 across and down."""
    height, width = (round(n * kept) for n in rgb.shape[:2])
    top, left = round(down * (rgb.shape[0] - height)), round(across * (rgb.shape[1] - width))
    return np.ascontiguousarray(rgb[top : top + height, left : left + width])


def _saved(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return np.asarray(Image.open(stream, formats=(kind,)).convert("RGB"))


@functools.cache
def photographs(side=106):
    """Two photographs of scikit-learn, cut into parts that do not overlap, uint8 [side, side, 3] each."""
    from sklearn.datasets import load_sample_images

    parts = []
    for rgb in load_sample_images().images:
        for top in range(0, rgb.shape[0] - side + 1, side):
            for left in range(0, rgb.shape[1] - side + 1, side):
                parts.append(np.ascontiguousarray(rgb[top : top + side, left : left + side]))
    return parts
