"""Exported generators: inputs, equality with the model in another program, and what is refused."""

import importlib.util

import pytest
import torch
from torch import nn

from gan.errors import UsageError, UserError
from gan.latents import z_from_seeds
from gan.models import export as module
from gan.models.export import TOLERANCE, Function, compare, export
from gan.networks import fastgan, r3gan, sngan, stylegan2, stylegan3
from gan.networks.mapping import MappingConfig
from gan.sampling import labels_from_seeds
from ops import library

HAS_ONNX = all(importlib.util.find_spec(name) for name in module.ONNX_PACKAGES)
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="onnx, onnxscript or onnxruntime is not installed")


def trained(network: nn.Module) -> nn.Module:
    """Noise, biases and running means as training leaves them, instead of zeros."""
    drawn = torch.Generator().manual_seed(5)
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if name.endswith(("noise_strength", "w_avg", "bias")):
            tensor.data.add_(0.3 * torch.randn(tensor.shape, generator=drawn))
    return network.eval().requires_grad_(False)


def small(c_dim: int = 0) -> nn.Module:
    config = stylegan2.GeneratorConfig(
        resolution=8, z_dim=6, w_dim=6, c_dim=c_dim, channel_base=64, mapping=MappingConfig(layers=2)
    )
    return trained(config.build())


def alias_free() -> nn.Module:
    config = stylegan3.GeneratorConfig(
        resolution=16, z_dim=6, w_dim=6, c_dim=3, layers=3, critical=1, channel_base=64, channel_max=8
    )
    return trained(config.build())


def without_styles() -> nn.Module:
    config = r3gan.GeneratorConfig(resolution=8, z_dim=6, c_dim=2, widths=(16, 16), blocks=1)
    return trained(config.build())


def normalised() -> nn.Module:
    config = sngan.GeneratorConfig(resolution=8, z_dim=6, width=8, c_dim=2, spectral_norm=True)
    return trained(config.build())


class Plain(nn.Module):
    """A model without a style space: only `G(z, c)`."""

    z_dim, c_dim = 5, 2

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(7, 12)

    def forward(self, z, c=None):
        return self.layer(torch.cat([z, c], dim=1)).tanh().view(-1, 3, 2, 2)


@pytest.mark.parametrize("noise", ["const", "none"])
def test_the_function_is_the_model(noise, close):
    generator = small(c_dim=3)
    function = Function(generator, noise)
    z, c, psi = function.inputs([4, 7], psi=0.6)
    close(function(z, c, psi), generator(z, c, psi=0.6, noise=noise))


def test_noise_as_an_input_replaces_the_trained_maps(close):
    generator = small()
    function = Function(generator, "input")
    assert function.names() == ["z", "psi", "noise.b4.conv1", "noise.b8.conv0", "noise.b8.conv1"]
    z, psi, *maps = function.inputs([1, 2])
    trained_maps = [
        b.expand(2, 1, *b.shape) for n, b in generator.named_buffers() if n.endswith("noise_const")
    ]
    assert [m.shape for m in maps] == [m.shape for m in trained_maps]
    close(function(z, psi, *trained_maps), generator(z))
    silent = [torch.zeros_like(m) for m in maps]
    close(function(z, psi, *silent), generator(z, noise="none"))
    assert (function(z, psi, *maps) - generator(z)).abs().max() > 0.1


def test_inputs_are_only_what_the_model_has():
    assert Function(small()).names() == ["z", "psi"]
    assert Function(Plain()).names() == ["z", "c"]
    with pytest.raises(UsageError, match="no noise"):
        Function(alias_free(), "input")


def adapted() -> nn.Module:
    """Low-rank adapters that have learnt something, under spectral norm."""
    config = stylegan2.GeneratorConfig(
        resolution=8,
        z_dim=6,
        w_dim=6,
        channel_base=64,
        mapping=MappingConfig(layers=2),
        lora_rank=2,
        spectral_norm=True,
    )
    network = trained(config.build())
    for name, factor in network.named_parameters():
        if name.endswith(".b"):
            factor.copy_(torch.randn(factor.shape))
    return network


def test_adapters_are_merged(tmp_path):
    generator = adapted()
    export(generator, tmp_path / "g.pt2", format="torch-export")
    program = torch.export.load(tmp_path / "g.pt2")
    plain = stylegan2.GeneratorConfig(
        resolution=8, z_dim=6, w_dim=6, channel_base=64, mapping=MappingConfig(layers=2)
    )
    names = {name.removeprefix("generator.") for name in program.state_dict}
    assert names == set(plain.build().state_dict()) and len(names) < len(generator.state_dict())


def gated() -> nn.Module:
    config = fastgan.GeneratorConfig(resolution=16, z_dim=6, channel_base=64, c_dim=2, skip_factor=2)
    return trained(config.build())


