"""Studies and answers: what is made, what is refused, and what survives kills, other tabs and damage."""

import json
import multiprocessing
import os

import pytest
from PIL import Image

from gan.errors import UsageError, UserError
from gan.jobs import rating
from gan.jobs.rating import Asked, study_of
from gan.jobs.rating_answers import Answers, Superseded
from tests.gan import forked
from tests.gan.jobs.rating_studies import answer_all, careful, folder, study


def test_a_study_is_a_folder(tmp_path):
    made = study(tmp_path, "pairs", raters=3, catch=2)
    again = rating.opened(tmp_path / "study")
    assert again.about == made.about and made.names == ["alpha", "beta"] and made.real is None
    assert len(made.keys) == 3 and all(len(made.trials(rater)) == 14 for rater in range(3))
    files = sorted((tmp_path / "study/pictures").iterdir())
    assert len(files) == len(made.pictures) == 26
    first = next(i for i, p in enumerate(made.pictures) if (p["source"], p["name"]) == (1, "003.png"))
    with Image.open(files[first]) as kept, Image.open(tmp_path / "beta/003.png") as source:
        assert kept.tobytes() == source.tobytes() and kept.info == {}


def test_pictures_of_models_are_those_of_their_seeds(tmp_path, run_folder):
    from gan.images import to_pil
    from gan.jobs.sampling import sample

    asked = Asked(places=(run_folder,), kind="quality", trials=3, catch=0, device="cpu")
    made = rating.created(asked, tmp_path / "study")
    assert [p["name"] for p in made.pictures] == ["seed 0", "seed 1", "seed 2"]
    drawn = sample(run_folder, [2], device="cpu")[0]
    with Image.open(tmp_path / "study/pictures/000002.png") as kept:
        assert kept.tobytes() == to_pil(drawn).tobytes()
    assert made.about["sources"][0]["checkpoint"].endswith("checkpoints/000012")


def test_catch_trials_hold_spoiled_pictures(tmp_path):
    made = study(tmp_path, "pairs", raters=2)
    for rater in range(2):
        catches = [t for t in range(len(made.trials(rater))) if made.is_catch(rater, t)]
        assert len(catches) == 1  # one in ten of twelve
        shown = [made.pictures[n] for n in made.trials(rater)[catches[0]]]
        assert sorted(p["spoiled"] for p in shown) == [False, True] and shown[0]["name"] == shown[1]["name"]
    number = next(i for i, p in enumerate(made.pictures) if p["spoiled"])
    with Image.open(made.path / f"pictures/{number:06d}.png") as image:
        assert len(image.getcolors(maxcolors=48 * 48)) > 1000  # a drawing has a handful, noise has many


def test_an_answer_is_on_the_disk_before_the_next_trial(tmp_path, monkeypatch):
    made = study(tmp_path, "quality")
    answers, order = Answers(made), []
    monkeypatch.setattr(os, "fsync", lambda descriptor: order.append(answers.of(0)))
    trial = answers.state(0)["trial"]
    state = answers.answer(0, trial, 4, 1234)
    assert order == [{}]  # flushed before it counts
    assert (state["done"], state["last"], state["trial"]) == (1, trial, trial + 1)
    (line,) = (made.path / "answers.jsonl").read_text().splitlines()
    record = json.loads(line)
    assert (record["rater"], record["trial"], record["answer"], record["ms"]) == (0, trial, 4, 1234)
    assert record["time"].endswith("Z")


def test_undo_and_another_tab(tmp_path):
    made = study(tmp_path, "pairs", raters=2)
    answers, other = Answers(made), Answers(made)
    answers.answer(0, 0, "left", 1)
    other.answer(0, 1, "tie", 1)
    with pytest.raises(Superseded):
        answers.answer(0, 1, "right", 1)
    with pytest.raises(Superseded):
        answers.undo(0, 0)  # no longer the last
    state = answers.undo(0, 1)
    assert (state["trial"], state["last"], state["seen"]) == (1, 0, True)
    assert answers.answer(0, 1, "right", 1)["seen"] is False
    assert [line["answer"] for line in Answers(made).of(0).values()] == ["left", "right"]
    assert answers.of(1) == {}
    with pytest.raises(Superseded):
        answers.undo(1, 0)


def test_a_killed_writer_costs_no_other_line(tmp_path):
    made = study(tmp_path, "pairs")
    Answers(made).answer(0, 0, "left", 1)
    with (made.path / "answers.jsonl").open("a") as file:
        file.write('{"rater": 0, "trial": 1, "ans')
    answers = Answers(made)
    assert answers.state(0)["done"] == 1
    answers.answer(0, 1, "right", 1)
    again = Answers(made)
    assert again.state(0)["done"] == 2 and again.lost == 1


def answering(place, told):
    """Answer for ever, and tell how many are done after each."""
    answers = Answers(rating.opened(place))
    while True:
        trial = answers.state(0)["trial"]
        told.send(answers.answer(0, trial, 1 + trial % 5, 1)["done"])


