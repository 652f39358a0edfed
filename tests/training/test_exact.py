"""A run in pieces equals the run in one, bit for bit, whatever is switched on: all features, all networks."""

import json

import pytest

from gan.config import override
from gan.jobs import run_scores
from tests.training.tiny import EVERY_TWO_STEPS, configured, files, run_training
from training.config import RunConfig
from training.reporting import Reporter

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")
# 40 images in batches of 8: epochs of five steps, ticks of two, moving p, and parts of two images.
EVERYTHING = [
    "batch=8",
    "micro_batch=4",
    "precision=bf16",
    "half_resolutions=2",
    "checkpoint_activations=true",
    "tick_kimg=0.016",
    "metrics_ticks=1",
    "discriminator.mbstd_group=2",
    "augment.name=ada",
    "augment.policy=bgc,noise,cutout",
    "augment.interval=3",
    "augment.kimg=0.2",
    "augment.target=-1",
    "loss.lecam_weight=0.1",
    "loss.r1_gamma={start: 2, end: 0.2, kimg: 0.05}",
    "loss.r2=true",
    "loss.d_steps=2",
    "loss.blur_sigma=2",
    "loss.blur_fade_kimg=0.05",
    "optimizer_g.lr={start: 0.002, end: 0.001, kimg: 0.05, warmup_kimg: 0.01}",
    "optimizer_d.beta2={start: 0.9, end: 0.99, kimg: 0.05}",
    "ema.kimg={start: 0, end: 1, kimg: 0.05}",
    "ema.rampup=null",
    "discriminator.spectral_norm=true",
    "data.workers=1",
]
SCORED = {"metrics": ["fd-untrained"], "metrics_fakes": 16, "device": "cpu"}


def counters(run, name):
    """What training.json keeps, without the time that it took."""
    kept = json.loads((run / "checkpoints" / name / "training.json").read_text())
    return {key: value for key, value in kept.items() if key != "seconds"}


def scores(run):
    return [
        (r["kimg"], r["value"]) for r in map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    ]


def assert_equal(straight, pieces, name):
    whole, parts = files(straight, name), files(pieces, name)
    assert len(whole) == 3 and whole == parts
    assert counters(straight, name) == counters(pieces, name)


def test_everything_at_once(tiny_zip, tmp_path):
    """Pieces end within an epoch, within a tick, between two moves of p and between two steps of G."""
    straight = run_training(configured(tiny_zip, *EVERYTHING, "kimg=0.096"), out=tmp_path / "a", **SCORED)
    for kimg in ("0.024", "0.04", "0.096"):
        config = configured(tiny_zip, *EVERYTHING, f"kimg={kimg}")
        pieces = run_training(config, out=tmp_path / "b", resume="auto", **SCORED)
    assert_equal(straight, pieces, "000000.096")
    assert 0 < counters(straight, "000000.096")["augment/p"] < 1
    assert set(scores(straight)) <= set(scores(pieces)) and len(scores(straight)) == 7


NETWORKS = {
    "stylegan3": ["generator={type: stylegan3, channel_base: 64, channel_max: 8, z_dim: 8, w_dim: 8}"],
    "r3gan": [
        "generator={type: r3gan, widths: [8, 8], z_dim: 8, lora_rank: 2}",
        "discriminator={type: r3gan, widths: [8, 8], spectral_norm: true}",
        "loss.name=relativistic",
        "loss.r1_interval=null",
    ],
    "sngan": [
        "generator={type: sngan, width: 8, z_dim: 8}",
        "discriminator={type: sngan, width: 8}",
        "data.conditional=true",
        "loss.name=hinge",
        "loss.r1_gamma=0",
    ],
}


@pytest.mark.parametrize("name", ["r3gan", "sngan", pytest.param("stylegan3", marks=pytest.mark.slow)])
def test_every_network(name, tiny_zip, tmp_path):
    """Buffers too: magnitudes, singular vectors, running statistics, frozen weights under adapters."""
    config = [f"data.path={tiny_zip}", "batch=4", *EVERY_TWO_STEPS, "augment.name=diffaugment"]
    config = override(RunConfig(), [*config, *NETWORKS[name]])
    straight = run_training(override(config, ["kimg=0.016"]), out=tmp_path / "a", device="cpu")
    run_training(config, out=tmp_path / "b", device="cpu")
    pieces = run_training(override(config, ["kimg=0.016"]), out=tmp_path / "b", resume="auto", device="cpu")
    assert_equal(straight, pieces, "000000.016")


def test_a_score_that_a_killed_run_lacks_is_made_up_for(monkeypatch, tiny_zip, tmp_path):
    def killed(*_):
        raise KeyboardInterrupt

    config = configured(tiny_zip, "kimg=0.016")
    with monkeypatch.context() as patch:
        patch.setattr(Reporter, "scalars", killed)  # after metrics.jsonl was written: no second record
        with pytest.raises(KeyboardInterrupt):
            run_training(config, out=tmp_path, **SCORED)
        patch.setattr(Reporter, "scalars", lambda *_: None)
        patch.setattr(run_scores.RunScorer, "score", killed)
        with pytest.raises(KeyboardInterrupt):
            run_training(config, out=tmp_path, resume="auto", **SCORED)
    run = run_training(config, out=tmp_path, resume="auto", **SCORED)
    assert [kimg for kimg, _ in scores(run)] == [0.0, 0.008, 0.016]


@pytest.mark.slow
def test_two_processes(tiny_zip, tmp_path, ranks):
    ranks("training/two_runs.py", "exact", str(tiny_zip), str(tmp_path), *EVERYTHING)
    runs = [next((tmp_path / name).iterdir()) for name in ("straight", "pieces")]
    assert_equal(*runs, "000000.096")
    assert set(scores(runs[0])) <= set(scores(runs[1]))
