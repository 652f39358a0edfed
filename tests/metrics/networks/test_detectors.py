"""Detectors by name: those that are shipped, and the one that docs/METRICS.md builds in 20 lines."""

import re
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from gan.cli.main import main
from gan.errors import UsageError, UserError
from metrics import METRICS, evaluate
from metrics.conventions import CONVENTIONS
from metrics.kernel import kernel_distance
from metrics.networks import detectors, inception
from metrics.networks.detectors import DETECTORS, Detector, load
from metrics.networks.extractors import EXTRACTORS, PACKAGED
from metrics.plan import plan
from tests.mutants.planting import ROOT

PAGE = (ROOT / "docs" / "METRICS.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.filterwarnings("ignore:.*covariance is singular")


@pytest.fixture(autouse=True)
def tables(monkeypatch, tmp_path):
    """Tables as they were, an own cache, and no module left behind."""
    monkeypatch.setenv("GAN_CACHE", str(tmp_path / "cache"))
    kept = dict(EXTRACTORS), dict(DETECTORS)
    yield
    for table, entries in zip((EXTRACTORS, DETECTORS), kept, strict=True):
        table.clear()
        table.update(entries)
    for name in [name for name in sys.modules if name.startswith("gan_detector_")]:
        del sys.modules[name]


@pytest.fixture
def example(tmp_path):
    """The file of the page."""
    (text,) = re.findall(r"```python\n(# edges\.py\n.*?)```", PAGE, re.S)
    assert text.count("\n") <= 20
    path = tmp_path / "edges.py"
    path.write_text(text)
    return path


def pictures(n, seed):
    return torch.from_numpy(np.random.RandomState(seed).randint(0, 256, (n, 3, 64, 64)).astype(np.uint8))


def test_the_detector_of_the_page_in_the_commands_of_the_page(example, tiny_zip):
    (command,) = re.findall(r"\ngan evaluate (.* --detector edges.py:edges .*)\n", PAGE)
    typed = command.replace("edges.py:edges", f"{example}:edges").replace('"', "").split()
    typed = [str(tiny_zip) if word in ("A", "B") else word for word in typed]
    result = CliRunner().invoke(main, ["evaluate", *typed])
    assert result.exit_code == 0, result.output
    labels = [line.split("[")[0] for line in result.stdout.splitlines()]
    assert labels == ["fd", "kid", "precision", "recall"] and "[edges-40-full]" in result.stdout


def test_an_own_detector_gives_its_features(example):
    assert load(f"{example}:edges") == load(f"{example}:edges") == "edges"
    real, fake = pictures(12, 0), pictures(11, 1)
    found = evaluate(real, fake, ["kid[edges]"], num_fakes=11, seed=4)[0]
    rows = []
    for images in (real, fake):
        x = (images.double() - 127.5) / 127.5
        rows.append(torch.cat([x.diff(dim=axis).abs().mean(dim=(2, 3)) for axis in (2, 3)], dim=1))
    assert found["value"] == pytest.approx(kernel_distance(*rows, seed=4).value, rel=1e-4)
    assert found["label"] == "kid[edges-11-full]" and found["detector"] == "edges"
    assert (
        found["convention"].startswith("64px-pil-bicubic-unit-pillow") and len(found["detector_sha256"]) == 64
    )


def test_another_text_is_another_network(example, tmp_path):
    load(f"{example}:edges")
    before = EXTRACTORS["edges"](torch.device("cpu")).sha256
    other = tmp_path / "other.py"
    other.write_text(
        example.read_text().replace('edges = Detector(name="edges"', 'edges = Detector(name="more"')
    )
    load(f"{other}:edges")
    assert EXTRACTORS["more"](torch.device("cpu")).sha256 != before
    with pytest.raises(UserError, match="builds its own network; leave --weights out"):
        EXTRACTORS["more"](torch.device("cpu"), "w.pth")


class Classes(nn.Module):
    def forward(self, x):
        return x.mean(dim=(2, 3)), 40 * x[:, :, 0, 0]


def test_a_detector_with_classes_serves_the_scores_of_classes():
    Detector(name="colours", build=Classes, features=3, logits=3, size=64).add()
    found = {
        r["metric"]: r["value"]
        for r in evaluate(pictures(60, 0), pictures(50, 1), ["is[colours]"], num_fakes=50)
    }
    assert 1 < found["is"] <= 3 and "classes" not in found
    with pytest.raises(UserError, match=r"gives \[\(16, 3\), \(16, 3\)\], but says \[\(16, 3\), \(16, 4\)\]"):
        Detector(name="wrong", build=Classes, features=3, logits=4, size=64).add()
        evaluate(pictures(20, 0), pictures(20, 1), ["is[wrong]"], num_fakes=20)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("edges", "write module:object or FILE.py:object"),
        ("none.py:edges", "there is no file none.py; for a file"),
        ("no_such_module:edges", "No module named 'no_such_module'"),
        ("math:pi", "'pi' is no metrics.networks.detectors.Detector; math has none"),
        ("{example}:Edges", "'Edges' is no .*edges.py has edges"),
    ],
)
def test_what_is_no_detector_is_said(text, message, example):
    with pytest.raises(UsageError, match=message):
        load(text.format(example=example))


def test_a_file_that_fails_is_named(tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0\n")
    with pytest.raises(UserError, match="bad.py fails: ZeroDivisionError: division by zero"):
        load(f"{tmp_path / 'bad.py'}:x")


def test_names_and_preparations_are_checked():
    for name, message in (
        ("untrained", "a detector 'untrained' already"),
        ("nv", "a convention is called 'nv'"),
    ):
        with pytest.raises(UsageError, match=message):
            Detector(name=name, build=Classes, features=3, size=8).add()
    with pytest.raises(UsageError, match="resize is one of tf1-bilinear, .*; scale one of tf,"):
        Detector(name="x", build=Classes, features=3, size=8, resize="nearest").add()


def test_every_row_names_a_network_and_its_heads():
    assert not set(DETECTORS) & set(CONVENTIONS)
    for name, rated in DETECTORS.items():
        rules = rated.rules
        assert rated.extractor in EXTRACTORS and rules.name == name
        if rated.extractor.startswith("inception"):
            assert {rules.features, rules.logits} <= set(inception.HEADS)
    assert set(PACKAGED) <= set(DETECTORS)
    assert {row.manifold for row in CONVENTIONS.values()} - {""} <= set(DETECTORS)
    assert DETECTORS["vgg16-tfid"].extractor == "vgg16-tf1-bilinear" != DETECTORS["vgg16-nv"].extractor


@pytest.mark.parametrize("name", DETECTORS)
def test_every_statistic_reads_every_detector(name):
    """But for those that read classes where there are none, and fid, which is Inception's name."""
    rules = detectors.DETECTORS[name].rules
    for metric, function in METRICS.items():
        if function.spec.features not in ("detector", "manifold", "logits"):
            continue
        refused = function.spec.features == "logits" and rules.logits is None
        refused |= metric == "fid" and not name.startswith("inception-")
        if refused:
            with pytest.raises(UsageError):
                plan([f"{metric}[{name}]"])
            continue
        (item,) = plan([f"{metric}[{name}]"])
        assert item.extractor == DETECTORS[name].extractor and item.label(metric, 5, 9, "").startswith(
            f"{metric}[{name}-9"
        )
        assert item.described(None, "") == "ours"