@forked.forks
def test_kill_9_loses_nothing_that_was_told(tmp_path):
    made = study(tmp_path, "quality", count=30)
    context = multiprocessing.get_context("fork")
    told, tell = context.Pipe(duplex=False)
    process = context.Process(target=answering, args=(made.path, tell))
    process.start()
    done = [told.recv() for _ in range(5)][-1]
    process.kill()
    process.join()
    answers = Answers(made)
    assert answers.state(0)["done"] >= done == 5 and answers.lost == 0
    assert all(line["answer"] == 1 + trial % 5 for trial, line in answers.of(0).items())


def test_lines_that_are_no_answers_are_counted(tmp_path):
    made = study(tmp_path, "pairs")
    bad = ['{"rater": 9, "trial": 0, "answer": "left"}', '{"rater": 0, "trial": -1, "answer": "left"}']
    bad += ['{"rater": 0, "trial": 0, "answer": "up"}', "[]", "null", "[" * 9000]
    (made.path / "answers.jsonl").write_text("\n".join(bad) + "\n")
    assert Answers(made).lost == 6 and Answers(made).of(0) == {}


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("pairs", "LEFT"), ("pairs", None), ("quality", 0), ("quality", True), ("quality", "3"), ("flags", [])]
    + [("flags", {"flags": ["ugly"]}), ("flags", {"flags": [], "note": "a\nb"})]
    + [("flags", {"flags": [], "note": "x" * 201}), ("real-or-fake", "tie"), ("flags", {"flags": [[]]})],
)
def test_what_is_no_answer(kind, answer):
    from gan.jobs.rating_answers import checked

    with pytest.raises(UsageError):
        checked(kind, answer)


def test_pictures_are_seen_when_it_is_their_turn(tmp_path):
    answers = Answers(study(tmp_path, "pairs"))
    assert answers.picture(0, 0, 1) and answers.picture(0, 1, 0)  # this one and the next
    for trial, side in ((2, 0), (0, 2), (-1, 0), (0, -1)):
        with pytest.raises(UsageError, match="not to be seen now"):
            answers.picture(0, trial, side)
    answers.answer(0, 0, "tie", 1)
    with pytest.raises(UsageError):
        answers.picture(0, 0, 0)


def test_at_the_end_there_is_nothing_to_see(tmp_path):
    made = study(tmp_path, "quality", count=2)
    answers = answer_all(made, careful(lambda *_: 3, "quality"))
    state = answers.state(0)
    assert state["trial"] is None and state["done"] == state["total"] == 4
    with pytest.raises(Superseded):
        answers.answer(0, 0, 1, 1)
    assert answers.undo(0, state["last"])["trial"] == state["last"]


def test_a_study_goes_on_by_its_name(tmp_path):
    made = study(tmp_path, "pairs")
    assert study_of(Asked(places=(made.path,))).about == made.about
    with pytest.raises(UsageError, match="is a study already"):
        study_of(Asked(places=(made.path,), kind="pairs"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"kind": ""}, "--kind is missing"),
        ({"kind": "pair"}, "did you mean 'pairs'"),
        ({"out": None}, "--out is missing"),
        ({"kind": "real-or-fake"}, "--real FOLDER"),
        ({"real": "alpha"}, "belongs to --kind real-or-fake"),
        ({"time_limit": 500}, "--time-limit belongs"),
        ({"kind": "real-or-fake", "time_limit": 5}, "50 to 60000"),
        ({"raters": 0}, "1 to 100"),
        ({"trials": 99}, "take --trials 4"),
        ({"catch": 9}, "more than the 4 trials"),
        ({"out": "alpha"}, "choose another folder"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(tmp_path, more, words):
    places = tuple(folder(tmp_path / name, 4) for name in ("alpha", "beta"))
    more = {
        key: tmp_path / value if key in ("out", "real") and value else value for key, value in more.items()
    }
    asked = {"places": places, "kind": "pairs", "out": tmp_path / "study"} | more
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=words):
        study_of(Asked(**asked))
    assert sorted(tmp_path.rglob("*")) == before


def test_sizes_that_tell_sources_apart_are_told(tmp_path):
    places = folder(tmp_path / "a", 3), folder(tmp_path / "b", 3)
    for path in places[1].iterdir():
        Image.new("RGB", (64, 64)).save(path)
    said = []
    rating.created(Asked(places=places, kind="pairs"), tmp_path / "study", said.append)
    assert said == [
        "warning: the sources differ in size or colours, which alone can tell them apart: a 48x48, b 64x64"
    ]


def test_damage_is_named(tmp_path):
    made = study(tmp_path, "pairs")
    path = made.path / "study.json"
    about = json.loads(path.read_text())
    for change in ({"kind": "x"}, {"raters": []}, {"format": 9}, {"pictures": []}, {"sources": 3}):
        path.write_text(json.dumps(about | change))
        with pytest.raises(UserError, match="damaged"):
            rating.opened(made.path)
    path.write_text(json.dumps(about))
    (made.path / "pictures/000000.png").unlink()
    with pytest.raises(UserError, match="cannot read .*000000.png"):
        made.picture(0)
    with pytest.raises(UserError, match="is no study"):
        rating.opened(tmp_path)
