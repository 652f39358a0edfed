"""The sampling job as a notebook calls it: tensors without `out`, else the files, whose paths it returns."""

import numpy as np
import pytest
import torch
from PIL import Image

import gan
from gan import sampling
from gan.errors import UsageError, UserError
from gan.images import grid_size, labelled_cell, labelled_grid
from gan.jobs.sampling import sample
from gan.jobs.sampling.labels import captions, class_index
from gan.jobs.sampling.outputs import fitting
from tests.gan.cli.test_sample import CLASSES, make_model


@pytest.fixture(scope="module")
def conditional(tmp_path_factory):
    """A run whose model knows CLASSES."""
    return make_model(tmp_path_factory.mktemp("run") / "checkpoints" / "000000", c_dim=3).parent.parent


def test_images_are_those_of_the_seeds(tiny_generator):
    images = sample(tiny_generator, "3,5-6", psi=0.7)
    assert images.dtype == torch.uint8 and images.device.type == "cpu"
    assert torch.equal(images, torch.cat(list(sampling.images(tiny_generator, [3, 5, 6], psi=0.7))))
    assert torch.equal(sample(tiny_generator, range(5, 7), psi=0.7), images[1:])


def test_a_class_by_name_by_number_and_one_for_each(conditional):
    cats, dogs = (sample(conditional, [1, 2], labels=name, device="cpu") for name in ("cat", "dog"))
    assert torch.equal(sample(str(conditional), [1, 2], labels=1, device="cpu"), dogs)
    assert torch.equal(sample(conditional, [1, 2], labels=[0, 1]), torch.stack([cats[0], dogs[1]]))
    assert not torch.equal(sample(conditional, range(8), seed=1), sample(conditional, range(8), seed=2))


def test_written_paths(tiny_generator, tmp_path):
    paths = sample(tiny_generator, [7, 2, 7], out=tmp_path / "new")
    assert paths == [tmp_path / "new" / "seed0007.png", tmp_path / "new" / "seed0002.png"]
    shown = np.asarray(Image.open(paths[1]).convert("RGB"))
    assert np.array_equal(shown, sample(tiny_generator, [2])[0].permute(1, 2, 0).numpy())
    assert sample(tiny_generator, [7], out=str(tmp_path / "grid.webp")) == [tmp_path / "grid.webp"]
    [walk] = sample(tiny_generator, [7, 8], out=tmp_path / "walk.gif", frames_per_seed=2)
    with Image.open(walk) as video:
        assert video.n_frames == 4


def test_another_class_does_not_overwrite_the_first(conditional, tmp_path):
    for name in ("cat", "dog"):
        [path] = sample(conditional, [7], labels=name, out=tmp_path)
        assert path == tmp_path / f"seed0007-{name}.png" and path.is_file()


@pytest.mark.parametrize("name", ["psi0.7", "v1.x/", "some"])
def test_names_that_are_no_files_are_folders(name, tiny_generator, tmp_path):
    [path] = sample(tiny_generator, [7], out=f"{tmp_path}/{name}")
    assert path == tmp_path / name / "seed0007.png" and path.is_file()


@pytest.mark.parametrize(("height", "width", "columns"), [(8, 16, 2), (70, 80, None)])
def test_the_size_of_a_grid_is_known_before(height, width, columns):
    drawn = labelled_grid(torch.zeros(5, 3, height, width, dtype=torch.uint8), ["x"] * 5, columns)
    assert grid_size(5, *labelled_cell(height, width), columns) == drawn.shape[1:]


def test_a_picture_too_large_for_its_format_is_refused_before_it_is_drawn(tiny_generator, tmp_path):
    with pytest.raises(UsageError, match=r"a.webp: 68x16402 pixels, and .webp holds 16383 a side; take a"):
        sample(tiny_generator, range(205), out=tmp_path / "a.webp", columns=1)
    assert not list(tmp_path.iterdir())
    for name, width, fits in (("a.webp", 16_383, True), ("a.jpeg", 65_501, False), ("a.gif", 65_536, False)):
        frames = iter([torch.empty(3, 1, width, dtype=torch.uint8), "rest"])
        if fits:
            assert len(list(fitting(tmp_path / name, frames))) == 2
        else:
            with pytest.raises(UsageError, match="take a .png"):
                fitting(tmp_path / name, frames)
            assert list(frames) == ["rest"]


