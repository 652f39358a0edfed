"""Batches of images: fixed by number, shared between processes, made ahead in a thread; the same bits."""

import threading

import pytest
import torch

from metrics.images import BATCH, READERS, ArrayImages, batches, readers, rebatch, reduced, shares, together
from metrics.measure import Statistic, measure, prepare
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


def test_a_batch_is_read_by_as_many_threads_as_there_may_be():
    """Each waits until all four read; the batches are those that one thread reads."""
    together_now = threading.Barrier(4, timeout=30)

    class Slow(Files):
        readers = 4

        def read(self, start, stop):
            together_now.wait()
            return super().read(start, stop)

    source = Slow(pixels(2 * BATCH))
    parts = list(batches(source, None))
    assert [len(part) for part in parts] == [BATCH, BATCH] and torch.equal(torch.cat(parts), source.pixels)
    assert sorted(start for start, _ in source.reads) == list(range(0, 2 * BATCH, BATCH // 4))
    assert not any(main for _, main in source.reads)


def test_fewer_images_than_threads():
    source = Files(pixels(3))
    source.readers = 8
    assert torch.equal(torch.cat(list(batches(source, None))), source.pixels) and len(source.reads) == 3


def test_readers_are_the_processors_of_one_process(monkeypatch):
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    for processors, processes, want in ((6, 1, 6), (6, 2, 3), (2, 4, 1), (64, 1, READERS), (1, 1, 1)):
        monkeypatch.setattr("gan.processors.count", lambda found=processors: found)
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
        assert readers() == want


class Mixed:
    """Images of three sizes, grey among colour, in the middle of the second batch."""

    concurrent, readers = True, 3

    def __init__(self):
        shapes = [(3, 8, 8)] * (BATCH + 5) + [(1, 8, 8), (3, 12, 20), (3, 40, 36)] + [(3, 8, 8)] * 10
        self.images = [torch.randint(0, 256, shape, dtype=torch.uint8) for shape in shapes]

    def __len__(self):
        return len(self.images)

    def read(self, start, stop):
        part = self.images[start:stop]
        return torch.stack(part) if len({image.shape for image in part}) == 1 else part


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["untrained", "efficientnet-lite0"])
def test_images_of_several_sizes_have_the_features_that_each_has_alone(name, stream, close):
    extractor, source = EXTRACTORS[name](torch.device("cpu")), Mixed()
    want = Statistic(name, "pool", "bank", None)
    read = rebatch([source.images[:50], source.images[50:]], BATCH, None) if stream else source
    found = measure(read, [want], {name: extractor}, lambda n: None)[want].features
    for index in (0, BATCH + 4, BATCH + 5, BATCH + 6, BATCH + 7, BATCH + 8, len(source) - 1):
        image = source.images[index]
        close(found[index], extractor(image[None])["pool"][0])
    grey = source.images[BATCH + 5].expand(3, -1, -1)
    close(found[BATCH + 5], extractor(grey[None])["pool"][0])


def test_one_by_one_or_together_a_network_sees_the_same_parts():
    extractor, whole = EXTRACTORS["untrained"](torch.device("cpu")), pixels(37)
    one, other = extractor.prepare(whole), prepare(extractor, list(whole))
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True)) and len(one) == 3


def test_large_images_are_reduced_before_the_next_are_read():
    """Averages of blocks, of the view of each image; small ones stay uint8."""
    whole = torch.randint(0, 256, (BATCH + 9, 2, 68, 64), dtype=torch.uint8)
    found = together(ArrayImages(whole), BATCH + 5, 32, torch.device("cpu"))
    assert found.shape == (BATCH + 5, 1, 34, 32) and found.dtype == torch.float32
    grey, alpha = whole[BATCH + 4].double()
    shown = (grey * alpha + 255 * (255 - alpha)) / 255  # on white
    blocks = (shown + 0.5).floor().view(34, 2, 32, 2).mean(dim=(1, 3))
    torch.testing.assert_close(found[-1, 0].double(), blocks, rtol=0, atol=0.26)
    assert reduced(whole[:, :1], 33).dtype == torch.uint8 and torch.equal(
        together(ArrayImages(whole[:, :1]), 9, 0, torch.device("cpu")), whole[:9, :1]
    )


def test_pairs_need_one_size():
    with pytest.raises(ValueError, match=r"one size and colour are compared, not 1x8x8 and 3x8x8"):
        together(Mixed(), BATCH + 9, 0, torch.device("cpu"))
