"""Repositories of strangers, and hubs that fail: refused in one line before or after anything is fetched."""

import json
import os
import shutil
import sys
import warnings

import pytest
import torch

import gan
from gan import plugins
from gan.errors import CheckpointError, UsageError, UserError
from gan.jobs import training
from gan.models import checkpoint, hub, hub_checkpoints
from gan.networks import stylegan2
from tests.gan.latents.families import ALL, built
from tests.gan.models.fake_hub import TOKEN

NAME = "user/glyphs"


def test_only_files_of_the_format_are_fetched(pushed, fake_hub):
    files = dict(fake_hub.repositories["models", NAME].files("main")[1])
    more = {"own.py": b"raise SystemExit", "model.bin": b"x", "../out.json": b"{}"}
    fake_hub.put(NAME, {**files, **more})
    gan.load(f"hf://{NAME}")
    assert set(fake_hub.downloads()) <= set(hub_checkpoints.WANTED)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"pytorch_model.bin": b"x", "config.json": b"{}"}, r"pytorch_model\.bin may run code"),
        ({"network.pkl": b"x"}, r"network\.pkl may run code.*gan convert"),
        ({"model.safetensors": b"x"}, "lacks manifest.json and holds model.safetensors"),
        ({"deep/000012/manifest.json": b"{}"}, r"is hf://user/glyphs@main/deep/000012 meant\?"),
        ({}, "holds nothing"),
    ],
)
def test_other_repositories_are_refused_before_anything_is_fetched(files, match, fake_hub):
    fake_hub.put(NAME, files)
    with pytest.raises(UserError, match=match):
        gan.load(f"hf://{NAME}")
    assert fake_hub.downloads() == []


def test_a_wrong_digest(pushed, fake_hub):
    content = fake_hub.repositories["models", NAME].files("main")[1]["generator.safetensors"]
    fake_hub.served["generator.safetensors"] = content[:-1] + bytes([content[-1] ^ 1])
    with pytest.raises(UserError, match=r"generator\.safetensors .* is not what .* lists"):
        gan.load(pushed)
    fake_hub.served.clear()
    assert gan.load(pushed).resolution == 16  # nothing of it is kept


def test_a_wrong_digest_of_a_small_file(pushed, fake_hub):
    content = fake_hub.repositories["models", NAME].files("main")[1]["config.json"]
    fake_hub.served["config.json"] = content.replace(b"12.0", b"13.0")
    with pytest.raises(UserError, match=r"config\.json .* is not what .* lists"):
        gan.load(pushed)


def test_a_file_that_its_manifest_does_not_know(pushed, fake_hub):
    files = dict(fake_hub.repositories["models", NAME].files("main")[1])
    files["config.json"] = files["config.json"].replace(b"12.0", b"13.0")
    fake_hub.put(NAME, files)
    with pytest.raises(CheckpointError, match="differs from its sha256"):
        gan.load(f"hf://{NAME}")


def test_weights_of_another_network(pushed, fake_hub, tmp_path):
    files = dict(fake_hub.repositories["models", NAME].files("main")[1])
    other = built("stylegan2 alpha").save_pretrained(tmp_path / "other")
    weights = (other / "generator.safetensors").read_bytes()
    manifest = json.loads(files["manifest.json"])
    theirs = json.loads((other / "manifest.json").read_text())
    manifest["files"]["generator.safetensors"] = theirs["files"]["generator.safetensors"]
    changed = {"generator.safetensors": weights, "manifest.json": json.dumps(manifest).encode()}
    fake_hub.put(NAME, {**files, **changed})
    with pytest.raises(CheckpointError, match="does not fit its config.json"):
        gan.load(f"hf://{NAME}")


