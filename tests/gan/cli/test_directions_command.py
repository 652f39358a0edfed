"""`gan directions`, and `gan sample --direction`, as typed: what is written, said and refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import gan
from gan import config
from gan.cli.main import main
from gan.images import grid_size, labelled_cell
from gan.latents.drawn import Drawn
from gan.latents.pca import pca
from gan.latents.sefa import sefa
from gan.models import checkpoint, direction_files
from tests import official, snapshots
from tests.gan.latents.families import ALL

CLASSES = ["cat", "dog", "cow"]
IMPORTED = list(official.cases("net_sg2_g_ada.npz", "net_sg3_g.npz"))


def saved(folder: Path, name: str) -> str:
    """A checkpoint of an untrained generator of that name."""
    torch.manual_seed(0)
    wanted = ALL[name]
    data = {"kimg": 0.0, "generator": config.to_dict(wanted), "discriminator": None, "run": {}}
    data["data"] = {"name": "none", "sha256": "", "classes": CLASSES[: wanted.c_dim], "licence": ""}
    path = folder / "checkpoints" / "000000"
    checkpoint.write(path, config=data, generator=wanted.build(), discriminator=None, card="")
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return saved(tmp_path_factory.mktemp("plain"), "stylegan2")


@pytest.fixture(scope="module")
def conditional(tmp_path_factory) -> str:
    return saved(tmp_path_factory.mktemp("conditional"), "stylegan2 conditional rectangular")


@pytest.fixture(scope="module")
def sefa_file(model, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("file") / "sefa.safetensors"
    direction_files.save(sefa(gan.load(model), 3), path)
    return str(path)


def run(*arguments, code=0) -> str:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def cells(path: Path, columns: int, height: int = 64, width: int = 64) -> np.ndarray:
    """Pictures of a labelled grid, [rows, columns, H, W, 3]."""
    tall = labelled_cell(16, 16)[0] if height == 64 else height + 14
    picture = pixels(path)[2:, 2:]
    rows = picture.shape[0] // (tall + 2)
    parts = [
        [picture[r * (tall + 2) :, c * (width + 2) :][:height, :width] for c in range(columns)]
        for r in range(rows)
    ]
    return np.array(parts)


def test_sefa_and_its_sheet(model, tmp_path):
    out, sheet = tmp_path / "a.safetensors", tmp_path / "a.png"
    options = ["--method", "sefa", "--count", 3, "--layers", "1-2", "--samples", 100, "--seed", 4]
    said = run("directions", model, *options, "--out", out, "--sheet", sheet)
    generator = gan.load(model)
    found = direction_files.read(out, generator)
    wanted = sefa(generator, 3, layers=(1, 3), drawn=Drawn(generator=generator, count=100, seed=4))
    assert torch.equal(found.vectors, wanted.vectors) and torch.equal(found.scales, wanted.scales)
    assert found.layers == ((1, 3),) * 3
    assert said.startswith(f"  0  sefa0  1 std = {wanted.scales[0]:.3g}  explains {wanted.explained[0]:.1%}")
    assert said.endswith(f"wrote 3 directions in w to {out}, {sheet}\n")
    assert pixels(sheet).shape[:2] == grid_size(15, *labelled_cell(16, 16), 5)
    pictures = cells(sheet, 5)
    own = np.asarray(gan.sample(generator, [4])[0].permute(1, 2, 0)).repeat(4, 0).repeat(4, 1)
    for row in pictures:
        assert abs(row[2] - own).max() <= 1  # the middle is the image of --seed itself
        assert all(abs(row[i] - row[i + 1]).max() > 0 for i in range(4))


def test_pca_of_a_layer_as_json(model, tmp_path):
    out = tmp_path / "a.safetensors"
    options = ["--method", "pca", "--features", "b8", "--samples", 90, "--count", 2, "--seed", 3]
    said = json.loads(run("directions", model, *options, "--out", out, "--json"))
    generator = gan.load(model)
    wanted = pca(generator, 2, features_of="b8", drawn=Drawn(generator=generator, count=90, seed=3))
    assert torch.equal(direction_files.read(out).vectors, wanted.vectors)
    assert said["names"] == ["pca0", "pca1"] and said["about"]["features"] == "b8"
    assert said["explained"] == wanted.explained.tolist() and said["model"] == wanted.model


def test_components_of_styles_move_pictures(model, tmp_path):
    out, grid = tmp_path / "a.safetensors", tmp_path / "a.png"
    options = ["--method", "pca", "--space", "s", "--layers", "1-1", "--samples", 90, "--count", 2]
    assert "wrote 2 directions in s" in run("directions", model, *options, "--out", out)
    found = direction_files.read(out)
    assert [layer for layer, _ in found.channels] == ["b4.torgb", "b8.conv0"]
    line = ["--seeds", 6, "--direction", f"{out}:1", "--range", "-2..2", "--columns", 3, "--out", grid]
    run("sample", model, *line)
    low, middle, high = cells(grid, 3)[0]
    own = np.asarray(gan.sample(gan.load(model), [6])[0].permute(1, 2, 0)).repeat(4, 0).repeat(4, 1)
    assert abs(middle - own).max() <= 1
    assert abs(low - middle).max() > 0 and abs(high - middle).max() > 0


def test_scores_of_ones_own_and_what_moves_with_them(model, tmp_path):
    (tmp_path / "own.py").write_text("def own(images): return -images.mean(dim=(1, 2, 3))\n")
    scores = ["--score", "brightness", "--score", f"{tmp_path}/own.py:own"]
    options = ["--method", "supervised", "--samples", 150, "--space", "s", "--layers", "2-5"]
    said = run("directions", model, *options, *scores, "--out", tmp_path / "a.safetensors")
    found = direction_files.read(tmp_path / "a.safetensors")
    assert found.names == ("brightness", "own") and found.space == "s"
    assert found.channels[0] == ("b8.conv1", 8)
    correlations = found.findings[0]["correlations"]
    assert correlations["own"] < -0.7 and {"warmth", "detail", "contrast"} <= correlations.keys()
    assert "linear: " in said and "moves with own -" in said
    run("directions", model, *options, *scores, "--fit", "logistic", "--out", tmp_path / "b.safetensors")
    assert direction_files.read(tmp_path / "b.safetensors").findings[0]["fit"] == "logistic"


def test_labels_of_seeds(conditional, tmp_path):
    generator = gan.load(conditional)
    seeds = range(100, 160)
    images = gan.sample(generator, seeds, seed=5).float()
    red = images[:, 0].mean(dim=(1, 2))
    lines = [
        f"{seed},{'red' if value > red.median() else 'pale'}" for seed, value in zip(seeds, red, strict=True)
    ]
    (tmp_path / "labels.csv").write_text("seed,colour\n" + "\n".join(lines))
    options = ["--method", "supervised", "--labels", tmp_path / "labels.csv", "--seed", 5]
    run("directions", conditional, *options, "--out", tmp_path / "a.safetensors")
    found = direction_files.read(tmp_path / "a.safetensors", generator)
    assert found.names == ("pale", "red") and torch.allclose(found.vectors[0], -found.vectors[1], atol=1e-3)
    assert found.about["samples"] == 60 and found.findings[0]["fit"] == "logistic"


def test_a_grid_has_a_row_of_steps_for_each_seed(model, sefa_file, tmp_path):
    out = tmp_path / "a.png"
    line = [
        "--seeds",
        "3,8",
        "--direction",
        f"{sefa_file}:1",
        "--range",
        "-2..4",
        "--columns",
        4,
        "--psi",
        0.7,
    ]
    said = run("sample", model, *line, "--out", out)
    assert said == f"wrote 1 file along {sefa_file}:1, -2..4, to {out}\n"
    pictures = cells(out, 4)
    assert pictures.shape[:2] == (2, 4)
    plain = gan.sample(gan.load(model), [3, 8], psi=0.7).permute(0, 2, 3, 1).numpy().astype(int)
    for row, own in zip(pictures, plain, strict=True):
        assert abs(row[1, ::4, ::4] - own).max() <= 1  # steps -2, 0, 2, 4
        assert abs(row[0, ::4, ::4] - own).max() > 2 < abs(row[3, ::4, ::4] - own).max()


def test_a_folder_has_a_file_for_each_step_by_the_name_of_the_direction(conditional, tmp_path):
    generator = gan.load(conditional)
    path = tmp_path / "a.safetensors"
    found = pca(generator, 2, drawn=Drawn(generator=generator, count=50))
    direction_files.save(dataclasses.replace(found, names=("a/../b", "pca1")), path)
    line = ["--seeds", 6, "--direction", f"{path}:pca1", "--range", "-1..1", "--class", "dog", "--columns", 3]
    with_columns = ["sample", conditional, *line, "--out", tmp_path / "out"]
    assert "--columns is for a grid" in run(*with_columns, code=2)
    run(*with_columns[:-4], "--out", tmp_path / "out")
    names = [f"seed0006-pca1{step}.png" for step in ("+0.5", "+0", "+1", "-0.5", "-1")]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == names
    plain = gan.sample(generator, [6], labels=[1])[0].permute(1, 2, 0).numpy()
    assert abs(pixels(tmp_path / "out" / names[1]) - plain).max() <= 1
    run("sample", conditional, "--seeds", 6, "--direction", f"{path}:0", "--out", tmp_path / "other")
    assert (tmp_path / "other" / "seed0006-a-..-b+3.png").is_file()  # a name is no path


def test_a_video_goes_there_and_back(model, sefa_file, tmp_path):
    out = tmp_path / "a.gif"
    line = ["--direction", f"{sefa_file}:0", "--range", "-3..3", "--frames-per-seed", 8, "--scale", 1]
    run("sample", model, "--seeds", "0,1", *line, "--out", out)
    with Image.open(out) as video:
        assert video.n_frames == 16
        frames = [np.asarray((video.seek(i), video.convert("RGB"))[1]).astype(int) for i in range(8)]
    assert abs(frames[1] - frames[7]).max() < 60 < abs(frames[0] - frames[4]).max()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--direction", "a.safetensors:0"], "there are no directions at a.safetensors"),
        (["--direction", "FILE"], "write the file and which of its directions"),
        (["--direction", "FILE:7"], "unknown direction '7'"),
        (["--direction", "FILE:0", "--range", "3..-3"], "--range 3..-3: write two numbers"),
        (["--direction", "FILE:0", "--range", "3"], "--range 3: write two numbers"),
        (["--direction", "FILE:0", "--range", "0..inf"], "write two numbers"),
        (["--range", "-3..3"], "--range -3..3 goes along a --direction"),
        (["--direction", "FILE:0", "--space", "z", "--out", "a.gif"], "--space is for a walk through seeds"),
        (
            ["--direction", "FILE:0", "--walks", "2x2", "--out", "a.gif"],
            "--walks is for a walk through seeds",
        ),
    ],
)
def test_what_cannot_be_drawn_along(model, sefa_file, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    typed = [option.replace("FILE", sefa_file) for option in options]
    result = CliRunner().invoke(main, ["sample", model, "--out", "a.png", *typed])
    assert result.exit_code in (1, 2) and message in result.stderr.replace(sefa_file, "FILE"), result.stderr
    assert len(result.stderr.splitlines()) == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.png", "a.gif", "folder"])
def test_what_went_along_a_direction_is_made_again(name, model, sefa_file, tmp_path):
    file = tmp_path / "mine.safetensors"
    file.write_bytes(Path(sefa_file).read_bytes())
    line = ["--seeds", "3,8", "--direction", f"{file}:1", "--range", "-2..4"]
    line += ["--frames-per-seed", 6] if name == "a.gif" else []
    run("sample", model, *line, "--out", tmp_path / name)
    first, again = tmp_path / name, tmp_path / f"again{Path(name).suffix or '.png'}"
    first = sorted(first.iterdir())[-1] if first.is_dir() else first
    run("sample", model, "--like", first, "--out", again)
    assert again.read_bytes() == first.read_bytes()
    direction_files.save(sefa(gan.load(model), 2), file)
    said = run("sample", model, "--like", first, "--out", again, code=1)
    assert f"{file} is not the file of directions that was drawn along" in said
    other = ["--direction", f"{file}:0", "--range", "-1..1"]
    run("sample", model, "--like", first, *other, "--out", again)
    assert again.read_bytes() != first.read_bytes()


def test_another_models_directions_are_refused(conditional, sefa_file, tmp_path):
    said = run("sample", conditional, "--direction", f"{sefa_file}:0", "--out", tmp_path / "a.png", code=1)
    assert f"{sefa_file} was made for another model" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--method sefa --score warmth", "--score is for supervised, not for sefa"),
        ("--method sefa --space w", "--space is for pca and supervised"),
        ("--method sefa --features b8", "--features is for pca"),
        ("--method sefa --labels a.csv", "--labels is for supervised"),
        ("--method pca --fit linear", "--fit is for supervised"),
        ("--method supervised --score warmth --count 3", "--count is for sefa and pca"),
        ("--method supervised", "supervised needs --labels FILE.csv, or --score"),
        ("--method supervised --labels a.csv --samples 50", "the seeds of --labels are the samples"),
        ("--method sefa --out a.png", "directions are written as .safetensors"),
        ("--method sefa --sheet a.gif", "--sheet a.gif: use one of .png"),
        ("--method sefa --layers 3-9", "layers 3 to 9 do not exist; this model has 0 to 5"),
        ("--method sefa --layers 3-x", "layers '3-x': write the first and the last"),
        ("--method pca --features b9", "unknown layer 'b9'"),
        ("--method pca --space s --features b8", "features are told back to w or z, not to styles"),
        ("--method pca --space z --layers 0-1", "layers belong to spaces w and s"),
    ],
)
def test_requests_that_make_no_sense(model, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["directions", model, "--out", "a.safetensors", *options.split()])
    assert result.exit_code == 2 and message in result.stderr, result.stderr
    assert not list(tmp_path.iterdir())


def test_a_model_without_w_has_directions_in_z(tmp_path):
    model = saved(tmp_path / "run", "r3gan conditional alpha")
    out = tmp_path / "a.safetensors"
    said = run("directions", model, "--method", "pca", "--samples", 60, "--count", 2, "--out", out)
    assert "wrote 2 directions in z" in said
    run(
        "sample",
        model,
        "--seeds",
        1,
        "--direction",
        f"{out}:0",
        "--class",
        "cow",
        "--out",
        tmp_path / "x",
        code=2,
    )
    run("sample", model, "--seeds", 1, "--direction", f"{out}:0", "--class", "dog", "--out", tmp_path / "x")
    assert len(list((tmp_path / "x").iterdir())) == 5
    said = run("directions", model, "--method", "sefa", "--out", out, code=2)
    assert "a r3gan generator has no style space s" in said


def imported(case):
    """The two of StyleGAN3 with the most layers are slow; others of their kinds are beside them."""
    return pytest.param(case, id=case.name, marks=[pytest.mark.slow] * case.name.endswith("_default"))


@pytest.mark.parametrize("case", [*map(imported, official.cases("net_sg2_g_ada.npz", "net_sg3_g.npz"))])
def test_an_imported_model_is_one_like_any_other(tmp_path, case):
    ada = case.meta["repo"] == "ada"
    data = snapshots.snapshot({"G_ema": official.network(case)}, 4, ada=ada)
    (tmp_path / "network.pkl").write_bytes(data)
    run("convert", tmp_path / "network.pkl", "--out", tmp_path / "model")
    out = tmp_path / "a.safetensors"
    for options in (["sefa", "--count", 2], ["pca", "--count", 2], ["supervised", "--score", "contrast"]):
        run("directions", tmp_path / "model", "--samples", 40, "--method", *options, "--out", out)
        run(
            "sample", tmp_path / "model", "--seeds", 0, "--direction", f"{out}:0", "--out", tmp_path / "steps"
        )
    assert len(list((tmp_path / "steps").iterdir())) == 15
