"""Resizers against closed forms and against Pillow; scales; refusals."""

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from gan.errors import UserError
from gan.images import rgb_view, view
from metrics.networks.extractors import prepare
from metrics.resize import RESIZERS, SCALES, described, prepared, rgb

CPU = torch.device("cpu")


def noise(n=2, height=20, width=14) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, height, width), dtype=torch.uint8)


def row(*values: int) -> torch.Tensor:
    """One image whose every row and channel has these values: uint8 [1, 3, len, len]."""
    return torch.tensor(values, dtype=torch.uint8).expand(1, 3, len(values), len(values))


def pillow(image: torch.Tensor, size: tuple[int, int], resample) -> torch.Tensor:
    """uint8 [3, H, W] through Pillow: [3, height, width]."""
    picture = Image.fromarray(image.permute(1, 2, 0).contiguous().numpy())
    return torch.from_numpy(np.array(picture.resize(size, resample))).permute(2, 0, 1).float()


@pytest.mark.parametrize("name", RESIZERS)
def test_shape_and_range(name):
    out = RESIZERS[name](noise(), 17)
    assert out.shape == (2, 3, 17, 17) and out.dtype == torch.float32
    assert out.min() >= 0 and out.max() <= 255


@pytest.mark.parametrize("name", RESIZERS)
def test_own_size_and_flat_images_stay(name):
    own = noise(height=12, width=12)
    assert torch.equal(RESIZERS[name](own, 12), own.float())
    flat = torch.full((1, 3, 9, 9), 77, dtype=torch.uint8)
    assert (RESIZERS[name](flat, 13) - 77).abs().max() < 1e-4


def test_tf1_doubles_by_repeating_the_last_pixel():
    out = RESIZERS["tf1-bilinear"](row(0, 100, 200), 6)
    assert out[0, 0, 3].tolist() == [0, 50, 100, 150, 200, 200]


def test_tf1_halves_by_taking_every_second_pixel():
    out = RESIZERS["tf1-bilinear"](row(9, 1, 7, 2), 2)
    assert out[0, 0, 0].tolist() == [9, 7]


def test_tf1_is_linear_on_a_ramp():
    values = torch.arange(32, dtype=torch.uint8) * 8
    out = RESIZERS["tf1-bilinear"](values.expand(1, 3, 32, 32), 299)[0, 0, 0]
    want = (torch.arange(299, dtype=torch.float64) * 32 / 299 * 8).clamp(max=248)
    assert (out - want).abs().max() < 1e-4


def test_half_pixel_bilinear():
    out = RESIZERS["bilinear"](row(0, 100), 4)
    assert out[0, 0, 0].tolist() == [0, 25, 75, 100]
    assert RESIZERS["bilinear"](row(9, 1, 7, 2), 2)[0, 0, 0].tolist() == [5, 4.5]


@pytest.mark.parametrize("size", [9, 31])
def test_pil_is_pillow(size):
    images = noise()
    want = torch.stack([pillow(image, (size, size), Image.Resampling.BICUBIC) for image in images])
    assert torch.equal(RESIZERS["pil-bicubic"](images, size), want)


@pytest.mark.parametrize("size", [9, 31])
def test_pil_float_keeps_fractions_and_clips(size):
    images = noise()
    out = RESIZERS["pil-bicubic-float"](images, size)
    plane = Image.fromarray(images[1, 2].float().numpy())
    want = np.asarray(plane.resize((size, size), Image.Resampling.BICUBIC))
    assert plane.mode == "F" and (size == 9 or want.max() > 255)
    assert np.array_equal(out[1, 2].numpy(), want.clip(0, 255))
    assert (out - out.round()).abs().max() > 0.1


@pytest.mark.parametrize(("height", "width"), [(20, 14), (14, 20), (33, 33)])
def test_crop_keeps_the_ratio_and_the_middle(height, width):
    image = noise(1, height, width)
    short = min(height, width)
    size = (width * 10 // short, height * 10 // short)
    whole = pillow(image[0], size, Image.Resampling.BICUBIC)
    left, top = round((size[0] - 10) / 2), round((size[1] - 10) / 2)
    got = RESIZERS["pil-bicubic-crop"](image, 10)[0]
    assert torch.equal(got, whole[:, top : top + 10, left : left + 10])


@pytest.mark.parametrize(
    ("scale", "low", "high"),
    [
        ("tf", [-1] * 3, [127 / 128] * 3),
        ("unit", [-1] * 3, [1] * 3),
        ("imagenet", [-2.117904, -2.035714, -1.804444], [2.248908, 2.428571, 2.64]),
        ("clip", [-1.792263, -1.752097, -1.480222], [1.930336, 2.074884, 2.145897]),
    ],
)
def test_scales(scale, low, high):
    assert scale in SCALES
    ends = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    out = prepared(ends, 4, "bilinear", scale, CPU)
    assert out[0, :, 0, 0].tolist() == pytest.approx(low, abs=1e-5)
    assert out[1, :, 0, 0].tolist() == pytest.approx(high, abs=1e-5)
    assert out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["tf1-bilinear", "pil-bicubic"])
def test_grey_is_three_equal_channels(name):
    grey = noise()[:, :1]
    out = prepared(grey, 11, name, "unit", CPU)
    assert torch.equal(out, prepared(grey.expand(-1, 3, -1, -1), 11, name, "unit", CPU))
    assert torch.equal(out[:, 0], out[:, 2])


@pytest.mark.parametrize("channels", [2, 4, 6])
def test_networks_see_the_view_of_other_channels(channels):
    pixels = noise().repeat(1, 2, 1, 1)[:, :channels]
    for name in ("tf1-bilinear", "pil-bicubic"):
        seen, wanted = prepared(pixels, 11, name, "unit", CPU), prepared(view(pixels), 11, name, "unit", CPU)
        assert torch.equal(seen, wanted)
    assert torch.equal(prepare(pixels, 11), prepare(rgb_view(pixels), 11))


def test_pillows_version_is_recorded_where_it_matters():
    assert described(299, "tf1-bilinear", "tf") == "299px-tf1-bilinear-tf"
    assert described(224, "pil-bicubic", "clip") == f"224px-pil-bicubic-clip-pillow{PIL.__version__}"


def test_other_images_are_refused():
    with pytest.raises(UserError, match="need \\[N, channels"):
        rgb(torch.zeros(4, 8, 8, dtype=torch.uint8))
    with pytest.raises(TypeError, match="uint8"):
        rgb(torch.zeros(1, 3, 8, 8))
