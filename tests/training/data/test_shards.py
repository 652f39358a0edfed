"""WebDataset tars: read like any other files, in any order, as the package webdataset writes them."""

import io
import subprocess
import sys
import tarfile

import numpy as np
import pytest
import torch

from tests.training.data.test_archive import PIXELS, png
from training.data import listing, shards
from training.data.archive import Archive
from training.data.faults import DataError
from training.data.images import open_dataset
from training.data.sampler import batches

PNGS = [png(pixels) for pixels in PIXELS]


def write_tar(path, files):
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def write_shards(folder, **more):
    """Four samples in two tars, with classes, in no order."""
    write_tar(folder / "b-00001.tar", {"0002.cls": b"1", "0002.png": PNGS[2], "0003.png": PNGS[3]} | more)
    write_tar(
        folder / "b-00000.tar",
        {"./0001.png": PNGS[1], "0001.cls": b"0", "0000.png": PNGS[0], "0000.cls": b"2\n"},
    )
    return folder


NAMES = [f"b-{n // 2:05d}.tar/{n:04d}.png" for n in range(4)]


def same(dataset):
    return [np.array_equal(dataset.image(i), PIXELS[i].transpose(2, 0, 1)) for i in range(4)] == [True] * 4


def test_shards_of_a_folder(tmp_path):
    dataset = open_dataset(write_shards(tmp_path / "set", **{"0003.cls": b"0", "0003.txt": b"a dog"}))
    assert list(dataset.source.names) == NAMES and same(dataset)
    assert dataset.labels.tolist() == [2, 0, 1, 0] and dataset.classes == ["0", "1", "2"]
    assert dataset.left_out is None and dataset.source.head(2, 8) == PNGS[2][:8]


def test_one_tar(tmp_path):
    path = write_tar(tmp_path / "set.tar", {f"a/{i}.x.png": data for i, data in enumerate(PNGS)})
    dataset = open_dataset(path)
    assert list(dataset.source.names) == [f"a/{i}.x.png" for i in range(4)] and same(dataset)
    assert dataset.labels is None


def test_the_order_is_that_of_the_sampler_from_any_process(tmp_path, monkeypatch):
    monkeypatch.setattr("training.data.images.CACHE_BYTES", 0)
    dataset = open_dataset(write_shards(tmp_path / "set", **{"0003.cls": b"0"}))
    options = {"batch_size": 2, "seed": 3, "start": 5}
    alone = [next(taken) for taken in [batches(dataset, **options)] for _ in range(4)]
    ahead = [next(taken) for taken in [batches(dataset, workers=2, **options)] for _ in range(4)]
    assert [labels.tolist() for _, labels in alone] == [labels.tolist() for _, labels in ahead]
    assert all(torch.equal(one, other) for (one, _), (other, _) in zip(alone, ahead, strict=True))


def test_the_fingerprint_is_of_content_and_classes(tmp_path):
    first = Archive(write_shards(tmp_path / "a")).fingerprint
    assert Archive(write_shards(tmp_path / "b")).fingerprint == first
    assert Archive(write_shards(tmp_path / "c", **{"0003.cls": b"0"})).fingerprint != first
    write_tar(tmp_path / "b" / "b-00001.tar", {"0002.cls": b"1", "0002.png": PNGS[2], "0003.png": PNGS[2]})
    assert Archive(tmp_path / "b").fingerprint != first


def test_the_index_is_made_once(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(listing, "KEPT", 1)
    monkeypatch.setattr(listing, "SETTLED", 0)
    folder, honest, read = write_shards(tmp_path / "set"), shards._members, []
    monkeypatch.setattr(shards, "_members", lambda path: read.append(path.name) or honest(path))
    fingerprint = Archive(folder).fingerprint
    again = open_dataset(folder)
    assert read == ["b-00000.tar", "b-00001.tar"] and same(again) and again.source.fingerprint == fingerprint
    write_shards(folder, **{"0004.png": PNGS[0]})
    assert len(Archive(folder)) == 5 and len(read) == 4


def test_a_folder_with_images_beside_tars_is_a_folder(tmp_path):
    folder = write_shards(tmp_path / "set")
    (folder / "a.png").write_bytes(PNGS[0])
    dataset = open_dataset(folder)
    assert list(dataset.source.names) == ["a.png"] and "2 .tar" in dataset.left_out


def test_what_is_wrong_is_named(tmp_path):
    with pytest.raises(DataError, match=r"metadata has no label for b-00001\.tar/0003\.png"):
        open_dataset(write_shards(tmp_path / "set")).labels  # noqa: B018
    bad = write_shards(tmp_path / "bad", **{"0003.cls": b"dog"})
    with pytest.raises(DataError, match=r"b-00001\.tar/0003\.cls holds no class number"):
        open_dataset(bad).labels  # noqa: B018
    whole = (bad / "b-00000.tar").read_bytes()
    for content in (whole[:700], b"junk" * 400):
        (bad / "b-00000.tar").write_bytes(content)
        with pytest.raises(DataError, match=r"b-00000\.tar is not a readable tar"):
            open_dataset(bad)
    (bad / "b-00000.tar").write_bytes(whole)
    dataset = open_dataset(bad)
    (bad / "b-00000.tar").write_bytes(whole[:512])
    dataset.close()
    with pytest.raises(DataError, match=r"0000\.png is cut short in the tar"):
        dataset.image(0)


READ = """
import sys, webdataset
samples = webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode("rgb8").to_tuple("png", "cls")
for pixels, label in samples:
    print(label, pixels.tobytes().hex())
"""  # in a process of its own, for it leaves files open


def test_as_webdataset_writes_and_reads(tmp_path):
    webdataset = pytest.importorskip("webdataset")
    with webdataset.ShardWriter(str(tmp_path / "s-%03d.tar"), maxcount=3, verbose=0) as writer:
        for i, data in enumerate(PNGS):
            writer.write({"__key__": f"{i:04d}", "png": data, "cls": i})
    dataset = open_dataset(tmp_path)
    assert len(dataset) == 4 and same(dataset) and dataset.labels.tolist() == [0, 1, 2, 3]
    urls = [str(path) for path in sorted(tmp_path.glob("*.tar"))]
    done = subprocess.run([sys.executable, "-c", READ, *urls], capture_output=True, text=True, check=True)
    pixels = [dataset.image(i).transpose(1, 2, 0).tobytes().hex() for i in range(4)]
    ours = [f"{label} {image}" for label, image in zip(dataset.labels, pixels, strict=True)]
    assert done.stdout.splitlines() == ours
