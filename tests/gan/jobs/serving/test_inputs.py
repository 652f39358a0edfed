"""What may be asked for: words, classes by any name, bounds, a classifier; who comes near too often."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from gan.errors import UsageError, UserError
from gan.jobs.serving.hooks import Undecided
from gan.jobs.serving.inputs import Inputs, Refused
from gan.jobs.serving.keys import Keys
from gan.jobs.serving.models import Facts
from gan.jobs.serving.quotas import LocalUsage, TooMany
from gan.jobs.serving.settings import ServeConfig

pytest.importorskip("confusable_homoglyphs", reason="the extra serve is not installed")


@pytest.fixture
def models(tmp_path):
    plain = Facts(
        name="plain", path=tmp_path, digest="", size=1, kind="", kimg=0.0, c_dim=0, classes=(), vectors=False
    )
    animals = replace(plain, name="animals", c_dim=3, classes=("cat", "Big Dog", "water gun"))
    vectors = replace(plain, name="vectors", c_dim=3, vectors=True)
    return {facts.name: facts for facts in (plain, animals, vectors)}


@pytest.fixture
def key(database):
    return Keys(database).verify(Keys(database).create("me"))


@pytest.fixture
def inputs(models, database, tmp_path):
    """inputs(words=None, **settings): the rules."""

    def made(words=None, **given):
        if words is not None:
            (tmp_path / "words.txt").write_text("\n".join(words))
            given["blocked_words"] = str(tmp_path / "words.txt")
        return Inputs(ServeConfig(models=("m",), **given), models, LocalUsage(database))

    return made


def admit(inputs, key, facts, label=None):
    inputs.admit(key, facts, label, [], 1.0)


def test_without_rules_all_is_let_in(inputs, models, key):
    rules = inputs()
    rules._usage = None  # which is not asked, either
    assert rules.hear(key, ["anything", "x" * 5000]) is False
    for name, label in (("plain", None), ("animals", 2), ("animals", None), ("vectors", (9.0, 9.0, 9.0))):
        admit(rules, key, models[name], label)
    assert not rules.counts


def test_words(inputs, key):
    rules = inputs(["killer"])
    assert rules.hear(key, ["cat"]) is False and rules.hear(key, ["cat", "killers"]) is True
    for text in ("killer", "k1ll3r", "k i l l e r"):
        with pytest.raises(Refused) as caught:
            rules.hear(key, ["cat", text])
        assert "kill" not in str(caught.value)
    assert rules.counts == {"near": 1, "refused": 3}


def test_a_class_that_a_word_meets_is_not_served_by_number_either(inputs, models, key):
    rules = inputs(["gun"])
    admit(rules, key, models["animals"], 0)
    with pytest.raises(Refused):
        admit(rules, key, models["animals"], 2)
    with pytest.raises(UsageError, match="name a class"):  # it could be drawn
        admit(rules, key, models["animals"], None)
    admit(rules, key, models["plain"], None)


@pytest.mark.parametrize("entry", ["big dog", "BIG DOG", "animals/1", "animals/Big Dog", 1])
def test_classes(inputs, models, key, entry):
    rules = inputs(blocked_classes=(entry,), near_misses=1)
    for _ in range(2):
        with pytest.raises(Refused):
            admit(rules, key, models["animals"], 1)
    with pytest.raises(TooMany):
        rules.hear(key, ["cat"])
    admit(rules, key, models["animals"], 0)
    assert rules.counts == {"refused": 2}


@pytest.mark.parametrize("entry", ["dgo", "plain/1", "animals/9", 3, "vectors/0"])
def test_a_class_that_nobody_has_stops_the_server(inputs, entry):
    with pytest.raises(UsageError, match="no model has the class"):
        inputs(blocked_classes=(entry,))


def test_bounds_of_conditions(inputs, models, key):
    same = inputs(condition_bounds=((-1.0, 2.0),))
    admit(same, key, models["vectors"], (-1.0, 2.0, 0.0))
    with pytest.raises(UsageError, match="condition.2 must be from -1 to 2"):
        admit(same, key, models["vectors"], (0.0, 0.0, 2.1))
    each = inputs(condition_bounds=((0.0, 1.0), (0.0, 1.0), (5.0, 6.0)))
    admit(each, key, models["vectors"], (0.0, 1.0, 5.0))
    with pytest.raises(UsageError, match=r"condition\.0"):
        admit(each, key, models["vectors"], (-0.1, 1.0, 5.0))
    with pytest.raises(UsageError, match="2 pairs, and vectors takes 3 values"):
        inputs(condition_bounds=((0.0, 1.0), (0.0, 1.0)))


def test_without_bounds_a_condition_is_one_that_training_saw(inputs, models, key):
    seen = ((0.1, 0.5), (-1.0, -1.0), (0.0, 3.0))
    seen = tuple((float(np.float32(low)), float(np.float32(high))) for low, high in seen)
    vectors, rules = replace(models["vectors"], seen=seen), inputs()
    rules = Inputs(ServeConfig(models=("m",)), {"vectors": vectors}, rules._usage)
    assert rules.bounds(vectors) == seen and rules.bounds(models["plain"]) == ()
    admit(rules, key, vectors, (0.1, -1.0, 3.0))  # as it is typed; a model has 0.1 in float32, which is more
    admit(rules, key, vectors, None)
    for wrong in ((0.09, -1.0, 3.0), (0.1, -1.001, 3.0), (0.1, -1.0, 3.001), (0.1, -1.0, 1e38)):
        with pytest.raises(UsageError, match="must be from"):
            admit(rules, key, vectors, wrong)


def test_no_condition_is_drawn_that_the_bounds_leave_out(inputs, models, key):
    vectors, usage = replace(models["vectors"], seen=((0.0, 2.0),) * 3), inputs()._usage
    for bounds, fits in ((((0.0, 2.0),), True), (((0.0, 2.0), (0.0, 2.0), (0.0, 1.9)), False)):
        rules = Inputs(ServeConfig(models=("m",), condition_bounds=bounds), {"vectors": vectors}, usage)
        admit(rules, key, vectors, (0.0, 1.0, 1.5))
        if fits:
            admit(rules, key, vectors, None)
        else:
            with pytest.raises(UsageError, match="conditions that are not served: give one"):
                admit(rules, key, vectors, None)


@pytest.fixture
def own(tmp_path):
    """own(text): where a function of one's own is, as the setting has it."""

    def written(text, name="ask"):
        file = tmp_path / f"own{abs(hash(text))}.py"
        file.write_text(text)
        return f"{file}:{name}"

    return written


