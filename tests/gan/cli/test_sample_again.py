"""`gan sample --like FILE`: whatever was written is written again, to the byte, by the same model alone."""

import json

import pytest
import torch
from PIL import Image

from gan import config
from gan.jobs.sampling import recipe
from gan.models import checkpoint
from gan.networks import stylegan3
from gan.networks.mapping import MappingConfig
from tests.gan.cli.test_sample import make_model, run

WRITTEN = {  # --out -> other options
    "grid.png": ["--seeds", "3,5-7", "--psi", "0.6", "--columns", "2", "--class", "dog"],
    "grid.webp": ["--seeds", "3", "--noise", "random", "--seed", "8"],
    "grid.jpg": ["--seeds", "0-3", "--psi", "0.5", "--truncation-center", "class"],
    "mix.png": ["--mix", "3-4,8+9", "--layers", "0-1,4", "--psi", "0.8"],
    "walk.gif": ["--seeds", "1,2", "--frames-per-seed", "2", "--kind", "cubic", "--space", "z"],
    "moving.webp": ["--seeds", "1,2", "--frames-per-seed", "2", "--animate", "--size", "40x30"],
    "walk.mp4": ["--seeds", "1,2", "--frames-per-seed", "2", "--fps", "23.976", "--scale", "2"],
}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """Of classes; its noise is switched on, and its average w is not zero."""
    folder = make_model(tmp_path_factory.mktemp("run") / "checkpoints" / "000000", c_dim=3)
    saved = checkpoint.read(folder)
    generator = saved.generator()
    generator.mapping.w_avg.fill_(0.2)
    for name, parameter in generator.named_parameters():
        if name.endswith("noise_strength"):
            parameter.fill_(0.3)
    described = {key: value for key, value in saved.config.items() if key != "format"}
    return str(checkpoint.write(folder, config=described, generator=generator, discriminator=None, card=""))


@pytest.mark.parametrize("name", WRITTEN)
def test_a_file_is_made_again(name, model, tmp_path, capsys):
    if name.endswith(".mp4"):
        pytest.importorskip("imageio_ffmpeg", reason="pip install imageio-ffmpeg")
    first, again = tmp_path / name, tmp_path / f"again-{name}"
    assert run(["sample", model, *WRITTEN[name], "--out", str(first)]) == 0
    assert run(["sample", model, "--like", str(first), "--out", str(again)]) == 0, capsys.readouterr().err
    assert again.read_bytes() == first.read_bytes()
    assert run(["sample", model, "--seeds", "0", "--out", str(tmp_path / "plain.png")]) == 0
    assert (tmp_path / "plain.png").read_bytes() != first.read_bytes()


@pytest.mark.parametrize("options", [["--seeds", "7,9"], ["--mix", "7-8,9", "--layers", "0-2"]])
def test_one_image_of_a_folder_is_made_again(options, model, tmp_path):
    out = tmp_path / "many"
    assert run(["sample", model, *options, "--seed", "4", "--noise", "random", "--out", str(out)]) == 0
    last = sorted(out.iterdir())[-1]
    assert run(["sample", model, "--like", str(last), "--out", str(tmp_path / "one.png")]) == 0
    assert (tmp_path / "one.png").read_bytes() == last.read_bytes()
    assert run(["sample", model, "--like", str(last), "--out", str(tmp_path / "more")]) == 0
    [only] = (tmp_path / "more").iterdir()
    assert only.name == last.name and only.read_bytes() == last.read_bytes()


def test_frames_of_a_folder_are_made_again(model, tmp_path, capsys):
    first, again = tmp_path / "frames", tmp_path / "again"
    command = ["--seeds", "1,2", "--frames-per-seed", "3", "--animate"]
    assert run(["sample", model, *command, "--out", str(first)]) == 0
    assert f"wrote 6 frames to {first}/frame000000.png ... frame000005.png" in capsys.readouterr().out
    assert run(["sample", model, "--like", str(first / "frame000003.png"), "--out", str(again)]) == 0
    for path in first.iterdir():
        assert (again / path.name).read_bytes() == path.read_bytes()
    assert run(["sample", model, *command, "--frames-per-seed", "2", "--out", str(first)]) == 2
    assert "it holds frame000005.png of a longer video" in capsys.readouterr().err


def test_what_is_typed_is_a_difference(model, tmp_path):
    first, other, direct = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    options = ["--seeds", "3-5", "--psi", "0.6", "--class", "dog"]
    assert run(["sample", model, *options, "--out", str(first)]) == 0
    assert run(["sample", model, "--like", str(first), "--class", "cat", "--out", str(other)]) == 0
    assert run(["sample", model, *options[:-1], "cat", "--out", str(direct)]) == 0
    assert other.read_bytes() == direct.read_bytes() != first.read_bytes()


