"""Images as cameras and editors leave them: large texts and profiles, and every way to say 'turned'."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from training.data import jpeg
from training.data.decoding import decode
from training.data.faults import Refused

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6, 3), np.uint8)  # [H, W, C]


def encoded(kind="PNG", **options):
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, kind, **options)
    return stream.getvalue()


def chunk(kind, content):
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def with_chunk(made, *, after=False):
    """A PNG with one more chunk, before its pixels or after."""
    data = encoded()
    at = data.index(b"IEND" if after else b"IDAT") - 4
    return data[:at] + made + data[at:]


def exif(kind=3, value=6, order=">"):
    """A block of one entry, the orientation. kind: 1 byte, 3 short, 4 long."""
    number = struct.pack(order + {1: "B", 3: "H", 4: "I"}[kind], value).ljust(4, b"\0")
    mark = b"MM" if order == ">" else b"II"
    return mark + struct.pack(f"{order}HIHHHI", 42, 8, 1, 0x0112, kind, 1) + number + bytes(4)


def xmp(text):
    return f"<x:xmpmeta><rdf:Description {text}</x:xmpmeta>".encode()


ATTRIBUTE = xmp('tiff:Orientation="8"/>')
ELEMENT = xmp("><tiff:Orientation>8</tiff:Orientation>")
UPRIGHT = xmp('tiff:Orientation="1"/>')


def itxt(content, compressed=False):
    text = zlib.compress(content) if compressed else content
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0" + bytes([compressed, 0]) + b"\0\0" + text)


def large_text():
    info = PngInfo()
    info.add_text("prompt", "x" * 2**21, zip=True)
    info.add_itxt("workflow", "y" * 2**21, zip=True)
    return encoded(pnginfo=info)


HEALTHY = {
    "compressed texts of 2 MiB": large_text,
    "80 texts of 1 MiB": lambda: with_chunk(chunk(b"tEXt", b"k\0" + bytes(2**20).replace(b"\0", b"x")) * 80),
    "profile of 3 MiB": lambda: with_chunk(chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(3 * 2**20)))),
    "profile of an unknown compression": lambda: with_chunk(chunk(b"iCCP", b"icc\0\x07abc")),
    "upright": lambda: with_chunk(chunk(b"eXIf", exif(value=1))),
    "upright XMP": lambda: with_chunk(itxt(UPRIGHT)),
    "upright, whatever XMP says": lambda: with_chunk(chunk(b"eXIf", exif(value=1)) + itxt(ATTRIBUTE)),
    "broken XMP": lambda: with_chunk(chunk(b"iTXt", b"XML:com.adobe.xmp\0\x01\0\0\0junk")),
    "bytes after the end": lambda: encoded() + b"trailing",
}


@pytest.mark.parametrize("case", HEALTHY)
def test_healthy(case):
    assert np.array_equal(decode(HEALTHY[case]()), PIXELS.transpose(2, 0, 1))


TURNED = {
    "short": (6, lambda: encoded("JPEG", exif=b"Exif\0\0" + exif())),
    "long": (6, lambda: encoded("JPEG", exif=b"Exif\0\0" + exif(kind=4))),
    "long, little-endian": (6, lambda: encoded("JPEG", exif=b"Exif\0\0" + exif(kind=4, order="<"))),
    "byte": (6, lambda: encoded("JPEG", exif=b"Exif\0\0" + exif(kind=1))),
    "XMP of a JPEG": (8, lambda: encoded("JPEG", xmp=ATTRIBUTE)),
    "XMP of a WebP": (8, lambda: encoded("WEBP", lossless=True, xmp=ELEMENT)),
    "EXIF of a WebP": (6, lambda: encoded("WEBP", lossless=True, exif=exif(kind=4))),
    "before the pixels": (6, lambda: with_chunk(chunk(b"eXIf", exif()))),
    "after the pixels": (6, lambda: with_chunk(chunk(b"eXIf", exif(kind=4)), after=True)),
    "XMP": (8, lambda: with_chunk(itxt(ATTRIBUTE))),
    "XMP after the pixels": (8, lambda: with_chunk(itxt(ELEMENT), after=True)),
    "compressed XMP": (8, lambda: with_chunk(itxt(ATTRIBUTE, compressed=True))),
}


@pytest.mark.parametrize("case", TURNED)
def test_turned(case):
    number, make = TURNED[case]
    with pytest.raises(Refused, match=rf"stored turned or mirrored \(EXIF orientation {number}\)"):
        decode(make())


def test_what_changes_pixels_is_not_left_out():
    stream = io.BytesIO()
    Image.fromarray(PIXELS).save(stream, "PNG", transparency=(1, 2, 3))
    with pytest.raises(Refused, match="has transparency"):
        decode(stream.getvalue())
    stream = io.BytesIO()
    two = [Image.fromarray(PIXELS), Image.fromarray(PIXELS[::-1])]
    two[0].save(stream, "PNG", save_all=True, append_images=two[1:])
    with pytest.raises(Refused, match="holds 2 pictures"):
        decode(stream.getvalue())


@pytest.mark.parametrize("cut", [20, 50, -30])
def test_a_truncated_png_is_damaged(cut):
    with pytest.raises(Refused, match="is damaged|is not a PNG"):
        decode(encoded()[:cut])


@pytest.fixture(params=["L", "RGB", "cut"])
def photograph(request):
    """A JPEG of 203x161 with smooth and rough parts, colours subsampled."""
    y, x = np.mgrid[:161, :203]
    rough = np.random.default_rng(1).normal(0, 20, (161, 203, 3)) * (x > 100)[..., None]
    array = np.clip(np.stack([x, y, 255 - x], axis=2) + rough, 0, 255).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(array).convert("L" if request.param == "L" else "RGB").save(stream, "JPEG", quality=80)
    return stream.getvalue()[: -900 if request.param == "cut" else None]


def test_the_quick_decoder_gives_pillows_pixels_within_one(photograph, monkeypatch):
    pytest.importorskip("simplejpeg")
    found = []
    for library in (jpeg._library(), None):
        monkeypatch.setattr(jpeg, "_library", lambda library=library: library)
        try:
            found.append(decode(photograph))
        except Refused as refusal:
            found.append(str(refusal))
    if isinstance(found[1], str):
        assert found[0] == found[1] and "truncated" in found[1]
    else:
        assert found[0].shape == found[1].shape and found[0].dtype == np.uint8
        assert np.abs(found[0].astype(int) - found[1]).max() <= 1
        assert found[0].flags.c_contiguous


def test_the_quick_decoder_is_asked_for_jpeg_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(jpeg, "pixels", lambda data, mode: asked.append(mode))
    for kind in ("PNG", "JPEG", "WEBP"):
        decode(encoded(kind))
    assert asked == ["RGB"]
