"""Networks under torch.compile and torch.export: same numbers, and never a silent wrong second derivative."""

import pytest
import torch

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
    with pytest.raises(RuntimeError, match="double backward"):
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
