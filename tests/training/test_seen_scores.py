"""Scores on features that the discriminator sees: marked wherever they stand, and no checkpoint's merit."""

import json

import pytest
import torch
from click.testing import CliRunner

from gan.cli.main import main
from gan.config import dumps_yaml, override
from gan.errors import UsageError
from gan.files import sha256
from gan.jobs import report_scores, scoring
from gan.jobs.comparison import compare, format_table
from gan.jobs.evaluation import evaluate_model
from gan.jobs.reporting import page
from gan.jobs.run_scores import RunScorer
from gan.jobs.training import prepare
from gan.jobs.tuning import tune
from gan.models import checkpoint
from gan.networks.features import FEATURE_NETWORKS
from metrics.networks.detectors import DETECTORS, Detector
from metrics.networks.extractors import EXTRACTORS, PACKAGED
from tests.gan.networks import toy_features
from tests.training.tiny import EVERY_TWO_STEPS, TINY, plain, run_training
from training.config import RunConfig

pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")
SCORED = {"metrics": ["fd[toy]", "fd-untrained"], "metrics_fakes": 16}


class Means(torch.nn.Module):
    """Mean colours: 3 features."""

    def forward(self, x):
        return x.mean(dim=(2, 3))


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A feature network called toy, for discriminators and for metrics; settings of a run that sees it."""
    for table in (EXTRACTORS, DETECTORS):
        monkeypatch.setitem(table, "toy", None)
        monkeypatch.delitem(table, "toy")
    Detector(name="toy", build=Means, features=3, size=32).add()
    settings = toy_features.add(monkeypatch.setitem, FEATURE_NETWORKS, tmp_path)
    yield [f"discriminator.{setting}" for setting in settings]
    for table in (EXTRACTORS, DETECTORS):
        table.pop("toy", None)


def jsonl(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def seen(tmp_path):
    return [{"network": "toy", "sha256": sha256(tmp_path / "toy.safetensors")}]


def projected(path, settings):
    """A run of two steps; the settings of the tiny discriminator mean nothing to this one."""
    mine = [assignment for assignment in TINY if not assignment.startswith("discriminator.")]
    more = ["kimg=0.008", "loss.r1_gamma=0"]
    return override(RunConfig(preset="toy"), [f"data.path={path}", *mine, *EVERY_TWO_STEPS, *settings, *more])


@pytest.fixture
def run(toy, tiny_zip, tmp_path):
    """A short run that was scored on what its discriminator sees, and on something else."""
    return run_training(projected(tiny_zip, toy), out=tmp_path / "runs", **SCORED)


def test_a_run_names_and_marks_and_chooses_by_the_other(run, tmp_path):
    records = jsonl(run)
    assert [(r["detector"], r["seen_by_d"]) for r in records[:2]] == [("toy", True), ("untrained", False)]
    assert all(r["d_features"] == seen(tmp_path) for r in records)
    assert checkpoint.best(run)[1]["record"]["metric"] == "fd-untrained"
    log = (run / "log.txt").read_text()
    assert "warning: fd[toy] marked seen-by-D" in log and "fd-untrained chooses the best checkpoint" in log
    assert " (seen-by-D)" in log
    card = (checkpoint.resolve(run) / "card.md").read_text()
    [marked] = [line for line in card.splitlines() if line.endswith("**seen-by-D** |")]
    assert "| toy " in marked


def test_evaluating_a_model_marks_it_and_images_are_unknown(run, tiny_zip, tmp_path):
    told = []
    options = {"num_fakes": 16, "device": "cpu", "told": told.extend}
    found = evaluate_model(run, tiny_zip, SCORED["metrics"], **options)
    assert found == told and [r["seen_by_d"] for r in found] == [True, False]
    assert found[0]["d_features"] == seen(tmp_path) and found == jsonl(run)[-2:]
    lines = scoring.format_table(found).splitlines()
    assert "seen-by-D" in lines[0] and "seen-by-D" not in lines[1]
    arguments = [
        "evaluate",
        "--images",
        str(tiny_zip),
        "--data",
        str(tiny_zip),
        "--metrics",
        "fd[toy]",
        "--json",
    ]
    [unknown] = json.loads(CliRunner().invoke(main, arguments, catch_exceptions=False).stdout)
    assert (unknown["d_features"], unknown["seen_by_d"]) == (None, None)


def test_the_page_marks_it_and_takes_its_best_from_the_others(run):
    html = page([run])
    assert "<td>seen-by-D</td>" in html and "on features that the discriminator saw" in html
    assert report_scores.best(jsonl(run))[0]["detector"] == "untrained"
    only = [r for r in jsonl(run) if r["seen_by_d"]]
    assert report_scores.best(only) is None
    unseen = [r for r in jsonl(run) if not r["seen_by_d"]]
    assert "features" not in report_scores.rows({"run": unseen})[0]


def test_a_comparison_says_whom_it_flatters(run, tiny_zip, tmp_path):
    report = tmp_path / "page.html"
    metrics, options = ["kid[toy]", "kid[untrained]"], {"num_fakes": 32, "device": "cpu", "report": report}
    rows = compare(run, tiny_zip, tiny_zip, metrics, **options)
    assert [row["seen_by_d"] for row in rows] == [[True, None], [False, None]]
    lines = format_table(rows).splitlines()
    assert [line.endswith("(seen-by-D of A)") for line in lines] == [False, True, False]
    assert report.read_text().count("(seen-by-D of A)") == 1


def test_alone_it_is_refused_before_a_run_is_made(toy, tiny_zip, tmp_path):
    config = projected(tiny_zip, toy)
    want = r"--metrics fd\[toy\]: the discriminator sees these features.* alone or beside it: fd\["
    with pytest.raises(UsageError, match=want):
        run_training(config, out=tmp_path / "runs", metrics=["fd[toy]"], metrics_fakes=16)
    assert not (tmp_path / "runs").exists()
    preset = tmp_path / "preset.yaml"
    preset.write_text(dumps_yaml(config))
    arguments = ["train", "--data", str(tiny_zip), "--preset", str(preset), "--dry-run"]
    arguments += ["--metrics-fakes", "16"]
    refused = CliRunner().invoke(main, [*arguments, "--metrics", "fd[toy]"])
    assert refused.exit_code == 2 and "the discriminator sees these features" in refused.output
    warned = CliRunner().invoke(main, [*arguments, "--metrics", "fd[toy],fd-untrained"])
    assert "# warning: fd[toy] marked seen-by-D" in warned.output
    with pytest.raises(UsageError, match="the discriminator sees these features"):
        options = {"out": tmp_path / "tuned", "gammas": (1.0, 2.0), "num_fakes": 16, "minutes": 0.01}
        tune(str(preset), str(tiny_zip), metric="fd[toy]", device="cpu", **options)


def test_other_packaged_networks_are_offered_by_digest():
    """Weights of Lite0 under another name leave the other two."""
    scorer = RunScorer(["fd-efficientnet-lite0"], 16, torch.device("cpu"))
    digest = PACKAGED["efficientnet-lite0"].sha256
    with pytest.raises(UsageError) as refused:
        scorer.beware([{"network": "mine", "sha256": digest}])
    assert str(refused.value).endswith(": fd[efficientnet-lite1], fd[st-lpips-vgg]")
    assert scorer.beware([{"network": "mine", "sha256": "0"}]) == []


def test_what_an_earlier_model_saw_is_inherited(run, tiny_zip, tmp_path):
    """By a run whose discriminator sees images, its checkpoints, and by runs that go on with it."""
    config = override(plain(tiny_zip, "kimg=0.008"), [f"init_from={run}"])
    later = run_training(config, out=tmp_path / "later", **SCORED)
    assert [r["seen_by_d"] for r in jsonl(later)[:2]] == [True, False]
    assert checkpoint.read(checkpoint.resolve(later)).config["features_seen"] == seen(tmp_path)
    assert (
        "Before that, another discriminator saw images through toy"
        in (checkpoint.resolve(later) / "card.md").read_text()
    )
    with pytest.raises(UsageError, match="the discriminator sees these features"):
        prepare(None, None, resume=later, metrics=["fd[toy]"], metrics_fakes=16, device="cpu")


def test_a_run_without_features_says_so(tiny_zip, tmp_path):
    run = run_training(
        plain(tiny_zip, "kimg=0.008"), out=tmp_path, metrics=["fd-untrained"], metrics_fakes=16
    )
    assert all((r["d_features"], r["seen_by_d"]) == ([], False) for r in jsonl(run))
