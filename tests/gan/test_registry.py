"""Tables: order kept, duplicates refused, misses explained."""

import pytest

from gan.errors import UsageError
from gan.registry import table


def test_keeps_order_and_entries():
    metrics = table("metric", {"fd-small": 1}, kid=2, fid=3)
    assert list(metrics.items()) == [("fd-small", 1), ("kid", 2), ("fid", 3)]


def test_refuses_a_name_given_twice():
    with pytest.raises(ValueError, match="metric named twice: fid"):
        table("metric", {"fid": 1}, fid=2)


def test_miss_suggests_the_nearest_name():
    metrics = table("metric", fid=1, kid=2, precision=3)
    with pytest.raises(UsageError) as caught:
        metrics["precison"]
    text = "unknown metric 'precison'; did you mean 'precision'? known: fid, kid, precision"
    assert str(caught.value) == text
    assert caught.value.exit_code == 2


def test_miss_without_a_near_name_lists_all():
    with pytest.raises(UsageError, match=r"^unknown metric 'xyz'; known: fid$"):
        table("metric", fid=1)["xyz"]


def test_entry_may_be_called_what():
    assert table("word", what=1)["what"] == 1
