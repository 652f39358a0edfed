"""Checkpoints from strangers: what they claim costs nothing, only what the manifest lists is used."""

import json
import multiprocessing
import re
import shutil
import time

import pytest
import torch
from safetensors.torch import save_file

import gan
from gan.config import to_dict
from gan.errors import CheckpointError
from gan.models import checkpoint, content
from gan.networks import ARCHITECTURES, discriminator_config, generator_config
from tests.gan import forked

SMALL = {
    "stylegan2": {"resolution": 16, "channel_base": 64, "channel_max": 8},
    "stylegan3": {"resolution": 16, "channel_base": 128, "channel_max": 8, "layers": 4},
    "r3gan": {"resolution": 8, "widths": [16, 8]},
    "sngan": {"resolution": 8, "width": 8},
}
REPARAMETRIZED = [{}, {"spectral_norm": True}, {"lora_rank": 2}, {"spectral_norm": True, "lora_rank": 2}]
CASES = [("generator", family, more) for family in SMALL for more in REPARAMETRIZED]
CASES += [("discriminator", family, more) for family in SMALL for more in REPARAMETRIZED[:2]]
CASES = [case for case in CASES if case[:2] != ("discriminator", "stylegan3")]


def written(folder, role="generator", family="sngan", more=None):
    """A checkpoint with one network of a family in it, and some generator; the network."""
    variants = {"generator": generator_config, "discriminator": discriminator_config}[role]
    config = variants(family)(**{k: tuple(v) if isinstance(v, list) else v for k, v in SMALL[family].items()})
    config = gan.config.from_dict(variants(family), {**to_dict(config), **(more or {})}, role)
    network = config.build()
    other = generator_config("sngan")(resolution=8, width=8).build()
    networks = {"generator": other, "discriminator": None, role: network}
    configs = {"generator": to_dict(other.config), role: to_dict(config)}
    checkpoint.write(folder, config={"kimg": 1, **configs}, card="", **networks)
    return network


