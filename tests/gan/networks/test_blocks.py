"""Half precision by level: which blocks, what stays float32, and how near the results are."""

import pytest
import torch

from gan.config import override
from gan.networks.blocks import Block, exact, halve
from gan.networks.layers import minibatch_std
from tests.training.test_presets import SMALL
from training.config import RunConfig
from training.recipes import fit

FAMILIES = ["stylegan2", "stylegan3", "r3gan", "sngan"]
HALVES = [torch.bfloat16, torch.float16]


def pair(family: str, side: int = 16):
    """Generator and discriminator of a family, small."""
    other = family if family in SMALL["discriminator"] else "stylegan2"
    items = [f"generator.type={family}", f"discriminator.type={other}", "batch=4"]
    for role, kind in (("generator", family), ("discriminator", other)):
        items += [f"{role}.{item}" for item in SMALL[role][kind]]
    config = fit(override(RunConfig(), items), shape=(3, side, side), c_dim=0)
    return config.generator.build(), config.discriminator.build()


def halves(network) -> list[int]:
    """Levels of the blocks that are half."""
    blocks = [m for m in network.modules() if isinstance(m, Block)]
    return sorted({b.level for b in blocks if b.dtype not in (None, torch.float32)})


@pytest.mark.parametrize("family", FAMILIES)
def test_the_highest_levels_and_no_head(family):
    for network in pair(family, 32):
        halve(network, torch.bfloat16, network.resolution, 1)
        assert halves(network) == [32]
        halve(network, torch.bfloat16, network.resolution, None)
        assert halves(network)[-1] == 32 and 0 not in halves(network) and len(halves(network)) > 1


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("family", FAMILIES)
def test_results_are_float32_and_near(family, dtype, device):
    torch.manual_seed(0)
    generator, discriminator = (network.to(device) for network in pair(family))
    z = torch.randn(4, generator.z_dim, device=device)
    images = torch.randn(4, 3, 16, 16, device=device)
    run = lambda: (generator(z), discriminator(images))  # noqa: E731
    generator.eval(), discriminator.eval()
    with torch.no_grad():
        want = run()
        for network in (generator, discriminator):
            halve(network, dtype, network.resolution, None)
        got = run()
    for a, b in zip(got, want, strict=True):
        assert a.dtype == torch.float32 and not torch.equal(a, b)
        assert (a - b).norm() < (0.03 if dtype == torch.bfloat16 else 0.004) * b.norm()


@pytest.mark.parametrize("family", FAMILIES)
def test_convolutions_get_half_inputs(family, monkeypatch):
    seen = []
    honest = torch.nn.functional.conv2d

    def conv2d(x, *rest, **named):
        seen.append((x.shape[-1], x.dtype))
        return honest(x, *rest, **named)

    def forward(self, x, w, b):
        return conv2d(x, w, b, 1, self.padding, 1, self.groups)

    generator, _ = pair(family, 32)
    halve(generator, torch.bfloat16, 32, 1)
    monkeypatch.setattr(torch.nn.functional, "conv2d", conv2d)
    monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", forward)
    with torch.no_grad():
        generator(torch.randn(1, generator.z_dim))
    assert {t for size, t in seen if size >= 32 and t != torch.float32} == {torch.bfloat16}
    assert {t for size, t in seen if size <= 8} <= {torch.float32}


def test_minibatch_statistics_are_taken_in_float32():
    x = (1000 + torch.rand(4, 8, 4, 4)).to(torch.float16)  # squares overflow float16
    got = minibatch_std(x, 4, 1)
    assert got.dtype == torch.float16
    torch.testing.assert_close(got, minibatch_std(x.float(), 4, 1).half())


def test_mean_of_w_follows_half_styles(tiny_generator):
    mapping = tiny_generator.mapping
    w = torch.randn(4, 8)
    mapping.update_w_avg(w.bfloat16())
    assert mapping.w_avg.dtype == torch.float32
    torch.testing.assert_close(mapping.w_avg, w.bfloat16().float().mean(0) * 0.002)


def test_mean_of_w_under_autocast(tiny_generator):
    with torch.autocast("cpu", torch.bfloat16):
        ws = tiny_generator.mapping(torch.randn(4, 8))
        tiny_generator.mapping.update_w_avg(ws[:, 0])
    assert tiny_generator.mapping.w_avg.dtype == torch.float32 and tiny_generator.mapping.w_avg.any()


def test_exact_leaves_other_types():
    for dtype in (torch.float32, torch.float64):
        assert exact(torch.ones(1, dtype=dtype)).dtype == dtype
    assert exact(torch.ones(1, dtype=torch.float16)).dtype == torch.float32
