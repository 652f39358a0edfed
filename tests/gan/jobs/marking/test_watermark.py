"""The watermark: who reads it, what it survives, what it changes, and which images carry none."""

import numpy as np
import pytest
import torch

from gan.images import view
from gan.jobs.marking.cells import GRID, Sampler
from gan.jobs.marking.coding import Payload
from gan.jobs.marking.watermark import NOTHING, WHOLES, Watermark
from tests.gan.jobs.marking.photographs import photograph, resized, saved

PAYLOAD = Payload(key=0xBEEF, model=0x1234)
MARKS = Watermark(b"\7" * 32)


@pytest.fixture(scope="module")
def image():
    return photograph()


@pytest.fixture(scope="module")
def marked(image):
    found = MARKS.embed(image, PAYLOAD)
    assert found is not None
    return found


def psnr(a, b):
    return 10 * np.log10(255**2 / (a.double() - b.double()).square().mean().item())


def test_it_is_read_by_its_secret_alone(image, marked):
    found = MARKS.detect(marked)
    assert found.payload == PAYLOAD and found.confidence > 0.99 and found.error < 1e-9
    assert Watermark(b"\7" * 31 + b"\6").detect(marked) == NOTHING
    assert MARKS.detect(image) == NOTHING


def test_a_mark_by_another_secret_does_not_hide_it(marked):
    other = Watermark(b"\1" * 32)
    twice = other.embed(marked, Payload(key=1, model=2))
    assert twice is not None and other.detect(twice).payload == Payload(key=1, model=2)
    assert MARKS.detect(twice).payload == PAYLOAD


def test_the_same_image_and_payload_give_the_same_pixels(image, marked):
    kept = image.clone()
    assert torch.equal(Watermark(b"\7" * 32).embed(image, PAYLOAD), marked)
    assert torch.equal(image, kept)
    assert not torch.equal(MARKS.embed(image, Payload(key=0xBEEF, model=0x1235)), marked)


def test_the_pattern_is_for_ever():
    """Marks are read by later versions: which cells and signs a secret means must never change."""
    assert MARKS._cells[0, :4].tolist() == [16225, 5066, 5402, 14068]
    assert MARKS._signs[0, :8].tolist() == [-1, -1, -1, -1, -1, 1, 1, 1]


def test_it_changes_little(image, marked):
    assert 39.5 < psnr(image, marked) < 48
    assert (marked.int() - image.int()).abs().max() < 40


@pytest.mark.parametrize(
    "changed",
    [
        lambda x: saved(x, "JPEG", 75),
        lambda x: saved(x, "WEBP", 80),
        lambda x: resized(x, 0.5),
        lambda x: resized(x, 1.7),
        lambda x: x[:, 5:249, 9:253],
        lambda x: x[:, 30:230, 11:211],
        lambda x: x[:, :200],
        lambda x: resized(x[:, 20:220, 40:240], 1.3),
        lambda x: (255 * (x / 255) ** 1.2).to(torch.uint8),
    ],
    ids=["jpeg", "webp", "half", "larger", "crop", "crop-more", "crop-below", "crop-resize", "gamma"],
)
def test_it_survives(marked, changed):
    found = MARKS.detect(changed(marked))
    assert found.payload == PAYLOAD and found.confidence > 0.7 and found.error < 1e-5


@pytest.mark.parametrize(("channels", "width"), [(1, None), (2, None), (4, None), (3, 160), (5, 400)])
def test_any_channels_and_shape(channels, width):
    image = photograph(256, 3, channels, width)
    if channels in (2, 4):
        image[-1] = 255
        image[-1, :60] = 100
    marked = MARKS.embed(image, PAYLOAD)
    assert marked is not None and marked.shape == image.shape and marked.dtype == torch.uint8
    kept = {2: [1], 4: [3], 5: [3, 4]}.get(channels, [])
    assert torch.equal(marked[kept], image[kept])
    assert MARKS.detect(marked).payload == MARKS.detect(view(marked)).payload == PAYLOAD


@pytest.mark.parametrize(
    "image",
    [
        photograph(32),
        torch.randint(0, 2, (3, 256, 256), dtype=torch.uint8) * 255,
        torch.cat([torch.full((3, 64, 64), 200), torch.zeros(1, 64, 64)]).to(torch.uint8),
    ],
    ids=["small", "noise", "transparent"],
)
def test_what_cannot_carry_it_stays_unmarked(image):
    assert MARKS.embed(image, PAYLOAD) is None


@pytest.mark.parametrize("side", [1, 15, 16, 200])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_read_from_flat_pictures(side, level):
    assert MARKS.detect(torch.full((3, side, side), level, dtype=torch.uint8)) == NOTHING


@pytest.mark.parametrize("shape", [(1, 16, 5000), (3, 5000, 16), (1, 48, 9000)], ids=str)
def test_thin_pictures(shape):
    """Thinner than half a cell."""
    drawn = torch.randint(0, 256, shape, dtype=torch.uint8)
    assert MARKS.detect(drawn) == NOTHING and MARKS.embed(drawn, PAYLOAD) is None


def test_nothing_is_read_from_others():
    others = Watermark(b"\2" * 32)
    assert [others.detect(photograph(96, seed)).payload for seed in range(40)] == [None] * 40


def test_short_secrets_are_refused():
    with pytest.raises(ValueError, match="16 bytes or more"):
        Watermark(b"short")


def test_symbols_of_unmarked_pictures_deviate_by_one():
    """The probability of an error rests on it; over secrets, in one picture."""
    pixels = photograph(128, 1)[0].double().numpy()
    levels = [Watermark(bytes([i]) * 16)._symbols(pixels) for i in range(40)]
    assert np.mean(levels) == pytest.approx(0, abs=0.04) and np.std(levels) == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize(
    ("height", "width", "whole", "tolerance"),
    [(256, 256, 1.0, 1e-9), (300, 200, 1.0, 0.05), (90, 90, 1.0, 1e-9), (150, 120, WHOLES[20], 0.05)],
)
def test_cells_lie_where_their_pixels_do(height, width, whole, tolerance):
    """A ramp gives the middle of each cell, in pixels; beyond an image there are no cells."""
    grid, cell = Sampler(height, width, whole), whole * max(height, width) / GRID
    ramp = np.add.outer(np.arange(height) + 0.5, np.zeros(width))
    inside = slice(2, int(height / cell) - 2)
    middles = (np.arange(GRID)[inside] + 0.5) * cell
    assert grid.down(ramp)[inside, 0] == pytest.approx(middles, abs=tolerance)
    assert grid.size == tuple(round(side / cell) for side in (height, width))
    assert grid.present.sum() == grid.size[0] * grid.size[1] and grid.present[0, 0]
    assert np.allclose(grid.up(np.full((GRID, GRID), 3.0)), 3.0)