def changed(folder, name="config.json", listed=True, **entries):
    """Rewrite a JSON file of a checkpoint, and its manifest with it."""
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    if listed:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["files"][name] = content.entry(path)
        (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(("role", "family", "more"), CASES, ids=str)
def test_every_family_comes_back_bit_for_bit(tmp_path, role, family, more):
    network = written(tmp_path / "a", role, family, more)
    read = getattr(checkpoint.read(tmp_path / "a"), role)()
    torch.testing.assert_close(read.state_dict(), network.state_dict(), rtol=0, atol=0)
    buffers = dict(network.named_buffers())
    torch.testing.assert_close(dict(read.named_buffers()), buffers, rtol=0, atol=0)


ABSURD = [
    ({"resolution": 2**30}, "option resolution is no number from"),
    ({"resolution": 2**16, "width": 2**20}, "far more tensors"),
    ({"width": 2**40}, "overflow"),
    ({"resolution": 8, "width": 2**19}, r"the network has \[8388608, 128\]"),
    ({"width": 10**80}, "option width is no number from"),
    ({"type": "stylegan3", "layers": 10**9}, "option layers is no number from"),
    ({"type": "stylegan3", "resolution": 2**16, "layers": 3, "filter_size": 16}, "more than 512 taps"),
    (
        {"type": "stylegan2", "channel_max": 2**40, "channel_base": 2**46},
        "does not fit|overflow",
    ),
    ({"type": "stylegan2", "mapping": {"layers": 10**9}}, "option layers is no number from"),
    ({"type": "stylegan2", "resample_filter": [1] * 10**5}, "option resample_filter is too large"),
    ({"type": "r3gan", "resolution": 2**16, "blocks": 64, "spectral_norm": True}, "far more tensors"),
    ({"type": "r3gan", "blocks": 10**9}, "option blocks is no number from"),
    ({"type": "r3gan", "lora_rank": 2**40}, "far more tensors|does not fit"),
]


def peak():
    """MiB of memory that this process has had at most."""
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measured(good, folders, pipe):
    """Say of each folder what reading it took: seconds, MiB, the refusal."""
    gan.load(good)
    with torch.device("meta"):  # its first random numbers load sympy, once
        torch.nn.Linear(2, 2), torch.nn.init.normal_(torch.empty(2))
    for folder in folders:
        before, start = peak(), time.process_time()
        try:
            checkpoint.read(folder).generator()
        except CheckpointError as error:
            pipe.send((time.process_time() - start, peak() - before, str(error)))
    pipe.send(None)


@forked.forks  # whose peak is what they have when they begin
def test_absurd_configs_cost_nothing(tmp_path):
    """Each is refused in one line, in less than a second and 100 MB; a 15 KB folder took gigabytes."""
    written(tmp_path / "good")
    folders = []
    for number, (entries, _) in enumerate(ABSURD):
        folders.append(shutil.copytree(tmp_path / "good", tmp_path / str(number) / "a"))
        changed(folders[-1], generator={"type": "sngan", **entries})
    told, tell = multiprocessing.Pipe(duplex=False)
    assert forked.ended(measured, tmp_path / "good", folders, tell) == 0
    lines = list(iter(told.recv, None))
    assert len(lines) == len(ABSURD), lines
    for line, (_, words) in zip(lines, ABSURD, strict=True):
        seconds, mebibytes, message = line
        assert seconds < 1 and mebibytes < 100, line
        assert re.search(words, message), line


def test_a_plug_ins_network_that_needs_memory_to_be_built_still_loads(tmp_path, monkeypatch):
    from dataclasses import dataclass
    from typing import Literal

    @dataclass(frozen=True, kw_only=True)
    class Config:
        type: Literal["own"] = "own"
        seed: int = -(2**31)

        def build(self):
            layer = torch.nn.Linear(2, 2)
            layer.scale = layer.weight.sum().item()  # not on the meta device
            layer.register_buffer("ramp", torch.arange(2.0), persistent=False)
            return layer

    monkeypatch.setitem(ARCHITECTURES, "own", type(ARCHITECTURES["sngan"])(Config, None))
    layer = Config().build()
    config = {"kimg": 1, "generator": to_dict(Config())}
    checkpoint.write(tmp_path / "a", config=config, generator=layer, discriminator=None, card="")
    read = checkpoint.read(tmp_path / "a").generator()
    assert torch.equal(read.weight, layer.weight)
    assert read.ramp.tolist() == [0.0, 1.0]


@pytest.mark.parametrize("name", ["discriminator", "training", "conditions"])
def test_files_that_the_manifest_does_not_list_are_refused(tmp_path, name):
    written(tmp_path / "a")
    save_file({"vectors": torch.ones(1, 1)}, tmp_path / "a" / f"{name}.safetensors")
    with pytest.raises(CheckpointError, match=rf"{name}\.safetensors is not listed in manifest\.json: "):
        checkpoint.read(tmp_path / "a")


def test_an_unlisted_state_is_refused(tmp_path):
    written(tmp_path / "a")
    (tmp_path / "a" / "training.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"training\.json is not listed"):
        checkpoint.read(tmp_path / "a")


@pytest.mark.parametrize("name", ["../secret", "/secret", "a/b", "a\\b", "..", ".", "", "C:x"])
def test_names_in_a_manifest_stay_in_the_folder(tmp_path, name):
    written(tmp_path / "a")
    (tmp_path / "secret").write_text("x")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    manifest["files"][name] = content.entry(tmp_path / "secret")
    (tmp_path / "a" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=r"manifest\.json names .*, which is no file in it"):
        checkpoint.read(tmp_path / "a")


def test_links_out_of_the_folder_are_refused(tmp_path):
    written(tmp_path / "a")
    (tmp_path / "a" / "config.json").rename(tmp_path / "config.json")
    (tmp_path / "a" / "config.json").symlink_to("../config.json")
    with pytest.raises(CheckpointError, match=r"config\.json is a link out of the folder"):
        checkpoint.read(tmp_path / "a")


def test_a_folder_behind_a_link_is_read(tmp_path):
    written(tmp_path / "a")
    (tmp_path / "b").symlink_to("a")
    assert checkpoint.read(tmp_path / "b").generator()


@pytest.mark.parametrize("name", ["manifest.json", "config.json"])
@pytest.mark.parametrize(
    ("text", "words"),
    [("[" * 10**6, "nested too deep"), (" " * (16 * 2**20 + 1), r"16,777,217 bytes, more than 16,777,216")],
    ids=["deep", "large"],
)
def test_json_is_bounded(tmp_path, name, text, words):
    written(tmp_path / "a")
    (tmp_path / "a" / name).write_text(text)
    if name != "manifest.json":
        manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
        manifest["files"][name] = content.entry(tmp_path / "a" / name)
        (tmp_path / "a" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=rf"{name} is not JSON \(it .*{words}"):
        checkpoint.read(tmp_path / "a")


def test_conditions_of_another_width_are_refused(tmp_path):
    written(tmp_path / "a")
    save_file({"vectors": torch.ones(2, 7)}, tmp_path / "a" / "conditions.safetensors")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    manifest["files"]["conditions.safetensors"] = content.entry(tmp_path / "a" / "conditions.safetensors")
    (tmp_path / "a" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(CheckpointError, match=r"should hold vectors \[M, 0\]"):
        checkpoint.read(tmp_path / "a").generator()
