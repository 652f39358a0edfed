"""Every shortcut of conv2d_resample against its definition; modulated_conv2d against per-sample weights."""

import sys

import pytest
import torch
import torch.nn.functional as F

from ops import (
    conv2d_resample,
    modulated_conv2d,
    prenormalized_modulated_conv2d,
    setup_filter,
    upfirdn2d,
)
from ops.upfirdn2d import add_padding, downsample_padding, parse_padding, upsample_padding


def definition(x, w, f, up, down, padding, groups, flip_weight):
    """Zero-insert, pad, filter, convolve, filter, decimate: in this order, at full size."""
    p = parse_padding(padding)
    p = add_padding(p, upsample_padding(f, up)) if up > 1 else p
    p = add_padding(p, downsample_padding(f, down)) if down > 1 else p
    x = upfirdn2d(x, f if up > 1 else None, up=up, padding=p, gain=up**2)
    x = F.conv2d(x, w if flip_weight else w.flip([2, 3]), groups=groups)
    return upfirdn2d(x, f, down=down) if down > 1 else x


@pytest.mark.parametrize("flip_weight", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("kernel", [1, 2, 3])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1)])
def test_shortcuts_equal_the_definition(up, down, kernel, groups, flip_weight):
    x = torch.randn(2, 4, 7, 6, dtype=torch.float64)
    w = torch.randn(6, 4 // groups, kernel, kernel, dtype=torch.float64)
    f = setup_filter([1, 3, 3, 1])
    for padding in (kernel // 2, (2, 1, 0, 3)):
        got = conv2d_resample(x, w, f, up, down, padding, groups, flip_weight)
        torch.testing.assert_close(got, definition(x, w, f, up, down, padding, groups, flip_weight))


@pytest.mark.parametrize("demodulate", [True, False])
def test_modulation_equals_weights_per_sample(demodulate):
    x, w = torch.randn(3, 4, 5, 5, dtype=torch.float64), torch.randn(6, 4, 3, 3, dtype=torch.float64)
    styles, noise = torch.randn(3, 4, dtype=torch.float64), torch.randn(3, 1, 5, 5, dtype=torch.float64)
    got = modulated_conv2d(x, w, styles, noise, padding=1, demodulate=demodulate)
    for n in range(3):
        weight = w * styles[n][None, :, None, None]
        if demodulate:
            weight = weight / (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        torch.testing.assert_close(got[n], F.conv2d(x[n][None], weight, padding=1)[0] + noise[n])


def test_float16_stays_finite_with_huge_weights():
    x, w = torch.randn(1, 64, 4, 4).half(), torch.randn(8, 64, 3, 3) * 1e4
    got = modulated_conv2d(x, w, torch.full((1, 64), 1e3), padding=1)
    want = modulated_conv2d(x.double(), w.double(), torch.full((1, 64), 1e3, dtype=torch.float64), padding=1)
    assert got.dtype == torch.float16
    torch.testing.assert_close(got.double(), want, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize(("kernel", "up"), [(3, 1), (3, 2), (1, 1)])
def test_autocast_stays_finite_with_huge_weights(kernel, up):
    """Types are float32 when the normalisation decides; the convolution then casts them to float16."""
    x, w = torch.randn(2, 64, 4, 4), torch.randn(8, 64, kernel, kernel) * 1e4
    styles, f = torch.full((2, 64), 1e3), setup_filter([1, 3, 3, 1])
    options = {"padding": kernel // 2, "up": up, "f": f}
    with torch.autocast("cpu", torch.float16):
        got = modulated_conv2d(x, w, styles, **options)
    want = modulated_conv2d(x.double(), w.double(), styles.double(), **options)
    assert got.dtype == torch.float16
    torch.testing.assert_close(got.double(), want, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("convolve", [modulated_conv2d, prenormalized_modulated_conv2d])
def test_autocast_keeps_the_demodulation_exact(convolve):
    """Powers of two, which bfloat16 holds; a sum of their squares, 1 + 1/256, it does not."""
    x = torch.zeros(1, 2, 3, 3)
    x[:, 0] = 1
    w, styles = torch.tensor([1.0, 2.0**-4]).view(1, 2, 1, 1), torch.ones(1, 2)
    with torch.autocast("cpu", torch.bfloat16):
        energies = []
        with pytest.MonkeyPatch.context() as patch:
            module = sys.modules["ops.modulated_conv2d"]
            inner = module.scale_bias_act
            patch.setattr(
                module, "scale_bias_act", lambda x, s, *rest: energies.append(s) or inner(x, s, *rest)
            )
            convolve(x, w, styles)
    assert energies[-1].dtype == torch.float32
    scale = w.square().mean().rsqrt() if convolve is prenormalized_modulated_conv2d else 1
    torch.testing.assert_close(
        energies[-1].item(), float((w * scale).square().sum().rsqrt()), rtol=1e-6, atol=0
    )
