"""What notebooks share: finding a model and data, sliders, sheets in their place, a run that goes on."""

import json
import os
from pathlib import Path

import pytest
import torch
from PIL import Image

from gan.errors import UserError
from gan.web import notebooks
from tests.gan.runs import write_run
from training import lock


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder as the working one, no model named."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(notebooks.VARIABLE, raising=False)
    return tmp_path


def test_the_named_model_goes_first(here, monkeypatch):
    named, other, newest = (write_run(here / "runs" / name) for name in ("a", "b", "c"))
    os.utime(next((newest / "checkpoints").iterdir()), (2e9, 2e9))
    assert notebooks.find_model().resolve() == newest
    monkeypatch.setenv(notebooks.VARIABLE, str(other))
    assert notebooks.find_model() == other
    assert notebooks.find_model(named) == named
    (here / "notebooks").mkdir()
    monkeypatch.chdir(here / "notebooks")
    monkeypatch.delenv(notebooks.VARIABLE)
    assert notebooks.find_model().resolve() == newest


def test_no_model_is_a_line(here, monkeypatch):
    with pytest.raises(UserError, match="make demo"):
        notebooks.find_model()
    monkeypatch.setenv(notebooks.VARIABLE, "nowhere")
    with pytest.raises(UserError, match="nowhere"):
        notebooks.find_model()


def test_data_of_the_run(here, tiny_zip):
    run = write_run(here / "runs" / "a")
    config = run / "config.yaml"
    config.write_text(f"data:\n  path: {tiny_zip}\n")
    assert notebooks.find_data(run) == tiny_zip
    (here / "own.zip").touch()
    assert notebooks.find_data(run, "own.zip") == Path("own.zip")
    config.write_text("data:\n  path: gone.zip\n")
    with pytest.raises(UserError, match="not at gone.zip"):
        notebooks.find_data(run)
    (here / "gone.zip").touch()
    (here / "elsewhere").mkdir()
    os.chdir(here / "elsewhere")
    assert notebooks.find_data(run) == here / "gone.zip"


def test_small_pictures_are_enlarged():
    shown = torch.zeros(2, 3, 8, 16)
    shown[1] = 1
    sheet = notebooks.picture(shown, columns=2)
    assert sheet.size == (2 * 192 + 6, 96 + 4)
    assert sheet.getpixel((50, 50)) == (128, 128, 128) and sheet.getpixel((300, 50)) == (255, 255, 255)
    assert notebooks.picture(shown, ["a", "b"], 2).size[1] > 100


def level(**values):
    """One grey image, as bright as the arguments together are large, in 0..255."""
    return torch.full((1, 1, 96, 96), int(sum(values.values())), dtype=torch.uint8)


def test_a_sheet_has_a_row_for_each_slider():
    sheet = notebooks.contact_sheet(level, {"a": (0, 100, 50), "b": (10.0, 50.0, 20.0)})
    cell_w, cell_h = sheet.size[0] // 5, sheet.size[1] // 2
    seen = [[sheet.getpixel((cell_w * x + 50, cell_h * y + 40)) for x in range(5)] for y in range(2)]
    assert seen == [[20, 45, 70, 95, 120], [60, 70, 80, 90, 100]]


def test_sliders_draw_when_they_are_let_go():
    pytest.importorskip("ipywidgets", reason="pip install -e .[notebooks]")
    box = notebooks._live(level, {"a": (0, 100, 50), "b": (0.0, 1.0, 0.0)})
    *bars, shown = box.children
    assert [type(bar).__name__ for bar in bars] == ["IntSlider", "FloatSlider"]
    assert (bars[0].min, bars[0].max, bars[0].value, bars[1].step) == (0, 100, 50, 0.01)

    def brightness():
        import io

        with Image.open(io.BytesIO(shown.value), formats=("PNG",)) as image:
            return image.getpixel((50, 50))

    assert brightness() == 50
    bars[0].value = 99
    assert brightness() == 99


def test_what_is_shown_can_be_read_without_widgets(monkeypatch):
    bundles = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: bundles.append(bundle))
    notebooks.sliders(level, {"a": (0, 4, 2)})
    monkeypatch.setitem(__import__("sys").modules, "ipywidgets", None)
    notebooks.sliders(level, {"a": (0, 4, 2)})
    assert bundles[0]["image/png"] == bundles[1]["image/png"] and bundles[1]["text/plain"]
    assert "application/vnd.jupyter.widget-view+json" not in bundles[1]


def test_a_run_is_followed_to_its_end(here, monkeypatch):
    run = write_run(here / "a")
    stats = run / "stats.jsonl"
    stats.write_text(json.dumps({"kimg": 1}) + "\n")
    slept = []

    def sleep(seconds):
        slept.append(seconds)
        stats.write_text(stats.read_text() + json.dumps({"kimg": 2}) + "\n")
        monkeypatch.setattr(lock, "is_held", lambda _: False)

    monkeypatch.setattr(notebooks.time, "sleep", sleep)
    monkeypatch.setattr(lock, "is_held", lambda _: True)
    assert [len(told) for told in notebooks.follow(run, every=7)] == [1, 2] and slept == [7]
