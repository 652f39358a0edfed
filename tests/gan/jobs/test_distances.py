"""Perceptual distances by name: closed forms, what networks see, and that gradients come back."""

from importlib.util import find_spec

import pytest
import torch
import torch.nn.functional as F

from gan.errors import UsageError, UserError
from gan.jobs import distances
from gan.jobs.distances import distance, framed

CPU = torch.device("cpu")
ST_LPIPS = pytest.param(
    "st-lpips",
    marks=pytest.mark.skipif(
        find_spec("stlpips_pytorch") is None, reason="needs stlpips-pytorch (extra metrics)"
    ),
)


def between(name: str, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    embed = distance(name, CPU).embed
    return (embed(a) - embed(b)).square().sum(dim=1)


def pictures(channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    coarse = torch.rand(2, channels, 4, 4, generator=random) * 2 - 1
    return F.interpolate(coarse, (height, width), mode="bilinear")


def test_pixels_at_two_scales_in_closed_form():
    a, b = torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
    b[:, :, ::2] = 0.5
    b[:, :, 1::2] = -0.5  # every mean over 4x4 is 0
    assert between("pixels", a, b).item() == pytest.approx(0.25)
    assert between("pixels", a, a + 0.5).item() == pytest.approx(0.25 + 0.25)


@pytest.mark.parametrize("name", ["efficientnet-lite0", ST_LPIPS])
def test_a_network_sees_more_in_a_change_of_structure_than_of_brightness(name):
    images = pictures()
    assert between(name, images, images).tolist() == [0, 0]
    brighter, turned = images * 0.9 + 0.05, images.flip(3)
    assert (between(name, images, brighter) < between(name, images, turned)).all()


@pytest.mark.parametrize("name", ["efficientnet-lite0", ST_LPIPS, "pixels"])
@pytest.mark.parametrize("channels", [1, 4])
def test_gradients_come_back_for_any_channels(name, channels):
    images = pictures(channels, 12, 16).requires_grad_()
    embed = distance(name, CPU).embed
    (embed(images) - embed(images.detach().flip(3))).square().sum().backward()
    assert images.grad.isfinite().all()
    assert (images.grad != 0).any()


def test_st_lpips_is_its_sum_over_stages():
    """By the definition: unit channels, weights of the heads, means over places."""
    if find_spec("stlpips_pytorch") is None:
        pytest.skip("needs stlpips-pytorch (extra metrics)")
    from metrics.networks import st_lpips, weights
    from metrics.networks.extractors import packaged_weights

    net = st_lpips.StLpipsVgg(weights.read(packaged_weights("st-lpips-vgg")))
    a, b = pictures(3, 64, 64)
    total = 0
    for i, (f, g) in enumerate(zip(net.stages(a[None]), net.stages(b[None]), strict=True)):
        head = net.tensor(f"lin{i}.model.1.weight").clamp_min(0)
        unit = F.normalize(f, dim=1, eps=1e-10) - F.normalize(g, dim=1, eps=1e-10)
        total += (unit.square() * head).sum(dim=1).mean()
    torch.testing.assert_close(between("st-lpips", a[None], b[None])[0], total)


def test_what_networks_see():
    assert framed(torch.zeros(1, 1, 16, 24)).shape == (1, 3, 64, 96)
    assert framed(torch.zeros(1, 3, 100, 100)).shape == (1, 3, 100, 100)
    large = torch.zeros(1, 3, 512, 512)
    large[..., ::2] = 1
    assert framed(large).shape == (1, 3, 256, 256)
    assert framed(large).unique().tolist() == [0.5]
    clear = torch.cat([torch.zeros(1, 3, 64, 64), -torch.ones(1, 1, 64, 64)], dim=1)
    assert framed(clear).unique().tolist() == [1]  # what is transparent is white


def test_names_and_files_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(UsageError, match="did you mean 'lpips'"):
        distance("lpip", CPU)
    with pytest.raises(UsageError, match="only the distance lpips takes files"):
        distance("pixels", CPU, ["vgg16=x.pth"])
    with pytest.raises(UserError):
        distance("lpips", CPU, [f"vgg16={tmp_path / 'none.pth'}", f"lpips={tmp_path / 'none.pth'}"])
    assert distance("efficientnet-lite0", CPU).sha256.startswith("579344248a93")
    assert set(distances.DISTANCES) == {"pixels", "efficientnet-lite0", "st-lpips", "lpips"}
