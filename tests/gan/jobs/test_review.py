"""What the review page asks for: filters, items, pictures, decisions."""

import pytest

from gan.errors import UsageError
from gan.jobs import review as module
from gan.jobs import work_folder
from gan.jobs.decisions import Decisions
from gan.jobs.review import Filters, Review
from tests.gan import work_folders

BLURRED, COPY, CUT, GONE, TURNED, QUARANTINED = range(12, 18)  # numbers of the odd files


@pytest.fixture
def review(tmp_path):
    return Review(work_folder.opened(work_folders.make(tmp_path)))


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        ({"verdict": "drop"}, [BLURRED, COPY, CUT, GONE]),
        ({"verdict": "quarantine"}, [QUARANTINED]),
        ({"reason": "duplicate"}, [COPY]),
        ({"reason": "fault:blurred", "verdict": "keep"}, []),
        ({"label": "apple", "verdict": "keep"}, [0, 3, 6, 9]),
        ({"text": "A/00"}, list(range(10))),
        ({"text": "DRAWING 11"}, [11]),
        ({"text": "boat", "verdict": "keep"}, [1, 4, 7, 10, TURNED]),
        ({"cluster": "any"}, [0, COPY]),
        ({"cluster": "0"}, [0, COPY]),
        ({"cluster": "1"}, []),
        ({"decided": "yes"}, []),
        ({"verdict": "drop", "order": "dullest"}, [BLURRED, COPY, CUT, GONE]),
        ({"verdict": "drop", "order": "sharpest"}, [GONE, CUT, COPY, BLURRED]),
        ({"cluster": "any", "order": "cluster"}, [0, COPY]),
    ],
)
def test_filters(review, filters, numbers):
    assert review.select(Filters(**filters)) == (numbers, len(numbers))


def test_unknown_order():
    with pytest.raises(UsageError, match="unknown order 'size'"):
        Filters(order="size")


def test_filters_see_decisions(review):
    review.decide(3, "drop"), review.decide(BLURRED, "keep"), review.decide(4, "relabel", "tree")
    assert review.select(Filters(verdict="drop"))[0] == [3, COPY, CUT, GONE]
    assert review.select(Filters(decided="yes"))[0] == [3, 4, BLURRED]
    assert 3 not in review.select(Filters(decided="no"))[0]
    assert review.select(Filters(label="tree"))[0] == [4]
    assert "tree" in review.facts()["labels"] and review.facts()["decided"] == 3


def test_a_list_is_bounded_and_says_how_many_there_are(review, monkeypatch):
    monkeypatch.setattr(module, "SHOWN", 5)
    assert review.select(Filters()) == ([0, 1, 2, 3, 4], 18)


def test_facts(review):
    facts = review.facts()
    assert facts["verdicts"] == {"keep": 13, "drop": 4, "quarantine": 1} and facts["clusters"] == 1
    assert dict(facts["reasons"])["duplicate"] == 1 and facts["labels"] == ["apple", "boat", "cloud"]


def test_what_is_said_of_a_decided_file(review):
    (item,) = review.items([BLURRED])
    assert (item["verdict"], item["reason"], item["detail"]) == ("drop", "fault:blurred", "3.1")
    assert item["serial"] is None and item["path"] == "b/blurred.png"
    item = review.decide(BLURRED, "relabel", "fog")
    assert (item["verdict"], item["label"], item["relabelled"]) == ("drop", "fog", True)
    item = review.decide(BLURRED, "keep")
    assert (item["verdict"], item["scanned"], item["fate"]) == ("keep", "drop", "keep")
    item = review.decide(BLURRED, "undo", of=item["serial"])
    assert (item["verdict"], item["label"], item["fate"]) == ("drop", "fog", None)
    item = review.decide(BLURRED, "undo", of=item["serial"])
    assert (item["label"], item["serial"]) == ("apple", None)


def test_what_holds_no_picture_is_not_kept(review):
    with pytest.raises(UsageError, match="cannot be decoded"):
        review.decide(CUT, "keep")
    assert review.decided() == []
    assert review.decide(CUT, "drop")["fate"] == "drop"


def test_decisions_are_what_prepare_reads(review):
    review.decide(COPY, "keep")
    log = Decisions(review.work.path / "decisions.jsonl")
    assert log.of((0, "b/copy.png")).fate == "keep"


def test_decisions_of_others(review):
    Decisions(review.work.path / "decisions.jsonl").add((0, "a/001.png"), "drop")
    Decisions(review.work.path / "decisions.jsonl").add((0, "no such file"), "drop")
    (item,) = review.refresh()
    assert (item["number"], item["verdict"]) == (1, "drop")
    assert review.refresh() == [] and review.decided() == [1]


def test_numbers_that_are_no_file(review):
    for number in (-1, 18):
        with pytest.raises(UsageError, match="there is no file"):
            review.items([number])
    with pytest.raises(UsageError, match="at most 400"):
        review.items([0] * 401)
    with pytest.raises(UsageError, match="unknown size"):
        review.picture(0, "huge")


def test_pictures_and_placeholders(review):
    kind, data = review.picture(0, "small")
    assert kind == "image/webp" and data[8:12] == b"WEBP"
    for number, words in ((CUT, b"ends early"), (GONE, b"cannot be read")):
        kind, data = review.picture(number, "small")
        assert kind == "image/svg+xml" and words in data


def test_pictures_are_kept_within_bounds(review, monkeypatch):
    made = []
    monkeypatch.setattr(module, "of_file", lambda work, seen, side: made.append(side) or bytes(40))
    monkeypatch.setattr(module, "KEPT_BYTES", 100)
    for number in (0, 1, 0, 2, 0, 1):  # 1 is the one not asked for longest when 2 comes
        review.picture(number, "small")
        assert sum(len(data) for _, data in review._pictures.values()) == min(40 * len(made), 80)
    assert len(made) == 4
    review.picture(1, "large")
    assert made[-1] == 768
