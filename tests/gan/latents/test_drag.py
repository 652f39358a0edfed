"""Dragging on a toy whose picture is a blob where w says it is, and on real networks."""

import threading
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from gan.errors import UsageError
from gan.latents.drag import Features, Map, Settings, around, changed, drag, motion, tracked
from gan.latents.inner import output_of
from gan.networks.blocks import Block
from tests.gan.web import explored

SIDE = 48


class Blob(Block):
    """ws -> a blob of width 4 at (24, 24) + 10 * w[:2], as one feature, and its two slopes as two more."""

    level = SIDE

    def forward(self, ws):
        place = SIDE / 2 + 10 * ws[:, 0, :2]
        axis = torch.arange(SIDE, dtype=ws.dtype)
        x, y = axis - place[:, :1, None], axis[:, None] - place[:, 1:, None]
        blob = torch.exp(-(x * x + y * y) / 32)
        return torch.stack([blob, blob * x, blob * y], dim=1)


class Toy(nn.Module):
    """A generator of nothing but the blob."""

    @dataclass
    class Config:
        base: tuple[int, int] = (4, 4)
        type: str = "toy"

    def __init__(self):
        super().__init__()
        self.config, self.num_ws, self.w_dim, self.c_dim = self.Config(), 2, 4, 0
        self.image_shape, self.resolution = (3, SIDE, SIDE), 2 * SIDE
        self.synthesis = nn.Module()
        self.synthesis.blob = Blob()
        self.synthesis.forward = lambda ws, noise: self.synthesis.blob(ws)


