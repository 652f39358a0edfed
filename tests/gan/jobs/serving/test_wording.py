"""Blocked words: as they are written, in disguise, nearly, and what must not be met."""

import time

import pytest

from gan.errors import UserError
from gan.jobs.serving import wording
from gan.jobs.serving.wording import Words, folded, read

pytest.importorskip("confusable_homoglyphs", reason="the extra serve is not installed")

WORDS = ["gun", "killer", "assault", "ku klux", "Straße", "бомба"]


@pytest.fixture(scope="module")
def words():
    return Words(WORDS)


@pytest.mark.parametrize(
    "text",
    ["gun", "GUN", "a Gun.", "the killer!", "KU  KLUX", "ku-klux", "strasse", "STRASSE", "Бомба"],
)
def test_as_written(words, text):
    assert words.look(text) == "exact"


DISGUISED = [
    "g u n",
    "g-u-n",
    "g.u_n",
    "g un",
    "ｇｕｎ",  # full width
    "𝗴𝘂𝗻",  # mathematical
    "ɡun",  # U+0261
    "gυn",  # a Greek upsilon
    "gu\u0300n",  # an accent
    "g\u200bu\u200dn",  # of no width
    "g\u00adun",  # a soft hyphen
    "kіller",  # a Cyrillic i
    "КILLER",  # a Cyrillic K
    "KІLLER",  # a Cyrillic I
    "k1ller",
    "ki11er",
    "k!ll3r",
    "K | L L E R",
    "a55ault",
    "@$$ault",
    "assau1t!!",
    "𝒜ssault",
    "bl gun" + "\u2060" + " x g u n",
    "ku\u200bk1ux",
    "strа\u00dfe",  # a Cyrillic a
]


@pytest.mark.parametrize("text", DISGUISED)
def test_in_disguise(words, text):
    assert words.look(text) in ("disguised", "exact")


@pytest.mark.parametrize("text", ["killers", "kiler", "killeer", "kilelr", "miller", "kil ler", "skiller"])
def test_nearly(words, text):
    assert words.look(text) == "near"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cat",
        "begun",
        "gunther",
        "hug unto",
        "water gum",
        "ku",
        "klux",
        "kill",
        "salt",
        "12345",
        "!!!",
        "日本語",
        "µ",
    ],
)
def test_what_is_not_met(words, text):
    assert words.look(text) is None


def test_a_word_of_four_letters_within_another_is_near_and_no_more():
    words = Words(["bomb"])
    assert (words.look("bombast"), words.look("tomb"), words.look("comb")) == ("near", None, None)


def test_a_long_text_is_met_and_costs_little(words):
    assert words.look("x" * (wording.MOST_TEXT + 1)) == "disguised"
    began = time.monotonic()
    for text in ("!" * 1000, "i " * 500, "1|!" * 333, "a" * 1000, "g" * 1000):
        words.look(text)
    assert time.monotonic() - began < 5


def test_folded():
    assert folded("Ｈéllo\u200b Wοrld") == "hello world"
    assert folded("КILLЕR") == folded("killer") == "killer"


def test_a_list(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("# of what\n\ngun # and why\n ku klux \n", encoding="utf-8")
    words = read(file)
    assert words.look("gun") and words.look("ku klux") and words.look("why") is None


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"gun\nx\n", "line 2: 'x' has fewer"),
        (b"\xff\xfe", "not UTF-8"),
        (b"# none\n", "holds no word"),
        (b"!!\n", "line 1"),
    ],
)
def test_a_list_that_cannot_be_read_whole(tmp_path, data, match):
    (tmp_path / "words.txt").write_bytes(data)
    with pytest.raises(UserError, match=match):
        read(tmp_path / "words.txt")
    with pytest.raises(UserError, match="cannot read"):
        read(tmp_path / "none.txt")


def test_lists_are_bounded(tmp_path, monkeypatch):
    (tmp_path / "words.txt").write_text("gun\n")
    monkeypatch.setattr(wording, "MAX_BYTES", 3)
    with pytest.raises(UserError, match="shorten it"):
        read(tmp_path / "words.txt")
