"""Any image file -> upright 8-bit sRGB: each fault by itself, pixels against independent computation."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.training.preparation.samples import encoded, pattern
from training.preparation import reading
from training.preparation.reading import Unusable, read, rgb, to_channels

PIXELS = pattern(0, 24, 32)
IMAGE = Image.fromarray(PIXELS)


def kinds(picture):
    return [kind for kind, _ in picture.faults]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("PNG", "png"), ("BMP", "bmp"), ("TIFF", "tif"), ("PPM", "ppm"), ("SGI", "sgi"), ("TGA", "TGA")]
    + [("PCX", "pcx"), ("IM", "im"), ("JPEG2000", "jp2"), ("DDS", "dds"), ("ICO", "ico")],
)
def test_lossless_formats(kind, suffix, mode):
    image = IMAGE.resize((32, 32)).convert(mode)
    picture = read(encoded(image, kind), f"a/b.{suffix}")
    assert kinds(picture) == [] and picture.format == kind and picture.mode == mode
    assert np.array_equal(picture.pixels.squeeze(), np.asarray(image))


@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation(turn):
    """The EXIF tag says which side of the stored picture is seen at the top and at the left."""
    exif = Image.Exif()
    exif[0x0112] = turn
    picture = read(encoded(IMAGE, "PNG", exif=exif), "a.png")
    seen = {
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.transpose(1, 0, 2),
        6: PIXELS.transpose(1, 0, 2)[:, ::-1],
        7: PIXELS.transpose(1, 0, 2)[::-1, ::-1],
        8: PIXELS.transpose(1, 0, 2)[::-1],
    }[turn]
    assert np.array_equal(picture.pixels, seen)
    assert kinds(picture) == ([] if turn == 1 else ["orientation"])


def test_alpha():
    shade = np.full((24, 32, 1), 128, np.uint8)
    picture = read(encoded(np.concatenate([PIXELS, shade], 2)), "a.png")
    assert kinds(picture) == ["alpha"] and picture.pixels.shape == (24, 32, 4)
    shown = rgb(picture.pixels, (0, 255, 0)).astype(int)
    wanted = PIXELS * (128 / 255) + np.array([0, 255, 0]) * (127 / 255)
    assert np.abs(shown - wanted).max() <= 1
    opaque = read(encoded(np.concatenate([PIXELS, shade | 255], 2)), "a.png")
    assert kinds(opaque) == [] and np.array_equal(opaque.pixels, PIXELS)


def test_a_transparent_colour():
    palette = IMAGE.quantize(4)
    picture = read(encoded(palette, "PNG", transparency=0), "a.png")
    assert kinds(picture) == ["palette", "alpha"]
    assert np.array_equal(picture.pixels[:, :, 3] == 0, np.asarray(palette) == 0)


def test_palette():
    palette = IMAGE.quantize(16)
    picture = read(encoded(palette), "a.png")
    assert kinds(picture) == ["palette"] and np.array_equal(
        picture.pixels, np.asarray(palette.convert("RGB"))
    )


def test_sixteen_bits_are_rounded():
    deep = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 85
    picture = read(encoded(Image.fromarray(deep)), "a.png")
    assert kinds(picture) == ["16-bit"]
    assert np.array_equal(picture.pixels[:, :, 0], np.floor(deep / 65535 * 255 + 0.5).astype(np.uint8))


def deep_rgb_png(values):
    """A PNG of 16 bits per channel, which Pillow does not write. values: uint16 [H, W, 3]."""
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
    ]
    packed = b"\x89PNG\r\n\x1a\n"
    for name, data in [*chunks, (b"IEND", b"")]:
        packed += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return packed


def test_sixteen_bits_of_colour():
    values = np.full((5, 7, 3), 65535, np.uint16)
    picture = read(deep_rgb_png(values), "a.png")
    assert kinds(picture) == ["16-bit"] and (picture.pixels == 255).all()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.4, 255.0], [0, 100, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
    ],
)
def test_floats(values, wanted):
    array = np.tile(np.array(values, np.float32), (4, 1))
    picture = read(encoded(Image.fromarray(array), "TIFF"), "a.tiff")
    assert kinds(picture) == ["float"] and picture.pixels[0, :, 0].tolist() == wanted


def test_not_a_number():
    array = np.full((4, 4), np.nan, np.float32)
    with pytest.raises(Unusable, match="no finite") as found:
        read(encoded(Image.fromarray(array), "TIFF"), "a.tiff")
    assert found.value.kind == "corrupt"


def test_cmyk():
    picture = read(encoded(IMAGE.convert("CMYK"), "TIFF"), "a.tif")
    assert kinds(picture) == ["cmyk"] and np.array_equal(picture.pixels, PIXELS)


def linear_profile():
    """An RGB profile with sRGB's primaries and gamma 1, made from the bytes of sRGB's: its curves are cut."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", data, 128)[0]
    for entry in range(count):
        name, place, _ = struct.unpack_from(">4sII", data, 132 + 12 * entry)
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            data[place : place + 12] = b"curv" + bytes(8)  # no entries: the identity
            struct.pack_into(">I", data, 132 + 12 * entry + 8, 12)
        elif name in (b"desc", b"dscm"):
            size = struct.unpack_from(">I", data, 132 + 12 * entry + 8)[0]
            text = bytes(data[place : place + size])
            data[place : place + size] = text.replace("sRGB".encode("utf-16-be"), "flat".encode("utf-16-be"))
    return bytes(data)


