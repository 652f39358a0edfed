"""One size and colour for all images, found from headers, and what is remembered of a set."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UsageError
from gan.jobs.training import dry_run, prepare
from tests.training.data.test_archive import NAMES, PIXELS, encode, members, png, write_folder, write_zip
from tests.training.data.test_archive_arrays import npy
from training.config import RunConfig
from training.data import files, listing, uniform
from training.data.archive import Archive
from training.data.faults import DataError
from training.data.images import open_dataset
from training.preparation.writer import About, Entry, write_dataset


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["zip", "folder"])
def make(request, tmp_path):
    """make(files) -> path of a zip or of a folder."""
    if request.param == "zip":
        return lambda members: write_zip(tmp_path / "set.zip", members)
    return lambda members: write_folder(tmp_path / "set", members)


GREY, WIDE = png(PIXELS[1], "L"), png(np.zeros((8, 9, 3), np.uint8))
MIXED = members(img1=GREY, img3=WIDE) | {"x.png": WIDE, "y.png": WIDE, "z.png": WIDE}


def test_all_kinds_in_one_line(make):
    path = make(MIXED)
    with pytest.raises(DataError) as caught:
        uniform.check(open_dataset(path))
    out = path.with_name("set-8.zip" if path.suffix == ".zip" else "set.zip")
    assert str(caught.value) == (
        f"{path}: 7 images of 3 kinds, 4 of 8x9 RGB ({NAMES[3]}, x.png, y.png, ...),"
        f" 2 of 8x8 RGB ({NAMES[0]}, {NAMES[2]}), 1 of 8x8 grey ({NAMES[1]}):"
        f" make them one size and colour with `gan data prepare {path} --out {out} --resolution 8`"
    )


@pytest.mark.parametrize(
    ("sides", "size"), [([100, 130, 300], 128), ([64, 64, 65], 64), ([63, 63, 600], 32), ([5, 5, 5, 1000], 4)]
)
def test_the_command_enlarges_less_than_half(sides, size, tmp_path):
    images = {f"{i}.png": png(np.zeros((n, n + 1 + i, 3), np.uint8)) for i, n in enumerate(sides)}
    folder = write_folder(tmp_path / "my set", images)
    with pytest.raises(DataError, match=rf"prepare '{folder}' --out '{folder}\.zip' --resolution {size}`"):
        uniform.check(open_dataset(folder))


def test_training_finds_it_before_anything_else(make, tmp_path):
    with pytest.raises(DataError, match="7 images of 3 kinds"):
        prepare(RunConfig(batch=4), make(MIXED), out=tmp_path / "runs", device="cpu")
    assert not (tmp_path / "runs").exists()


def test_many_kinds_are_cut(tmp_path):
    images = {f"{n}.png": png(np.zeros((8, n, 3), np.uint8)) for n in range(1, 9)}
    with pytest.raises(DataError, match=r"8 images of 8 kinds, .* 1 of 8x5 RGB \(5.png\), and 3 more: "):
        uniform.check(open_dataset(write_zip(tmp_path / "set.zip", images)))


HEADERS = {
    "a.png": (png(PIXELS[0]), (3, 8, 8)),
    "grey.png": (GREY, (1, 8, 8)),
    "bits.png": (encode(Image.new("1", (8, 6))), (1, 6, 8)),
    "palette.png": (encode(Image.new("P", (8, 6))), (3, 6, 8)),
    "alpha.webp": (encode(Image.new("RGBA", (8, 6), (9, 9, 9, 9)), "WEBP"), (4, 6, 8)),
    "a.webp": (encode(Image.new("RGB", (8, 6)), "WEBP"), (3, 6, 8)),
    "a.JPG": (encode(Image.new("RGB", (8, 6)), "JPEG"), (3, 6, 8)),
    "profile.jpg": (encode(Image.new("L", (8, 6)), "JPEG", icc_profile=bytes(20_000)), (1, 6, 8)),
    "a.npy": (npy(np.zeros((5, 6, 8), np.uint8)), (5, 6, 8)),
    "cmyk.jpg": (encode(Image.new("CMYK", (8, 6)), "JPEG"), None),
    "junk.png": (b"junk", None),
    "junk.npy": (b"junk", None),
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_header_says_what_the_decoder_does(name, make):
    data, shape = HEADERS[name]
    source = Archive(make({name: data}))
    assert uniform.shape_reader(source)(0) == shape
    if shape is not None:
        assert source.image(0).shape == shape
    source.close()


def test_objects_are_looked_at_too():
    pictures = [torch.zeros(3, 8, 8, dtype=torch.uint8), torch.zeros(3, 8, 9, dtype=torch.uint8)]
    with pytest.raises(DataError, match=r"list: 2 images of 2 kinds, 1 of 8x8 RGB \(image 0\), 1 of 8x9 RGB"):
        uniform.check(open_dataset(pictures))


class Named:
    """An own data set that has attributes of the names that those of files have, for something else."""

    fingerprint, shapes, head, names, manifest, left_out, stray_index = "1", 2, 3, [], 4, 5, 6

    def __len__(self):
        return 2

    def image(self, i):
        return PIXELS[i].transpose(2, 0, 1)


def test_own_objects_are_taken_at_their_word():
    dataset = open_dataset(Named())
    uniform.check(dataset)
    assert dataset.left_out is None and dataset.index_remedy is None


class Counted:
    """Counts the headers that are read."""

    def __init__(self, monkeypatch):
        self.count, head = 0, Archive.head
        monkeypatch.setattr(Archive, "head", lambda *arguments: self.add() or head(*arguments))

    def add(self):
        self.count += 1


def test_a_set_is_looked_at_once(make, monkeypatch):
    read = Counted(monkeypatch)
    path = make(members())
    for _ in range(2):
        uniform.check(open_dataset(path))
    assert read.count == 4
    uniform.check(open_dataset(make(members(img2=png(255 - PIXELS[2])))))
    assert read.count == 8


@pytest.mark.parametrize("count, reads", [(2, 0), (3, 3)])
def test_our_own_sets_say_so_themselves(tmp_path, monkeypatch, count, reads):
    read = Counted(monkeypatch)
    sizes = {"height": 8, "width": 8, "channels": 3}
    about = About(name="a", licence="b", attribution="c", source="d", **sizes)
    entries = [Entry(png=png(image), source="e", licence="f") for image in PIXELS[:2]]
    write_dataset(tmp_path / "set", entries, about)
    for i in range(2, count):
        (tmp_path / "set" / f"{i}.png").write_bytes(png(PIXELS[i]))
    uniform.check(open_dataset(tmp_path / "set"))
    assert read.count == reads


def test_a_folder_is_hashed_once(tmp_path, monkeypatch, cache):
    folder, reads = write_folder(tmp_path / "set", members()), []
    fingerprint = files.FolderFiles.fingerprint
    monkeypatch.setattr(
        files.FolderFiles,
        "fingerprint",
        lambda self, number: reads.append(number) or fingerprint(self, number),
    )
    first = Archive(folder).fingerprint
    assert len(reads) == 4 and not cache.exists()  # files this new may change again within their times
    monkeypatch.setattr(listing, "SETTLED", 0)
    assert Archive(folder).fingerprint == first and len(reads) == 8
    assert Archive(folder).fingerprint == first and len(reads) == 8
    for change in (lambda p: p.write_bytes(GREY), os.utime, lambda p: p.rename(folder / "z.png")):
        before = len(reads)
        change(folder / NAMES[0])
        Archive(folder).fingerprint  # noqa: B018
        assert len(reads) == before + 4
    [kept, *_] = (cache / "fingerprints").iterdir()
    for damaged in (cache / "fingerprints").iterdir():
        damaged.write_text("junk")
    assert len(Archive(folder).fingerprint) == 64 and kept.exists()


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(listing, "SETTLED", 0)
    dataset = open_dataset(write_folder(tmp_path / "set", members()))
    uniform.check(dataset)
    assert len(dataset.sha256) == 64


def test_a_dry_run_tells_what_is_left_out_and_never_seen(make):
    index = {"labels": [[name, 0] for name in NAMES], "classes": ["a", "b"]}
    path = make({**members(), "dataset.json": index, "x.gif": b""})
    settings = ["data.conditional=true", "batch=4"]
    text = dry_run(prepare(RunConfig(), path, overrides=settings, device="cpu"), False)
    assert f"# {path}: 1 file is left out, 1 .gif: convert" in text
    assert f"# warning: {path} has no image of b: nothing is learned of these classes\n" in text


def test_an_index_too_deep_under_conditional(tmp_path):
    images = {f"x/{name}": data for name, data in members().items()}
    path = write_folder(tmp_path / "set", {**images, "x/dataset.json": {"labels": None}})
    with pytest.raises(UsageError, match=f"has no class labels or vectors: dataset.json .*: give {path}/x"):
        prepare(RunConfig(batch=4), path, overrides=["data.conditional=true"], device="cpu")


def test_other_processes_than_the_first_read_nothing_for_it(make, monkeypatch):
    """As seen from rank 1: neither a header nor a fingerprint is asked for there."""
    read, dataset = Counted(monkeypatch), open_dataset(make(members()))
    monkeypatch.setattr(Archive, "fingerprint", property(lambda self: pytest.fail("found again")))
    monkeypatch.setattr("gan.distributed.from_first", lambda work: "")
    plan = prepare(RunConfig(batch=4), dataset, device="cpu")
    assert read.count == 0 and plan.dataset.sha256 == ""
