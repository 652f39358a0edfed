"""Networks under torch.compile and torch.export: same numbers, and never a silent wrong second derivative."""

import copy

import pytest
import torch

from gan.networks import stylegan3
from gan.networks.stylegan2 import DiscriminatorConfig, GeneratorConfig, MappingConfig
from training.losses.penalties import r1_penalty

COMPILER = {"backend": "aot_eager", "fullgraph": True}  # traces as inductor does, compiles no C++


def gradients(loss, network):
    parameters = [p for p in network.parameters() if p.requires_grad]
    return torch.autograd.grad(loss, parameters)


def test_generator_compiles_without_a_graph_break(tiny_generator, close):
    ws = tiny_generator.mapping(torch.randn(2, 8))
    compiled = torch.compile(lambda ws: tiny_generator.synthesis(ws), **COMPILER)
    close(compiled(ws), tiny_generator.synthesis(ws))


def test_discriminator_compiles_with_its_gradient(tiny_discriminator, close):
    images = torch.randn(4, 3, 16, 16)
    compiled = torch.compile(lambda x: tiny_discriminator(x), **COMPILER)
    want = gradients(tiny_discriminator(images).square().sum(), tiny_discriminator)
    got = gradients(compiled(images).square().sum(), tiny_discriminator)
    for a, b in zip(got, want, strict=True):
        close(a, b, scale=10)


def test_r1_through_a_compiled_network_is_refused_not_wrong(tiny_discriminator):
    images = torch.randn(4, 3, 16, 16, requires_grad=True)
    compiled = torch.compile(lambda x: tiny_discriminator(x), **COMPILER)
    with pytest.raises(RuntimeError, match="double backward|does not require grad"):
        r1_penalty(images, compiled(images)).sum().backward()


def test_generator_exports(tiny_generator, close):
    ws = tiny_generator.mapping(torch.randn(2, 8))
    exported = torch.export.export(tiny_generator.synthesis, (ws,))
    close(exported.module()(ws), tiny_generator.synthesis(ws))


def test_autocast_keeps_float32_and_nearly_the_image(tiny_generator):
    ws = tiny_generator.mapping(torch.randn(8, 8))
    with torch.inference_mode():
        want = tiny_generator.synthesis(ws)
        with torch.autocast("cpu", torch.bfloat16):
            got = tiny_generator.synthesis(ws)
    assert (got.float() - want).abs().mean() < 2 / 127.5


NARROW = {"channel_base": 128, "channel_max": 8, "mapping": MappingConfig(layers=2)}
STYLES = {"z_dim": 8, "w_dim": 8, "spectral_norm": True, "lora_rank": 2}


@pytest.mark.parametrize(
    "config",
    [
        DiscriminatorConfig(resolution=8, **NARROW, spectral_norm=True),
        pytest.param(GeneratorConfig(resolution=8, **NARROW, **STYLES), marks=pytest.mark.slow),
        pytest.param(
            stylegan3.GeneratorConfig(resolution=16, **NARROW, **STYLES, layers=4), marks=pytest.mark.slow
        ),
    ],
)
def test_reparametrised_networks_compile_and_export(config, close):
    network = config.build()
    twin = copy.deepcopy(network)
    size = network.resolution
    x = torch.randn(4, 8) if hasattr(network, "z_dim") else torch.randn(4, 3, size, size)
    outputs = torch.compile(network, **COMPILER)(x), twin(x)
    close(*outputs)
    for got, want in zip(network.buffers(), twin.buffers(), strict=True):
        close(got, want)
    grads = [
        torch.autograd.grad(output.square().sum(), list(net.parameters()), materialize_grads=True)
        for net, output in zip((network, twin), outputs, strict=True)
    ]
    assert any(grad.any() for grad in grads[1])
    for got, want in zip(*grads, strict=True):
        assert (got - want).norm() <= 1e-4 * want.norm() + 1e-6
    network.eval()
    close(torch.export.export(network, (x,)).module()(x), network(x))
