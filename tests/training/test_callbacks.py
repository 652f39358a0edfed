"""Callbacks: which method is called when, with what; loggers; what they may not disturb."""

import random

import numpy as np
import pytest
import torch

from gan.errors import UsageError
from tests.training.tiny import configured, files, plain, run_training
from training.callbacks import Callbacks


class Recorder:
    """Writes down every call."""

    def __init__(self):
        self.calls = []

    def start(self, state):
        self.calls.append(("start", state.nimg, state.run.name))

    def step(self, state, terms):
        self.calls.append(("step", state.nimg, float(terms["loss/d"])))

    def tick(self, state, record):
        self.calls.append(("tick", state.nimg, record["kimg"]))

    def snapshot(self, state, folder):
        self.calls.append(("snapshot", state.nimg, folder.name))

    def score(self, state, records):
        self.calls.append(("score", state.nimg, [r["metric"] for r in records]))

    def end(self, state, reason):
        self.calls.append(("end", state.nimg, reason))


def test_every_event_in_its_order(tiny_zip, tmp_path):
    recorder = Recorder()
    run_training(
        plain(tiny_zip), out=tmp_path, callbacks=[recorder], metrics=["fd-untrained"], metrics_fakes=8
    )
    names = [(name, nimg) for name, nimg, _ in recorder.calls]
    assert names == [
        ("start", 0),
        ("snapshot", 0),
        ("score", 0),
        ("step", 4),
        ("step", 8),
        ("tick", 8),
        ("snapshot", 8),
        ("score", 8),
        ("end", 8),
    ]
    values = {(name, nimg): value for name, nimg, value in recorder.calls}
    assert values["start", 0] == "00000-tiny-tiny-16" and values["end", 8] is None
    assert values["tick", 8] == 0.008 and values["snapshot", 8] == "000000.008"
    assert values["score", 8] == ["fd-untrained"]
    assert values["step", 4] > 0


class Stopping:
    def __init__(self, event):
        self.event = event

    def step(self, state, terms):
        return "enough steps" if self.event == "step" else None

    def tick(self, state, record):
        return "enough ticks" if self.event == "tick" else None


@pytest.mark.parametrize(
    ("event", "name", "told"), [("step", "000000.004", "steps"), ("tick", "000000.008", "ticks")]
)
def test_a_reason_ends_the_run_saved(event, name, told, tiny_zip, tmp_path):
    run = run_training(plain(tiny_zip, "kimg=0.032"), out=tmp_path, callbacks=[Stopping(event)])
    assert sorted(p.name for p in (run / "checkpoints").glob("0*"))[-1] == name
    assert f"enough {told} at" in (run / "log.txt").read_text()


def test_what_a_callback_draws_changes_nothing(tiny_zip, tmp_path):
    class Drawing:
        def step(self, state, terms):
            torch.rand(7), random.random(), np.random.rand()  # noqa: NPY002

    quiet = run_training(configured(tiny_zip), out=tmp_path / "a")
    drawn = run_training(configured(tiny_zip), out=tmp_path / "b", callbacks=[Drawing()])
    assert files(quiet, "000000.008") == files(drawn, "000000.008")


def test_what_a_callback_changes_counts(tiny_zip, tmp_path):
    class Freezing:
        def step(self, state, terms):
            for network in (state.generator, state.ema):
                for parameter in network.parameters():
                    parameter.zero_()

    run = run_training(configured(tiny_zip), out=tmp_path, callbacks=[Freezing()])
    import gan

    assert all(not p.any() for p in gan.load(run).parameters())


def test_a_logger_of_three_functions(tiny_zip, tmp_path):
    class Logger:
        def __init__(self):
            self.told = []

        def init(self, project, name, config):
            self.told.append((project, name, config["batch"]))

        def log(self, numbers):
            self.told.append(numbers)

        def finish(self):
            self.told.append("finished")

    logger = Logger()
    run_training(plain(tiny_zip), out=tmp_path, callbacks=[logger], metrics=["fd-untrained"], metrics_fakes=8)
    first, score, tick, again, last = logger.told
    assert first == ("gan", "00000-tiny-tiny-16", 4) and last == "finished"
    assert score["kimg"] == 0 and score["metrics/fd-untrained"] > 0 and again["kimg"] == 0.008
    assert tick["kimg"] == 0.008 and tick["loss/d"] > 0 and "health" not in tick


def test_an_object_without_any_method_is_refused(tiny_zip, tmp_path):
    with pytest.raises(UsageError, match="int is no callback: give it one of the methods start, step"):
        Callbacks([3])