@pytest.mark.parametrize("noise", ["none", "input"])
def test_noise_of_a_model_without_styles_is_as_trained(noise):
    with pytest.raises(UsageError, match="has its noise as trained; leave --noise out"):
        Function(gated(), noise)


@pytest.mark.parametrize("make", [small, alias_free, without_styles, normalised, gated, Plain])
def test_a_program_equals_its_model(make, tmp_path):
    record = export(make().eval(), tmp_path / "g.pt2", format="torch-export", seeds=[3, 1, 2], notes="a card")
    assert record["parity"]["max_abs_error"] <= TOLERANCE < record["parity"]["largest_pixel"]
    assert record["parity"]["batches"] == [1, 3]
    extra = {"card.md": ""}
    program = torch.export.load(tmp_path / "g.pt2", extra_files=extra)
    assert extra["card.md"] == "a card"
    assert not [n for n in program.graph.nodes if str(n.target).startswith("gan.")]
    assert record["output"][0] == "batch" and record["inputs"]["z"] == ["batch", record["inputs"]["z"][1]]


@pytest.mark.slow  # beside tests/gan/cli/test_export.py::test_the_difference_is_printed
def test_a_program_with_noise_as_input(tmp_path):
    record = export(small(), tmp_path / "g.pt2", format="torch-export", noise="input")
    assert record["inputs"]["noise.b8.conv1"] == ["batch", 1, 8, 8]
    assert record["parity"]["max_abs_error"] <= TOLERANCE


def onnx_file(make, path, noise="const"):
    import onnx

    record = export(make(), path, format="onnx", noise=noise, notes="a card")
    assert record["parity"]["max_abs_error"] <= TOLERANCE < record["parity"]["largest_pixel"]
    file = onnx.load(path)
    onnx.checker.check_model(file)
    assert [entry.domain for entry in file.opset_import] == [""]
    assert {entry.key: entry.value for entry in file.metadata_props}["card"] == "a card"
    assert [value.name for value in file.graph.output] == ["image"]
    first = {value.name: value.type.tensor_type.shape.dim for value in file.graph.input}
    assert list(first) == list(record["inputs"])
    assert first["z"][0].dim_param == "batch"
    return record


@needs_onnx
def test_onnx_equals_its_model(tmp_path):
    """Of StyleGAN2 and its classes in tests/gan/cli/test_export.py."""
    onnx_file(lambda: Plain().eval(), tmp_path / "g.onnx")


@needs_onnx
@pytest.mark.slow
@pytest.mark.parametrize(
    "make, noise",
    [
        (lambda: small(c_dim=3), "const"),
        (small, "input"),
        (small, "none"),
        (alias_free, "const"),
        (without_styles, "const"),
        (normalised, "const"),
    ],
)
def test_onnx_of_every_kind(make, noise, tmp_path):
    onnx_file(lambda: make().eval(), tmp_path / "g.onnx", noise)


def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch):
    def wrong(path):
        return lambda inputs: torch.full((len(inputs[0]), 3, 2, 2), float("nan")), "a broken runtime"

    monkeypatch.setattr(module, "_read_program", wrong)
    with pytest.raises(UserError, match="differs from its model by nan"):
        export(Plain().eval(), tmp_path / "g.pt2", format="torch-export")
    assert not list(tmp_path.iterdir())


def test_comparison_finds_the_worst_pixel():
    function = Function(small().eval())

    def off(inputs):
        images = function.expected(inputs, float(inputs[1])).clone()
        images[-1, 0, 3, 3] += 0.25 * len(images)
        return images

    parity = compare(function, off, "off", [0, 1, 2])
    assert parity.max_abs_error == pytest.approx(0.75, rel=1e-5) and parity.runtime == "off"


def test_suffix_and_packages_are_checked_first(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"ends in \.pt2"):
        export(Plain(), tmp_path / "g.onnx", format="torch-export")
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "onnxruntime" else name)
    with pytest.raises(UserError, match=r'package onnxruntime; .* pip install -e "\.\[export\]"'):
        export(Plain(), tmp_path / "g.onnx", format="onnx")


def test_plain_ends_with_its_block():
    before = library.mode()
    with library.plain():
        assert library.mode() == "reference" and not library.fused(torch.empty(1))
    assert library.mode() == before


def test_inputs_have_the_latents_and_classes_of_their_seeds():
    z, c, psi = Function(small(c_dim=3)).inputs([4, 7, 9], psi=0.5)
    assert torch.equal(z, z_from_seeds([4, 7, 9], 6)) and psi == 0.5
    assert c.argmax(dim=1).tolist() == labels_from_seeds([4, 7, 9], 3) and len(c.unique(dim=0)) > 1
