"""Results: planted raters are recovered, sloppy ones left out, every kind by hand."""

import numpy as np
import pytest

from gan.jobs.rating_answers import Answers
from gan.jobs.rating_results import results, rows
from tests.gan.jobs.rating_studies import answer_all, careful, study


def test_simulated_raters_recover_a_planted_ranking(tmp_path):
    """Raters of the model of Bradley and Terry: the order of the sources, and the truth in the intervals."""
    planted, rng = np.array([-1.0, 0.2, 0.8]), np.random.default_rng(0)
    made = study(tmp_path, "pairs", sources=3, count=20, raters=8, trials=60)

    def rule(rater, trial, shown):
        left, right = (planted[picture["source"]] for picture in shown)
        return "left" if rng.random() < 1 / (1 + np.exp(right - left)) else "right"

    found = results(made, answer_all(made, careful(rule, "pairs")))
    assert [source["name"] for source in found["sources"]] == ["gamma", "beta", "alpha"]
    assert found["answers"] == 480 and found["resampled"] == "raters" and found["notes"] == []
    for source, value in zip(found["sources"], (0.8, 0.2, -1.0), strict=True):
        assert source["value"] == pytest.approx(value, abs=0.3) and source["comparisons"] == 320
        assert source["low"] < source["value"] < source["high"]
    assert np.array(found["wins"]).sum() == 480
    assert np.allclose(np.array(found["preferred"]) + np.array(found["preferred"]).T, 1)


def test_sides_do_not_count(tmp_path):
    """A rater who always takes the left one prefers nothing, and agrees with nobody."""
    made = study(tmp_path, "pairs", count=20, raters=2, trials=20, catch=0)
    found = results(made, answer_all(made, lambda *_: "left"))
    assert all(abs(source["value"]) < 1e-9 for source in found["sources"])
    assert found["agreement"]["alpha"] < -0.9  # every pair was turned for the second


def test_raters_who_agree(tmp_path):
    made = study(tmp_path, "pairs", count=20, raters=3, trials=20, catch=0)
    better = lambda r, t, shown: "left" if shown[0]["source"] == 0 else "right"  # noqa: E731
    found = results(made, answer_all(made, better))
    assert found["agreement"] == {"scale": "nominal", "alpha": pytest.approx(1.0)}
    assert "alpha never lost to beta" in found["notes"][0] and "value" not in found["sources"][0]
    assert found["sources"][0] == {"name": "alpha", "wins": 60.0, "comparisons": 60.0}


def test_who_does_not_look_is_left_out(tmp_path):
    made = study(tmp_path, "quality", raters=2, catch=4)
    good = careful(lambda r, t, shown: 4 + shown[0]["source"], "quality")
    answers = answer_all(made, lambda r, t, shown: 5 if r else good(r, t, shown))
    found = results(made, answers)
    assert [rater["kept"] for rater in found["raters"]] == [True, False]
    assert [rater["catch_right"] for rater in found["raters"]] == [4, 0]
    assert found["notes"] == ["left out for catch trials answered wrong: rater 2"]
    assert found["answers"] == 24 and found["resampled"] == "answers"
    assert [(s["name"], s["value"]) for s in found["sources"]] == [("beta", 5), ("alpha", 4)]


def test_three_of_four_catch_trials_suffice(tmp_path):
    made = study(tmp_path, "quality", catch=4)
    wrong = [next(t for t in range(28) if made.is_catch(0, t))]
    answers = answer_all(made, careful(lambda *_: 3, "quality"))
    assert results(made, answers)["raters"][0]["catch_right"] == 4
    other = study(tmp_path / "other", "quality", catch=4)
    rule = careful(lambda *_: 3, "quality")
    answers = answer_all(other, lambda r, t, shown: 5 if t in wrong else rule(r, t, shown))
    (rater,) = results(other, answers)["raters"]
    assert (rater["catch_right"], rater["kept"]) == (3, True)


def test_hype_by_hand(tmp_path):
    """Of alpha every fake is taken for real, of beta none; of the reals every third for a fake."""
    made = study(tmp_path, "real-or-fake", sources=3, count=12, trials=24, raters=2, catch=0)

    def rule(rater, trial, shown):
        if shown[0]["source"] == 2:
            return "fake" if int(shown[0]["name"][:3]) % 3 == 0 else "real"
        return "real" if shown[0]["source"] == 0 else "fake"

    found = results(made, answer_all(made, rule))
    alpha, beta = found["sources"]
    assert (alpha["name"], alpha["value"]) == ("alpha", pytest.approx((1 + 1 / 3) / 2))
    assert (beta["name"], beta["value"]) == ("beta", pytest.approx((0 + 1 / 3) / 2))
    assert alpha["reals_taken_for_fake"]["value"] == pytest.approx(1 / 3) and alpha["reals_judged"] == 24
    assert alpha["fakes_taken_for_real"] == {"value": 1, "low": 1, "high": 1} and alpha["fakes_judged"] == 12
    assert found["agreement"]["alpha"] == pytest.approx(1)


def test_quality_by_hand(tmp_path):
    made = study(tmp_path, "quality", count=5, raters=2, catch=0)
    rule = lambda r, t, shown: 1 + (int(shown[0]["name"][:3]) + shown[0]["source"]) % 5  # noqa: E731
    found = results(made, answer_all(made, rule))
    assert [source["value"] for source in found["sources"]] == [3, 3]
    assert all(source["counts"] == [2, 2, 2, 2, 2] and source["ratings"] == 10 for source in found["sources"])
    assert found["agreement"] == {"scale": "ordinal", "alpha": pytest.approx(1)}


def test_flags_by_hand(tmp_path):
    made = study(tmp_path, "flags", count=4, raters=3, catch=0)

    def rule(rater, trial, shown):
        picture = shown[0]["source"], shown[0]["name"]
        if picture == (1, "002.png"):
            return {"flags": ["memorised", "artifact"] if rater < 2 else [], "note": f"like {rater}"}
        return {"flags": ["broken"] if picture == (0, "001.png") and rater == 1 else [], "note": ""}

    found = results(made, answer_all(made, rule))
    shares = {source["name"]: source["value"] for source in found["sources"]}
    assert shares == {"alpha": pytest.approx(1 / 12), "beta": pytest.approx(2 / 12)}
    first, second = found["flagged"]
    assert (first["source"], first["name"], first["flags"]) == ("beta", "002.png", ["artifact", "memorised"])
    assert (first["flagged"], first["raters"], first["drop"]) == (2, 3, True)
    assert first["notes"] == ["like 0", "like 1"]
    assert (second["name"], second["flagged"], second["drop"]) == ("001.png", 1, False)


def test_before_anybody_answered(tmp_path):
    made = study(tmp_path, "real-or-fake")
    found = results(made, Answers(made))
    assert found["answers"] == 0 and found["sources"] == [] and found["notes"] == ["there are no answers yet"]
    assert found["agreement"]["alpha"] is None and rows(made, Answers(made)) == []


def test_after_a_few_answers(tmp_path):
    """Each kind has results, or says why not, after any number of answers."""
    for kind, answer in (("pairs", "tie"), ("real-or-fake", "real"), ("quality", 2)):
        made = study(tmp_path / kind, kind, catch=0)
        answers = Answers(made)
        for trial in range(4):
            answers.answer(0, trial, answer, 1)
            found = results(made, answers)
            assert found["answers"] == trial + 1 and (found["sources"] or found["notes"])