def test_a_colour_profile_is_applied():
    """Of linear light l, sRGB is 1.055 l^(1/2.4) - 0.055 (IEC 61966-2-1)."""
    values = np.tile(np.arange(16, 256, 16, dtype=np.uint8)[None, :, None], (4, 1, 3))
    picture = read(encoded(Image.fromarray(values), "PNG", icc_profile=linear_profile()), "a.png")
    assert kinds(picture) == ["profile"]
    wanted = (1.055 * (values / 255) ** (1 / 2.4) - 0.055) * 255
    assert np.abs(picture.pixels - wanted).max() <= 1


def test_srgb_and_broken_profiles_change_nothing():
    same = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert kinds(read(encoded(IMAGE, "PNG", icc_profile=same), "a.png")) == []
    broken = read(encoded(IMAGE, "PNG", icc_profile=b"nonsense"), "a.png")
    assert kinds(broken) == ["profile"] and np.array_equal(broken.pixels, PIXELS)


def test_animated_gives_the_first_picture():
    frames = [Image.fromarray(pattern(i, 24, 32)) for i in range(3)]
    picture = read(encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]), "a.png")
    assert kinds(picture) == ["animated"] and np.array_equal(picture.pixels, pattern(0, 24, 32))


@pytest.mark.parametrize(("name", "found"), [("a.jpg", ["suffix"]), ("a", ["suffix"]), ("d.jpg/A.PNG", [])])
def test_suffix(name, found):
    assert kinds(read(encoded(IMAGE), name)) == found


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        (b"", "a.png", "empty"),
        (b"hello world, no image", "a.txt", "type"),
        (b"hello world, no image", "a.png", "corrupt"),
        (encoded(IMAGE)[:-300], "a.png", "truncated"),
        (encoded(IMAGE, "JPEG")[:-300], "a.jpg", "truncated"),
        (encoded(IMAGE, "WEBP")[:-100], "a.webp", "truncated"),
        (encoded(IMAGE, "GIF")[:-200], "a.gif", "truncated"),
        (encoded(IMAGE)[:60] + bytes(80) + encoded(IMAGE)[140:], "a.png", "corrupt"),
        (b"\x93NUMPY nothing", "a.npy", "corrupt"),
    ],
)
def test_unusable(data, name, kind):
    with pytest.raises(Unusable) as found:
        read(data, name)
    assert found.value.kind == kind


def test_a_bomb_is_not_decoded():
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    with pytest.raises(Unusable) as found:
        read(bomb + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")), "a.png")
    assert found.value.kind == "bomb"


def test_arrays_of_many_channels():
    planes = np.arange(5 * 6 * 7, dtype=np.uint8).reshape(5, 6, 7)
    buffer = io.BytesIO()
    np.save(buffer, planes)
    picture = read(buffer.getvalue(), "a.npy")
    assert np.array_equal(picture.pixels, planes.transpose(1, 2, 0))
    with pytest.raises(Unusable, match="5 channels instead of 3"):
        to_channels(picture.pixels, 3, (0, 0, 0))


@pytest.mark.parametrize("given", [1, 2, 3, 4])
@pytest.mark.parametrize("wanted", [1, 2, 3, 4])
def test_channels(given, wanted):
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
    pixels = np.asarray(IMAGE.convert("RGBA").convert(mode[given])).reshape(24, 32, given)
    found = to_channels(pixels, wanted, (255, 255, 255))
    assert found.shape == (24, 32, wanted) and found.dtype == np.uint8
    if wanted in (2, 4):
        assert (found[:, :, -1] == 255).all()


def test_formats_are_named_and_known():
    assert set(reading.SIGNED[:8]) <= set(Image.OPEN) | {"MPO", "AVIF"} and not {"EPS", "WMF"} & set(
        reading.SIGNED
    )
