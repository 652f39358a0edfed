"""Application of what was drawn: exact cases, derivatives, channels, shapes, images left alone."""

import numpy as np
import pytest
import torch

from gan.randomness import Draws
from training.augment.config import AugmentConfig
from training.augment.filters import symlet
from training.augment.pipe import Parameters, Pipe, apply, cut_out, filter_bands, margins, recolour, resample

ADA = AugmentConfig(name="ada", policy="bgcfnc")


def some(images, seed=3):
    """Draws of these images."""
    return Draws(seed, 0, range(len(images)))


def smooth(n, c, height, width, dtype=torch.float64):
    """Images without high frequencies: a flip is exact up to the low-pass, which is not quite symmetric."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    phases = torch.rand(n, c, 1, 1, dtype=dtype) * 6
    return (x / 3 + phases).cos() / 2 + (y / 4 - phases).sin() / 2


def shift(x, y):
    return torch.tensor([[1, 0, x], [0, 1, y], [0, 0, 1.0]], dtype=torch.float64)[None]


def moved(images, geometry):
    return resample(images, geometry, margins(geometry, *images.shape[2:]))


@pytest.mark.parametrize("policy", ["bgcfnc", "bgc", "blit"])
def test_p_0_returns_the_input(policy):
    images = torch.rand(4, 3, 24, 24)
    assert Pipe(AugmentConfig(name="ada", policy=policy))(images, 0.0, some(images)) is images


def test_the_identity_resampled_is_the_identity(close):
    images = torch.randn(2, 3, 16, 12, dtype=torch.float64)
    torch.testing.assert_close(
        moved(images, torch.eye(3)[None].double().repeat(2, 1, 1)), images, atol=1e-6, rtol=0
    )


@pytest.mark.parametrize(("x", "y"), [(2, 0), (0, -3), (-4, 5)])
def test_whole_pixels(x, y):
    """A shift copies pixels; what comes in is the mirror image."""
    images = torch.randn(2, 1, 16, 20, dtype=torch.float64)
    rows, columns = (_mirrored(size, by) for size, by in ((16, y), (20, x)))
    want = images[:, :, rows][..., columns]
    got = moved(images, shift(x, y).repeat(2, 1, 1))
    torch.testing.assert_close(got, want, atol=1e-6, rtol=0)  # filter taps are float32


def _mirrored(size, by):
    index = (torch.arange(size) + by).abs()
    return torch.where(index < size, index, 2 * (size - 1) - index)


@pytest.mark.parametrize(
    ("matrix", "want"),
    [
        ([[-1, 0, 0], [0, 1, 0]], lambda x: x.flip(3)),
        ([[-1, 0, 0], [0, -1, 0]], lambda x: x.flip(2, 3)),
        ([[0, -1, 0], [1, 0, 0]], lambda x: x.rot90(1, (2, 3))),
        ([[0, 1, 0], [-1, 0, 0]], lambda x: x.rot90(-1, (2, 3))),
    ],
)
def test_flips_and_quarter_turns(matrix, want):
    images = smooth(2, 3, 16, 16)
    geometry = torch.tensor([[*matrix, [0, 0, 1]]] * 2, dtype=torch.float64)
    torch.testing.assert_close(moved(images, geometry), want(images), atol=0.04, rtol=0)


def test_a_flip_in_closed_form():
    """The low-pass h is not quite its own mirror image: a flip filters by 2 h * h at even places."""
    images = torch.randn(1, 1, 14, 30, dtype=torch.float64)
    geometry = torch.tensor([[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]], dtype=torch.float64)
    h = symlet(6).numpy()
    kernel = torch.from_numpy(2 * np.convolve(h, h)[0::2])  # 12 taps, nearly 1 at number 5
    flipped = images.flip(3)
    want = torch.nn.functional.conv2d(torch.nn.functional.pad(flipped, (5, 6)), kernel[None, None, None])
    got = moved(images, geometry)
    torch.testing.assert_close(got[..., 6:-6], want[..., 6:-6], atol=1e-6, rtol=0)
    assert kernel[5] > 0.96
    assert (got - flipped).abs().max() > 0.01


def test_images_without_a_draw_are_kept_bit_for_bit():
    images = torch.rand(5, 3, 24, 24)
    rotated = torch.eye(3, dtype=torch.float64).repeat(5, 1, 1)
    rotated[3, 0, 2] = 1.5
    gains = torch.ones(5, 4, dtype=torch.float64)
    gains[3, 1] = 3
    colour = torch.eye(4, dtype=torch.float64).repeat(5, 1, 1)
    colour[3, 0, 3] = 1
    for change in ({"geometry": rotated}, {"bands": gains}, {"colour": colour}):
        got = apply(images, Parameters(**change))
        assert [got[i].equal(images[i]) for i in range(5)] == [True, True, True, False, True]


def test_a_part_of_a_batch_as_in_the_whole(close):
    """An image's result is the same whether its neighbours are resampled or left alone."""
    images = torch.rand(4, 3, 16, 16, dtype=torch.float64)
    geometry = torch.eye(3, dtype=torch.float64).repeat(4, 1, 1)
    geometry[1] = shift(0.5, 1.25)[0]
    geometry[2, :2, :2] *= 1.4
    close(apply(images, Parameters(geometry=geometry)), moved(images, geometry), scale=1e3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(3, 1, 24, 24), (3, 3, 22, 40), (3, 4, 37, 23), (1, 5, 24, 24)], ids=str)
