"""Checkpoints: what is written comes back, damage is named, a killed writer leaves nothing to trip over."""

import json
import os
import shutil
import signal
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from torch import nn

import gan
from gan import files
from gan.errors import CheckpointError, UserError
from gan.files import sha256
from gan.models import checkpoint
from gan.networks import ARCHITECTURES, Architecture
from tests.gan import forked

FILES = {f"{name}.safetensors" for name in ("generator", "discriminator", "training")}
FILES |= {"config.json", "training.json", "card.md", "manifest.json"}


class Toy(nn.Module):
    """One layer and one buffer, enough to be saved."""

    def __init__(self, width):
        super().__init__()
        self.fc = nn.Linear(width, 2)
        self.register_buffer("w_avg", torch.randn(width))


@dataclass(frozen=True, kw_only=True)
class ToyConfig:
    type: Literal["toy"] = "toy"
    width: int = 3

    def build(self):
        return Toy(self.width)


@pytest.fixture(autouse=True)
def toy_architecture(monkeypatch):
    monkeypatch.setitem(ARCHITECTURES, "toy", Architecture(ToyConfig, ToyConfig))


def save(folder, *, kimg=200.0, width=3):
    """A checkpoint of toy networks; returns what went in."""
    networks = {"generator": Toy(width), "discriminator": Toy(width)}
    given = {
        "config": {
            "kimg": kimg,
            "generator": {"type": "toy", "width": width},
            "discriminator": {"type": "toy", "width": width},
            "data": {"name": "shapes", "classes": ["disc", "square"]},
        },
        "training_tensors": {
            "turned": torch.arange(6.0).reshape(2, 3).t(),
            "part": torch.arange(6)[2:4],
            "step": torch.tensor(7),
            "rng": torch.arange(4, dtype=torch.uint8),
        },
        "training_state": {"nimg": 200_000, "p": 0.25, "name": "Größe"},
    }
    checkpoint.write(folder, **networks, **given, card="# Model\n")
    return networks, given


def flip_byte(path, at=-1):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_what_is_written_comes_back(tmp_path):
    networks, given = save(tmp_path / "000200")
    assert {path.name for path in (tmp_path / "000200").iterdir()} == FILES
    saved = checkpoint.read(tmp_path / "000200")
    assert saved.path == tmp_path / "000200"
    assert saved.kimg == 200.0
    assert saved.config == {"format": 1, "gan": gan.__version__, **given["config"]}
    for role, network in networks.items():
        loaded = getattr(saved, role)()
        torch.testing.assert_close(loaded.state_dict(), network.state_dict(), rtol=0, atol=0)
        assert not loaded.training
        assert not any(parameter.requires_grad for parameter in loaded.parameters())
    tensors, state = saved.training()
    assert state == given["training_state"]
    torch.testing.assert_close(tensors, given["training_tensors"], rtol=0, atol=0)


def test_manifest_lists_size_and_sha256_of_every_other_file(tmp_path):
    save(tmp_path / "000200")
    manifest = json.loads((tmp_path / "000200" / "manifest.json").read_text())
    assert manifest["format"] == 1
    assert manifest["files"].keys() == FILES - {"manifest.json"}
    for name, entry in manifest["files"].items():
        path = tmp_path / "000200" / name
        assert entry == {"sha256": sha256(path), "size": path.stat().st_size}
        assert path.stat().st_mode == (path.parent / "manifest.json").stat().st_mode  # none is private


def test_loading_leaves_the_random_state_alone(tmp_path):
    save(tmp_path / "000200")
    before = torch.get_rng_state()
    checkpoint.read(tmp_path / "000200").generator()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_missing_file_is_named_with_the_newest_good_checkpoint(tmp_path, name):
    for kimg in (100, 200, 300):
        save(tmp_path / "checkpoints" / checkpoint.folder_name(kimg * 1000), kimg=kimg)
    (tmp_path / "checkpoints" / "000300" / name).unlink()
    with pytest.raises(CheckpointError) as caught:
        checkpoint.read(tmp_path / "checkpoints" / "000300")
    assert f"000300 is damaged: {name} is missing; " in str(caught.value)
    assert str(caught.value).endswith(f"beside it is {tmp_path / 'checkpoints' / '000200'}")


