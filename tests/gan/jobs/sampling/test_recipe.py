"""What files say of themselves, and what is refused of files of strangers."""

import json

import pytest
from PIL import Image, PngImagePlugin

from gan.errors import UsageError, UserError
from gan.jobs.sampling import recipe, sample
from gan.jobs.sampling.recipe import Recipe
from gan.jobs.sampling.request import Look, Request
from gan.networks.base import digest
from tests.gan.cli.test_sample import make_model

GOOD = Recipe(weights="a" * 64, made="grid", request=Request(seeds="1-3", look=Look(psi=0.5)))


def written(folder, text: str):
    info = PngImagePlugin.PngInfo()
    info.add_text("gan", text)
    Image.new("RGB", (4, 4)).save(folder / "a.png", pnginfo=info)
    return folder / "a.png"


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.gif"])
def test_each_format_tells_model_seeds_and_settings(name, tiny_generator, tmp_path):
    sample(tiny_generator, [4, 5, 9], psi=0.7, seed=3, frames_per_seed=1, out=tmp_path / name)
    found = recipe.read(tmp_path / name)
    assert found.weights == digest(tiny_generator)
    assert found.request.seeds == "4-5,9" and found.request.seed == 3
    assert found.request.look == Look(psi=0.7)
    assert found.made == ("video" if name == "a.gif" else "grid")


def test_an_image_of_a_folder_tells_its_own_seed_and_label(tmp_path):
    model = make_model(tmp_path / "checkpoints" / "000000", c_dim=3)
    paths = sample(model, [4, 9], labels=[2, 1], out=tmp_path / "many", device="cpu")
    found = recipe.read(paths[1])
    assert (found.made, found.request.seeds, found.request.labels) == ("image", "9", 1)


def test_it_comes_back_as_it_was(tmp_path):
    assert recipe.read(written(tmp_path, GOOD.text())) == GOOD
    assert json.loads(GOOD.text())["program"].startswith("gan ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 9}, "its settings have format 9; this version reads 1"),
        ({"weights": "../x"}, "settings.weights is no sha256"),
        ({"made": "film"}, "unknown value 'film'"),
        ({"request": {"look": {"psi": "much"}}}, "settings.request.look.psi: expected float"),
        ({"request": {"look": {"psj": 1}}}, "unknown key 'settings.request.look.psj'"),
        ({"request": {"motion": {"size": [10**9, 10**9]}}}, "use sides of 1 to 8192"),
        ({"more": 1}, "unknown key 'settings.more'"),
    ],
)
def test_a_text_that_is_wrong_is_one_line(change, message, tmp_path):
    data = json.loads(GOOD.text()) | change
    path = written(tmp_path, json.dumps(data))
    with pytest.raises(UserError, match=message) as raised:
        recipe.read(path)
    assert "a.png: " in str(raised.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 50_000, '{"a": 1}', "x" * 70_000])
def test_no_settings(text, tmp_path):
    with pytest.raises(UserError, match="a.png has no settings of gan sample in its metadata"):
        recipe.read(written(tmp_path, text))


def test_no_picture(tmp_path):
    (tmp_path / "a.png").write_bytes(b"GIF89a no")
    (tmp_path / "b.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="a.png has no settings"):
        recipe.read(tmp_path / "a.png")
    with pytest.raises(UserError, match="b.mp4 has no settings|mp4 needs imageio-ffmpeg"):
        recipe.read(tmp_path / "b.mp4")
    with pytest.raises(UserError, match="c.mp4: No such file|mp4 needs imageio-ffmpeg"):
        recipe.read(tmp_path / "c.mp4")


def test_more_than_metadata_holds_is_refused_before_anything_is_drawn(tiny_generator, tmp_path):
    with pytest.raises(UsageError, match="characters in the metadata, which hold 60,000; draw fewer"):
        sample(tiny_generator, range(0, 60_000, 2), out=tmp_path / "a.png")
    assert not list(tmp_path.iterdir())
