"""Data sets of NumPy files: any number of channels, and one-line refusals of what is no such image."""

import io

import numpy as np
import pytest

from tests.training.data.test_archive import RNG, refused, write_folder, write_zip
from training.data.images import open_dataset


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


@pytest.mark.parametrize("channels", [1, 4, 7])
def test_arrays_of_any_number_of_channels(tmp_path, channels):
    arrays = RNG.integers(0, 256, (2, channels, 6, 8), dtype=np.uint8)
    dataset = open_dataset(
        write_zip(tmp_path / "set.zip", {"a.npy": npy(arrays[0]), "b.NPY": npy(arrays[1])})
    )
    assert dataset.shape == (channels, 6, 8)
    for i, array in enumerate(arrays):
        assert np.array_equal(dataset.image(i), array)
    dataset.close()


def enormous():
    """A header that asks for 10^15 bytes."""
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (10**5, 10**5, 10**5)}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


BAD_ARRAYS = {
    "no array": (b"hello", "is not a NumPy file ("),
    "empty": (b"", "is not a NumPy file ("),
    "objects": (npy(np.array([[[{}]]], object)), "holds object of shape [1, 1, 1]: save uint8"),
    "floats": (npy(np.zeros((3, 4, 4), np.float32)), "holds float32 of shape [3, 4, 4]: save uint8"),
    "no channels": (npy(np.zeros((4, 4), np.uint8)), "holds uint8 of shape [4, 4]: save uint8"),
    "nothing": (npy(np.zeros((3, 0, 4), np.uint8)), "holds uint8 of shape [3, 0, 4]: save uint8"),
    "truncated": (npy(np.zeros((3, 4, 4), np.uint8))[:-5], "has 43 of 48 bytes of pixels: replace"),
    "enormous": (enormous(), "has 0 of 1000000000000000 bytes of pixels: replace"),
    "another shape": (npy(np.zeros((7, 8, 8), np.uint8)), "is 8x8 with 7 channels, but a.npy is 6x8 with 5"),
}


@pytest.mark.parametrize("defect", BAD_ARRAYS)
def test_arrays_that_are_none(tmp_path, defect):
    data, expected = BAD_ARRAYS[defect]
    assert f"b.npy {expected}" in refused(
        write_folder(tmp_path, {"a.npy": npy(np.zeros((5, 6, 8), np.uint8)), "b.npy": data}), 1
    )
