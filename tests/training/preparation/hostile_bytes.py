"""Bytes that no library writes: chunks, headers that lie, impostors, small files that want much memory."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP = (
    b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta><rdf:RDF><rdf:Description "
    b'tiff:Orientation="8"/></rdf:RDF></x:xmpmeta>'
)


def chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def with_chunk(png: bytes, kind: bytes, content: bytes, *, after: bool = False, count: int = 1) -> bytes:
    """A PNG with more chunks, before its pixels or after them."""
    at = png.index(b"IEND" if after else b"IDAT") - 4
    return png[:at] + chunk(kind, content) * count + png[at:]


def header(width: int, height: int, depth: int = 8, kind: int = 2) -> bytes:
    """The IHDR chunk of a PNG. kind: 0 grey, 2 RGB."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))


def long_text(size: int) -> bytes:
    """Content of a zTXt chunk that unpacks to so many bytes."""
    return b"comment\0\0" + zlib.compress(bytes(size).replace(b"\0", b"x"), 9)


def exif(orientation: int, *, kind: int = 3, order: str = ">") -> bytes:
    """An EXIF block of one entry. kind: 3 SHORT, 4 LONG. order: of bytes, as `struct` has it."""
    number = struct.pack(order + {3: "H", 4: "I"}[kind], orientation).ljust(4, b"\0")
    mark = b"MM" if order == ">" else b"II"
    return b"Exif\0\0" + mark + struct.pack(f"{order}HIHHHI", 42, 8, 1, 0x0112, kind, 1) + number + bytes(4)


def with_maker_note(jpeg: bytes) -> bytes:
    """A JPEG with 60,000 bytes of a camera's own in front, and padding between the segments."""
    content = b"MAKER\0" + bytes(range(255)) * 235
    return jpeg[:2] + b"\xff\xe3" + struct.pack(">H", len(content) + 2) + content + b"\xff" + jpeg[2:]


def deep_png(rgb: bytes, width: int, height: int) -> bytes:
    """A PNG of 16 bits per channel, from RGB of 8 bits; the low bytes repeat the high ones."""
    rows = (rgb[at : at + 3 * width] for at in range(0, 3 * width * height, 3 * width))
    lines = b"".join(b"\0" + bytes(byte for byte in row for _ in range(2)) for row in rows)
    pixels = chunk(b"IDAT", zlib.compress(lines))
    return SIGNATURE + header(width, height, 16) + pixels + chunk(b"IEND", b"")


IMPOSTORS = {
    "zeros as png": bytes(4096),
    "text as png": b"I will be an image one day.\n" * 20,
    "pointer of git-lfs as jpg": b"version https://git-lfs.github.com/spec/v1\noid sha256:"
    + b"4d" * 32
    + b"\nsize 123456\n",
    "page as jpg": b"<!DOCTYPE html><html><head><title>404</title></head><body>Not found</body></html>\n",
    "answer as jpg": b'{"error": "rate limit exceeded"}',
    "drawing as png": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect/></svg>\n',
    "archive as png": b"PK\x03\x04" + bytes(26) + b"a.txt" + b"hello",
    "program as png": b"\x7fELF" + bytes(300),
    "document as jpg": b"%PDF-1.7\n" + bytes(200),
    "noise as jpg": bytes((n * n * 31 + n * 7) % 251 for n in range(3000)),
}


def _flip(png: bytes) -> bytes:
    """A bit of the pixels, so that their checksum is wrong."""
    at = png.index(b"IDAT") + 4 + (len(png) - png.index(b"IDAT")) // 2
    return png[:at] + bytes([png[at] ^ 1]) + png[at + 1 :]


def _resized(width: int, height: int, png: bytes) -> bytes:
    return SIGNATURE + header(width, height) + png[33:]


HITS = {
    "flipped bit": _flip,
    "newlines of another system": lambda png: png.replace(b"\r\n", b"\n"),
    "header alone": lambda png: png[:33] + chunk(b"IEND", b""),
    "no width": lambda png: _resized(0, 96, png),
    "larger than its pixels": lambda png: _resized(128, 4000, png),
    "pixels that are not packed": lambda png: png[:33] + chunk(b"IDAT", b"no zlib") + chunk(b"IEND", b""),
}


def bombs() -> dict[str, tuple[str, bytes]]:
    """Name -> suffix and file that says to have more pixels than anybody has."""
    pixels = chunk(b"IDAT", zlib.compress(bytes(2**20), 9)) + chunk(b"IEND", b"")
    screen = struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
    picture = b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
    return {
        "PNG of 60,000 squared": (".png", SIGNATURE + header(60_000, 60_000, 1, 0) + pixels),
        "PNG of 2,147,483,647 rows": (".png", SIGNATURE + header(1, 2**31 - 1, 8, 0) + pixels),
        "GIF of 65,535 squared": (".gif", b"GIF89a" + screen + picture + b"\x02\x02\x4c\x01\0;"),
        "BMP of 100,000 squared": (
            ".bmp",
            b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 100_000, 100_000, 1, 24, 0, 0, 0, 0, 0, 0),
        ),
    }
