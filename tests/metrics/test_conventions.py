"""The table of conventions: every row refers to things that exist, and the facts that tell the rows apart."""

import re

import pytest

from gan.errors import UsageError
from metrics import METRICS
from metrics.conventions import CONVENTIONS
from metrics.networks.extractors import EXTRACTORS, extractor_for
from metrics.networks.inception import HEADS
from metrics.plan import plan
from metrics.resize import RESIZERS, SCALES
from tests.mutants.planting import ROOT
from tests.pointers import missing


@pytest.mark.parametrize("name", CONVENTIONS)
def test_rows_refer_to_what_exists(name):
    row = CONVENTIONS[name]
    assert row.name == name
    assert row.resize in RESIZERS and row.scale in SCALES
    assert extractor_for("inception", row) in EXTRACTORS
    assert row.logits in HEADS if row.detector == "inception" else row.logits is None
    assert row.ddof in (0, 1) and set(row.float32_mean) <= {"real", "fake"}


def test_what_sets_the_inception_conventions_apart():
    ddof = {name: row.ddof for name, row in CONVENTIONS.items()}
    assert [name for name, value in ddof.items() if value == 0] == ["nv"]
    pixels = {name: extractor_for("inception", row) for name, row in CONVENTIONS.items()}
    assert pixels["nv"] == pixels["tfid"] == pixels["ttur"] == "inception-tf1-bilinear-tf"
    assert pixels["pf"] == pixels["stu"] == "inception-bilinear-unit"
    assert pixels["clean"] == "inception-pil-bicubic-float-tf"
    assert (pixels["fd-dinov2"], pixels["clip-fid"]) == ("dinov2", "clip")
    means = {name: row.float32_mean for name, row in CONVENTIONS.items() if row.detector == "inception"}
    assert means["nv"] == means["pf"] == means["ttur"] == ()
    assert means["clean"] == means["tfid"] == ("real", "fake") and means["stu"] == ("fake",)


def test_inception_score_conventions():
    assert [name for name, row in CONVENTIONS.items() if row.logits == "logits"] == ["stu"]
    assert [name for name, row in CONVENTIONS.items() if row.shuffle is not None] == ["tfid"]
    assert CONVENTIONS["stu"].splits == 1 and CONVENTIONS["nv"].splits == 10


def test_other_networks_are_named_by_themselves():
    row = CONVENTIONS["clean"]
    assert extractor_for("vgg16", row) == "vgg16"
    with pytest.raises(UsageError, match="unknown extractor 'vgg61'; did you mean 'vgg16'"):
        EXTRACTORS[extractor_for("vgg61", row)]


def test_the_page_claims_what_the_rows_say_and_a_test_shows():
    """The table of docs/METRICS.md: every score of every tool, how closely, and the test of it."""
    page = (ROOT / "docs" / "METRICS.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `([\w-]+)(?:\[(\w+)\])?` \| (exact|draws|ours) \| [^|]+ \| `([^`]+)` \|$", page, re.M
    )
    told = {(convention or name, name): closeness for name, convention, closeness, _ in rows}
    assert told == {(c, m): how for c, row in CONVENTIONS.items() for m, how in row.scores.items()}
    assert [node for *_, node in rows if missing(node)] == []


def test_a_tools_score_is_named_by_it_and_any_other_by_its_detector():
    """What a record says: the tool alone where the number is its, else that it is ours."""
    for name, row in CONVENTIONS.items():
        for metric, closeness in row.scores.items():
            (item,) = plan([metric if row.name == metric else f"{metric}[{name}]"])
            wanted = {"exact": name, "draws": name, "ours": f"{name}-ours"}[closeness]
            assert item.described(None, "psi0.5") == f"{wanted}-psi0.5" and item.convention is row
    for metric in METRICS:
        for name in ("nv", "clean", "stu"):
            (item,) = plan([metric], convention=name)
            if item.spec.convention is None and metric not in CONVENTIONS[name].scores:
                assert item.convention.name in ("efficientnet-lite0", f"inception-{name}", "vgg16-nv")
                assert item.described(None, "") == "ours"


def test_unknown_convention_suggests_a_name():
    with pytest.raises(UsageError, match="did you mean 'clean'"):
        CONVENTIONS["claen"]