def test_shapes_and_channels(shape, dtype, device):
    images = torch.rand(shape, dtype=dtype, device=device) * 2 - 1
    out = Pipe(ADA)(images, 0.9, some(images))
    assert out.shape == images.shape and out.dtype == dtype and out.isfinite().all()
    assert not out.equal(images)


def test_colour_leaves_further_channels_alone():
    images = torch.rand(2, 5, 4, 4)
    matrix = torch.randn(2, 4, 4, dtype=torch.float64)
    out = recolour(images, matrix)
    assert out[:, 3:].equal(images[:, 3:])
    want = torch.einsum("nij,njhw->nihw", matrix[:, :3, :3].float(), images[:, :3])
    torch.testing.assert_close(out[:, :3], want + matrix[:, :3, 3, None, None].float())


def test_colour_of_grey_images_is_that_of_three_equal_channels(close):
    grey = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    matrix = torch.randn(2, 4, 4, dtype=torch.float64)
    close(recolour(grey, matrix), recolour(grey.expand(-1, 3, -1, -1), matrix).mean(1, keepdim=True))
    with pytest.raises(ValueError, match="got 2"):
        recolour(grey.expand(-1, 2, -1, -1), matrix)


def test_bands_of_a_cosine(close):
    """In the middle of a wide image, a band's gain is what a wave inside that band is multiplied by."""
    x = torch.arange(128, dtype=torch.float64)
    images = (x * torch.pi * 0.97).cos().expand(1, 1, 22, 128)
    gains = torch.tensor([[1.0, 1.0, 1.0, 0.25]], dtype=torch.float64)
    middle = slice(43, -43)
    low = torch.ones(1, 1, 22, 128, dtype=torch.float64)
    close(filter_bands(low, gains), low, scale=1e3)
    got = filter_bands(images, gains)[..., middle]
    torch.testing.assert_close(got, images[..., middle] * 0.25, atol=2e-3, rtol=0)


def test_cutout():
    images = torch.ones(3, 2, 8, 8)
    box = torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.0, 1.0, 0.5, 0.25], [0.3, 0.3, 0.0, 0.0]])
    out = cut_out(images, box)
    want = torch.ones(3, 2, 8, 8)
    want[0, :, 2:6, 2:6] = 0
    want[1, :, 7:, :2] = 0
    assert out.equal(want)


def test_noise_has_its_deviation():
    pipe = Pipe(AugmentConfig(name="ada", policy="noise"))
    images = torch.zeros(400, 1, 16, 16)
    out = pipe(images, 1.0, some(images))
    deviation = out.flatten(1).std(1)  # |n| * 0.1 for a normal n
    assert deviation.square().mean().sqrt().item() == pytest.approx(0.1, rel=0.15)
    assert deviation.min() < 0.01 < 0.2 < deviation.max()


@pytest.mark.parametrize("policy", ["bgc", "filter,cutout", "noise"])
def test_the_same_on_every_device(policy, device, close):
    images, pipe = torch.rand(6, 4, 24, 32), Pipe(AugmentConfig(name="ada", policy=policy))
    outs = [pipe(images.to(place), 0.6, some(images)) for place in ("cpu", device)]
    assert outs[1].device.type == device.type
    close(outs[1].cpu(), outs[0])


def test_a_seed_decides_everything():
    images, pipe = torch.rand(4, 3, 24, 24), Pipe(ADA)
    outs = [pipe(images, 0.7, some(images, seed)) for seed in (3, 3, 4)]
    assert outs[0].equal(outs[1]) and not outs[0].equal(outs[2])


@pytest.mark.parametrize("check", [torch.autograd.gradcheck, torch.autograd.gradgradcheck])
@pytest.mark.parametrize("policy", ["bgc", "filter,noise,cutout"])
def test_differentiable_twice(check, policy):
    size = 8 if policy == "bgc" else 22
    images = torch.rand(2, 1, size, size, dtype=torch.float64, requires_grad=True)
    pipe = Pipe(AugmentConfig(name="ada", policy=policy))

    def corner(x):  # a part is enough, and few numbers to perturb
        x = torch.nn.functional.pad(x, (0, size - 3, 0, size - 3))
        return pipe(x, 1.0, some(x, 1))[..., :6, :6].tanh()

    assert check(corner, images[..., :3, :3].detach().requires_grad_())
