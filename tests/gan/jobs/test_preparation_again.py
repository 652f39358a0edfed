"""Preparing a data set: the same bytes however it is done, and going on after a kill in any stage."""

import functools
import multiprocessing
import os
import signal

import numpy as np
import pytest

from gan.errors import UserError
from tests.gan import forked
from tests.gan.jobs.preparing import digest, files, files_of, run
from tests.training.preparation.samples import encoded, messy_folder, pattern
from training.preparation import scan

pytestmark = pytest.mark.usefixtures("quick_workers")


@pytest.fixture
def source(tmp_path):
    return messy_folder(tmp_path / "messy")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """whole(val): the digest of the set that comes of `source` where nothing disturbs it."""

    @functools.cache
    def made(val):
        folder = tmp_path_factory.mktemp("whole")
        options = {} if val is None else {"val": val}
        return run(messy_folder(folder / "messy"), folder / "whole.zip", **options)["sha256"]

    return made


def test_the_same_bytes_again_and_in_two_processes(source, tmp_path):
    digests = {run(source, tmp_path / f"{n}.zip", workers=n, val=0.3)["sha256"] for n in (1, 2)}
    moved = source.rename(tmp_path / "elsewhere")
    digests.add(run(moved, tmp_path / "3.zip", val=0.3)["sha256"])
    assert len(digests) == 1
    assert len({digest(tmp_path / f"{n}-val.zip") for n in (1, 2, 3)}) == 1


def test_a_second_run_has_nothing_to_do(source, tmp_path, monkeypatch):
    out = tmp_path / "set.zip"
    first = run(source, out)
    before = out.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr(scan.workers, "_Worker", None)  # nothing is decoded again
        second = run(source, out)
    assert second["unchanged"] and not first["unchanged"] and second["sha256"] == first["sha256"]
    assert out.stat().st_mtime_ns == before
    (source / "empty.jpg").unlink()
    assert run(source, out)["files"] == 16  # still what lies there
    (source / "class1" / "picture1.png").unlink()
    (source / "class0" / "again.png").unlink()
    with pytest.raises(UserError, match="already exists"):
        run(source, out)
    assert run(source, out, force=True)["kept"] == 11


def test_a_file_that_changes_is_scanned_again(source, tmp_path):
    out = tmp_path / "set.zip"
    before = files_of(run(source, out, dry_run=True))["class0/picture3.png"]
    (source / "class0" / "picture3.png").write_bytes(encoded(pattern(77)))
    after = files_of(run(source, out))["class0/picture3.png"]
    assert after["pixels_sha256"] != before["pixels_sha256"]
    assert after["sha256"] == digest(source / "class0" / "picture3.png")


def test_an_existing_file_is_kept(source, tmp_path):
    out = tmp_path / "set.zip"
    out.write_text("mine")
    with pytest.raises(UserError, match="already exists"):
        run(source, out)
    assert out.read_text() == "mine" and not (tmp_path / "set.zip.prepare").exists()
    assert run(source, out, force=True)["kept"] == 12
    (tmp_path / "other-val.zip").write_text("mine")
    with pytest.raises(UserError, match="other-val.zip already exists"):
        run(source, tmp_path / "other.zip", val=0.3)


def test_everything_held_back(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(encoded(pattern(0)))
    with pytest.raises(UserError, match="all of 1 images fall to the part held back"):
        run(tmp_path / "in", tmp_path / "a.zip", val=0.999)


def killed_after(batches, source, out):
    real, calls, scan.BATCH = scan._store, [], 4

    def store(batch, catalogue, images):
        if len(calls) == batches:
            os.kill(os.getpid(), signal.SIGKILL)
        calls.append(real(batch, catalogue, images))

    scan._store = store
    scan.workers.get_context = multiprocessing.get_context  # of a process of its own, which sees this one end
    run(source, out)


@forked.forks
@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_killed_while_scanning(source, tmp_path, whole, after):
    out = tmp_path / "set.zip"
    assert forked.ended(killed_after, after, source, out) == -signal.SIGKILL
    assert not out.exists()
    assert run(source, out)["sha256"] == whole(None)


STAGES = {
    "list": "training.preparation.catalogue.Catalogue.enlist",
    "scan": "training.preparation.catalogue.Catalogue.keep",
    "decide": "gan.jobs.preparation.decided",
    "files": "training.preparation.plan._faults",
    "convert": "training.preparation.catalogue.Store.has",
    "write": "training.preparation.catalogue.Store.get",
    "index": "training.preparation.writer._manifest",
    "sheet": "gan.jobs.preparation.datasheet",
}


@pytest.mark.parametrize("stage", STAGES)
def test_interrupted_in_every_stage(source, tmp_path, monkeypatch, whole, stage):

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(STAGES[stage], interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path / "set.zip", val=0.3)
    with monkeypatch.context() as patch:
        patch.setattr("gan.jobs.preparation._scan", interrupt)  # and once more, before that stage is reached
        with pytest.raises(KeyboardInterrupt):
            run(source, tmp_path / "set.zip", val=0.3)
    assert not (tmp_path / "set.zip").exists() or stage == "sheet"
    assert run(source, tmp_path / "set.zip", val=0.3)["sha256"] == whole(0.3)
    assert (tmp_path / "set.DATASHEET.md").is_file()


def test_a_dry_run_writes_no_set(source, tmp_path, whole):
    out = tmp_path / "set.zip"
    made = run(source, out, dry_run=True)
    assert made["kept"] == 12 and "unchanged" not in made and not out.exists()
    assert files(tmp_path / "set.zip.prepare")["class0/again.png"]["verdict"] == "keep"
    assert run(source, out)["sha256"] == whole(None)


def test_a_policy_that_changes_after_the_scan(tmp_path):
    (tmp_path / "in").mkdir()
    clear = np.concatenate([pattern(0), np.full((48, 64, 1), 90, np.uint8)], 2)
    (tmp_path / "in" / "clear.png").write_bytes(encoded(clear))
    (tmp_path / "in" / "fine.png").write_bytes(encoded(pattern(1)))
    out = tmp_path / "set.zip"
    assert run(tmp_path / "in", out, on=["alpha=drop"])["kept"] == 1
    assert run(tmp_path / "in", out, force=True)["kept"] == 2
    dark = run(tmp_path / "in", tmp_path / "dark.zip", background="black")
    assert dark["sha256"] != digest(out)


def test_two_preparations_at_once_are_refused(source, tmp_path):
    from training.preparation.catalogue import Catalogue

    held = Catalogue(tmp_path / "set.zip.prepare")
    with pytest.raises(UserError, match="another gan data prepare works in"):
        run(source, tmp_path / "set.zip")
    held.close()
