"""Data sets of NumPy files: any number of channels, and one-line refusals of what is no such image."""

import copy
import io
import zipfile
from multiprocessing import get_context
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from tests.training.data.test_archive import RNG, refused, write_folder, write_zip
from training.data.faults import DataError
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


def enormous(shape=(10**5, 10**5, 10**5)):
    """A header that asks for 10^13 bytes and more."""
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
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


@pytest.mark.parametrize("shape", [(8, 6, 3), (64, 48, 4), (12, 12, 10), (3, 3, 1)])
def test_channels_last_are_refused_with_the_remedy(tmp_path, shape):
    text = refused(write_folder(tmp_path, {"a.npy": npy(np.zeros(shape, np.uint8))}), 0)
    told = f"a.npy holds uint8 of shape {list(shape)}, channels last"
    assert f"{told}: save array.transpose(2, 0, 1) with numpy.save" in text
    remedied = npy(np.zeros(shape, np.uint8).transpose(2, 0, 1))
    assert open_dataset(write_folder(tmp_path / "new", {"a.npy": remedied})).shape == (shape[2], *shape[:2])


def test_columns_first_are_read(tmp_path):
    image = RNG.integers(0, 256, (5, 6, 8), dtype=np.uint8)
    vectors = RNG.normal(size=(2, 3))
    files = {"a.npy": npy(np.asfortranarray(image)), "b.npy": npy(image)}
    files |= {"v.npy": npy(np.asfortranarray(vectors)), "dataset.json": {"vectors": "v.npy"}}
    dataset = open_dataset(write_folder(tmp_path, files))
    assert np.array_equal(dataset.image(0), image) and np.array_equal(dataset.image(1), image)
    assert np.array_equal(dataset.vectors, vectors.astype(np.float32))


STACK = RNG.integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)  # [N, H, W, C]
PLANES = STACK.transpose(0, 3, 1, 2)
STACKS = {
    "rows of pixels": STACK,
    "planes": np.ascontiguousarray(PLANES),
    "columns first": np.asfortranarray(STACK),
}


@pytest.mark.parametrize("kind", STACKS)
@pytest.mark.parametrize("save", [np.save, np.savez, np.savez_compressed])
def test_all_images_in_one_array(tmp_path, kind, save):
    path = tmp_path / f"set.{'npy' if save is np.save else 'npz'}"
    save(path, STACKS[kind])
    dataset = open_dataset(path)
    assert (len(dataset), dataset.shape, dataset.labels, dataset.name) == (4, (3, 6, 8), None, "set")
    assert all(np.array_equal(dataset.image(i), image) for i, image in enumerate(PLANES))
    copied = copy.copy(dataset)
    assert copied.sha256 == dataset.sha256 and np.array_equal(copied.image(2), PLANES[2])


def test_other_processes_get_the_path_alone(tmp_path):
    np.save(tmp_path / "set.npy", np.zeros((50, 40, 40, 3), np.uint8))
    dataset = open_dataset(tmp_path / "set.npy")
    with get_context("spawn").Pool(1) as pool:
        assert np.array_equal(pool.apply(dataset.image, (3,)), dataset.image(3))
    assert len(ForkingPickler.dumps(dataset)) < 5_000


def test_npy_and_npz_have_one_fingerprint_and_any_change_another(tmp_path):
    def value(pixels, **more):
        np.savez(tmp_path / "set.npz", pixels, **more)
        return open_dataset(tmp_path / "set.npz").sha256

    np.save(tmp_path / "set.npy", STACK)
    values = [value(STACK), value(STACK ^ 1), *(value(STACK, y=np.full(4, y)) for y in range(2))]
    assert open_dataset(tmp_path / "set.npy").sha256 == values[0] and len(set(values)) == 4


def test_classes_beside_the_images(tmp_path):
    np.savez(tmp_path / "set.npz", images=STACK, labels=np.array([1, 0, 2, 1], np.int32))
    dataset = open_dataset(tmp_path / "set.npz")
    assert dataset.labels.tolist() == [1, 0, 2, 1] and dataset.classes == ["0", "1", "2"]


def test_an_npz_of_single_images_is_a_zip_of_them(tmp_path):
    np.savez(tmp_path / "set.npz", a=PLANES[0], b=PLANES[1])
    dataset = open_dataset(tmp_path / "set.npz")
    assert list(dataset.source.names) == ["a.npy", "b.npy"] and np.array_equal(dataset.image(1), PLANES[1])
    dataset.close()


BAD_STACKS = {
    "floats": (STACK / 255, "holds float64 of shape [4, 6, 8, 3], not pixels: save uint8 [images, height"),
    "grey": (STACK[..., 0], "holds uint8 of shape [4, 6, 8], not pixels: save uint8 [images, height"),
    "objects": (np.array([[[[{}]]]]), "holds object of shape [1, 1, 1, 1]: save uint8"),
    "channels nowhere": (np.zeros((2, 6, 8, 5), np.uint8), "has shape [2, 6, 8, 5], of which neither of the"),
    "channels twice": (np.zeros((2, 3, 8, 4), np.uint8), "has shape [2, 3, 8, 4], of which both of the"),
}


@pytest.mark.parametrize("case", BAD_STACKS)
def test_stacks_that_are_none(tmp_path, case):
    array, expected = BAD_STACKS[case]
    np.save(tmp_path / "set.npy", array, allow_pickle=True)
    assert f"{tmp_path / 'set.npy'} {expected}" in refused_on_opening(tmp_path / "set.npy")


def refused_on_opening(path):
    with pytest.raises(DataError) as caught:
        open_dataset(path)
    return str(caught.value)


def test_stacks_of_a_wrong_size(tmp_path):
    path = tmp_path / "set.npy"
    path.write_bytes(npy(STACK)[:-1])
    assert "has 703 of 704 bytes: copy or make it again" in refused_on_opening(path)
    path.write_bytes(enormous())
    assert "of shape [100000, 100000, 100000], not pixels" in refused_on_opening(path)
    with zipfile.ZipFile(tmp_path / "set.npz", "w") as archive:
        archive.writestr("a.npy", enormous((10**5, 10**4, 10**4, 3)))
    assert "has 128 of 30000000000128 bytes: copy or make" in refused_on_opening(tmp_path / "set.npz")


def test_two_stacks_are_ambiguous(tmp_path):
    np.savez(tmp_path / "set.npz", train=STACK, test=STACK)
    told = "uint8 of shape [4, 6, 8, 3]"
    expected = f"holds train.npy {told}, test.npy {told}, not one array of images: save uint8"
    assert expected in refused_on_opening(tmp_path / "set.npz")
    (tmp_path / "set.npz").write_bytes(b"hello")
    assert "cannot be read (File is not a zip file): copy" in refused_on_opening(tmp_path / "set.npz")
