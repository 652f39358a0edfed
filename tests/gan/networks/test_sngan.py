"""SNGAN's networks: sizes, labels, spectral norms, batch statistics."""

import pytest
import torch

from gan import ema
from gan.config import from_dict
from gan.networks.sngan import DiscriminatorConfig, DownBlock, GeneratorConfig, Norm, UpBlock, doubled

SMALL = {"resolution": 16, "width": 8}


def build(config, **changes):
    return from_dict(config, SMALL | changes).build()


def test_images_are_within_the_range_of_tanh():
    assert build(GeneratorConfig, z_dim=5)(100 * torch.randn(4, 5)).abs().max() <= 1


def test_parameter_counts_of_the_published_sizes():
    """By hand, from tables 4 and 6 of the paper."""
    conv = lambda i, o, k: i * o * k * k + o  # noqa: E731
    G = 128 * 4096 + 4096 + 3 * (2 * conv(256, 256, 3) + conv(256, 256, 1) + 4 * 256)
    G += 2 * 256 + conv(256, 3, 3)
    D = conv(3, 128, 3) + conv(128, 128, 3) + conv(3, 128, 1)
    D += 2 * conv(128, 128, 3) + conv(128, 128, 1) + 4 * conv(128, 128, 3) + 129
    with torch.device("meta"):
        networks = GeneratorConfig().build(), DiscriminatorConfig(spectral_norm=False).build()
    assert [sum(p.numel() for p in net.parameters()) for net in networks] == [G, D] == [4276739, 1053825]


def test_every_layer_of_the_discriminator_has_norm_one():
    D = build(DiscriminatorConfig, c_dim=3)
    img, c = torch.randn(4, 3, 16, 16), torch.eye(3)[[0, 1, 2, 0]]
    for _ in range(150):
        D(img, c)
    D.eval()
    for name, module in D.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            sigma = torch.linalg.svdvals(module.weight.detach().flatten(1))[0].item()
            assert sigma == pytest.approx(1, abs=2e-2), name


def test_blocks_average_and_repeat():
    up, down = UpBlock(4, 0, 8).eval(), DownBlock(4, 4, 8, down=True)
    for block in (up, down):
        torch.nn.init.zeros_(block.conv2.weight)
    x = torch.randn(2, 4, 6, 6)
    assert torch.allclose(up(x, None), up.skip(doubled(x)), atol=1e-6)
    assert torch.allclose(down(x), torch.nn.functional.avg_pool2d(down.skip(x), 2), atol=1e-6)


def test_labels_change_the_result():
    G, D = build(GeneratorConfig, c_dim=2), build(DiscriminatorConfig, c_dim=2)
    torch.nn.init.normal_(G.blocks[0].norm1.bias.weight)
    c, z = torch.eye(2), torch.randn(1, 128).expand(2, -1)
    img = G.eval()(z, c)
    assert not torch.allclose(img[0], img[1])
    logits = D(img[:1].expand(2, -1, -1, -1), c)
    assert not torch.allclose(logits[0], logits[1])


def test_samples_in_eval_mode_do_not_depend_on_each_other():
    G = build(GeneratorConfig)
    G(torch.randn(16, 128))
    z = torch.randn(3, 128)
    assert torch.allclose(G.eval()(z)[:1], G(z[:1]), atol=1e-6)


def test_normalisation_by_class():
    """Of each channel over the whole batch; then the gain and bias of each sample's class."""
    norm, x, c = Norm(2, 3), torch.randn(6, 2, 4, 4) * 3 + 1, torch.eye(3)[[0, 1, 2, 2, 1, 0]]
    assert torch.equal(norm(x, c), norm.norm(x))
    for layer in (norm.gain, norm.bias):
        torch.nn.init.normal_(layer.weight)
    var, mean = torch.var_mean(x, dim=(0, 2, 3), unbiased=False, keepdim=True)
    gain, bias = ((c @ layer.weight.T)[:, :, None, None] for layer in (norm.gain, norm.bias))
    torch.testing.assert_close(norm(x, c), (x - mean) / (var + 1e-5).sqrt() * gain + bias)


def test_the_weight_average_takes_over_batch_statistics():
    G, average = build(GeneratorConfig), build(GeneratorConfig)
    G(torch.randn(16, 128))
    ema.update(average, G, 0.5)
    statistics = {name: value for name, value in average.named_buffers() if "running" in name}
    assert len(statistics) == 2 * (2 * len(G.blocks) + 1)
    assert all(torch.equal(value, G.get_buffer(name)) for name, value in statistics.items())


def test_logits_are_a_projection_onto_the_label():
    """psi(phi) + <e_c, phi> (Miyato and Koyama 2018, eq. 4): two labels at once count twice."""
    D = build(DiscriminatorConfig, c_dim=2).eval()
    labels = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]])
    first, second, both, neither = D(torch.randn(1, 3, 16, 16).expand(4, -1, -1, -1), labels)
    assert (first - second).abs() > 1e-3
    torch.testing.assert_close(first + second, both + neither)


@pytest.mark.parametrize("c_dim", [0, 3])
def test_every_weight_has_a_finite_gradient(c_dim):
    G, D = build(GeneratorConfig, c_dim=c_dim), build(DiscriminatorConfig, c_dim=c_dim)
    c = torch.eye(3)[[0, 1, 2, 0]] if c_dim else None
    D(G(torch.randn(4, 128), c), c).sum().backward()
    for network in (G, D):
        for name, parameter in network.named_parameters():
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any() or parameter.ndim == 1, name
