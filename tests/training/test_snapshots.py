"""Snapshots are taken at once and written while training goes on; what goes wrong there is told as ever."""

import threading
import time

import pytest
import torch

from gan.errors import UserError
from gan.models import checkpoint
from tests.training.tiny import configured, files, plain, run_training, tiny_state
from training.snapshots import Snapshot, Writer, take

LONG = 60  # seconds, far beyond what any of these runs takes


class Steps:
    """The image counts of the steps; a wait for one of them."""

    def __init__(self, pause: float = 0.0):
        self.seen, self.waited, self.pause = [], [], pause
        self._later = threading.Event()

    def step(self, state, terms):
        self.seen.append(state.nimg)
        if state.nimg >= 12:
            self._later.set()
        time.sleep(self.pause)

    def wait(self):
        self.waited.append(self._later.wait(LONG))


def test_steps_are_taken_while_a_snapshot_is_written(monkeypatch, tiny_zip, tmp_path):
    """The writing of the snapshot after two steps waits for the third, which changes nothing in it."""
    config, honest, steps = configured(tiny_zip, "kimg=0.016"), checkpoint._write_tensors, Steps()
    plainly = run_training(config, out=tmp_path / "plainly", device="cpu")

    def write(path, tensors):
        if "000000.008" in str(path):
            steps.wait()
        honest(path, tensors)

    monkeypatch.setattr(checkpoint, "_write_tensors", write)
    run = run_training(config, out=tmp_path / "slowly", device="cpu", callbacks=[steps])
    assert steps.waited == [True] * 3  # a file of weights each
    for name in ("000000.008", "000000.016"):
        assert len(files(run, name)) == 3 and files(run, name) == files(plainly, name)


def test_a_score_waits_for_the_snapshot_that_it_may_name(monkeypatch, tiny_zip, tmp_path):
    honest = checkpoint._write_tensors

    def write(path, tensors):
        time.sleep(0.3)
        honest(path, tensors)

    monkeypatch.setattr(checkpoint, "_write_tensors", write)
    run = run_training(plain(tiny_zip), out=tmp_path, metrics=["fd-untrained"], metrics_fakes=8)
    assert not checkpoint.best(run)[1]["extra"]  # the snapshot itself, not a second one
    assert "fd-untrained" in (run / "checkpoints" / "000000.008" / "card.md").read_text()


def test_a_snapshot_is_whole_when_a_callback_hears_of_it(monkeypatch, tiny_zip, tmp_path):
    honest, found = checkpoint._write_tensors, []

    def write(path, tensors):
        time.sleep(0.1)
        honest(path, tensors)

    class Reader:
        def snapshot(self, state, folder):
            found.append((state.nimg, checkpoint.read(folder).kimg))

    monkeypatch.setattr(checkpoint, "_write_tensors", write)
    run_training(plain(tiny_zip), out=tmp_path, callbacks=[Reader()])
    assert found == [(0, 0.0), (8, 0.008)]


def test_a_failing_write_ends_the_run_before_the_next_snapshot(monkeypatch, tiny_zip, tmp_path):
    steps = Steps(pause=0.5)

    def write(path, tensors):
        if "000000.032" in str(path):
            raise UserError("cannot write there")
        honest(path, tensors)

    honest = checkpoint._write_tensors
    monkeypatch.setattr(checkpoint, "_write_tensors", write)
    config = plain(tiny_zip, "kimg=0.064", "tick_kimg=0.032")
    with pytest.raises(UserError, match=r"paused at 0\.032 kimg: cannot write there\. The older .*intact"):
        run_training(config, out=tmp_path, callbacks=[steps])
    assert 32 < steps.seen[-1] < 64
    (run,) = tmp_path.iterdir()
    assert [folder.name for folder in checkpoint.folders(run)] == ["000000"]


def writer(folder, told):
    return Writer(folder, {"name": "x", "sha256": "0" * 64, "classes": []}, told.append)


def test_an_error_of_training_waits_for_the_writing_and_tells_of_its_failure(monkeypatch, tmp_path):
    def write(self):
        time.sleep(0.2)
        raise UserError("no room")

    told, state = [], tiny_state()
    monkeypatch.setattr(Snapshot, "write", write)
    with pytest.raises(ValueError, match="of training"), writer(tmp_path, told) as snapshots:
        snapshots.begin(state)
        raise ValueError("of training")
    assert told == ["warning: no room"]


def test_a_second_signal_waits_for_nothing(monkeypatch, tmp_path):
    gate, state = threading.Event(), tiny_state()
    monkeypatch.setattr(Snapshot, "write", lambda _: gate.wait(LONG))
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), writer(tmp_path, []) as snapshots:
        snapshots.begin(state)
        raise KeyboardInterrupt
    gate.set()
    assert time.monotonic() - started < LONG / 2


def test_leaving_in_peace_raises_what_kept_a_snapshot_from_being_written(monkeypatch, tmp_path):
    def write(self):
        raise UserError("no room")

    monkeypatch.setattr(Snapshot, "write", write)
    with pytest.raises(UserError, match="no room"), writer(tmp_path, []) as snapshots:
        snapshots.begin(tiny_state())


def test_a_snapshot_is_of_its_moment(tmp_path):
    state = tiny_state()
    before = next(state.ema.parameters()).clone()
    snapshot = take(tmp_path, state, {"name": "x", "sha256": "0" * 64, "classes": []})
    for parameter in (*state.ema.parameters(), *state.discriminator.parameters()):
        parameter.data.fill_(3)
    state.nimg = 4
    saved = checkpoint.read(snapshot.write())
    assert torch.equal(next(saved.generator().parameters()), before)
    assert saved.path.name == "000000" and saved.training()[1]["nimg"] == 0
