"""`gan sample` end to end on a tiny checkpoint: what is written, what is said, what is refused."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import gan
from gan import config
from gan.cli.main import main
from gan.images import to_pil
from gan.models import checkpoint
from gan.networks import sngan
from gan.networks.mapping import MappingConfig
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig

CLASSES = ["cat", "dog", "0"]


def run(arguments: list[str]) -> int:
    """Exit code of `gan` with these arguments."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return stopped.value.code


def make_model(folder: Path, c_dim: int) -> Path:
    """A checkpoint of an untrained 16x16 model, conditional on CLASSES where c_dim is not 0."""
    torch.manual_seed(0)
    mapping = MappingConfig(layers=2)
    small = {"resolution": 16, "c_dim": c_dim, "channel_base": 128, "channel_max": 8, "mapping": mapping}
    g, d = GeneratorConfig(z_dim=8, w_dim=8, **small), DiscriminatorConfig(**small)
    return checkpoint.write(
        folder,
        config={
            "kimg": 0.0,
            "generator": config.to_dict(g),
            "discriminator": config.to_dict(d),
            "run": {},
            "data": {"name": "none", "sha256": "", "classes": CLASSES[:c_dim], "licence": ""},
        },
        generator=g.build(),
        discriminator=d.build(),
        training_tensors={},
        training_state={},
        card="",
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(make_model(tmp_path_factory.mktemp("plain") / "checkpoints" / "000000", c_dim=0))


@pytest.fixture(scope="module")
def conditional(tmp_path_factory) -> str:
    return str(make_model(tmp_path_factory.mktemp("conditional") / "checkpoints" / "000000", c_dim=3))


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_a_folder_holds_one_file_per_seed(model, tmp_path, capsys):
    out = tmp_path / "new" / "samples"
    assert run(["sample", model, "--seeds", "7,0-2", "--psi", "0.7", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [f"seed{seed:04d}.png" for seed in (0, 1, 2, 7)]
    printed = capsys.readouterr()
    assert printed.out == f"wrote 4 images to {out}/seed0007.png ... seed0002.png\n"
    assert printed.err == ""
    generator = gan.load(model)
    expected = next(gan.sampling.images(generator, [7], psi=0.7))[0]
    assert abs(pixels(out / "seed0007.png") - np.asarray(to_pil(expected)).astype(int)).max() <= 1


def test_a_run_directory_means_its_newest_checkpoint(model, tmp_path):
    run_directory = Path(model).parent.parent
    assert run(["sample", str(run_directory), "--seeds", "0", "--out", str(tmp_path / "a")]) == 0


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_a_still_suffix_makes_one_grid(model, tmp_path, capsys, suffix):
    out = tmp_path / f"grid{suffix}"
    assert run(["sample", model, "--seeds", "0-4", "--columns", "3", "--out", str(out)]) == 0
    assert pixels(out).shape == (2 * (64 + 14 + 2) + 2, 3 * (64 + 2) + 2, 3)
    assert capsys.readouterr().out == f"wrote a grid of 5 images to {out}\n"


@pytest.mark.parametrize("space", ["w", "z"])
def test_a_gif_loops_through_the_seeds(model, tmp_path, capsys, space):
    out = tmp_path / "walk.gif"
    arguments = ["--seeds", "1,2", "--frames-per-seed", "3", "--fps", "20", "--space", space]
    assert run(["sample", model, *arguments, "--out", str(out)]) == 0
    with Image.open(out) as video:
        assert (video.n_frames, video.size, video.info["duration"], video.info["loop"]) == (
            6,
            (256, 256),
            50,
            0,
        )
    assert capsys.readouterr().out == f"wrote a looped video of 6 frames to {out}\n"


def test_a_model_without_styles_walks_among_its_latents(tmp_path, capsys):
    g, d = (kind(resolution=16, width=4) for kind in (sngan.GeneratorConfig, sngan.DiscriminatorConfig))
    described = {"kimg": 0.0, "generator": config.to_dict(g), "discriminator": config.to_dict(d)}
    networks = {"generator": g.build(), "discriminator": d.build()}
    folder = checkpoint.write(tmp_path / "000000", config=described, card="", **networks)
    command = ["sample", str(folder), "--seeds", "0-1", "--frames-per-seed", "2", "--out"]
    assert run([*command, str(tmp_path / "walk.gif")]) == 0
    assert "a looped video of 4 frames" in capsys.readouterr().out
    assert run([*command, str(tmp_path / "walk.gif"), "--space", "w"]) == 2
    assert "cannot walk in space 'w'; use z" in capsys.readouterr().err


def test_mp4_without_its_library_says_what_to_do(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert run(["sample", "no-model", "--out", str(tmp_path / "walk.mp4")]) == 1
    assert (
        'mp4 needs imageio-ffmpeg; in the project\'s folder: pip install -e ".[video]"; or give a .gif'
        in capsys.readouterr().err
    )


def test_mp4(model, tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg", reason="pip install imageio-ffmpeg")
    out = tmp_path / "walk.mp4"
    arguments = ["--seeds", "1,2", "--frames-per-seed", "3", "--fps", "10"]
    assert run(["sample", model, *arguments, "--out", str(out)]) == 0
    assert ffmpeg.count_frames_and_secs(out) == (6, pytest.approx(0.6))


def test_classes_by_name_by_number_and_drawn(conditional, tmp_path):
    def sample(name: str, *options: str) -> list[np.ndarray]:
        assert run(["sample", conditional, "--seeds", "0-7", *options, "--out", str(tmp_path / name)]) == 0
        return [pixels(path) for path in sorted((tmp_path / name).iterdir())]

    dogs, drawn = sample("name", "--class", "dog"), sample("drawn")
    assert np.array_equal(sample("number", "--class", "1"), dogs)
    assert not np.array_equal(sample("cats", "--class", "cat"), dogs)
    assert not np.array_equal(sample("other", "--seed", "5"), drawn)
    labels = gan.sampling.labels_from_seeds(range(8), 3)
    for i, label in enumerate(labels):
        assert np.array_equal(drawn[i], dogs[i]) == (label == 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "grid.tiff"], "cannot write '.tiff'; use a folder, or one of .png"),
        (["--out", "a", "--seeds", "5-"], "'5-' is no number or range"),
        (["--out", "a", "--class", "cat"], "this model has no classes"),
        (["--out", "a", "--condition", "0.1,0.2"], "takes no conditions; leave the condition out"),
        (["--out", "a.png", "--walks", "2x1"], "--walks is for a video, and this --out makes a grid"),
        (["--out", "a.gif", "--walks", "2by1"], "--walks 2by1: write columns x rows, such as 4x2"),
        (["--out", "a", "--columns", "3"], "--columns is for a grid, and this --out makes a folder"),
        (["--out", "a.png", "--frames-per-seed", "3"], "--frames-per-seed is for a video"),
        (["--out", "a.gif", "--noise", "random", "--seeds", "0"], "would flicker"),
        (["--out", "a", "--device", "abacus"], "--device abacus"),
        (["--out", "a", "--noise", "some"], "'some' is not one of"),
        ([], "Missing option '--out'"),
    ],
)
def test_wrong_usage_is_one_line_and_leaves_nothing(model, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    assert run(["sample", model, *arguments]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert list(tmp_path.iterdir()) == []


def test_no_model_and_no_room(model, tmp_path, capsys):
    assert run(["sample", str(tmp_path / "none"), "--out", str(tmp_path / "a")]) == 1
    assert "no model at" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert run(["sample", model, "--seeds", "0", "--out", str(tmp_path / "file" / "a.png")]) == 1
    assert str(tmp_path / "file" / "a.png") in capsys.readouterr().err


def test_help_has_examples_and_defaults_and_loads_no_torch():
    script = (
        "import sys; from gan.cli.main import main\n"
        "try: main(['sample', '--help'])\n"
        "finally: print('torch' in sys.modules)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout
    assert printed.endswith("False\n")
    assert "gan sample runs/" in printed
    assert "[default: 0-63]" in printed
