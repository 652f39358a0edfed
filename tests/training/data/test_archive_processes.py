"""Data sets read by several processes and threads at once."""

import copy
import os
import zipfile
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest

from tests.training.data.test_archive import PIXELS, members, write_folder, write_zip
from training.data.images import open_dataset


@pytest.fixture(params=["zip", "folder"])
def make(request, tmp_path):
    """make(files) -> path of a zip or of a folder."""
    if request.param == "zip":
        return lambda files: write_zip(tmp_path / "set.zip", files)
    return lambda files: write_folder(tmp_path / "set", files)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_read_the_same(make, method):
    dataset = open_dataset(make(members()))
    before = dataset.image(0).copy()
    with get_context(method).Pool(2) as pool:
        images = pool.map(dataset.image, range(4))
    assert [image.tobytes() for image in images] == [p.transpose(2, 0, 1).tobytes() for p in PIXELS]
    assert np.array_equal(dataset.image(0), before)
    dataset.close()


def test_a_forked_process_opens_the_zip_itself(tmp_path):
    """Two processes sharing one open file would share its position and read each other's bytes."""
    dataset = open_dataset(write_zip(tmp_path / "set.zip", members()))
    dataset.image(0)
    parent = dataset.source._files._open[1]
    child = os.fork()
    if child == 0:
        dataset.image(1)
        os._exit(0 if dataset.source._files._open[1] is not parent else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert dataset.source._files._open[1] is parent
    dataset.close()


def test_workers_do_not_read_the_directory_of_a_zip_again(tmp_path, monkeypatch):
    dataset = open_dataset(write_zip(tmp_path / "set.zip", members()))
    monkeypatch.setattr(zipfile, "ZipFile", lambda *arguments: pytest.fail("the directory is read again"))
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(dataset.image(1), PIXELS[1].transpose(2, 0, 1)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    sent = ForkingPickler.loads(ForkingPickler.dumps(dataset))
    assert np.array_equal(sent.image(2), PIXELS[2].transpose(2, 0, 1))
    dataset.close(), sent.close()


def test_threads_share_a_zip(tmp_path):
    dataset = open_dataset(write_zip(tmp_path / "set.zip", members()))
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda i: dataset.source.image(i % 4), range(400)))
    assert all(np.array_equal(im, PIXELS[i % 4].transpose(2, 0, 1)) for i, im in enumerate(images))
    dataset.close()


def test_a_copy_for_a_worker_carries_no_pixels_and_no_file(make):
    dataset = open_dataset(make(members()))
    dataset.image(0)
    copied = copy.copy(dataset)  # by the same methods as sending it to another process
    assert dataset._cached[1].any() and not copied._cached[1].any()
    assert np.array_equal(copied.image(0), dataset.image(0))
    dataset.close(), copied.close()
