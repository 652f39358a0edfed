"""Scores during training: they leave no trace in the run, and name its best checkpoint."""

import json
import random

import numpy as np
import pytest
import torch

from gan import distributed, randomness
from gan.config import override
from gan.errors import UserError
from gan.jobs import run_scores
from gan.jobs.scoring import GeneratedImages
from gan.jobs.session import scored
from gan.models import checkpoint
from metrics.networks import extractors
from tests.training.tiny import configured, files, run_training, tiny_state
from training.data.images import open_dataset
from training.reporting import Silent

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")
SCORED = {"metrics": ["fd-untrained"], "metrics_fakes": 16}


def jsonl(run, name):
    return [json.loads(line) for line in (run / name).read_text().splitlines()]


@pytest.fixture
def scripted(monkeypatch):
    """Scores of a run's evaluations, in order, instead of measured ones."""
    values = []

    def score(generator, dataset, metrics, *, kimg, **_):
        torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002 (a metric that disturbs all states)
        keys = ("label", "convention", "detector_sha256", "data_sha256")
        return [{"metric": "x", "value": values.pop(0), "kimg": kimg, **dict.fromkeys(keys, "same")}]

    monkeypatch.setattr(run_scores, "score", score)
    return values


def test_scores_change_no_byte_of_the_weights(tiny_zip, tmp_path):
    config = configured(tiny_zip, "kimg=0.032", "snapshot_ticks=4", "metrics_ticks=1")
    plain = run_training(config, out=tmp_path)
    scored = run_training(config, out=tmp_path, **SCORED)
    assert files(plain, "000000.032") == files(scored, "000000.032")
    assert [r["kimg"] for r in jsonl(scored, "metrics.jsonl")] == [0.0, 0.008, 0.016, 0.024, 0.032]
    assert jsonl(scored, "metrics.jsonl")[0]["label"] == "fd-untrained[16-full]"
    losses = [[r["loss/g"] for r in jsonl(run, "stats.jsonl")] for run in (plain, scored)]
    assert losses[0] == losses[1]
    assert not (plain / "metrics.jsonl").exists() and checkpoint.best(plain) is None


def test_the_card_has_the_score_made_after_its_checkpoint(tiny_zip, tmp_path, scripted):
    scripted += [9, 4.25]
    run = run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path, **SCORED)
    folder = run / "checkpoints" / "000000.008"
    card = (folder / "card.md").read_text()
    assert "| 4.25 | 0.008 |" in card and "| 9 | 0 |" not in card
    assert "| 9 | 0.0 |" in (run / "checkpoints" / "000000" / "card.md").read_text()
    assert checkpoint.read(folder).kimg == 0.008  # the manifest knows the new card
    assert not list((run / "checkpoints").glob(".tmp-*"))


def test_best_checkpoint_is_kept_and_named(tiny_zip, tmp_path, scripted):
    scripted += [9, 5, 4, 6, 7]
    config = configured(tiny_zip, "kimg=0.032", "snapshot_ticks=4", "metrics_ticks=1")
    run = run_training(config, out=tmp_path, **SCORED)
    names = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert names == ["000000", "000000.016", "000000.032", "best.json"]  # the extra one of 0.008 is gone
    folder, record = checkpoint.best(run)
    assert folder.name == "000000.016" and record["extra"] and record["record"]["value"] == 4
    assert checkpoint.resolve(run / "checkpoints" / "best") == folder
    assert checkpoint.read(folder).kimg == 0.016
    assert checkpoint.resolve(run).name == "000000.032"  # the newest, as ever


def test_best_survives_resuming_and_is_compared_with_its_like_only(tiny_zip, tmp_path, scripted):
    scripted += [3, 5, 4, 2]
    run = run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path, **SCORED)
    run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path, resume=str(run), **SCORED)
    folder, record = checkpoint.best(run)
    assert folder.name == "000000" and record["record"]["value"] == 3 and folder.is_dir()
    checkpoint.mark_best(folder, {"extra": False, "record": {**record["record"], "label": "other"}})
    run_training(configured(tiny_zip, "kimg=0.024"), out=tmp_path, resume=str(run), **SCORED)
    assert checkpoint.best(run)[0].name == "000000.024"


def test_higher_may_be_better(tiny_zip, tmp_path, scripted, monkeypatch):
    from metrics.catalogue import METRICS

    spec = METRICS["fd-untrained"].spec
    monkeypatch.setattr(METRICS["fd-untrained"], "spec", type(spec)(**{**vars(spec), "better": "higher"}))
    scripted += [1, 3, 2]
    run = run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path, **SCORED)
    assert checkpoint.best(run)[0].name == "000000.008"


def test_too_few_fakes_for_a_score_are_said_before_training(tiny_zip, tmp_path):
    with pytest.raises(
        UserError, match=r"pr needs at least 4 generated .* 3: .*--metrics-fakes with gan train"
    ):
        run_training(configured(tiny_zip), out=tmp_path, metrics=["pr[untrained]"], metrics_fakes=3)
    assert not list(tmp_path.iterdir())


