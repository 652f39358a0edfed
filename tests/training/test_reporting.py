"""Means over a tick, statistics after a resume, and the console line."""

import json

import pytest
import torch

from gan.config import override
from training.config import RunConfig
from training.recipes import fit
from training.reporting import KEYS, Means, Reporter, duration
from training.state import create


@pytest.fixture
def state():
    small = [f"{n}.{k}" for n in ("generator", "discriminator") for k in ("channel_base=32", "channel_max=4")]
    config = override(RunConfig(kimg=1), [*small, "generator.z_dim=4", "generator.w_dim=4"])
    return create(fit(config, shape=(3, 8, 8), c_dim=0), torch.device("cpu"))


def test_means_count_each_term_by_itself():
    means = Means()
    means.add({"a": torch.tensor(1.0), "b": torch.tensor(5.0)})
    means.add({"a": torch.tensor(2.0)})
    assert means.take() == {"a": 1.5, "b": 5.0}
    assert means.take() == {}


@pytest.mark.parametrize(("seconds", "text"), [(0, "0m00s"), (65.9, "1m05s"), (3700, "1h01m")])
def test_duration(seconds, text):
    assert duration(seconds) == text


def test_a_tick_writes_every_key_and_no_invalid_json(state, tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n")
    with Reporter(tmp_path, state) as reporter:
        reporter.step({"loss/g": torch.tensor(float("nan")), "loss/d": torch.tensor(0.5)}, 32)
        state.nimg, state.seconds = 32, 4.0
        reporter.tick(state, seconds=4.0, images=32)
    text = (tmp_path / "stats.jsonl").read_text()
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert tuple(record) == KEYS
    assert record["loss/g"] is None and record["loss/d"] == 0.5
    assert record["sec_per_kimg"] == pytest.approx(125)
    assert "ETA 2m01s" in (tmp_path / "log.txt").read_text()


def test_statistics_beyond_the_resumed_image_count_are_dropped(state, tmp_path):
    (tmp_path / "config.yaml").write_text("a: 1\n")
    path = tmp_path / "stats.jsonl"
    path.write_bytes(b'{"kimg": 0.1}\n\xff\0\n{"kimg": 0.2}\n{"kimg": 0.3}\n{"kimg": 0.')
    state.nimg = 200
    Reporter(tmp_path, state).__exit__()
    assert [json.loads(line)["kimg"] for line in path.read_text().splitlines()] == [0.1, 0.2]
