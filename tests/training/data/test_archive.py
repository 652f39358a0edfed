"""Reading data sets: what is accepted, and that each defect is one line naming file, member and remedy."""

import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from gan.errors import UserError
from training.data import archive
from training.data.faults import DataError
from training.data.images import open_dataset

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)  # [N, H, W, C]
NAMES = [f"00000/img{i:08d}.png" for i in range(4)]


def encode(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def png(pixels, mode="RGB"):
    return encode(Image.fromarray(pixels).convert(mode))


def members(**changes):
    """Four good RGB images by name; `changes` maps img1 ... to other bytes."""
    files = {name: png(pixels) for name, pixels in zip(NAMES, PIXELS, strict=True)}
    for name, data in changes.items():
        files[NAMES[int(name.removeprefix("img"))]] = data
    return files


def write_zip(path, files, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, data in files.items():
            out.writestr(name, data if isinstance(data, bytes) else json.dumps(data))
    return path


def write_folder(path, files):
    for name, data in files.items():
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    return path


@pytest.fixture(params=["zip", "folder"])
def make(request, tmp_path):
    """make(files) -> path of a zip or of a folder."""
    if request.param == "zip":
        return lambda files: write_zip(tmp_path / "set.zip", files)
    return lambda files: write_folder(tmp_path / "set", files)


def refused(path, number=None):
    """The one line that opening `path`, or then reading image `number`, gives."""
    with pytest.raises(DataError) as caught:
        open_dataset(path).image(number)
    text = str(caught.value)
    assert isinstance(caught.value, UserError) and "\n" not in text and str(path) in text
    assert ": " in text.removeprefix(str(path))  # what is wrong, a colon, the remedy
    return text


def test_images_names_and_shape(make):
    dataset = open_dataset(make({**members(), "README.txt": b"hello"}))
    assert len(dataset) == 4 and list(dataset.source.names) == NAMES
    assert (dataset.shape, dataset.labels, dataset.classes) == ((3, 8, 8), None, [])
    for i, pixels in enumerate(PIXELS):
        image = dataset.image(i)
        assert image.dtype == np.uint8 and image.shape == (3, 8, 8)
        assert np.array_equal(image, pixels.transpose(2, 0, 1))
        assert np.array_equal(dataset.image(i), image)  # the second read comes from memory
    with pytest.raises(ValueError, match="read-only"):
        image[:] = 0
    dataset.close()
    assert np.array_equal(dataset.image(3), image)


def test_files_of_any_depth_and_kind_but_not_hidden_ones(make):
    flat = Image.new("RGB", (8, 8), (200, 30, 30))
    files = {
        "b/deep/er/x.PNG": encode(flat),
        "a.jpg": encode(flat, "JPEG"),
        "c.webp": encode(flat, "WEBP", lossless=True),
        ".thumb.png": b"junk",
        "__MACOSX/b/x.png": b"junk",
    }
    dataset = open_dataset(make(files))
    assert list(dataset.source.names) == ["a.jpg", "b/deep/er/x.PNG", "c.webp"]
    for i in range(3):
        assert np.abs(dataset.image(i).astype(int) - np.array([200, 30, 30])[:, None, None]).max() <= 3
    dataset.close()


@pytest.mark.parametrize(
    "mode, kept", [("L", "L"), ("1", "L"), ("P", "RGB"), ("RGB", "RGB"), ("LA", "LA"), ("RGBA", "RGBA")]
)
def test_modes_kept_without_loss(tmp_path, mode, kept):
    source = Image.fromarray(PIXELS[0, :5]).convert(mode)  # 5 rows, 8 columns
    if mode in ("LA", "RGBA"):
        source.putalpha(Image.fromarray(PIXELS[1, :5, :, 0]))
    dataset = open_dataset(write_folder(tmp_path, {"a.png": encode(source)}))
    expected = np.atleast_3d(np.asarray(source.convert(kept)))
    assert dataset.shape == (len(source.convert(kept).getbands()), 5, 8)
    assert np.array_equal(dataset.image(0), expected.transpose(2, 0, 1))


def sixteen_bit_rgb():
    """A 16-bit RGB PNG, which Pillow cannot write: the header of an 8-bit one with its depth changed."""
    data = bytearray(png(PIXELS[0]))
    data[24] = 16
    return bytes(data)


# EXIF: big-endian, one tag: orientation (0x0112), a short, 6
TURNED = bytes.fromhex("4d4d002a00000008 0001 01120003000000010006 0000 00000000")
GIF_LIKE = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
DEFECTS = {
    "odd size": (png(np.zeros((9, 9, 3), np.uint8)), "is 9x9 RGB, but 00000/img00000000.png is 8x8 RGB"),
    "grey among colour": (png(PIXELS[1], "L"), "is 8x8 grey"),
    "wider": (png(np.zeros((8, 9, 3), np.uint8)), "is 8x9 RGB, but 00000/img00000000.png is 8x8 RGB"),
    "RGBA": (png(PIXELS[1], "RGBA"), "is 8x8 RGBA, but 00000/img00000000.png is 8x8 RGB: convert all"),
    "grey and alpha": (png(PIXELS[1], "LA"), "is 8x8 grey with alpha, but"),
    "CMYK": (
        encode(Image.new("CMYK", (8, 8)), "JPEG"),
        "has colour mode CMYK: convert it to an 8-bit PNG, RGB or grey, with or without an alpha channel",
    ),
    "16-bit grey": (encode(Image.fromarray(np.zeros((8, 8), np.uint16))), "has 16 bits per channel: convert"),
    "16-bit RGB": (sixteen_bit_rgb(), "has 16 bits per channel: convert"),
    "transparent colour": (
        encode(Image.new("RGB", (8, 8)), transparency=(0, 0, 0)),
        "has transparency: convert",
    ),
    "animation": (
        encode(GIF_LIKE[0], save_all=True, append_images=GIF_LIKE[1:]),
        "holds 2 pictures: save one of them as a PNG",
    ),
    "text named .png": (b"hello, I am text\n", "is not a PNG, JPEG or WebP image: replace or remove it"),
    "empty member": (b"", "is not a PNG, JPEG or WebP image: replace or remove it"),
    "another format": (encode(Image.new("RGB", (8, 8)), "BMP"), "is not a PNG, JPEG or WebP image"),
    "turned": (encode(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0" + TURNED), "is stored turned or"),
    "truncated": (png(PIXELS[1])[:120], "is damaged ("),
}


AMONG_OTHERS = {"odd size", "wider", "grey among colour", "RGBA", "grey and alpha"}  # each fine by itself


@pytest.mark.parametrize("defect", DEFECTS)
def test_defect_of_one_member(make, defect):
    data, expected = DEFECTS[defect]
    path = make(members(img2=data))
    text = refused(path, 2)
    assert f"{path}: {NAMES[2]} {expected}" in text
    assert np.array_equal(open_dataset(path).image(3), PIXELS[3].transpose(2, 0, 1))


@pytest.mark.parametrize("exif", [b"", b"junk", TURNED[:10], TURNED[:14], TURNED.replace(b"\x06", b"\x01")])
def test_damaged_or_upright_exif_is_no_defect(make, exif):
    data = encode(Image.new("RGB", (8, 8)), "JPEG", exif=b"Exif\0\0" + exif)
    dataset = open_dataset(make(members(img0=data)))
    assert dataset.shape == (3, 8, 8)
    dataset.close()


def test_image_of_too_many_pixels(make, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert "has more than 20 pixels: make it smaller" in refused(make(members()))


@pytest.mark.parametrize("defect", sorted(set(DEFECTS) - AMONG_OTHERS))
def test_defect_of_the_first_member_is_found_on_opening(make, defect):
    data, expected = DEFECTS[defect]
    assert f"{NAMES[0]} {expected}" in refused(make(members(img0=data)))


def test_no_such_file(tmp_path):
    assert "no data set at" in refused(tmp_path / "none.zip")


def test_nothing_in_it(make, tmp_path):
    (tmp_path / "set").mkdir()
    assert " is empty: mend the path" in refused(make({}))


def test_no_image_in_it(make):
    assert "only 2 other files such as a.txt" in refused(make({"notes.md": b"x", "a.txt": b"x"}))


@pytest.mark.parametrize("cut", [3, -1])
def test_zip_that_is_none(tmp_path, cut):
    path = write_zip(tmp_path / "set.zip", members())
    path.write_bytes(path.read_bytes()[:cut])
    assert "is not a readable zip" in refused(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_damage_inside_a_zip(tmp_path, compression):
    path = write_zip(tmp_path / "set.zip", members(), compression)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as zipped:
        offset = zipped.getinfo(NAMES[1]).header_offset
    data[offset + 100 : offset + 110] = bytes(10)
    path.write_bytes(data)
    assert f"{NAMES[1]} is damaged in the zip (" in refused(path, 1)


def test_member_that_vanished(tmp_path):
    path = write_folder(tmp_path / "set", members())
    dataset = open_dataset(path)
    (path / NAMES[1]).unlink()
    with pytest.raises(DataError, match="cannot be read"):
        dataset.image(1)


def test_labels_classes_and_manifest(make):
    index = {
        "labels": [[name, 3 - i] for i, name in enumerate(NAMES)],
        "classes": ["a", "b", "c", "d"],
        "manifest": {"name": "letters", "licence": "CC0"},
    }
    path = make({**members(), "dataset.json": index})
    dataset = open_dataset(path)
    assert dataset.labels.dtype == np.int64 and dataset.labels.tolist() == [3, 2, 1, 0]
    assert (dataset.classes, dataset.name, dataset.licence) == (["a", "b", "c", "d"], "letters", "CC0")
    bare = open_dataset(path, condition="none")
    assert bare.labels is None and bare.classes == [] and bare.licence == "CC0"
    dataset.close(), bare.close()


def test_foreign_index_with_labels_only(make):
    """As StyleGAN's tools write it; names may have backslashes, and labels of absent images are ignored."""
    labels = [[name.replace("/", "\\"), i % 3] for i, name in enumerate(NAMES)] + [["gone.png", 9]]
    dataset = open_dataset(make({**members(), "dataset.json": {"labels": labels}}))
    assert dataset.labels.tolist() == [0, 1, 2, 0] and dataset.classes == ["0", "1", "2"]
    assert dataset.name == "set" and dataset.licence is None
    dataset.close()


@pytest.mark.parametrize("index", [{}, {"labels": None}, {"labels": [], "manifest": None}])
def test_index_without_labels(make, index):
    dataset = open_dataset(make({**members(), "dataset.json": index}))
    assert dataset.labels is None and dataset.classes == []
    dataset.close()


BAD_INDEXES = {
    "no JSON": (b"{", "dataset.json is not JSON (Expecting"),
    "not text": (b"\xff\xfe\x00\xff", "dataset.json is not JSON"),
    "a list": ([1], "dataset.json is not an object"),
    "no pairs": ({"labels": [1, 2]}, "must be a list of [name, class number] pairs"),
    "a name missing": ({"labels": [[n, 0] for n in NAMES[:3]]}, f"has no label for {NAMES[3]}: add it"),
    "a vector": ({"labels": [[n, [0.5]] for n in NAMES]}, f"{NAMES[0]} has the label [0.5]"),
    "a truth value": ({"labels": [[n, True] for n in NAMES]}, "has the label True"),
    "negative": ({"labels": [[n, -1] for n in NAMES]}, "has the label -1"),
    "huge": ({"labels": [[n, 10**12] for n in NAMES]}, "write a class number, 0, 1, 2, ... below 100000"),
    "no such class": (
        {"labels": [[n, i] for i, n in enumerate(NAMES)], "classes": ["a", "b"]},
        f"{NAMES[2]} has the label 2 in dataset.json: write a class number, 0 to 1",
    ),
}


@pytest.mark.parametrize("case", BAD_INDEXES)
def test_bad_index(make, case):
    index, expected = BAD_INDEXES[case]
    path = make({**members(), "dataset.json": index})
    with pytest.raises(DataError) as caught:
        print(open_dataset(path).labels)
    assert expected in str(caught.value) and str(path) in str(caught.value)


def test_fingerprint(make, tmp_path):
    """Same content, same value, wherever it lies; any change of a pixel, a name, a label or a hash shows."""
    index = {"labels": None, "manifest": {"files": {NAMES[0]: {"sha256": "00"}}}}
    original = open_dataset(make({**members(), "dataset.json": index, "note.txt": b"1"}))
    value = original.sha256
    assert len(value) == 64
    original.close()

    def changed(name, files):
        copy = write_zip(tmp_path / f"{name}.zip", files)
        dataset = open_dataset(copy if original.path.is_file() else write_folder(tmp_path / name, files))
        dataset.close()
        return dataset.sha256

    same = {**members(), "dataset.json": index, "note.txt": b"2"}
    assert changed("same", same) == value
    assert changed("pixel", {**same, NAMES[1]: png(255 - PIXELS[1])}) != value
    assert changed("name", {**same, "extra.png": png(PIXELS[1])}) != value
    assert changed("hash", {**same, "dataset.json": {"labels": None, "manifest": {}}}) != value


def test_sets_too_large_for_memory_are_decoded_again(make, monkeypatch):
    reads = []
    decode = archive.decode
    monkeypatch.setattr(archive, "decode", lambda data: reads.append(1) or decode(data))
    for limit, expected in ((4 * 3 * 8 * 8, 2), (4 * 3 * 8 * 8 - 1, 4)):
        reads.clear()
        monkeypatch.setattr("training.data.images.CACHE_BYTES", limit)
        dataset = open_dataset(make(members()))
        for _ in range(3):
            dataset.image(1)
        assert len(reads) == expected  # one on opening, then one or three
        dataset.close()