def test_images_of_broken_weights_come_with_a_warning(tmp_path):
    folder = make_model(tmp_path / "000000", c_dim=0)
    broken = gan.load(folder)
    next(broken.synthesis.parameters()).data.fill_(float("nan"))
    with pytest.warns(UserWarning, match=r"1 of \d+ tensors of the network hold NaN or infinity: the images"):
        sample(broken, [0])


def test_mistakes(tiny_generator, conditional, tmp_path):
    for error, words, arguments in (
        (UsageError, "no seeds", (tiny_generator, [])),
        (UsageError, "no number or range", (tiny_generator, "5-")),
        (UsageError, "no classes", (tiny_generator, [0], "cat")),
        (UsageError, "2 classes for 1 seeds", (conditional, [0], [1, 2])),
        (UsageError, "class 3 does not exist", (conditional, [0], 3)),
        (UserError, "no model at", (tmp_path / "none", [0])),
    ):
        model, seeds, *labels = arguments
        with pytest.raises(error, match=words):
            sample(model, seeds, labels=labels[0] if labels else None)


def test_the_number_of_a_class_yields_to_its_name():
    assert class_index("0", CLASSES, 3) == 2
    assert class_index("2", [], 3) == 2
    with pytest.raises(UsageError, match="did you mean 'cat'"):
        class_index("cta", CLASSES, 3)
    with pytest.raises(UsageError, match="unknown class '3'"):
        class_index("3", CLASSES, 3)


def test_captions_name_the_class():
    assert captions([7, 8], None, []) == ["7", "8"]
    assert captions([7, 8], [1, 2], ["cat", "dog"]) == ["7 dog", "8 2"]
    assert captions([7, 8], [1, 0], ["cat", "dog", "eel"]) == ["7 dog", "8 cat"]


def test_every_look_reaches_stills_and_frames(tiny_generator, tmp_path, monkeypatch):
    seen = []

    def drawn(generator, seeds, **options):
        seen.append(options)
        yield torch.zeros(len(seeds), 3, 16, 16, dtype=torch.uint8)

    monkeypatch.setattr(sampling, "images", drawn)
    monkeypatch.setattr(sampling, "frames", drawn)
    look = {"psi": 0.5, "psi_cutoff": 3, "noise": "none"}
    asked = look.copy()
    sample(tiny_generator, [1, 2], seed=7, **asked)
    look["changes"] = sampling.Changes()
    assert seen[0] == {"labels": None, "noise_seed": 7, **look}
    for space in ("z", "w"):
        sample(tiny_generator, [1], out=tmp_path / "a.gif", space=space, frames_per_seed=1, **asked)
        assert seen[-1] == {"labels": None, "steps": 1, "space": space, "kind": None, **look}
    sample(tiny_generator, [1], out=tmp_path / "a.gif", frames_per_seed=1)
    assert seen[-1]["space"] == "w"


@pytest.mark.parametrize(("fps", "milliseconds"), [(10, 100), (100, 20)])
def test_frames_a_second(fps, milliseconds, tiny_generator, tmp_path):
    """A GIF counts in 1/100 s, and viewers slow down at one of them."""
    [walk] = sample(tiny_generator, [1, 2], out=tmp_path / "a.gif", frames_per_seed=2, fps=fps)
    with Image.open(walk) as video:
        assert video.info["duration"] == milliseconds


def test_columns_of_a_grid(tiny_generator, tmp_path):
    sizes = []
    for columns in (1, 4):
        [path] = sample(tiny_generator, range(4), out=tmp_path / "a.png", columns=columns)
        with Image.open(path) as image:
            sizes.append(image.width > image.height)
    assert sizes == [False, True]
