"""What machines do to runs that last for days: nothing is lost but the steps since the last checkpoint.

Each test lets something happen to a run, goes on with --resume auto, and compares the end with that of a run
to which nothing happened, bit for bit.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
import zipfile

import pytest

from gan.config import override
from gan.errors import UserError
from gan.models import checkpoint
from tests.conftest import draw
from tests.training.sessions import Session
from tests.training.tiny import configured, files, plain, run_training
from training.data.sampler import index_at

pytestmark = pytest.mark.slow
ENDLESS = ["kimg=100000", "tick_kimg=0.016"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def assert_as_if_nothing_had_happened(config, out, nimg, tmp_path):
    """The run in `out`, gone on with up to `nimg` images, and one without interruption."""
    config = override(config, [f"kimg={nimg / 1000}"])
    kept = Session(config, out, told=tmp_path / "kept.log")
    kept.start()
    assert kept.code() == 0, kept.told.read_text()
    straight = run_training(config, out=tmp_path / "straight", device="cpu")
    (run,) = (path.parent for path in out.glob("*/checkpoints") if any(path.iterdir()))
    name = checkpoint.folder_name(nimg)
    assert len(files(run, name)) == 3 and files(run, name) == files(straight, name)
    assert not list((run / "checkpoints").glob(".tmp-*"))
    ticks = [json.loads(line)["kimg"] for line in (run / "stats.jsonl").read_text().splitlines()]
    assert ticks == sorted(set(ticks))
    return run


def reached(out):
    """(images of the newest good checkpoint below `out`, whether a newer one is damaged)."""
    found = [checkpoint.newest_good(run) for run in out.iterdir()] if out.is_dir() else []
    good = [checkpoint.read(folder).kimg for folder, _ in found if folder]
    return round(max(good, default=0) * 1000), any(damaged for _, damaged in found)


def test_kill_9_twenty_times(tiny_zip, tmp_path):
    """At random moments: while it starts, trains, writes checkpoints or removes them."""
    config = configured(tiny_zip, *ENDLESS, "keep_last=2")
    out, moments, marks = tmp_path / "killed", random.Random(0), []
    for _ in range(20):
        session = Session(config, out)
        session.start()
        time.sleep(moments.uniform(0.2, 3))
        session.kill()
        assert session.code() == -signal.SIGKILL, session.told.read_text()
        nimg, damaged = reached(out)
        assert not damaged
        marks.append(nimg)
    assert marks == sorted(marks) and len(set(marks)) > 3, marks
    assert_as_if_nothing_had_happened(config, out, marks[-1] + 16, tmp_path)


@pytest.mark.parametrize("workers", [0, 2])
def test_sigterm_to_all_processes_saves_the_step(workers, tiny_zip, tmp_path):
    config = configured(tiny_zip, *ENDLESS, "tick_kimg=0.4", f"data.workers={workers}")
    out = tmp_path / "stopped"
    session = Session(config, out)
    session.start()
    session.checkpoint(out, 2)
    time.sleep(0.5)
    os.killpg(session.pid, signal.SIGTERM)
    code, told = session.code(), session.told.read_text()
    assert code == 0 and "stopped by SIGTERM" in told, told
    nimg, _ = reached(out)
    assert nimg > 0
    assert_as_if_nothing_had_happened(config, out, nimg + 16, tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """An empty disk of 1400 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1400k", "none", str(folder)]
    if not shutil.which("mount"):
        pytest.skip("no program mount, so no small disk")
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_pauses(tiny_zip, tmp_path, small_disk):
    config, out = configured(tiny_zip, *ENDLESS), small_disk / "runs"
    session = Session(config, out, told=tmp_path / "told.log")
    session.start()
    assert session.code() == 1
    told = session.told.read_text().splitlines()
    assert "paused at " in told[-1] and "make room, then go on with gan train --resume " in told[-1], told
    assert not any("Traceback" in line for line in told)
    nimg, damaged = reached(out)
    assert nimg > 0 and not damaged
    grow = ["mount", "-o", "remount,size=64m", str(small_disk)]
    subprocess.run(grow, check=True)
    assert_as_if_nothing_had_happened(config, out, nimg + 32, tmp_path)


