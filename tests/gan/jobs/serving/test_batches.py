"""The batches of a state folder: what is kept of an order, locks, pace, size on the disk, what is swept."""

import json
import zipfile

import pytest

from gan.jobs.serving import batches as batches_module
from gan.jobs.serving.batches import ZIP, Batches
from gan.jobs.serving.database import Database
from gan.jobs.serving.moves import Move
from gan.jobs.serving.orders import Order


@pytest.fixture
def database(tmp_path):
    found = Database(tmp_path)
    yield found
    found.close()


@pytest.fixture
def batches(database, tmp_path):
    return Batches(database, tmp_path)


@pytest.fixture
def now(monkeypatch):
    """A clock that the test sets."""
    found = [1000.0]
    monkeypatch.setattr(batches_module.time, "time", lambda: found[0])
    return found


def order(*seeds, **given):
    return Order(model="m", seeds=seeds, form="zip", **given)


def written(batches, batch, seed, data=b"x" * 100):
    place = batches.place(batch)
    place.mkdir(parents=True, exist_ok=True)
    (place / f"seed{seed}.png").write_bytes(data)
    return {"seed": seed}, f"seed{seed}.png"


ORDERS = (
    order(1, 2, psi=0.5, size=64, inner="webp"),
    order(1, label="ünknown"),
    order(1, label=3, moves=(Move("a", 1, 0.5), Move("b", 0, -2.0))),
    order(1, label=(0.25, -1.0)),
)


@pytest.mark.parametrize("asked", ORDERS, ids=["plain", "class", "moves", "vector"])
def test_an_order_comes_back(batches, database, tmp_path, asked):
    batches.add("n", "key", asked, "digest")
    found = Batches(database, tmp_path).of("n")
    assert found.order == asked and (found.key, found.digest) == ("key", "digest")
    assert all(isinstance(move, Move) for move in found.order.moves) and batches.of("other") is None


def test_one_at_a_time(batches, database, tmp_path):
    with batches.held("n") as mine, Batches(database, tmp_path).held("n") as theirs:
        assert mine and not theirs
    with Batches(database, tmp_path).held("n") as theirs:
        assert theirs


def test_the_pace_says_when_it_ends(batches, now):
    batch = batches.add("n", "key", order(*range(100)), "digest")
    assert batches.progress(batch).seconds is None
    for turn in range(3):  # ten images every four seconds
        batches.keep(batch, 10 * turn, [({}, None if i == 0 else "f") for i in range(10)])
        now[0] += 4
    found = batches.progress(batch)
    assert (found.done, found.blocked) == (30, 3) and found.seconds == pytest.approx(70 * 8 / 20)


def test_the_zip_holds_what_is_done_in_order(batches):
    batch = batches.add("n", "key", order(3, 1, 2), "digest")
    batches.keep(batch, 0, [written(batches, batch, 3, b"three"), ({"seed": 1}, None)])
    batches.finish(batch, {"model": "m"}, "the end")
    with zipfile.ZipFile(batches.place(batch) / ZIP) as found:
        assert found.namelist() == ["seed3.png", "manifest.json"] and found.read("seed3.png") == b"three"
        assert json.loads(found.read("manifest.json")) == {
            "model": "m",
            "images": [{"seed": 3}, {"seed": 1}],
        }
    assert [path.name for path in batches.place(batch).iterdir()] == [ZIP]
    assert batches.of("n").failed == "the end" and batches.unfinished() == []


def test_files_of_which_a_zip_is_to_be_made_count_twice(batches):
    batch = batches.add("n", "key", order(1), "digest")
    assert batches.bytes() == 0
    batches.keep(batch, 0, [written(batches, batch, 1)])
    assert batches.bytes() == 200
    batches.finish(batch, {})
    assert batches.bytes() == (batches.place(batch) / ZIP).stat().st_size


def test_what_is_gone_is_not_noted(batches):
    batch = batches.add("n", "key", order(1), "digest")
    assert batches.remove(batch).total == 1 and batches.remove(batch) is None
    assert not batches.begin(batch, 1) and not batches.keep(batch, 0, [({}, None)])
    assert batches.progress(batch).done == 0
    written(batches, batch, 1)
    batches.finish(batch, {})  # it was removed while its zip was made
    assert not batches.place(batch).exists()


def test_what_is_swept_away(batches, now):
    old, young, open_ = (batches.add(name, "key", order(1), "d") for name in ("old", "young", "open"))
    for batch in (old, young, open_):
        batches.keep(batch, 0, [written(batches, batch, 1)])
    batches.finish(old, {})
    now[0] += 7200
    batches.finish(young, {})
    orphan, at_work = batches.folder / "orphan", batches.folder / "work"
    for folder in (orphan, at_work):
        folder.mkdir()
    with batches.held("work"), batches.held("open"):
        batches.sweep(1.0)
    assert batches.of("old") is None and not batches.place(old).exists() and not orphan.exists()
    assert (batches.place(young) / ZIP).is_file() and batches.place(open_).is_dir() and at_work.is_dir()
    assert batches.unfinished() == ["open"]