def test_another_model_is_refused(model, tmp_path, capsys):
    first, other = tmp_path / "a.png", make_model(tmp_path / "checkpoints" / "000000", c_dim=3)
    assert run(["sample", model, "--seeds", "3", "--out", str(first)]) == 0
    weights = recipe.read(first).weights
    assert run(["sample", str(other), "--like", str(first), "--out", str(tmp_path / "b.png")]) == 2
    said = capsys.readouterr().err
    assert f"{first} was drawn by a model whose weights have the digest {weights[:16]}..., and this" in said
    assert not (tmp_path / "b.png").exists()


@pytest.mark.parametrize(
    ("name", "out", "message"),
    [
        ("grid.png", "again.gif", "what is made again was a grid; use .png, .jpg or .webp"),
        ("grid.png", "again", "what is made again was a grid"),
        ("walk.gif", "again.png", ".png holds no video; use .webp, .gif, .mp4 or a folder"),
        ("plain.png", "again.png", "plain.png has no settings of gan sample in its metadata"),
        ("none.png", "again.png", "none.png: No such file"),
    ],
)
def test_what_cannot_be_made_again(name, out, message, model, tmp_path, capsys):
    if name in WRITTEN:
        assert run(["sample", model, *WRITTEN[name], "--out", str(tmp_path / name)]) == 0
    elif name != "none.png":
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert run(["sample", model, "--like", str(tmp_path / name), "--out", str(tmp_path / out)]) in (1, 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / out).exists()


def test_what_other_commands_made_says_who_can(model, tmp_path, capsys):
    picture = tmp_path / "photo.png"
    Image.new("RGB", (16, 16), (200, 30, 60)).save(picture)
    line = ["--distance", "pixels", "--steps", "2", "--tune-steps", "1", "--video", "gif", "--class", "dog"]
    command = ["project", model, str(picture), *line, "--space", "pti", "--out", str(tmp_path / "out")]
    assert run(command) == 0, capsys.readouterr().err
    capsys.readouterr()
    for name in ("photo.png", "photo-pair.png", "photo.gif"):
        out = str(tmp_path / f"again{name[-4:]}")
        assert run(["sample", model, "--like", str(tmp_path / "out" / name), "--out", out]) == 1
        said = capsys.readouterr().err
        assert "is not of gan sample: gan project found it" in said and said.count("\n") == 1
    with Image.open(tmp_path / "out" / "photo.png") as image:
        facts = json.loads(image.text["gan"])
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert facts["model_sha256"] == report["tuned_sha256"] and facts["latents"] == "photo.safetensors"
    assert facts["settings"]["steps"] == 2 and facts["tuning"]["steps"] == 1
    with Image.open(tmp_path / "out" / "photo.gif") as video:
        assert json.loads(video.info["comment"])["model_sha256"] == report["request"]["model_sha256"]


def test_facts_that_are_too_long_are_left_out_by_name():
    text = recipe.elsewhere("explored", {"view": "x" * recipe.MOST, "seeds": [1], "more": "y" * 100})
    facts = json.loads(text)
    assert facts["left_out"] == ["view"] and facts["seeds"] == [1] and facts["more"] and "view" not in facts


def test_a_stylegan3_picture_moves(tmp_path, capsys, model):
    torch.manual_seed(0)
    small = {"z_dim": 8, "w_dim": 8, "channel_base": 256, "channel_max": 8, "layers": 4, "critical": 1}
    g = stylegan3.GeneratorConfig(resolution=16, mapping=MappingConfig(layers=2), **small)
    described = {"kimg": 0.0, "generator": config.to_dict(g), "discriminator": None}
    folder = checkpoint.write(
        tmp_path / "000000", config=described, generator=g.build(), discriminator=None, card=""
    )
    plain, moved, again = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    assert run(["sample", str(folder), "--seeds", "1-2", "--out", str(plain)]) == 0
    options = ["--seeds", "1-2", "--translate", "0.25,0", "--rotate", "20"]
    assert run(["sample", str(folder), *options, "--out", str(moved)]) == 0
    with Image.open(plain) as a, Image.open(moved) as b:
        assert a.tobytes() != b.tobytes()
    assert run(["sample", str(folder), "--like", str(moved), "--out", str(again)]) == 0
    assert again.read_bytes() == moved.read_bytes()
    assert run(["sample", model, "--rotate", "20", "--out", str(tmp_path / "d.png")]) == 2
    assert "a stylegan2 generator cannot be moved or turned" in capsys.readouterr().err