def test_a_classifier_of_ones_own(inputs, models, key, own, tmp_path):
    told = tmp_path / "told.txt"
    text = (
        "from pathlib import Path\ndef ask(asked):\n    Path({!r}).write_text(repr(asked))\n    return True"
    )
    place = own(text.format(str(told)))
    rules = inputs(input_classifier=place)
    rules.admit(key, models["animals"], 1, ["animals", "Big Dog"], 0.5)
    asked = {
        "model": "animals",
        "texts": ["animals", "Big Dog"],
        "psi": 0.5,
        "class_name": "Big Dog",
        "class": 1,
    }
    assert told.read_text() == repr(asked)
    rules.admit(key, models["vectors"], (0.0, 1.0, 2.0), [], 1.0)
    assert "'condition': [0.0, 1.0, 2.0]" in told.read_text()


@pytest.mark.parametrize("answer", ["False", "None", "1", "'yes'", "1 / 0", "[][1]"])
def test_a_classifier_that_does_not_say_true_refuses(inputs, models, key, own, answer):
    rules = inputs(input_classifier=own(f"def ask(asked):\n    return {answer}"))
    with pytest.raises(Refused):
        admit(rules, key, models["plain"])
    assert sum(rules.counts.values()) == 1


def test_a_classifier_that_hangs_turns_away_and_counts_against_nobody(inputs, models, key, own):
    place = own("import threading\ngate = threading.Event()\ndef ask(asked):\n    return gate.wait(60)")
    rules = inputs(input_classifier=place, input_classifier_seconds=0.05, near_misses=1)
    for _ in range(3):
        with pytest.raises(Undecided, match="ask again later"):
            admit(rules, key, models["plain"])
    assert rules.counts == {"late": 3} and rules.stuck == 3
    assert rules.hear(key, ["cat"]) is False  # it is no near miss
    rules._classifier._hook.__globals__["gate"].set()


def test_a_classifier_that_is_not_there(inputs, own):
    for place, error in (
        ("nothing", UsageError),
        ("no_such_module:ask", UsageError),
        ("none.py:ask", UsageError),
        (own("x = 1"), UsageError),
        (own("1 / 0"), UserError),
    ):
        with pytest.raises(error, match="input_classifier"):
            inputs(input_classifier=place)


def test_a_key_that_comes_near_too_often_is_refused_for_a_while(inputs, models, key, database):
    rules = inputs(["killer"], near_misses=3, near_miss_minutes=1.0)
    for text in ("killers", "killer", "kller"):
        with contextlib.suppress(Refused):
            rules.hear(key, [text])
    assert rules.hear(key, ["cat"]) is False
    assert rules.hear(key, ["killers"]) is True
    with pytest.raises(TooMany, match="came near what is blocked too often"):
        rules.hear(key, ["cat"])
    other = Keys(database).verify(Keys(database).create("other"))
    assert rules.hear(other, ["cat"]) is False
