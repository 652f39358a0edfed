"""Pixel conversions at their edges, the geometry of grids, and files that appear whole."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from gan.errors import UserError
from gan.images import (
    FORMATS,
    encode,
    encode_exactly,
    grid,
    labelled_grid,
    rgb_view,
    save_png,
    to_float,
    to_pil,
    to_uint8,
    view,
)


def ramp(n: int, c: int, h: int, w: int) -> torch.Tensor:
    """Every pixel different from its neighbours; uint8 [n, c, h, w]."""
    return (torch.arange(n * c * h * w) * 37 % 251).to(torch.uint8).view(n, c, h, w)


def test_every_level_survives_the_round_trip():
    levels = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_uint8(to_float(levels)), levels)


def test_to_float_spans_minus_one_to_one():
    levels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    torch.testing.assert_close(to_float(levels), torch.tensor([-1.0, -0.6, 1.0]))


@pytest.mark.parametrize(
    ("value", "level"),
    [(-1.0, 0), (-2.0, 0), (0.0, 128), (1.0, 255), (7.0, 255), (127 / 127.5, 255), (126.9 / 127.5, 254)],
)
def test_to_uint8_truncates_and_clamps(value, level):
    assert to_uint8(torch.tensor([value], dtype=torch.float64)).item() == level


def test_half_precision_is_converted_before_the_arithmetic():
    assert to_uint8(torch.tensor([-0.984375], dtype=torch.bfloat16)).item() == 2  # -125.508 + 128 = 2.49


@pytest.mark.parametrize("channels", [1, 3])
def test_grid_places_images_row_by_row(channels):
    images = ramp(5, channels, 4, 6)
    sheet = grid(images, columns=3, padding=2, background=9)
    assert sheet.shape == (channels, 2 * 6 + 2, 3 * 8 + 2)
    assert torch.equal(sheet[:, 2:6, 2:8], images[0])
    assert torch.equal(sheet[:, 2:6, 18:24], images[2])
    assert torch.equal(sheet[:, 8:12, 10:16], images[4])
    assert (sheet[:, 8:12, 18:24] == 9).all()  # the cell without an image
    assert (sheet[:, :2] == 9).all()


@pytest.mark.parametrize(("n", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (9, 3, 3), (10, 3, 4)])
def test_grid_is_near_square_by_default(n, rows, columns):
    assert grid(ramp(n, 1, 2, 2), padding=0).shape == (1, rows * 2, columns * 2)


def test_grid_refuses_what_it_cannot_draw():
    with pytest.raises(UserError, match="uint8"):
        grid(torch.zeros(1, 3, 2, 2))
    with pytest.raises(UserError, match=r"shape \[3, 2, 2\]"):
        grid(ramp(1, 3, 2, 2)[0])
    with pytest.raises(UserError, match="0 images"):
        grid(ramp(0, 3, 2, 2))
    with pytest.raises(UserError, match="0 columns"):
        grid(ramp(2, 3, 2, 2), columns=0)


def test_view_lays_alpha_on_white():
    """(colour, alpha) -> level: opaque keeps it, half is half way to white, transparent is white."""
    for colour, alpha, level in [(10, 255, 10), (10, 0, 255), (0, 128, 127), (100, 51, 224), (255, 77, 255)]:
        pixels = torch.tensor([0, colour, 255, alpha], dtype=torch.uint8).view(1, 4, 1, 1)
        assert view(pixels)[0, 1].item() == level
        assert view(pixels[:, [1, 3]]).flatten().tolist() == [level]
        assert rgb_view(pixels[:, [1, 3]]).flatten().tolist() == [level] * 3
        shown = view(to_float(pixels))[0, 1]
        assert abs((shown * 127.5 + 127.5).item() - level) <= 0.5 + 1e-4


def test_view_of_every_number_of_channels():
    for channels, shown in [(1, 1), (2, 1), (3, 3), (4, 3), (5, 3), (9, 3)]:
        images = ramp(2, channels, 3, 4)
        assert view(images).shape == (2, shown, 3, 4) and view(images).dtype == torch.uint8
        assert view(images[0]).shape == (shown, 3, 4) and rgb_view(images).shape == (2, 3, 3, 4)
        assert grid(images, 2, padding=0).shape == (shown, 3, 8)
        assert labelled_grid(images, ["a", "b"]).shape[0] == shown
    assert torch.equal(view(images), images[:, :3])
    assert torch.equal(rgb_view(ramp(1, 1, 2, 2)), ramp(1, 1, 2, 2).repeat(1, 3, 1, 1))


def test_files_hold_every_channel():
    for channels in (1, 2, 3, 4):
        suffix, data = encode_exactly(ramp(1, channels, 5, 7)[0])
        with Image.open(io.BytesIO(data)) as read:
            array = np.atleast_3d(np.asarray(read)).transpose(2, 0, 1)
        assert suffix == ".png" and np.array_equal(array, ramp(1, channels, 5, 7)[0])
    suffix, data = encode_exactly(ramp(1, 6, 5, 7)[0])
    assert suffix == ".npy" and np.array_equal(np.load(io.BytesIO(data)), ramp(1, 6, 5, 7)[0])
    with pytest.raises(UserError, match="6 channels"):
        to_pil(ramp(1, 6, 5, 7)[0])
    with Image.open(io.BytesIO(encode(ramp(1, 4, 5, 7)[0], ".jpg"))) as read:
        assert read.mode == "RGB"


def test_labels_sit_under_enlarged_images_and_differ():
    images = ramp(2, 3, 32, 32)
    sheet = labelled_grid(images, ["7", "8"], columns=2, padding=0)
    assert sheet.shape == (3, 64 + 14, 2 * 64)
    assert torch.equal(sheet[:, :64:2, :64:2], images[0])
    left, right = sheet[:, 64:, :64], sheet[:, 64:, 64:]
    assert left.min() < 128 < left.max()
    assert not torch.equal(left, right)


def test_a_long_label_stays_in_its_cell():
    sheet = labelled_grid(ramp(2, 1, 64, 64), ["0123456789" * 9, ""], columns=2, padding=0)
    assert (sheet[:, 64:, 64:] == 255).all()


def test_labels_must_match_images():
    with pytest.raises(UserError, match="1 labels for 2 images"):
        labelled_grid(ramp(2, 3, 8, 8), ["a"])


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_saved_png_reads_back_bit_for_bit(tmp_path, channels, mode):
    image = ramp(1, channels, 5, 7)[0]
    save_png(tmp_path / "a.png", image)
    with Image.open(tmp_path / "a.png") as read:
        assert read.mode == mode
        array = np.asarray(read)
    assert np.array_equal(array, np.asarray(to_pil(image)))
    assert torch.equal(torch.from_numpy(array.copy()).view(5, 7, channels).permute(2, 0, 1), image)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.png"]  # no temporary left


@pytest.mark.parametrize("suffix", FORMATS)
def test_encode_writes_the_format_of_the_suffix(suffix):
    with Image.open(io.BytesIO(encode(ramp(1, 3, 16, 16)[0], suffix))) as read:
        assert (read.format, read.size) == (FORMATS[suffix], (16, 16))


def test_encode_names_the_formats_it_knows():
    with pytest.raises(UserError, match=r"'\.tiff'.*\.png"):
        encode(ramp(1, 3, 4, 4)[0], ".tiff")
