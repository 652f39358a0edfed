"""Files of directions: what is written comes back; another model's, and damaged ones, are refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from gan.errors import UserError
from gan.latents.directions import Directions
from gan.models import direction_files
from gan.networks.base import digest
from tests.gan.latents.families import built


def made(generator, space="w"):
    return Directions(
        method="supervised",
        space=space,
        vectors=torch.eye(3, 8),
        scales=torch.tensor([1.0, 2, 3]),
        names=("warm/cold", "b", "c"),
        model=digest(generator),
        layers=((0, 2), (1, 6), (5, 6)) if space == "w" else (),
        explained=torch.tensor([0.5, 0.25, 0.1]) if space == "w" else None,
        channels=(("b4.conv1", 6), ("b4.torgb", 2)) if space == "s" else (),
        findings=({"accuracy": 0.5, "correlations": {"x": None}}, {}, {}),
        about={"samples": 7, "layers": ["b4"]},
    )


@pytest.mark.parametrize("space", ["w", "s", "z"])
def test_what_is_written_comes_back(tmp_path, space):
    generator = built("stylegan2")
    written, path = made(generator, space), tmp_path / "new" / "a.safetensors"
    direction_files.save(written, path)
    found = direction_files.read(path, generator)
    for name in ("method", "space", "names", "model", "layers", "channels", "findings", "about"):
        assert getattr(found, name) == getattr(written, name), name
    for name in ("vectors", "scales"):
        assert torch.equal(getattr(found, name), getattr(written, name))
    same = found.explained is written.explained is None or torch.equal(found.explained, written.explained)
    assert same and [file.name for file in path.parent.iterdir()] == ["a.safetensors"]
    assert path.stat().st_mode & 0o044


def test_another_models_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    direction_files.save(made(built("stylegan2")), path)
    with pytest.raises(UserError, match=f"^{path} was made for another model .*with gan directions"):
        direction_files.read(path, built("stylegan2 alpha"))
    assert len(direction_files.read(path)) == 3  # whose it is, is not asked


def written_with(path, **changes):
    """A file whose header differs by these entries; None leaves one out."""
    direction_files.save(made(built("stylegan2")), path)
    tensors = load_file(path)
    from safetensors import safe_open

    with safe_open(path, "pt") as opened:
        header = json.loads(opened.metadata()["directions"])
    header = {key: value for key, value in (header | changes).items() if value is not None}
    save_file(tensors, path, {"directions": json.dumps(header)})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": 9}, "format is 9"),
        ({"format": None}, "'format'"),
        ({"method": "magic"}, "unknown method 'magic'"),
        ({"space": "v"}, "space 'v'"),
        ({"names": ["a", "b"]}, "for 2 names"),
        ({"names": None}, "'names'"),
        ({"names": ["a"] * 10_001}, "10001 directions, more than 10000"),
        ({"layers": [[0, 1], [1, 1], [0, 1]]}, "a range of layers is empty"),
        ({"layers": [[0, -1]] * 3}, "-1 is no number"),
        ({"layers": 7}, "not iterable"),
        ({"channels": [["b4", 8]]}, "channels to space s"),
        ({"findings": [1, 2, 3]}, "not iterable"),
        ({"about": 7}, "not iterable"),
    ],
)
def test_a_damaged_header_is_refused_in_one_line(tmp_path, changes, reason):
    path = tmp_path / "a.safetensors"
    written_with(path, **changes)
    with pytest.raises(UserError) as caught:
        direction_files.read(path)
    text = str(caught.value)
    assert text.startswith(f"{path} is damaged (") and reason in text and "\n" not in text


def test_names_of_strangers_are_printable(tmp_path):
    written_with(tmp_path / "a.safetensors", names=["a\x1b[31m", "b", "c"])
    assert direction_files.read(tmp_path / "a.safetensors").names[0].isprintable()


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(UserError, match=f"no directions at {path}"):
        direction_files.read(path)
    save_file({"vectors": torch.eye(2)}, path)
    with pytest.raises(UserError, match=f"{path} holds no directions"):
        direction_files.read(path)
    save_file({"vectors": torch.eye(2)}, path, {"directions": "{"})
    with pytest.raises(UserError, match=f"{path} is damaged"):
        direction_files.read(path)
    path.write_bytes(b"\x80\x04]q\x00.")
    with pytest.raises(UserError, match=str(path)):
        direction_files.read(path)
    direction_files.save(made(built("stylegan2")), path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=f"{path} is cut short"):
        direction_files.read(path)


def test_a_huge_file_is_not_opened(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    direction_files.save(made(built("stylegan2")), path)
    monkeypatch.setattr(direction_files, "LARGEST", 100)
    with pytest.raises(UserError, match="more than directions need"):
        direction_files.read(path)