def shorten(folder):
    path = folder / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


def flip(folder):
    path = folder / "generator.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def half_a_manifest(folder):
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:40])


def no_counters(folder):
    (folder / "training.json").unlink()


@pytest.mark.parametrize("damage", [shorten, flip, half_a_manifest, no_counters])
def test_a_corrupted_newest_checkpoint_is_passed_over(damage, tiny_zip, tmp_path):
    config = configured(tiny_zip, "kimg=0.024")
    run = run_training(config, out=tmp_path / "corrupted", device="cpu")
    damage(checkpoint.newest(run))
    assert reached(tmp_path / "corrupted") == (16, True)
    assert_as_if_nothing_had_happened(config, tmp_path / "corrupted", 32, tmp_path)
    assert "passed over a damaged checkpoint" in (run / "log.txt").read_text()


@pytest.mark.parametrize("place", [0, -1])
def test_a_dead_data_worker_ends_the_run_with_the_remedy(place, tiny_zip, tmp_path):
    config, out = configured(tiny_zip, *ENDLESS, "data.workers=2"), tmp_path / "dead"
    session = Session(config, out)
    session.start()
    session.checkpoint(out, 3)
    os.kill(children(session.pid)[place], signal.SIGKILL)
    assert session.code() == 1
    told = session.told.read_text()
    assert "a process that decodes images died" in told and "lower data.workers" in told
    assert "Traceback" not in told
    nimg, damaged = reached(out)
    assert nimg >= 32 and not damaged
    assert_as_if_nothing_had_happened(config, out, nimg + 16, tmp_path)


def children(pid):
    """Processes that `pid` started, in order."""
    told = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, check=True)
    return sorted(int(child) for child in told.stdout.split())


@pytest.fixture
def hundred_zip(tmp_path):
    """A hundred images of 16x16."""
    path = tmp_path / "hundred-16.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for index in range(100):
            archive.writestr(f"{index:02d}.png", draw(index % 40))
    return path


def test_a_damaged_image_within_an_epoch(hundred_zip, tmp_path):
    """It is named; with the image as it was, the run goes on as if nothing had happened."""
    config, out = plain(hundred_zip, "health.images=0", "kimg=0.08"), tmp_path / "damaged"
    shown = {i * 100 // 64 for i in range(64)}  # in reals.png, read at the start
    number = next(n for n in (index_at(p, 100, config.seed)[0] for p in range(30, 60)) if n not in shown)
    whole = hundred_zip.read_bytes()
    with zipfile.ZipFile(hundred_zip) as archive:
        member = archive.getinfo(f"{number:02d}.png")
    place = member.header_offset + 30 + len(member.filename) + member.file_size // 2
    hundred_zip.write_bytes(whole[:place] + bytes(8) + whole[place + 8 :])
    with pytest.raises(UserError, match=rf"{number:02d}\.png is damaged in the zip"):
        run_training(config, out=out, device="cpu")
    nimg, damaged = reached(out)
    assert nimg >= 24 and not damaged
    hundred_zip.write_bytes(whole)
    assert_as_if_nothing_had_happened(config, out, 80, tmp_path)


def test_a_clock_that_jumps(tiny_zip, tmp_path):
    """By days, back and forth, whenever somebody looks: durations stay true, and so does the order."""
    config, out = configured(tiny_zip, "kimg=0.064", "keep_last=2"), tmp_path / "jumping"
    for kimg in (0.02, 0.044):
        session = Session(override(config, [f"kimg={kimg}"]), out, clock=True)
        session.start()
        assert session.code() == 0, session.told.read_text()
    run = assert_as_if_nothing_had_happened(config, out, 64, tmp_path)
    saved = checkpoint.read(checkpoint.newest(run)).training()[1]
    assert 0 < saved["seconds"] < 600
