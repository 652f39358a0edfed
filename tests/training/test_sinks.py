"""TensorBoard as its own reader sees it, and Weights & Biases with a module that only takes notes."""

import errno
import os
import sys
import threading
import types

import pytest
import torch
from click.testing import CliRunner
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer.record_writer import RecordWriter

from gan.cli.main import main
from gan.errors import UsageError
from tests.training.tiny import configured, run_training
from training.sinks import TensorBoard, library, one_report, sampled


@pytest.fixture
def wandb(monkeypatch):
    """A module `wandb` that keeps what its runs were given."""
    module = types.ModuleType("wandb")
    module.started, module.logged, module.finished = [], [], 0

    class Run:
        def __init__(self):
            self.summary = {}

        def define_metric(self, name, step_metric=None):
            assert (name, step_metric) in (("kimg", None), ("*", "kimg"))

        def log(self, values):
            module.logged.append(values)

        def finish(self):
            module.finished += 1

    def init(**options):
        module.started.append(options)
        module.run = Run()
        return module.run

    module.init, module.Image = init, lambda pixels: ("image", pixels.shape)
    module.Histogram = lambda values, num_bins: ("histogram", len(values), num_bins)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_tensorboard_has_everything(tiny_zip, tmp_path):
    run = run_training(
        configured(tiny_zip, "kimg=0.016"), out=tmp_path, metrics=["fd-untrained"], metrics_fakes=16
    )
    found = EventAccumulator(str(run), {"tensors": 0, "scalars": 0, "images": 0, "histograms": 0}).Reload()
    tags = found.Tags()
    scalars = {
        "loss/g",
        "health/level",
        "health/diversity",
        "augment/p",
        "sec_per_kimg",
        "metrics/fd-untrained",
    }
    assert scalars <= set(tags["scalars"])
    assert [event.step for event in found.Scalars("loss/d")] == [8, 16]
    assert [event.step for event in found.Images("fakes")] == [0, 8, 16]
    histograms = [tag for tag in tags["histograms"] if tag.startswith("weights/")]
    assert any("/g/" in tag for tag in histograms) and any("/d/" in tag for tag in histograms)
    assert [event.step for event in found.Histograms(histograms[0])] == [0, 8, 16]
    assert "config/text_summary" in tags["tensors"]
    assert "_hparams_/session_start_info" in found.summary_metadata


def test_histograms_take_a_sample_of_large_weights():
    network = torch.nn.Sequential(torch.nn.Linear(300, 100), torch.nn.Linear(2, 3))
    found = sampled(network, "w", count=7000)
    assert {name: len(w) for name, w in found.items()} == {"w/0.weight": 6000, "w/1.weight": 6}
    assert found["w/0.weight"].equal(network[0].weight.detach().flatten()[::5])


def test_weights_and_biases_offline(tiny_zip, tmp_path, wandb):
    run = run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path, wandb="offline")
    run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path, resume="auto", wandb="offline")
    first, second = wandb.started
    assert first["mode"] == "offline" and first["dir"] == str(run) and first["name"] == run.name
    assert first["id"] == second["id"] and len(first["id"]) == 8
    assert second["config"]["kimg"] == 0.016 and wandb.finished == 2
    losses = [(values["kimg"], values["loss/d"]) for values in wandb.logged if "loss/d" in values]
    assert [kimg for kimg, _ in losses] == [0.008, 0.016] and all(isinstance(v, float) for _, v in losses)
    pictures = [values["fakes"] for values in wandb.logged if "fakes" in values]
    assert len(pictures) == 3 and pictures[0][0] == "image" and pictures[0][1][2] == 3
    assert any(
        value[0] == "histogram" for v in wandb.logged for k, value in v.items() if k.startswith("weights/")
    )
    assert wandb.run.summary["final/loss/d"] == losses[-1][1]


def test_it_is_off_unless_asked_for(tiny_zip, tmp_path, wandb):
    run = run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path)
    assert wandb.started == [] and not (run / "wandb.txt").exists()


def test_without_the_client_it_is_one_line_and_no_run(tiny_zip, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UsageError, match="pip install"):
        library()
    arguments = [
        "train",
        "--data",
        str(tiny_zip),
        "--preset=stylegan2-tiny",
        "--out",
        str(tmp_path),
        "--wandb=online",
    ]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2 and 'pip install -e ".[wandb]"' in result.stderr
    assert result.stderr.count("\n") == 1 and not list(tmp_path.iterdir())


def test_a_full_disk_is_reported_by_the_next_write_alone(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "config.yaml").write_text("a: 1\n")
    told = []
    monkeypatch.setattr(threading, "excepthook", lambda found: told.append(found.exc_value))
    board = TensorBoard(tmp_path, 0)
    with one_report(), pytest.raises(OSError, match="No space left"):
        monkeypatch.setattr(RecordWriter, "write", full)
        while True:  # until its thread has met the error
            board.scalars({"a": 1.0}, 0)
    with one_report():
        other = threading.Thread(target=full)  # of ours: told as ever
        other.start()
        other.join()
    assert len(told) == 1
