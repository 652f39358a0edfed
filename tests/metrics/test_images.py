"""Batches of images: fixed by number, shared between processes, made ahead in a thread; the same bits."""

import threading

import pytest
import torch

from metrics.images import BATCH, ArrayImages, batches, shares
from metrics.measure import Statistic, measure
from metrics.networks.extractors import EXTRACTORS

COUNT = 3 * BATCH + 7


class Files(ArrayImages):
    """Images that may be read beside the network; notes what is read, and whether in the main thread."""

    concurrent = True

    def __init__(self, pixels):
        super().__init__(pixels)
        self.reads = []

    def read(self, start, stop):
        self.reads.append((start, threading.current_thread() is threading.main_thread()))
        return super().read(start, stop)


KINDS = (ArrayImages, Files, lambda pixels: iter(pixels.split(33)))


def pixels(count=COUNT) -> torch.Tensor:
    return torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8)


@pytest.mark.parametrize("kind", KINDS, ids=["array", "files", "stream"])
@pytest.mark.parametrize("count", [1, BATCH, COUNT])
def test_batches_are_the_images_in_order(kind, count):
    whole = pixels(count)
    parts = list(batches(kind(whole), None))
    assert torch.equal(torch.cat(parts), whole) and {len(part) for part in parts[:-1]} <= {BATCH}
    assert torch.equal(torch.cat(list(batches(kind(whole), 50))), whole[:50])


@pytest.mark.parametrize("kind", KINDS, ids=["array", "files", "stream"])
def test_processes_share_the_batches(kind):
    whole = pixels()
    seen = [list(shares(kind(whole), None, rank, 2, lambda x: x.float())) for rank in range(2)]
    assert [[size for size, _ in part] for part in seen] == [[BATCH, BATCH, BATCH, 7]] * 2
    for index in range(4):
        own, other = (seen[(index + i) % 2][index][1] for i in range(2))
        assert other is None and torch.equal(own, whole[BATCH * index :][:BATCH].float())


def test_files_are_read_and_prepared_while_the_network_works():
    """With each batch the network waits until the next one is ready, which must happen beside it."""
    source, prepared, more = Files(pixels()), [], threading.Condition()
    inner = EXTRACTORS["untrained"](torch.device("cpu"))

    class Waiting:
        heads = inner.heads
        calls = 0

        def prepare(self, images):
            with more:
                prepared.append(threading.current_thread() is threading.main_thread())
                more.notify()
            return inner.prepare(images)

        def features(self, parts):
            self.calls += 1
            with more:
                assert more.wait_for(lambda: len(prepared) == min(self.calls + 1, 4), timeout=30)
            return inner.features(parts)

    want = Statistic("untrained", "pool", "bank", None)
    ahead = measure(source, [want], {"untrained": Waiting()}, lambda n: None)[want].features
    assert source.reads == [(start, False) for start in range(0, COUNT, BATCH)] and not any(prepared)
    plain = measure(ArrayImages(source.pixels), [want], {"untrained": inner}, lambda n: None)[want].features
    assert torch.equal(ahead, plain)


def test_a_generator_is_never_asked_beside_the_network():
    class Drawn(Files):
        concurrent = False

    source = Drawn(pixels())
    list(batches(source, None))
    assert source.reads == [(start, True) for start in range(0, COUNT, BATCH)]


def test_a_file_that_cannot_be_read_is_said():
    class Damaged(Files):
        def read(self, start, stop):
            if start == 2 * BATCH:
                raise OSError("damaged")
            return super().read(start, stop)

    taken = batches(Damaged(pixels()), None)
    assert len(next(taken)) == BATCH
    with pytest.raises(OSError, match="damaged"):
        list(taken)
