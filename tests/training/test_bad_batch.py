"""One bad batch cannot end a run: what is repaired, counted and remembered, and what is divergence."""

import json
import math

import pytest
import torch

import gan
from gan.errors import UserError
from tests.training.tiny import learned, plain, run_training, tiny_state, weights
from training.losses import LOSSES
from training.losses.base import Loss
from training.reporting import Means
from training.sinks import TensorBoard

PENALISED = ["loss.lecam_weight=0.1", "loss.path_length_weight=2", "loss.path_length_interval=1"]


class Breaking(Loss):
    """The logistic loss, of which D's is not finite for the images between two counts."""

    def __init__(self, first, last, value=math.nan):
        self.first, self.last, self.value = first, last, value

    def generator(self, context):
        return LOSSES["logistic"].generator(context)

    def discriminator(self, context):
        (values,) = LOSSES["logistic"].discriminator(context).values()
        bad = self.first <= context.nimg < self.last
        return {"loss/d": values * self.value if bad else values}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_bad_batch_is_repaired_and_counted(value):
    state, real = tiny_state("loss.r1_interval=1"), torch.rand(4, 3, 8, 8)
    state.loss = Breaking(0, 4, value)
    from training.step import train_step

    terms = train_step(state, real, None)
    assert terms["nonfinite_steps"] == 1
    state.nimg = 4
    assert train_step(state, real, None)["nonfinite_steps"] == 0
    assert all(w.isfinite().all() for w in (*weights(state.generator), *weights(state.discriminator)))


def test_what_penalties_remember_survives_a_bad_batch():
    state, real = tiny_state(*PENALISED), torch.rand(4, 3, 8, 8)
    for name in ("d", "path_length"):
        learned(state, name, real)
    before = {name: value.clone() for name, value in state.memory.items()}
    assert before["path_mean"] > 0 and before["logit_means"].any()
    learned(state, "d", real * math.nan)
    assert torch.equal(state.memory["logit_means"], before["logit_means"])
    kept = [p.clone() for p in state.generator.parameters()]
    with torch.no_grad():
        next(state.generator.parameters()).fill_(math.nan)
    learned(state, "path_length", real)
    assert state.memory["path_mean"] == before["path_mean"]
    with torch.no_grad():
        for parameter, value in zip(state.generator.parameters(), kept, strict=True):
            parameter.copy_(value)
    learned(state, "d", real)
    learned(state, "path_length", real)
    assert all(not torch.equal(state.memory[name], value) for name, value in before.items())


def test_means_are_of_finite_values():
    means = Means()
    for value in (1.0, math.nan, 3.0, math.inf):
        means.add({"a": torch.tensor(value), "b": torch.tensor(math.nan)})
    means.add({"c": torch.tensor(5.0)})
    assert means.take() == {"a": 2.0, "b": None, "c": 5.0}
    assert means.take() == {}


def stats(run):
    return [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]


def test_a_run_goes_on_after_one_and_ends_after_many(tiny_zip, tmp_path):
    ticks = ["kimg=0.064", "tick_kimg=0.016", "snapshot_ticks=10", "health.on_collapse=stop"]
    one = run_training(plain(tiny_zip, *ticks), out=tmp_path / "a", loss=Breaking(20, 24))
    found = stats(one)
    assert [record["nonfinite_steps"] for record in found] == [0, 1, 0, 0]
    assert {record["health"] for record in found} == {"healthy"} and found[1]["steps"] == 4
    assert math.isfinite(found[1]["grad_norm/d"]) and math.isfinite(found[1]["loss/d"])
    with pytest.raises(UserError, match="diverged: 4 of 4 steps had gradients that are NaN or infinite"):
        run_training(plain(tiny_zip, *ticks), out=tmp_path / "b", loss=Breaking(16, 64))


def test_a_huge_weight_does_not_end_a_run_in_the_histograms(tmp_path):
    (tmp_path / "config.yaml").write_text("")
    sink = TensorBoard(tmp_path, 0)
    sink.histograms({"huge": torch.full((9,), 1e21), "plain": torch.rand(9)}, 0)
    sink.close()


@pytest.mark.parametrize("more", [["micro_batch=1", "discriminator.mbstd_group=1"], ["batch=1"]])
def test_one_image_at_a_time_is_healthy(more, tiny_zip, tmp_path):
    run = run_training(plain(tiny_zip, *more, "health.on_collapse=stop"), out=tmp_path)
    assert stats(run)[-1]["diversity"] is None and stats(run)[-1]["health"] == "healthy"
    assert gan.load(run).image_shape == (3, 16, 16)