def test_absent_weights_are_refused_before_a_run_is_made(tiny_zip, tmp_path, monkeypatch):
    def absent(name):
        raise UserError(f"no weights of {name}")

    monkeypatch.setattr(extractors, "packaged_weights", absent)
    with pytest.raises(UserError, match="no weights"):
        run_training(configured(tiny_zip), out=tmp_path, metrics=["fd-efficientnet-lite0"])
    assert not list(tmp_path.iterdir())


def test_a_damaged_note_of_the_best_is_said(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.json").write_text('{"checkpoint": "../elsewhere"}')
    with pytest.raises(UserError, match="names no checkpoint"):
        checkpoint.resolve(tmp_path / "checkpoints" / "best")


FULL = torch.OutOfMemoryError("CUDA out of memory")


def test_auto_draws_the_images_of_a_score_in_batches_that_fit(tiny_zip, tmp_path, monkeypatch):
    """The rehearsal leaves no trace: the weights have the bits of a run without it."""
    honest, sizes = GeneratedImages.read, []

    def read(self, start, stop):
        sizes.append((self.batch, stop - start))
        if self.batch > 10:
            raise FULL
        torch.rand(3), random.random(), np.random.rand()  # noqa: NPY002 (which a trace would show)
        return honest(self, start, stop)

    config = configured(tiny_zip, "kimg=0.016")
    plain = run_training(config, out=tmp_path / "plain")
    monkeypatch.setattr(GeneratedImages, "read", read)
    auto = override(config, ["micro_batch=auto"])
    run = run_training(auto, out=tmp_path / "auto", **SCORED)
    assert sizes == [(40, 80), (20, 80), (10, 80), (10, 16), (10, 16), (10, 16)]
    assert "scores: images are drawn 10 at a time" in (run / "log.txt").read_text()
    assert [r["kimg"] for r in jsonl(run, "metrics.jsonl")] == [0, 0.008, 0.016]
    assert files(run, "000000.016") == files(plain, "000000.016")


def test_auto_refuses_a_score_that_never_fits_before_the_first_step(tiny_zip, tmp_path, monkeypatch):
    def features(*_):
        raise FULL

    monkeypatch.setattr(extractors.NetExtractor, "features", features)
    config = configured(tiny_zip, "micro_batch=auto")
    with pytest.raises(UserError, match=r"does not fit .* take another than --metrics fd-untrained, or none"):
        run_training(config, out=tmp_path, **SCORED)
    [run] = tmp_path.iterdir()
    assert not (run / "stats.jsonl").exists()
    assert run_training(config, out=tmp_path, resume="auto") == run  # without the score it trains


def test_a_score_that_runs_out_of_memory_is_left_out_and_training_goes_on(tiny_zip, tmp_path, monkeypatch):
    config, honest = configured(tiny_zip, "kimg=0.016"), run_scores.score

    def score(*arguments, kimg, **options):
        if kimg == 0.008:
            raise FULL
        return honest(*arguments, kimg=kimg, **options)

    monkeypatch.setattr(run_scores, "score", score)
    run = run_training(config, out=tmp_path, **SCORED)
    assert [r["kimg"] for r in jsonl(run, "metrics.jsonl")] == [0, 0.016]
    [line] = [line for line in (run / "log.txt").read_text().splitlines() if "no score" in line]
    assert line.startswith("warning: no score at 0.008 kimg, out of memory: take another than --metrics")
    assert line.endswith("training goes on")


def test_with_several_processes_it_ends_the_run(monkeypatch):
    class Scorer:
        def score(self, *_):
            raise run_scores.NoMemory("no score")

    state = tiny_state()
    assert not scored(Scorer(), state, None, Silent())
    monkeypatch.setattr(distributed, "world", lambda: 2)
    with pytest.raises(UserError, match="no score; then go on with gan train --resume"):
        scored(Scorer(), state, None, Silent())


def test_random_states_are_kept():
    def draw():
        return torch.rand(1).item(), random.random(), np.random.rand()  # noqa: NPY002

    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    want = draw()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)  # noqa: NPY002
    with randomness.kept():
        assert draw() == want
    assert draw() == want


@pytest.mark.filterwarnings("ignore:the fakes are 8x8")
def test_the_number_of_fakes_is_as_asked_for(tiny_zip, tmp_path):
    scorer = run_scores.RunScorer(["fd-untrained"], 24, torch.device("cpu"))
    dataset = open_dataset(tiny_zip)
    (record,) = scorer.score(tiny_state().ema, dataset, 8)
    assert (record["num_fake"], record["kimg"]) == (24, 0.008)


@pytest.mark.parametrize(("metrics", "best"), [(["is", "fid"], "000000.008"), (["fid", "is"], "000000.016")])
def test_the_first_metric_decides_and_says_which_way(
    metrics, best, tiny_zip, tmp_path, scripted, monkeypatch
):
    """Of the Inception Score the higher is better, of FID the lower."""
    monkeypatch.setattr(run_scores, "ready", lambda *_: None)
    scripted += [2, 3, 1]
    run = run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path, metrics=metrics)
    assert checkpoint.best(run)[0].name == best
