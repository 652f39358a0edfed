"""What `gan rate STUDY --report` writes: the page, CSV, JSON, decisions that a preparation follows, cards."""

import csv
import io
import json

import pytest

from gan.errors import UsageError
from gan.jobs import rating, rating_report
from gan.jobs.preparation import prepare
from gan.jobs.rating import Asked
from gan.models import checkpoint
from tests.gan.jobs.rating_studies import answer_all, careful, folder, study
from training.preparation.convert import Form
from training.preparation.request import Request

pytest.importorskip("jinja2", reason="the extra web is not installed")


@pytest.fixture
def flags(tmp_path):
    """A study of flags: the two raters find fault with alpha/001.png, one of them with beta/<b>.png."""
    places = folder(tmp_path / "alpha", 4), folder(tmp_path / "beta", 4, 20)
    (places[1] / "000.png").rename(places[1] / "<b>.png")
    asked = Asked(places=places, kind="flags", raters=2, catch=1)
    made = rating.created(asked, tmp_path / "study", lambda line: None)

    def rule(rater, trial, shown):
        bad = (shown[0]["source"], shown[0]["name"]) == (0, "001.png")
        odd = shown[0]["name"] == "<b>.png" and rater == 0
        return {"flags": ["broken"] if bad or odd else [], "note": "=1+1 <i>" if bad else ""}

    answer_all(made, careful(rule, "flags"))
    return made


def test_files(flags):
    found = rating_report.report(flags.path)
    names = ["results.json", "answers.csv", "report.html", "decisions.jsonl"]
    assert found["files"] == [str(flags.path / name) for name in names]
    saved = json.loads((flags.path / "results.json").read_text())
    assert saved["flagged"] == found["flagged"] and "files" not in saved
    rows = list(csv.DictReader(io.StringIO((flags.path / "answers.csv").read_text())))
    assert len(rows) == 18 and [row["catch"] for row in rows].count("True") == 2
    (bad,) = [row for row in rows if row["rater"] == "1" and row["note"]]
    assert (bad["sources"], bad["pictures"], bad["answer"]) == ("alpha", "001.png", "broken")
    assert bad["note"] == "'=1+1 <i>"  # no formula for a spreadsheet


def test_the_page_stands_alone_and_escapes(flags):
    rating_report.report(flags.path)
    text = (flags.path / "report.html").read_text()
    assert "http://" not in text and "https://" not in text and "<script" not in text
    assert "&lt;b&gt;.png" in text and "<b>.png" not in text and "<i>" not in text
    assert text.count("data:image/png;base64,") == 2 and "2 of 2, to be dropped" in text


def test_a_preparation_drops_what_was_flagged(flags, tmp_path):
    rating_report.report(flags.path)
    decisions = [json.loads(line) for line in (flags.path / "decisions.jsonl").read_text().splitlines()]
    told = [(d["path"], d["source"], d["decision"]) for d in decisions]
    assert told == [("001.png", 0, "drop"), ("<b>.png", 1, "drop")]  # half of the raters is enough
    work = tmp_path / "out.zip.prepare"
    work.mkdir()
    (work / "decisions.jsonl").write_bytes((flags.path / "decisions.jsonl").read_bytes())
    prepare(
        [tmp_path / "alpha", tmp_path / "beta"],
        tmp_path / "out.zip",
        Request(form=Form(height=32, width=32)),
        workers=1,
    )
    records = [json.loads(line) for line in (work / "files.jsonl").read_text().splitlines()]
    dropped = {(r["source"], r["path"]) for r in records if r["reason"] == "decision"}
    assert dropped == {(0, "001.png"), (1, "<b>.png")} and len(records) == 8


@pytest.mark.parametrize("kind", ["pairs", "real-or-fake", "quality"])
def test_every_kind_has_a_page(tmp_path, kind):
    made = study(tmp_path, kind, sources=3, raters=2, catch=1)
    rules = {"pairs": lambda r, t, s: ("left", "right")[(t + r) % 2], "quality": lambda r, t, s: 1 + t % 5}
    rules["real-or-fake"] = lambda r, t, s: ("real", "fake")[t % 2]
    answer_all(made, careful(rules[kind], kind))
    found = rating_report.report(made.path)
    text = (made.path / "report.html").read_text()
    for source in found["sources"]:
        assert source["name"] in text and f"{rating_report.plain(source['value'], 3)} (" in text
    assert (
        text.count('aria-roledescription="point"') == len(found["sources"])
        and not (made.path / "decisions.jsonl").exists()
    )
    lines = rating_report.lines(found)
    assert lines[0] == f"{kind}: {found['answers']} answers" and len(lines) == len(found["sources"]) + 3
    assert lines[-1] == "note: intervals of 2 raters are too narrow: have 5 or more"


def test_a_page_before_anybody_answered(tmp_path):
    made = study(tmp_path, "pairs")
    rating_report.report(made.path)
    assert "there are no answers yet" in (made.path / "report.html").read_text()


def test_strengths_that_do_not_exist(tmp_path):
    made = study(tmp_path, "pairs")
    answer_all(made, careful(lambda r, t, shown: "left" if shown[0]["source"] else "right", "pairs"))
    found = rating_report.report(made.path)
    assert rating_report.lines(found)[1:3] == ["alpha  0 of 12 won", "beta  12 of 12 won"]
    assert "beta never lost to alpha" in (made.path / "report.html").read_text()


def test_scores_in_the_card(tmp_path, run_folder):
    other = folder(tmp_path / "photos", 8)
    asked = Asked(places=(run_folder, other), kind="pairs", trials=8, catch=0, device="cpu")
    made = rating.created(asked, tmp_path / "study", lambda line: None)
    answer_all(made, lambda r, t, shown: ("left", "right", "tie")[t % 3])
    before = rating_report.report(made.path)
    card = run_folder / "checkpoints/000012/card.md"
    assert "cards" not in before and "Judged" not in card.read_text()
    found = rating_report.report(made.path, cards=True)
    assert found["cards"] == [str(card.parent)]
    text = card.read_text()
    assert (
        "## Judged by people: pairs\n" in text and "beside photos" in text and "8 answers of 1 raters" in text
    )
    checkpoint.read(card.parent)  # the manifest has the new card
    rating_report.report(made.path, cards=True)
    assert card.read_text().count("## Judged by people: pairs") == 1


def test_flags_are_no_score(flags):
    with pytest.raises(UsageError, match="leave --cards out"):
        rating_report.report(flags.path, cards=True)
