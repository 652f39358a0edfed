"""Pictures and names that are allowed, and seldom thought of."""

import io

import numpy as np
from PIL import Image, ImageCms, ImageFilter, ImageOps

from tests.training.preparation import hostile_bytes as raw

# Format of Pillow, suffix, mode it is written in, faults of it
FORMATS = (
    ("PNG", ".png", "RGB", ()),
    ("JPEG", ".jpg", "RGB", ()),
    ("WEBP", ".webp", "RGB", ()),
    ("AVIF", ".avif", "RGB", ()),
    ("GIF", ".gif", "RGB", ("palette",)),
    ("TIFF", ".tif", "RGB", ()),
    ("BMP", ".bmp", "RGB", ()),
    ("DIB", ".dib", "RGB", ()),
    ("PPM", ".ppm", "RGB", ()),
    ("JPEG2000", ".jp2", "RGB", ()),
    ("ICO", ".ico", "RGB", ()),
    ("ICNS", ".icns", "RGB", ()),
    ("DDS", ".dds", "RGB", ()),
    ("QOI", ".qoi", "RGB", ()),
    ("SGI", ".rgb", "RGB", ()),
    ("TGA", ".tga", "RGB", ()),
    ("PCX", ".pcx", "RGB", ()),
    ("IM", ".im", "RGB", ()),
    ("MPO", ".mpo", "RGB", ()),
    ("BLP", ".blp", "P", ()),
    ("MSP", ".msp", "1", ()),
    ("XBM", ".xbm", "1", ()),
    ("SPIDER", ".spi", "F", ("float",)),
    ("EPS", ".eps", "RGB", ("type",)),
    ("PDF", ".pdf", "RGB", ("type",)),
    ("PALM", ".palm", "1", ("type",)),
)

NAMES = {
    "Japanese name": "写真 一.png".encode(),
    "Arabic name": "صورة.png".encode(),
    "Russian name": "фотография.png".encode(),
    "Hindi name": "चित्र.png".encode(),
    "Greek name": "εικόνα.png".encode(),
    "Hebrew and Latin name": "תמונה one.png".encode(),
    "emoji name": "👩‍👩‍👧 🏳️‍🌈.png".encode(),
    "name with a newline": b"two\nlines.png",
    "name of no UTF-8": b"caf\xe9 \xff.png",
    "name with a quote": b'it\'s "so" $HOME `x`.png',
    "name like an option": b"--force.png",
    "name with spaces around": b" spaced .png",
    "name with an escape": b"red\x1b[31m.png",
    "name of 250 bytes": b"n" * 246 + b".png",
    "name with a percent sign": b"100%d.png",
    "name with a backslash": b"a\\b.png",
    "name that turns the text": "gnp.\u202egpj.png".encode(),
}
TWINS = {
    "composed and decomposed": ("twin-é.png".encode(), "twin-e\u0301.png".encode()),
    "small and capital": (b"twin.png", b"TWIN.png"),
}
ANIMATED = {
    "animated GIF": ("GIF", "animated.gif"),
    "animated WebP": ("WEBP", "animated.webp"),
    "animated PNG": ("PNG", "animated.png"),
    "TIFF of three pages": ("TIFF", "pages.tif"),
}


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a file of a format."""
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def _ycck(image: Image.Image) -> bytes:
    """A JPEG of YCCK, as Adobe writes it: Y, Cb, Cr of the inverted inks."""
    planes = (
        ImageOps.invert(image).convert("YCbCr").point(lambda value: 255 - value).split()
    )  # Pillow inverts
    data = saved(Image.merge("CMYK", (*planes, Image.new("L", image.size, 0))), "JPEG", quality=95)
    at = data.index(b"Adobe") + 11
    return data[:at] + b"\x02" + data[at + 1 :]


def _transparent(image: Image.Image) -> Image.Image:
    alpha = Image.linear_gradient("L").resize(image.size)
    return Image.merge("RGBA", (*image.split(), alpha))


def _profiled(image: Image.Image) -> bytes:
    """A colour space that is sRGB under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return saved(image, "PNG", icc_profile=profile.replace(b"\0s\0R\0G\0B", b"\0o\0u\0r\0s"))


def _srgb(image: Image.Image) -> bytes:
    return saved(image, "PNG", icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())


