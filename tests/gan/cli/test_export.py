"""`gan export` as typed: what is written and printed, and what is refused."""

import importlib.util
import json

import pytest
import torch
from click.testing import CliRunner

import gan
from gan import config
from gan.cli.main import main
from gan.files import sha256
from gan.models import checkpoint, export
from gan.networks.mapping import MappingConfig
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    """A checkpoint of an untrained conditional 8x8 model."""
    torch.manual_seed(0)
    small = {"resolution": 8, "c_dim": 2, "channel_base": 64, "mapping": MappingConfig(layers=2)}
    g, d = GeneratorConfig(z_dim=6, w_dim=6, **small), DiscriminatorConfig(**small)
    folder = tmp_path_factory.mktemp("run") / "checkpoints" / "000000"
    about = {"kimg": 0.0, "generator": config.to_dict(g), "discriminator": config.to_dict(d)}
    checkpoint.write(
        folder,
        config={**about, "run": {}, "data": {"name": "none"}},
        generator=g.build(),
        discriminator=d.build(),
        training_tensors={},
        training_state={},
        card="# A small model\n",
    )
    return str(folder.parent.parent)


def invoke(*arguments):
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def test_a_program_a_card_and_json(model, tmp_path):
    out = tmp_path / "new" / "g.pt2"
    result = invoke(model, "--format", "torch-export", "--out", out, "--seeds", "1,5-6", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["inputs"] == {"z": ["batch", 6], "c": ["batch", 2], "psi": []}
    assert record["output"] == ["batch", 3, 8, 8] and record["sha256"] == sha256(out)
    assert record["parity"]["seeds"] == [1, 5, 6] and record["parity"]["max_abs_error"] <= export.TOLERANCE
    card = (tmp_path / "new" / "g.pt2.md").read_text()
    assert card.startswith("# A small model\n\n## Export\n")
    assert record["sha256"] in card and "input `c`: [batch, 2]" in card and "3 seeds" in card
    z, c = gan.latents.z_from_seeds([9], 6), torch.tensor([[0.0, 1.0]])
    image = torch.export.load(out).module()(z, c, torch.tensor(0.7))
    torch.testing.assert_close(image, gan.load(model)(z, c, psi=0.7), rtol=0, atol=1e-4)


def test_the_difference_is_printed(model, tmp_path):
    result = invoke(model, "--format=torch-export", "--out", tmp_path / "g.pt2", "--noise=input")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert len(lines) == 3 and "noise.b8.conv1 [batch, 1, 8, 8]" in lines[0]
    assert lines[1].startswith("largest difference from the model") and "torch" in lines[1]


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, export.ONNX_PACKAGES)), reason="the extra `export` is not installed"
)
def test_onnx(model, tmp_path):
    result = invoke(model, "--format", "onnx", "--out", tmp_path / "g.onnx", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == "" or "arning" not in result.stderr
    assert json.loads(result.stdout)["parity"]["runtime"].startswith("onnxruntime ")


def test_mistakes_are_one_line(model, tmp_path, monkeypatch):
    cases = [
        ([model, "--format=onnxx", "--out", tmp_path / "g.onnx"], 2, "torch-export"),
        ([model, "--format=torch-export", "--out", tmp_path / "g.onnx"], 2, ".pt2"),
        ([tmp_path / "none", "--format=torch-export", "--out", tmp_path / "g.pt2"], 1, "no model at"),
        ([model, "--format=torch-export", "--out", tmp_path / "g.pt2", "--seeds=x"], 2, "seed"),
    ]
    for arguments, code, message in cases:
        result = invoke(*arguments)
        assert result.exit_code == code and message in result.stderr, result.output
        assert "Traceback" not in result.output
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    result = invoke(model, "--format=onnx", "--out", tmp_path / "g.onnx")
    assert result.exit_code == 1 and result.stderr == (
        "gan: error: ONNX needs the packages onnx, onnxscript, onnxruntime; "
        'in the project\'s folder: pip install -e ".[export]"\n'
    )
    assert not list(tmp_path.iterdir())
