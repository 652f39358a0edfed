"""Conditions: what they mean, what is no condition, and that nothing is ever run."""

import random

import pytest

from gan.errors import UsageError
from training.preparation.where import MAX_DEPTH, MAX_LENGTH, parse

RECORD = {
    "width": 300,
    "sharpness": 90.5,
    "label": None,
    "path": "a/b.png",
    "ok": True,
    "score": float("nan"),
}

TRUE = [
    "sharpness > 80 and width >= 256",
    "width == 300 and width != 301 and width <= 300 and width < 300.5 and sharpness > -1e3",
    "not (width < 100 or width > 1e3)",
    "width < 1 or sharpness > 1 and width > 1",
    "ok or width > 1 and width < 1",
    "(width < 1 or sharpness > 1) and width > 1",
    "not width < 1 and ok",
    "not not ok",
    "ok == true",
    "10 < width <= 300 != sharpness",
    "path == 'a/b.png' or path == \"never\"",
    "path > 'a' and path < 'b'",
    "width in [1, 300, 'x']",
    "width not in [1, 2]",
    "path in ['c', \"a/b.png\"]",
    "label == none",
    "not label != none",
    "score == none and width != none",
    "label == 'x' or ok",
    "  ok  ",
    "300 == width",
    ".5 < 0.75 and 1. == 1",
]
NOT_TRUE = [
    "sharpness > 90.5",
    "width < 1 or sharpness > 1 and width < 1",
    "not ok",
    "ok == false",
    "width not in [300]",
    "path in ['A/B.PNG']",
    "label != none",
    "10 < width < 300",
    "300 < width < 400",
]
UNKNOWN = [  # neither these nor their opposites are true
    "label == 'x'",
    "label != 'x'",
    "label in ['x', 'y']",
    "label not in ['x']",
    "score > 0.5",
    "score <= 0.5",
    "score == 1",
    "label",
    "ok and label == 'x'",
    "label == 'x' or width < 1",
    "1 < score < 2",
    "label < none",
]


@pytest.mark.parametrize("text", TRUE)
def test_true(text):
    assert parse(text)(RECORD) is True
    assert parse(text, RECORD)(RECORD) is True
    assert parse(f"not ({text})")(RECORD) is False


@pytest.mark.parametrize("text", NOT_TRUE)
def test_not_true(text):
    assert parse(text)(RECORD) is False
    assert parse(f"not ({text})")(RECORD) is True


@pytest.mark.parametrize("text", UNKNOWN)
def test_missing_values_leave_it_unknown(text):
    assert parse(text)(RECORD) is False
    assert parse(f"not ({text})")(RECORD) is False


WRONG = {
    "": "a column, a number or a text in quotes is expected, not the end",
    "width >": "not the end",
    "width > 3 3": "'and' or 'or' is expected, not '3' at character 11",
    "(width > 3": "'\\)' is expected, not the end",
    "width > 3)": "'and' or 'or' is expected, not '\\)'",
    "width = 3": "'= 3' cannot be read",
    "width > 3; ok": "'; ok' cannot be read",
    "width > 3abc": "'3abc' cannot be read",
    "path == 'open": "cannot be read",
    "width in []": "not ']'",
    "width in [1,]": "not ']'",
    "width in 3": "'\\[' is expected, not '3'",
    "width not 3": "'in' is expected, not '3'",
    "and ok": "not 'and' at character 1",
    "ok && ok": "'&& ok' cannot be read",
    "width + 1 > 3": "'\\+ 1 > 3' cannot be read",
    "__import__('os')": "'and' or 'or' is expected, not '\\('",
    "__import__('os').system('true')": "cannot be read",
    "[x for x in ok]": "not '\\['",
    "lambda: ok": "cannot be read",
    "x" * (MAX_LENGTH + 1): "4,097 characters, more than 4,096",
    "(" * (MAX_DEPTH + 1) + "ok" + ")" * (MAX_DEPTH + 1): "more than 32 deep",
    "not " * (MAX_DEPTH + 1) + "ok": "more than 32 deep",
}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:30])
def test_what_is_no_condition(text):
    with pytest.raises(UsageError, match=WRONG[text]):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sharpnes > 80", "unknown column 'sharpnes'; did you mean 'sharpness'\\? known: label, ok, path"),
        ("ok and zzz", "unknown column 'zzz'; known: "),
        ("width.real > 3", "unknown column 'width.real'"),
    ],
)
def test_unknown_columns_are_named_with_the_nearest(text, message):
    """At once where the columns are known, else with the first record."""
    with pytest.raises(UsageError, match=message):
        parse(text, RECORD)
    test = parse(text)
    with pytest.raises(UsageError, match=message):
        test(RECORD)


def test_a_known_column_may_lack_in_a_record():
    test = parse("kind == 'cat'", ["kind"])
    assert [test(record) for record in ({}, {"kind": "cat"}, {"kind": None})] == [False, True, False]


@pytest.mark.parametrize("text", ["width > 'a'", "path == 3", "path < width", "path in [3]"])
def test_texts_and_numbers_do_not_compare(text):
    with pytest.raises(UsageError, match="do not compare, a text and a number"):
        parse(text)(RECORD)


def test_what_is_neither_true_nor_false():
    with pytest.raises(UsageError, match="300 is neither true nor false"):
        parse("ok and width")(RECORD)


def test_deep_and_long_conditions_within_the_bounds():
    assert parse("(" * MAX_DEPTH + "ok" + ")" * MAX_DEPTH)(RECORD)
    assert parse(" or ".join(["width < 3"] * 300 + ["ok"]))(RECORD)


def test_no_text_does_anything_but_parse_or_fail():
    """Ten thousand texts of its own words: a condition, or one line, and never another error."""
    rng = random.Random(0)
    words = (
        "width ok label path not and or in ( ) [ ] , < <= == != > >= 1 -2.5e3 'a' \"b\" none true __class__ ."
    )
    parts = words.split()
    conditions = 0
    for _ in range(10_000):
        text = " ".join(rng.choices(parts, k=rng.randint(1, 12)))
        try:
            assert parse(text)(RECORD) in (True, False)
            conditions += 1
        except UsageError as error:
            assert "\n" not in str(error)
    assert 100 < conditions < 5000
