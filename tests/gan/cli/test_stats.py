"""gan stats, and gan evaluate against what it wrote."""

import json

import numpy as np
import pytest
from click.testing import CliRunner, Result

from gan.cli.main import main

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*covariance is singular"),  # 40 images are few
    pytest.mark.usefixtures("own_cache"),
]
METRIC = ("--metric", "fd-untrained")
SCORE = ("--metrics", "fd-untrained", "--json")


def run(*arguments: object) -> Result:
    """`gan` with these arguments."""
    return CliRunner().invoke(main, [*map(str, arguments)])


def record_of(result: Result) -> dict:
    assert result.exit_code == 0, result.stderr
    (record,) = json.loads(result.stdout)
    return record


def test_a_file_stands_for_the_data(run_folder, tiny_zip, tmp_path):
    out = tmp_path / "x.npz"
    told = json.loads(run("stats", tiny_zip, *METRIC, "--out", out, "--json").stdout)
    assert told["path"] == str(out) and told["num_real"] == 40 and told["detector"] == "untrained"
    fakes = ("--num-fakes", 50, "--seed", 4, "--psi", 0.7)
    for given in (("--model", run_folder), ("--images", tiny_zip)):
        more = fakes if given[0] == "--model" else ()
        want, got = (record_of(run("evaluate", *given, "--data", d, *more, *SCORE)) for d in (tiny_zip, out))
        assert got["value"] == pytest.approx(want["value"], rel=1e-6, abs=1e-9)
        assert got["label"] == want["label"] and got["data_sha256"] != want["data_sha256"]
    written = (run_folder / "metrics.jsonl").read_text().splitlines()
    assert len(written) == 2 and json.loads(written[1])["kimg"] == 12.0


def test_a_named_set(tiny_zip, run_folder):
    result = run("stats", tiny_zip, *METRIC, "--name", "tiny")
    assert result.exit_code == 0 and result.stdout.endswith("tiny.npz\n")
    record = record_of(run("evaluate", "--images", tiny_zip, "--data", "stats:tiny", *SCORE))
    assert record["value"] < 1e-6
    other = run("evaluate", "--images", tiny_zip, "--data", "stats:none", *SCORE)
    assert other.exit_code == 1 and "no statistics named none; there are: tiny" in other.stderr
    outside = run("evaluate", "--images", tiny_zip, "--data", "stats:../x", *SCORE)
    assert outside.exit_code == 1 and "is no name for statistics" in outside.stderr


def test_features_are_kept_where_asked_for(tiny_zip, tmp_path):
    for more, names in ((), {"mu", "sigma", "count", "provenance"}), (("--features",), {"features"}):
        assert run("stats", tiny_zip, *METRIC, "--out", tmp_path / "x.npz", *more).exit_code == 0
        with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
            assert names <= set(file.files) and ("features" in file.files) == bool(more)


def test_refusals(tiny_zip, run_folder, tmp_path):
    foreign = tmp_path / "clean.npz"
    np.savez(foreign, mu=np.zeros(64), sigma=np.eye(64))
    for line, code, text in (
        (("stats", tiny_zip), 2, "give one of --out and --name"),
        (("stats", tiny_zip, "--out", "x.pt"), 2, "--out x.pt must end in .npz"),
        (("stats", tiny_zip, "--metric", "is", "--out", "x.npz"), 1, "is compares no features"),
        (
            ("evaluate", "--images", tiny_zip, "--data", foreign, "--metrics", "fid"),
            1,
            "does not say how it was made; name the convention of its features: 'fid[clean]'",
        ),
        (
            ("evaluate", "--images", tiny_zip, "--data", foreign, *SCORE, "--report", tmp_path / "x.html"),
            2,
            "a page of copies needs the real images",
        ),
        (
            ("evaluate", "--images", tiny_zip, "--data", foreign, *SCORE, "--num-reals", "9"),
            2,
            "clean.npz is taken whole",
        ),
        (
            ("evaluate", "--images", tiny_zip, "--data", foreign, "--metrics", "fid-infinity"),
            1,
            "'fid-infinity[inception-clean]' if it is of clean-fid",
        ),
    ):
        result = run(*line)
        assert result.exit_code == code and text in result.stderr, result.stderr
    named = run(
        "evaluate", "--images", tiny_zip, "--data", foreign, *SCORE
    )  # its own convention, by its name
    assert record_of(named)["num_real"] == 0


def test_options_reach_the_job(tiny_zip, tmp_path, monkeypatch):
    seen = {}

    def spy(dataset, out, metric, **options):
        seen.update(options, metric=metric, out=out)
        return {}

    monkeypatch.setattr("gan.jobs.statistics.save", spy)
    options = ("--convention", "clean", "--weights", "vgg16=w.pth", "--precision", "bf16", "--device", "cpu")
    result = run("stats", tiny_zip, "--metric", "fid", "--out", tmp_path / "x.npz", *options)
    assert result.exit_code == 0, result.stderr
    want = {"convention": "clean", "weights": ("vgg16=w.pth",), "precision": "bf16", "device": "cpu"}
    assert seen == {**want, "features": False, "metric": "fid", "out": tmp_path / "x.npz"}
