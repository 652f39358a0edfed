"""Own code in a run: called in order, a reason ends the run, and its draws change nothing."""

import random

import pytest
import torch

from gan.errors import UsageError
from tests.training.tiny import configured, files, run_training
from training.callbacks import Callbacks


class Watch:
    """Notes every event; ends the run at `last` images."""

    def __init__(self, last=None):
        self.seen, self.last = [], last

    def start(self, state):
        self.seen.append(("start", state.run.name))

    def step(self, state, terms):
        torch.rand(3), random.random()
        self.seen.append(("step", state.nimg, "loss/d" in terms))
        return "enough" if state.nimg == self.last else None

    def tick(self, state, record):
        self.seen.append(("tick", record["kimg"]))

    def snapshot(self, state, folder):
        self.seen.append(("snapshot", folder.name))

    def end(self, state, reason):
        self.seen.append(("end", reason))


def test_events_in_their_order_leave_no_trace(tiny_zip, tmp_path):
    watch = Watch()
    run = run_training(configured(tiny_zip), out=tmp_path, callbacks=[watch])
    assert watch.seen == [
        ("start", run.name),
        ("snapshot", "000000"),
        ("step", 4, True),
        ("step", 8, True),
        ("tick", 0.008),
        ("snapshot", "000000.008"),
        ("end", None),
    ]
    plain = run_training(configured(tiny_zip), out=tmp_path)
    assert files(run, "000000.008") == files(plain, "000000.008")


def test_a_reason_ends_the_run_saved(tiny_zip, tmp_path):
    watch = Watch(last=4)
    run = run_training(configured(tiny_zip), out=tmp_path, callbacks=[watch])
    assert watch.seen[-3:] == [("tick", 0.004), ("snapshot", "000000.004"), ("end", "enough")]
    assert "enough at 0.004 kimg; saved" in (run / "log.txt").read_text()


class Numbers:
    """A logger."""

    def __init__(self):
        self.seen = []

    def init(self, project, name, config):
        self.seen.append((project, name, config["batch"]))

    def log(self, numbers):
        self.seen.append(numbers["kimg"])

    def finish(self):
        self.seen.append("finish")


def test_a_logger_gets_settings_and_numbers(tiny_zip, tmp_path):
    logger = Numbers()
    run = run_training(configured(tiny_zip), out=tmp_path, callbacks=[logger])
    assert logger.seen == [("gan", run.name, 4), 0.008, "finish"]


def test_an_object_without_a_method_is_refused():
    with pytest.raises(UsageError, match="object is no callback"):
        Callbacks([object()])
