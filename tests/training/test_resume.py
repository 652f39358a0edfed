"""A run that stops and goes on equals one that never stopped, bit for bit."""

import json

import pytest

from tests.training.tiny import configured, files, run_training

CHANGING = [
    "loss.lecam_weight=0.1",
    "loss.r1_gamma={start: 2, end: 0.2, kimg: 0.012}",
    "loss.r1_interval=null",
    "loss.r2=true",
    "loss.d_steps=2",
    "loss.blur_sigma=2",
    "loss.blur_fade_kimg=0.012",
    "optimizer_g.lr={start: 0.002, end: 0.001, kimg: 0.01, warmup_kimg: 0.004}",
    "optimizer_d.beta2={start: 0.9, end: 0.99, kimg: 0.01}",
    "ema.kimg={start: 0, end: 1, kimg: 0.012}",
    "ema.rampup=null",
]


@pytest.mark.parametrize("more", [[], CHANGING], ids=["constant", "changing"])
def test_four_steps_equal_two_and_two(more, tiny_zip, tmp_path):
    straight = run_training(configured(tiny_zip, "kimg=0.016", *more), out=tmp_path / "a")
    half = run_training(configured(tiny_zip, "kimg=0.008", *more), out=tmp_path / "b")
    rest = run_training(configured(tiny_zip, "kimg=0.016", *more), out=tmp_path / "b", resume="auto")
    assert rest == half
    whole, parts = files(straight, "000000.016"), files(rest, "000000.016")
    assert len(whole) == 3 and whole == parts
    kimg = [json.loads(line)["kimg"] for line in (rest / "stats.jsonl").read_text().splitlines()]
    assert kimg == [0.008, 0.016]


def test_resuming_from_an_earlier_checkpoint_drops_later_statistics(tiny_zip, tmp_path):
    run = run_training(configured(tiny_zip, "kimg=0.024"), out=tmp_path)
    before = files(run, "000000.024")
    with (run / "stats.jsonl").open("a") as file:
        file.write('{"kimg": 0.0')  # a writer killed in the middle of a line
    run_training(
        configured(tiny_zip, "kimg=0.024"), out=tmp_path, resume=str(run / "checkpoints" / "000000.008")
    )
    assert files(run, "000000.024") == before
    kimg = [json.loads(line)["kimg"] for line in (run / "stats.jsonl").read_text().splitlines()]
    assert kimg == [0.008, 0.016, 0.024]


def test_auto_passes_over_a_damaged_checkpoint(tiny_zip, tmp_path):
    run = run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path)
    whole = files(run, "000000.016")
    path = run / "checkpoints" / "000000.016" / "training.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    run_training(configured(tiny_zip, "kimg=0.016"), out=tmp_path, resume="auto")
    assert files(run, "000000.016") == whole
    assert "passed over a damaged checkpoint" in (run / "log.txt").read_text()


def test_auto_starts_anew_where_there_is_nothing(tiny_zip, tmp_path):
    run = run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path, resume="auto")
    assert run.name == "00000-tiny-tiny-16"
    assert (
        run_training(configured(tiny_zip, "kimg=0.008", "seed=1"), out=tmp_path).name == "00001-tiny-tiny-16"
    )
    names = {p.name for p in run.iterdir()}
    assert {
        "config.yaml",
        "environment.json",
        "log.txt",
        "stats.jsonl",
        "reals.png",
        "fakes-000000.png",
    } <= names


def test_metrics_do_not_change_the_run(tiny_zip, tmp_path):
    plain = run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path)
    scored = run_training(configured(tiny_zip, "kimg=0.008"), out=tmp_path, metrics=["fd-untrained"])
    assert files(plain, "000000.008") == files(scored, "000000.008")
    records = [json.loads(line) for line in (scored / "metrics.jsonl").read_text().splitlines()]
    assert [r["kimg"] for r in records] == [0.0, 0.008]
