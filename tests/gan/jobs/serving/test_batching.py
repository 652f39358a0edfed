"""Queues: what rides together, what is refused, let go and late, and that nothing is lost or doubled."""

import random
import threading
import time
from collections import Counter
from concurrent.futures import CancelledError, ThreadPoolExecutor

import pytest
import torch

from gan.jobs.serving import batching
from gan.jobs.serving.batching import Closed, Expired, Overloaded, Queue, Wish
from gan.jobs.serving.moves import Move


class Drawing:
    """A drawer that shows its wishes, and waits in a batch while `held`."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.batches, self.seconds = [], seconds
        self.free, self.begun = threading.Event(), threading.Event()
        self.free.set()

    def __call__(self, wishes):
        self.batches.append([wish.seed for wish in wishes])
        self.begun.set()
        assert self.free.wait(30)
        time.sleep(self.seconds)
        return [torch.full((1, 1, 1), wish.seed % 251, dtype=torch.uint8) for wish in wishes]


@pytest.fixture
def drawing():
    return Drawing()


@pytest.fixture
def held(drawing):
    """A queue of 4 whose thread is in the batch of seed 0."""
    queue = Queue(drawing, capacity=4, batch=3)
    drawing.free.clear()
    first = queue.submit([Wish(seed=0)], 30)
    assert drawing.begun.wait(30)
    yield queue
    drawing.free.set()
    queue.close()
    assert first[0].result(1) is not None


def until(true):
    """Wait for it, half a minute at most."""
    late = time.monotonic() + 30
    while not true():
        assert time.monotonic() < late
        time.sleep(0.005)


def wishes(*seeds, psi=1.0):
    return [Wish(seed=seed, psi=psi) for seed in seeds]


def test_the_oldest_goes_first_with_others_of_its_psi(held, drawing):
    one = held.submit([Wish(seed=1), Wish(seed=2, psi=0.5), Wish(seed=3)], 30)
    four = held.submit(wishes(4, psi=0.5), 30)
    drawing.free.set()
    assert [future.result(30).item() for future in (*one, *four)] == [1, 2, 3, 4]
    assert drawing.batches == [[0], [1, 3], [2, 4]]


def test_a_batch_that_is_not_full_waits_a_moment_for_more(held, drawing, monkeypatch):
    """Where wishes came meanwhile, or several were answered just now; who asks alone does not wait, nor does
    the end.
    """
    monkeypatch.setattr(batching, "_GATHERING", 30.0)
    held._seconds = 30.0
    one = held.submit(wishes(1), 30)
    drawing.free.set()
    until(lambda: len(drawing.batches[0]) and held._seconds != 30.0)  # the batch of seed 0 is done
    time.sleep(0.05)
    assert drawing.batches == [[0]]
    others = held.submit(wishes(2, 3), 30)
    assert [future.result(10).item() for future in (*one, *others)] == [1, 2, 3]
    again = held.submit(wishes(4), 30)
    time.sleep(0.05)
    again += held.submit(wishes(5, 6), 30)
    assert [future.result(10).item() for future in again] == [4, 5, 6]
    assert drawing.batches == [[0], [1, 2, 3], [4, 5, 6]]
    held._riders = 1
    assert held.submit(wishes(7), 30)[0].result(10).item() == 7
    assert drawing.batches[3:] == [[7]]
    drawing.free.clear()
    last = held.submit(wishes(8), 30)
    until(lambda: len(drawing.batches) == 5)
    last += held.submit(wishes(9), 30)
    drawing.free.set()
    held.close()
    assert [future.result(1).item() for future in last] == [8, 9]


def test_a_batch_waits_for_requests_that_are_being_checked(drawing, monkeypatch):
    """Until it is full, or none of them is left: those that were refused."""
    monkeypatch.setattr(batching, "_GATHERING", 30.0)
    queue = Queue(drawing, capacity=8, batch=3)
    queue._seconds = 30.0
    with queue.expecting(), queue.expecting():
        together = queue.submit(wishes(1), 30)
        time.sleep(0.05)
        together += queue.submit(wishes(2, 3), 30)
        assert [future.result(10).item() for future in together] == [1, 2, 3]
        queue._riders = 1
        other = queue.submit(wishes(4), 30)
        time.sleep(0.05)
        assert drawing.batches == [[1, 2, 3]]
    assert other[0].result(10).item() == 4
    queue._seconds = 30.0
    assert queue.submit(wishes(5), 30)[0].result(10).item() == 5
    queue.close()


def test_the_first_of_all_does_not_wait(drawing, monkeypatch):
    monkeypatch.setattr(batching, "_GATHERING", 30.0)
    queue = Queue(drawing, capacity=8, batch=3)
    queue._seconds = 30.0
    assert queue.submit(wishes(1), 30)[0].result(10).item() == 1
    queue.close()


def test_who_is_expected_holds_a_batch_up_for_a_moment_alone(drawing):
    queue = Queue(drawing, capacity=8, batch=3)
    queue._seconds = 0.3
    began = time.monotonic()
    with queue.expecting():
        assert queue.submit(wishes(1), 30)[0].result(10).item() == 1
    assert time.monotonic() - began >= 0.1
    queue.close()


def test_images_that_wait_for_filters_refuse_others(held):
    with held.finishing(4):
        held.submit(wishes(1), 30)
        with held.finishing(1), pytest.raises(Overloaded):
            held.submit(wishes(2), 30)
        held.submit(wishes(2), 30)
        with held.finishing(1):
            held.submit([Wish(seed=3, urgent=False)], 30)
    assert len(held) == 3


def test_urgent_ones_go_first_and_others_fill_up(held, drawing):
    others = held.submit([Wish(seed=seed, urgent=False) for seed in (1, 2, 3)], 30)
    urgent = held.submit(wishes(4, 5), 30)
    drawing.free.set()
    assert [future.result(30).item() for future in (*others, *urgent)] == [1, 2, 3, 4, 5]
    assert drawing.batches == [[0], [4, 5, 1], [2, 3]]


def test_others_take_no_room_of_urgent_ones(held):
    held.submit([Wish(seed=seed, urgent=False) for seed in range(1, 9)], 30)
    held.submit(wishes(10, 11, 12, 13), 30)
    with pytest.raises(Overloaded):
        held.submit(wishes(14), 30)
    held.submit([Wish(seed=20, urgent=False)], 30)
    assert len(held) == 13


def test_moved_ones_ride_with_their_like(held, drawing):
    there, back = (Move("a", 0, 1.0),), (Move("a", 0, -1.0),)
    asked = [Wish(seed=seed, moves=moves) for seed, moves in ((1, there), (2, back), (3, there), (4, ()))]
    futures = held.submit(asked, 30)
    drawing.free.set()
    assert [future.result(30).item() for future in futures] == [1, 2, 3, 4]
    assert drawing.batches == [[0], [1, 3], [2], [4]]


def test_a_full_queue_takes_all_of_a_request_or_none(held):
    held.submit(wishes(1, 2, 3), 30)
    with pytest.raises(Overloaded) as caught:
        held.submit(wishes(4, 5), 30)
    assert caught.value.retry_after >= 1 and len(held) == 3
    held.submit(wishes(6), 30)
    assert len(held) == 4


def test_what_is_cancelled_makes_room_and_is_not_drawn(held, drawing):
    futures = held.submit(wishes(1, 2, 3, 4), 30)
    assert futures[1].cancel() and futures[2].cancel() and len(held) == 2
    more = held.submit(wishes(5, 6), 30)
    drawing.free.set()
    assert [future.result(30).item() for future in (futures[0], futures[3], *more)] == [1, 4, 5, 6]
    assert [seed for batch in drawing.batches for seed in batch] == [0, 1, 4, 5, 6]
    with pytest.raises(CancelledError):
        futures[1].result(1)


def test_what_is_late_is_not_drawn(held, drawing):
    (late,), (other,) = held.submit(wishes(1), 0.01), held.submit(wishes(2), 30)
    time.sleep(0.05)
    drawing.free.set()
    with pytest.raises(Expired, match="deadline"):
        late.result(30)
    assert other.result(30).item() == 2 and [1] not in drawing.batches


def test_an_error_reaches_its_batch_alone(drawing):
    def failing(wishes):
        if wishes[0].psi == 9:
            raise ValueError("no such psi")
        return drawing(wishes)

    queue = Queue(failing, capacity=4)
    (bad,), (good,) = queue.submit(wishes(1, psi=9), 30), queue.submit(wishes(2), 30)
    assert isinstance(bad.exception(30), ValueError) and good.result(30).item() == 2
    queue.close()


def test_the_end_finishes_what_was_accepted(held, drawing):
    futures = held.submit(wishes(1, 2, 3, 4), 30)
    ending = threading.Thread(target=held.close)
    ending.start()
    while not held._closing:
        time.sleep(0.001)
    with pytest.raises(Closed):
        held.submit(wishes(5), 30)
    drawing.free.set()
    ending.join(30)
    assert not ending.is_alive() and [future.result(0).item() for future in futures] == [1, 2, 3, 4]


def test_nothing_is_lost_or_doubled_at_twice_the_capacity():
    drawing = Drawing(seconds=0.001)
    queue, refused = Queue(drawing, capacity=8, batch=4), Counter()

    def client(number):
        rng, seen = random.Random(number), []
        for turn in range(6):
            seeds = [100 * number + 10 * turn + i for i in range(rng.randint(1, 3))]
            while True:
                try:
                    futures = queue.submit(wishes(*seeds, psi=rng.choice([0.5, 1.0])), 30)
                    break
                except Overloaded:
                    refused["times"] += 1
                    time.sleep(0.002)
            seen += [(seed, future.result(30).item()) for seed, future in zip(seeds, futures, strict=True)]
        return seen

    with ThreadPoolExecutor(16) as clients:
        answers = [pair for seen in clients.map(client, range(16)) for pair in seen]
    queue.close()
    assert all(value == seed % 251 for seed, value in answers)
    drawn = Counter(seed for batch in drawing.batches for seed in batch)
    assert drawn == Counter(seed for seed, _ in answers) and set(drawn.values()) == {1}
    assert max(map(len, drawing.batches)) == 4 and refused["times"] > 0