@pytest.mark.parametrize("name", sorted(FILES - {"manifest.json"}))
def test_damage_of_one_bit_and_truncation_are_found(tmp_path, name):
    save(tmp_path / "000200")
    path = tmp_path / "000200" / name
    flip_byte(path)
    with pytest.raises(CheckpointError, match=rf"{name} differs from its sha256; there is no good one"):
        checkpoint.read(tmp_path / "000200")
    size = path.stat().st_size
    os.truncate(path, size - 1)
    with pytest.raises(CheckpointError, match=rf"{name} has {size - 1} of {size} bytes"):
        checkpoint.read(tmp_path / "000200")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "manifest.json is not JSON"),
        ("[]", "manifest.json is not a JSON object"),
        ('{"files": {}}', "manifest.json: format is missing"),
        ('{"format": 2, "files": {}}', "manifest.json: format is 2, this version reads only 1"),
        ('{"format": 1}', "manifest.json lists too few files"),
        ('{"format": 1, "files": {"card.md": {}}}', "manifest.json lists too few files"),
        (
            '{"format": 1, "files": {"config.json": 3, "generator.safetensors": {}}}',
            "manifest.json says nothing about config.json",
        ),
    ],
)
def test_bad_manifest(tmp_path, text, message):
    save(tmp_path / "000200")
    (tmp_path / "000200" / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.read(tmp_path / "000200")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        ({"type": "toy", "width": 4}, "w_avg is [3], the network has [4]; fc.weight is [2, 3], "),
        ({"type": "toy", "wdth": 3}, "unknown key 'generator.wdth'; did you mean 'generator.width'?"),
        ({"type": "toi"}, "unknown architecture 'toi'; did you mean 'toy'?"),
        (None, "generator.type is missing"),
    ],
)
def test_config_that_does_not_fit_is_one_clear_error(tmp_path, generator, message):
    networks, given = save(tmp_path / "000200")
    given["config"]["generator"] = generator
    checkpoint.write(tmp_path / "000200", **networks, **given, card="")
    with pytest.raises(CheckpointError) as caught:
        checkpoint.read(tmp_path / "000200").generator()
    assert message in str(caught.value)
    assert str(tmp_path / "000200") in str(caught.value)
    assert caught.value.exit_code == 1


def test_missing_and_foreign_weights_are_named_together(tmp_path):
    networks, given = save(tmp_path / "000200")
    networks["generator"].fc = nn.Linear(3, 2, bias=False)
    networks["generator"].register_buffer("spare", torch.zeros(1))
    checkpoint.write(tmp_path / "000300", **networks, **given, card="")
    with pytest.raises(CheckpointError, match=r"fc\.bias is missing; spare is not part of the network$"):
        checkpoint.read(tmp_path / "000300").generator()


def test_checkpoint_for_sampling_only(tmp_path):
    save(tmp_path / "converted")
    folder = tmp_path / "converted"
    manifest = json.loads((folder / "manifest.json").read_text())
    for name in ("discriminator.safetensors", "training.safetensors", "training.json"):
        del manifest["files"][name]
        (folder / name).unlink()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    saved = checkpoint.read(folder)
    assert isinstance(saved.generator(), Toy)
    with pytest.raises(CheckpointError, match=r"has no discriminator\.safetensors"):
        saved.discriminator()
    with pytest.raises(CheckpointError, match=r"has no training\.safetensors"):
        saved.training()


def test_folder_names_sort_and_parse():
    assert checkpoint.folder_name(0) == "000000"
    assert checkpoint.folder_name(200_000) == "000200"
    assert checkpoint.folder_name(200_512) == "000200.512"
    assert checkpoint.folder_name(1_001) == "000001.001"


def test_newest_goes_by_kimg_and_ignores_other_names(tmp_path):
    folders = ["000002", "000010", "000009.500", ".tmp-000300-1", "000400.5", "000500x", "best"]
    assert checkpoint.newest(tmp_path) is None
    for name in folders:
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
    (tmp_path / "checkpoints" / "000600").write_text("a file")
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoints" / "000010"
    shutil.rmtree(tmp_path / "checkpoints" / "000010")
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoints" / "000009.500"


def test_newest_good_reports_what_it_passed_over(tmp_path):
    assert checkpoint.newest_good(tmp_path) == (None, [])
    for kimg in (1, 2, 3):
        save(tmp_path / "checkpoints" / checkpoint.folder_name(kimg * 1000), kimg=kimg)
    flip_byte(tmp_path / "checkpoints" / "000003" / "training.safetensors")
    good, damaged = checkpoint.newest_good(tmp_path)
    assert good == tmp_path / "checkpoints" / "000002"
    [(path, reason)] = damaged
    assert path == tmp_path / "checkpoints" / "000003"
    assert "training.safetensors differs from its sha256" in reason