def test_a_file_that_ends_early(pushed, fake_hub, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    fake_hub.short.add("generator.safetensors")
    with pytest.raises(UserError, match=r"cannot fetch generator\.safetensors of .* as a whole"):
        gan.load(pushed)
    fake_hub.short.clear()
    assert gan.load(pushed).resolution == 16


@pytest.mark.parametrize("path", ["config.json", "generator.safetensors"])
def test_a_size_out_of_bounds_is_refused_before_anything_is_fetched(path, pushed, fake_hub):
    fake_hub.sizes[path] = 2**40
    with pytest.raises(UserError, match=rf"{path} has 1,099,511,627,776 bytes, more than .*hf download"):
        gan.load(pushed)
    assert fake_hub.downloads() == []


def test_a_full_disk(pushed, fake_hub, monkeypatch):
    usage = shutil.disk_usage(os.curdir)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UserError, match="1,000 free: make room, or set GAN_CACHE"):
        gan.load(pushed)
    assert fake_hub.downloads() == []


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("hf://user/none", "there is no model user/none"),
        (f"hf://{NAME}@none", "has no revision none"),
        (f"hf://datasets/{NAME}", r"names a data set, not a model: is hf://user/glyphs@main meant\?"),
        ("hf://glyphs", "is no name on a hub"),
        (f"hf://{NAME}/../../x", "is no name on a hub"),
        (NAME, f"no model at {NAME}: .*, or hf://{NAME} on a hub"),
    ],
)
def test_names_that_lead_nowhere(name, match, pushed):
    with pytest.raises(UserError, match=match):
        gan.load(name)


def test_nobody_goes_on_with_a_run_from_a_hub(tmp_path):
    with pytest.raises(UsageError, match=f"start from it, --init-from hf://{NAME}"):
        training.starting_point(None, None, tmp_path, f"hf://{NAME}", torch.device("cpu"))


def test_without_the_extra(fake_hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r'need huggingface_hub: .*pip install -e "\.\[hub\]"'):
        gan.load(f"hf://{NAME}")


def test_offline_with_and_without_a_cache(pushed, fake_hub, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"is not cached \(cached: nothing\): unset it, or give a folder"):
        gan.load(f"hf://{NAME}")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    gan.load(f"hf://{NAME}")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    asked = len(fake_hub.asked)
    with pytest.warns(UserWarning, match=f"HF_HUB_OFFLINE is set: taking {pushed}"):
        assert gan.load(f"hf://{NAME}").source == pushed
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gan.load(pushed).source == pushed
    assert len(fake_hub.asked) == asked
    with pytest.raises(UserError, match=rf"cached: hf://{NAME}@main"):
        gan.load("hf://user/other")
    with pytest.raises(UserError, match="nothing can be pushed"):
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        hub.push_to_hub(hub_checkpoints.fetched(pushed), NAME)


def test_no_network(pushed, fake_hub, monkeypatch):
    gan.load(f"hf://{NAME}")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.warns(UserWarning, match=f"cannot reach http://127.0.0.1:9 .*: taking {pushed}"):
        assert gan.load(f"hf://{NAME}").source == pushed
    with pytest.raises(UserError, match=r"cannot reach .*other@main is not cached .*: connect"):
        gan.load("hf://user/other")


def test_a_plug_in_of_a_stranger_is_not_run(fake_hub, token, run_folder, tmp_path):
    folder = checkpoint.resolve(run_folder)
    saved = checkpoint.read(folder)
    plugin = {"name": "own.py", "path": "own.py", "sha256": "0" * 64}
    config = {**saved.config, "run": {"plugins": [plugin]}}
    config.pop("format")
    checkpoint.write(
        folder,
        config=config,
        generator=stylegan2.GeneratorConfig(**ALL["stylegan2"].__dict__).build(),
        discriminator=None,
        card="",
    )
    name = hub.push_to_hub(run_folder, NAME)["name"]
    files = dict(fake_hub.repositories["models", NAME].files("main")[1])
    sign = tmp_path / "it-ran"
    fake_hub.put(NAME, {**files, "own.py": f"open({str(sign)!r}, 'w')".encode()})
    for place in (name, f"hf://{NAME}"):
        with pytest.raises(UserError, match=r"needs the plug-in own\.py .*--plugin own\.py"):
            gan.load(place)
    assert not sign.exists() and "own.py" not in fake_hub.downloads() and plugins.loaded() == ()