def _array(image: Image.Image, kind: type, factor: float) -> Image.Image:
    return Image.fromarray((np.asarray(image.convert("L"), np.float64) * factor).astype(kind))


def _palette(image: Image.Image, **options: object) -> bytes:
    return saved(image.quantize(32), "PNG", **options)


def _opaque(image: Image.Image) -> bytes:
    return saved(image.convert("RGBA"), "PNG")


# Name -> path, what becomes of a picture, faults
COLOURS = {
    "CMYK": ("cmyk.jpg", lambda i: saved(i.convert("CMYK"), "JPEG"), ("cmyk",)),
    "CMYK as TIFF": ("cmyk.tif", lambda i: saved(i.convert("CMYK"), "TIFF"), ("cmyk",)),
    "YCCK": ("ycck.jpg", _ycck, ("cmyk",)),
    "palette": ("palette.png", _palette, ("palette",)),
    "palette with one clear colour": (
        "clear.png",
        lambda i: _palette(i, transparency=3),
        ("palette", "alpha"),
    ),
    "palette with half clear colours": (
        "half-clear.png",
        lambda i: _palette(i, transparency=bytes(range(0, 256, 8))),
        ("palette", "alpha"),
    ),
    "one bit": ("bit.png", lambda i: saved(i.convert("1"), "PNG"), ()),
    "grey with alpha": ("grey-alpha.png", lambda i: saved(_transparent(i).convert("LA"), "PNG"), ("alpha",)),
    "RGB with alpha": ("alpha.png", lambda i: saved(_transparent(i), "PNG"), ("alpha",)),
    "WebP with alpha": ("alpha.webp", lambda i: saved(_transparent(i), "WEBP"), ("alpha",)),
    "opaque alpha": ("opaque.png", _opaque, ()),
    "one clear colour": ("key.png", lambda i: saved(i, "PNG", transparency=i.getpixel((9, 9))), ("alpha",)),
    "16-bit grey": ("deep-grey.png", lambda i: saved(_array(i, np.uint16, 257), "PNG"), ("16-bit",)),
    "16-bit RGB": ("deep.png", lambda i: raw.deep_png(i.tobytes(), *i.size), ("16-bit",)),
    "16-bit TIFF": ("deep.tif", lambda i: saved(_array(i, np.uint16, 257), "TIFF"), ("16-bit",)),
    "float TIFF": ("float.tif", lambda i: saved(_array(i, np.float32, 1 / 255), "TIFF"), ("float",)),
    "32-bit TIFF": ("integers.tif", lambda i: saved(_array(i, np.int32, 100_000), "TIFF"), ("float",)),
    "another profile": ("profile.png", _profiled, ("profile",)),
    "profile of sRGB": ("srgb.png", _srgb, ()),
    "broken profile": ("broken.png", lambda i: saved(i, "PNG", icc_profile=b"no profile"), ("profile",)),
    "Lab TIFF": ("lab.tif", lambda i: saved(_lab(i), "TIFF"), ("profile",)),
}


def _lab(image: Image.Image) -> Image.Image:
    srgb, lab = (ImageCms.createProfile(name) for name in ("sRGB", "LAB"))
    return ImageCms.profileToProfile(image, srgb, lab, outputMode="LAB")


def _flat(image: Image.Image) -> Image.Image:
    return Image.new("RGB", image.size, (180, 60, 20))


def _strip(image: Image.Image) -> Image.Image:
    return image.resize((960, 40))


POOR = {
    "blank": ("blank.png", _flat, ("blank",)),
    "white": ("white.png", lambda i: Image.new("RGB", i.size, "white"), ("blank",)),
    "blurred": ("blurred.png", lambda i: i.filter(ImageFilter.GaussianBlur(12)), ("blurred",)),
    "one pixel": ("pixel.png", lambda i: i.resize((1, 1)), ("tiny", "blank")),
    "9 pixels": ("tiny.png", lambda i: i.resize((3, 3)), ("tiny",)),
    "icon": ("icon.png", lambda i: i.resize((16, 16)), ("tiny",)),
    "strip": ("strip.png", _strip, ("aspect",)),
    "tall": ("tall.png", lambda i: i.resize((50, 1000)), ("aspect",)),
}