def test_resolve(tmp_path, monkeypatch):
    run = tmp_path / "00000-demo"
    save(run / "checkpoints" / "000001", kimg=1)
    save(run / "checkpoints" / "000002", kimg=2)
    save(tmp_path / "converted")
    newest = run / "checkpoints" / "000002"
    assert checkpoint.resolve(run) == checkpoint.resolve(str(run / "checkpoints")) == newest
    assert checkpoint.resolve(newest) == newest
    assert checkpoint.resolve(tmp_path / "converted") == tmp_path / "converted"
    (newest / "manifest.json").unlink()
    assert checkpoint.resolve(newest) == newest  # damaged, which is for read to say
    monkeypatch.chdir(newest)
    assert checkpoint.resolve(".").resolve() == newest.resolve()
    with pytest.raises(CheckpointError, match=rf"beside it is .*{run.name}/checkpoints/000001"):
        checkpoint.read(".")


def test_resolve_says_what_is_wrong(tmp_path):
    with pytest.raises(UserError, match=r"no model at .*absent"):
        checkpoint.resolve(tmp_path / "absent")
    with pytest.raises(UserError, match="neither a run"):
        checkpoint.resolve(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(UserError, match="has no checkpoint yet"):
        checkpoint.resolve(tmp_path)
    save(tmp_path / "000200")
    with pytest.raises(UserError, match=r"is a file: give the checkpoint directory, .*000200"):
        checkpoint.resolve(tmp_path / "000200" / "generator.safetensors")


def test_gan_load_takes_a_run_and_refuses_a_damaged_newest_checkpoint(tmp_path):
    old, _ = save(tmp_path / "checkpoints" / "000001", kimg=1)
    new, _ = save(tmp_path / "checkpoints" / "000002", kimg=2)
    assert torch.equal(gan.load(tmp_path).fc.weight, new["generator"].fc.weight)
    assert torch.equal(gan.load_discriminator(tmp_path).fc.weight, new["discriminator"].fc.weight)
    flip_byte(tmp_path / "checkpoints" / "000002" / "generator.safetensors")
    with pytest.raises(CheckpointError, match=r"newest good one beside it is .*000001"):
        gan.load(tmp_path)
    assert torch.equal(gan.load(tmp_path / "checkpoints" / "000001").fc.weight, old["generator"].fc.weight)


def test_stylegan2_networks_survive_bit_for_bit(tmp_path, tiny_generator, tiny_discriminator):
    from gan.config import to_dict

    config = {
        "kimg": 0.512,
        "generator": to_dict(tiny_generator.config),
        "discriminator": to_dict(tiny_discriminator.config),
    }
    folder = checkpoint.write(
        tmp_path / checkpoint.folder_name(512),
        config=config,
        generator=tiny_generator,
        discriminator=tiny_discriminator,
        training_tensors={},
        training_state={},
        card="",
    )
    z = gan.latents.z_from_seeds([0, 1], 8)
    images = gan.load(folder)(z)
    torch.testing.assert_close(images, tiny_generator(z), rtol=0, atol=0)
    logits = gan.load_discriminator(folder)(images)
    torch.testing.assert_close(logits, tiny_discriminator.eval()(images), rtol=0, atol=0)


def test_writing_again_replaces_the_whole(tmp_path):
    save(tmp_path / "000200", width=3)
    (tmp_path / "000200" / "extra").write_text("")
    save(tmp_path / "000200", width=5)
    assert checkpoint.read(tmp_path / "000200").config["generator"]["width"] == 5
    assert [path.name for path in tmp_path.iterdir()] == ["000200"]
    assert {path.name for path in (tmp_path / "000200").iterdir()} == FILES


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    networks, given = save(tmp_path / "000200")
    given["training_state"] = {"not": {"JSON"}}
    with pytest.raises(TypeError):
        checkpoint.write(tmp_path / "000300", **networks, **given, card="")
    assert [path.name for path in tmp_path.iterdir()] == ["000200"]


def killed_when_the_weights_are_on_the_disk(target):
    files.sha256 = lambda path: os.kill(os.getpid(), signal.SIGKILL)
    save(target, kimg=2)


@forked.forks
def test_a_killed_writer_leaves_a_temporary_that_nobody_reads(tmp_path):
    save(tmp_path / "checkpoints" / "000001", kimg=1)
    target = tmp_path / "checkpoints" / "000002"
    assert forked.ended(killed_when_the_weights_are_on_the_disk, target) == -signal.SIGKILL
    [leftover] = [path for path in target.parent.iterdir() if path.name.startswith(".tmp-")]
    assert (leftover / "training.safetensors").exists()
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoints" / "000001"
    assert checkpoint.newest_good(tmp_path) == (tmp_path / "checkpoints" / "000001", [])
    assert checkpoint.sweep_temporaries(tmp_path) == [leftover]
    assert [path.name for path in target.parent.iterdir()] == ["000001"]