def points(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_a_blob_goes_where_it_is_dragged():
    ws = torch.zeros(1, 2, 4)
    settings = Settings(learning_rate=0.02, layers=1, tracked=40, supervised=40)
    steps = list(drag(Toy(), ws, points([24, 24]), points([34, 18]), settings))
    assert steps[0].distance == pytest.approx(136**0.5) and torch.equal(steps[0].ws, ws)
    last = steps[-1]
    assert last.distance <= 1 and 5 < last.number < 300
    torch.testing.assert_close(24 + 10 * last.ws[0, 0, :2], points(34, 18), atol=1.5, rtol=0)
    assert torch.equal(last.ws[0, 0, 2:], torch.zeros(2))  # what the picture does not depend on
    assert torch.equal(last.ws[:, 1], ws[:, 1]) and torch.equal(ws, torch.zeros(1, 2, 4))


class Pair(Blob):
    """The blob, and above at the left a second one, which moves along with it, and by w[2:4] besides."""

    def forward(self, ws):
        other = ws[:, :, :2] + ws[:, :, 2:4] - 1.6  # at (8, 8)
        return torch.cat([super().forward(ws), super().forward(other)], dim=1)


def test_what_lies_outside_the_mask_stays():
    toy, mask = Toy(), torch.zeros(SIDE, SIDE, dtype=torch.bool)
    toy.synthesis.blob = Pair()
    mask[16:, 16:] = True  # the way of the first blob, and nothing of the second
    settings = Settings(learning_rate=0.02, layers=1, tracked=40, supervised=40)
    asked = points([24, 24]), points([34, 30])
    moved = {}
    for name, given in (("all", None), ("mask", mask)):
        *_, last = drag(toy, torch.zeros(1, 2, 4), *asked, settings, mask=given)
        assert last.distance <= 1
        moved[name] = 10 * (last.ws[0, 0, :2] + last.ws[0, 0, 2:4]).norm()  # pixels of the second blob
    assert moved["all"] > 10 and moved["mask"] < 2


def test_the_term_of_the_mask_is_eq_1():
    """Means over channels, and over what the mask leaves out, of which a coarser map holds parts."""
    first, mask = ramp((4, 8), 8), torch.ones(4, 8, dtype=torch.bool)
    first = Map(first.values, (4, 8), (4, 8))
    mask[:, :3] = False
    now = Map(first.values + torch.tensor([2.0, 0.0])[:, None, None] * (torch.arange(8) < 4), (4, 8), (4, 8))
    torch.testing.assert_close(changed(now, first, first.outside(mask)), torch.tensor(1.0))
    coarse = Map(torch.zeros(2, 2, 4), (2, 4), (4, 8))
    assert coarse.outside(mask).tolist() == [[1.0, 0.5, 0.0, 0.0]] * 2
    half = Map(torch.tensor([[[2.0, 2, 8, 8]] * 2] * 2), (2, 4), (4, 8))
    torch.testing.assert_close(changed(half, coarse, coarse.outside(mask)), torch.tensor(2.0))


def test_a_mask_goes_on_in_the_margins():
    mask = torch.zeros(32, 32, dtype=torch.bool)
    mask[:, :16] = True
    outside = ramp((52, 52), 32, covered=(32, 32)).outside(mask)
    assert outside.shape == (52, 52) and outside[:, :26].max() == 0 and outside[:, 26:].min() == 1


def test_the_way_is_followed():
    """The handle is where the blob is, at every step."""
    settings = Settings(learning_rate=0.02, layers=1, tracked=40, supervised=40)
    for step in drag(Toy(), torch.zeros(1, 2, 4), points([24, 24]), points([34, 24]), settings):
        torch.testing.assert_close(step.handles[0], 24 + 10 * step.ws[0, 0, :2], atol=1.0, rtol=0)


def test_nothing_to_do():
    [step] = drag(Toy(), torch.ones(1, 2, 4), points([20, 20]), points([20.5, 20]))
    assert step.number == 0 and torch.equal(step.ws, torch.ones(1, 2, 4))


def ramp(size=(32, 32), side=32, covered=None):
    """A map whose two features are the x and y of its own pixels, doubled: F(x, y) = (x, y)."""
    rows, columns = size
    y, x = torch.meshgrid(torch.arange(rows) * 1.0, torch.arange(columns) * 1.0, indexing="ij")
    return Map(torch.stack([x, y]), covered or size, (side, side))


def test_features_are_bilinear_in_pixels_of_the_image():
    places = points([3, 5], [3.25, 5.5], [30.5, 0])[None]
    torch.testing.assert_close(ramp().at(places), places)
    half = ramp((16, 16), 32).at(places)  # pixel 2k + 0.5 of the image is pixel k of the map
    torch.testing.assert_close(half[0, 1], (points(3.25, 5.5) - 0.5) / 2)


def test_margins_are_left_out():
    """StyleGAN3's maps reach beyond the picture by some pixels on all sides."""
    places = points([0, 0], [31, 31], [10, 4])[None]
    torch.testing.assert_close(ramp((52, 52), 32, covered=(32, 32)).at(places), places + 10)


def test_motion_supervision_is_eq_1():
    """On the ramp |F(q) - F(q + d)| is |d_x| + |d_y| everywhere; the mean over channels is half of it."""
    near = around(12, 512, torch.zeros(1))
    loss = motion(ramp(), points([15, 15], [14, 16]), points([0.6, 0.8], [0, 1]), near)
    torch.testing.assert_close(loss, torch.tensor(0.25 * (1.4 + 1.0)))


def test_point_tracking_is_eq_2():
    before = points([17, 12])[:, None]
    found = tracked(ramp(), points([15, 15]), before, around(4, 512, torch.zeros(1)))
    assert found.tolist() == [[17, 12]]
    found = tracked(ramp(), points([15, 15]), before, around(1, 512, torch.zeros(1)))
    assert found.tolist() == [[16, 14]]  # no further than it may look


def test_radii_shrink_with_the_picture():
    assert len(around(3, 512, torch.zeros(1))) == 49 and len(around(12, 256, torch.zeros(1))) == 169
    assert len(around(3, 32, torch.zeros(1))) == 9 and around(3, 1024, torch.zeros(1))[0].tolist() == [0, 0]


@pytest.mark.parametrize("base", [(4, 4), (2, 4)])
def test_stylegan2(base):
    generator = explored.stylegan(base=base, c_dim=0)
    features = Features(generator, "const")
    assert features.name == "b16" and features.covered == (4 * base[0], 4 * base[1])
    ws = generator.mapping(torch.ones(1, 8)).clone()
    x, _ = output_of(generator.synthesis, "b16", ws)
    assert torch.equal(features(ws).values, x[0])
    *_, last = drag(generator, ws, points([8, 8]), points([12, 8]), Settings(steps=3))
    assert not torch.equal(last.ws[:, :6], ws[:, :6]) and torch.equal(last.ws[:, 6:], ws[:, 6:])


def test_stylegan3():
    generator = explored.stylegan3_t()
    features = Features(generator, "const")
    ws = generator.mapping(torch.ones(1, 8)).clone()
    assert features.covered[0] < features(ws).values.shape[1]  # there is a margin
    *_, last = drag(generator, ws, points([8, 8]), points([12, 8]), Settings(steps=2))
    assert not torch.equal(last.ws, ws)


def test_refusals():
    ws, generator = torch.zeros(1, 8, 8), explored.stylegan()
    for handles, targets in (([[40, 0]], [[1, 1]]), ([[1, 1]], [[-2, 0]]), ([[1, 1]], [[1, 1], [2, 2]])):
        with pytest.raises(UsageError, match="point|handles"):
            next(drag(generator, ws, points(*handles), points(*targets)))
    for mask in (torch.ones(8, 8) > 0, torch.ones(32, 32), torch.zeros(32, 32) > 0):
        with pytest.raises(UsageError, match="mask"):
            next(drag(generator, ws, points([1, 1]), points([2, 2]), mask=mask))
    with pytest.raises(UsageError, match="no style space"):
        next(drag(explored.plain(), ws, points([1, 1]), points([2, 2])))


def test_other_threads_are_not_stopped():
    """While one thread asks for a layer, the whole network runs in another one."""
    generator = explored.stylegan(c_dim=0)
    ws, seen = generator.mapping(torch.ones(1, 8)), []
    whole = generator.synthesis(ws)

    def within(*_):
        handle.remove()
        other = threading.Thread(target=lambda: seen.append(generator.synthesis(ws)))
        other.start()
        other.join()

    handle = generator.synthesis.b8.register_forward_hook(within)
    output_of(generator.synthesis, "b16", ws)
    assert torch.equal(seen[0], whole) and torch.equal(generator.synthesis(ws), whole)


def test_layers_that_are_not_there():
    generator = explored.stylegan(c_dim=0)
    ws = generator.mapping(torch.ones(1, 8))
    with pytest.raises(AttributeError):
        output_of(generator.synthesis, "b64", ws)
    generator.synthesis.unused = nn.Identity()
    with pytest.raises(ValueError, match="takes no part"):
        output_of(generator.synthesis, "unused", ws)
