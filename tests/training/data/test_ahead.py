"""How many processes decode ahead, and what is copied to a GPU before it is asked for."""

import contextlib
import os
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gan import distributed
from tests.training.data.test_archive import members, write_zip
from training.data import ahead, images, sampler
from training.data.ahead import decoders
from training.data.faults import DataError
from training.data.images import ImageDataset, open_dataset
from training.data.sampler import batches

GPU = torch.device("cuda")


class Blank:
    """1000 images of one size and no content."""

    fingerprint = "blank"

    def __init__(self, *shape):
        self.shape = shape

    def __len__(self):
        return 1000

    def image(self, i):
        return np.broadcast_to(np.uint8(i % 256), self.shape)


@pytest.fixture
def machine(monkeypatch):
    """machine(cores, ranks=1, shared=GiB): what this one seems to be; no set is kept in memory."""

    def make(cores, ranks=1, shared=64.0):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
        monkeypatch.setattr(distributed, "local_world", lambda: ranks)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=int(shared * 2**30)))
        monkeypatch.setattr(images, "CACHE_BYTES", 0)

    return make


def of_files(tmp_path, *shape):
    return ImageDataset(Blank(*shape), "set.zip", tmp_path / "set.zip")


@pytest.mark.parametrize(
    ("pixels", "cores", "ranks", "count"),
    [(64, 16, 1, 2), (512, 16, 1, 4), (1024, 16, 1, 8), (1024, 16, 4, 3), (1024, 2, 1, 1), (1024, 1, 1, 0),
     (64, 4, 8, 0)],
)  # fmt: skip
def test_as_many_as_cores_ranks_and_pixels_ask_for(pixels, cores, ranks, count, machine, tmp_path):
    machine(cores, ranks)
    assert decoders(of_files(tmp_path, 3, pixels, pixels), 8) == count


def test_shared_memory_is_not_overdrawn(machine, tmp_path):
    """A batch of 8 images of 1024x1024 has 24 MiB, a process two of them, and half the room is left free."""
    for shared, count in ((64 / 1024, 0), (0.2, 2), (1.0, 8)):
        machine(16, shared=shared)
        assert decoders(of_files(tmp_path, 3, 1024, 1024), 8) == count


def test_none_for_what_is_decoded_once_and_for_objects(machine, tmp_path, monkeypatch):
    machine(16)
    assert decoders(ImageDataset(Blank(3, 64, 64), "Blank"), 8) == 0
    monkeypatch.setattr(images, "CACHE_BYTES", 1000 * 3 * 64 * 64)
    assert decoders(of_files(tmp_path, 3, 64, 64), 8) == 0
    assert decoders(of_files(tmp_path, 3, 64, 65), 8) == 2


def test_none_where_a_process_is_no_copy(machine, tmp_path, monkeypatch):
    machine(16)
    monkeypatch.setattr(ahead.sys, "platform", "darwin")
    assert decoders(of_files(tmp_path, 3, 64, 64), 8) == 0


class Lane:
    """Instead of a stream of a GPU: what is begun, and what is given to the step."""

    def __init__(self, told):
        self.told = told

    def start(self, pixels):
        number = int(pixels.flatten()[0])
        self.told.append(f"copy {number}")

        def finish():
            self.told.append(f"wait {number}")
            return pixels

        return finish


def numbered(count, broken=None):
    for i in range(count):
        yield DataError("broken") if i == broken else (torch.full((1, 1, 1, 1), i), torch.tensor([i]))


def test_each_copy_begins_before_the_batch_before_it_is_given():
    told = []
    taken = ahead._ahead(numbered(4), Lane(told))
    for i in range(2):
        pixels, labels = next(taken)
        assert int(pixels) == int(labels) == i
        told.append(f"step {i}")
    assert told == ["copy 0", "copy 1", "wait 0", "step 0", "copy 2", "wait 1", "step 1"]


def test_an_error_waits_until_its_batch_is_asked_for():
    taken = ahead._ahead(numbered(4, broken=1), Lane([]))
    assert int(next(taken)[1]) == 0
    assert isinstance(next(taken), DataError)


def test_on_a_cpu_nothing_is_taken_before_it_is_asked_for():
    results = numbered(2)
    assert ahead.copied_ahead(results, torch.device("cpu")) is results


def test_a_lane_copies_beside_the_work_and_lets_it_wait(monkeypatch):
    told = []
    work = SimpleNamespace(wait_event=lambda event: told.append(("work waits for", event)))
    lane = SimpleNamespace(record_event=lambda: told.append("event") or "copied")

    @contextlib.contextmanager
    def on(stream):
        assert stream is lane
        told.append("on the lane")
        yield
        told.append("off the lane")

    copy = SimpleNamespace(record_stream=lambda stream: told.append(("kept for", stream is work)))
    pixels = SimpleNamespace(to=lambda device, non_blocking: told.append((str(device), non_blocking)) or copy)
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: lane)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: work)
    finish = ahead._Lane(GPU).start(pixels)
    assert told == ["on the lane", ("cuda", True), "event", "off the lane"]
    assert finish() is copy
    assert told[4:] == [("work waits for", "copied"), ("kept for", True)]


@pytest.mark.parametrize("workers", [0, 2])
def test_for_a_gpu_batches_are_pinned_and_copied_ahead(workers, tmp_path, monkeypatch):
    pinned, told, asked = [], [], {}

    class Loader:
        def __init__(self, reader, **options):
            asked.update(options)
            self.batches = map(reader.__getitems__, options["batch_sampler"])

        def __iter__(self):
            return self.batches

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor.shape) or tensor)
    monkeypatch.setattr(ahead, "_Lane", lambda device: Lane(told))
    monkeypatch.setattr(sampler, "DataLoader", Loader)
    dataset = open_dataset(write_zip(tmp_path / "set.zip", members()))
    pixels, labels = next(batches(dataset, batch_size=2, seed=0, workers=workers, device=GPU))
    wanted = next(batches(dataset, batch_size=2, seed=0))
    assert torch.equal(pixels, wanted[0]) and torch.equal(labels, wanted[1])
    assert [line.split()[0] for line in told] == ["copy", "copy", "wait"]
    if workers:
        assert asked["pin_memory"] is True and asked["num_workers"] == 2
        assert asked["prefetch_factor"] == 2 and asked["multiprocessing_context"] == ahead.fork()
    else:
        assert pinned == 2 * [(2, 3, 8, 8), (2,)]


def test_on_a_cpu_nothing_is_pinned(tmp_path, monkeypatch):
    asked = {}
    monkeypatch.setattr(sampler, "DataLoader", lambda *_, **options: asked.update(options) or [])
    dataset = open_dataset(write_zip(tmp_path / "set.zip", members()))
    batches(dataset, batch_size=2, seed=0, workers=1)
    assert asked["pin_memory"] is False
