"""Several processes of one job as threads of this one: what travels between them is laid on a table."""

import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from gan import distributed

PATIENCE = 30  # seconds until one that waits for the others gives up


class Fellows:
    """`count` threads, each of which takes itself for a process of as many.

    fetched: rows that went from one to another. told: tensors of floats that went to all.
    """

    def __init__(self, count: int, monkeypatch):
        self.count, self.fetched, self.told = count, 0, 0
        self._own, self._table = threading.local(), [None] * count
        self._barrier = threading.Barrier(count, timeout=PATIENCE)
        monkeypatch.setattr(distributed, "world", lambda: count)
        for name in ("rank", "everyones", "exchanged", "summed", "shared", "shared_named"):
            monkeypatch.setattr(distributed, name, getattr(self, name))

    def run(self, work) -> list:
        """work() of each, by rank, all at once; what one of them raises is raised."""
        with ThreadPoolExecutor(self.count) as pool:
            parts = [pool.submit(self._alone, rank, work) for rank in range(self.count)]
            errors = [error for part in parts if (error := part.exception())]
        for error in sorted(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError)):
            raise error
        return [part.result() for part in parts]

    def _alone(self, rank, work):
        self._own.rank = rank
        try:
            with distributed.dealing():
                return work()
        except BaseException:
            self._barrier.abort()
            raise

    def _told(self, what) -> list:
        self._table[self.rank()] = what
        self._barrier.wait()
        found = list(self._table)
        self._barrier.wait()
        return found

    def rank(self):
        return getattr(self._own, "rank", 0)

    def everyones(self, tensor):
        self.told += tensor.is_floating_point()
        found = self._told(tensor.clone())
        assert len({(t.shape, t.dtype) for t in found}) == 1
        return found

    def exchanged(self, rows, going, coming):
        parts = self._told(rows.split(list(going)))
        mine = [part[self.rank()] for part in parts]
        assert [len(part) for part in mine] == list(coming)
        self.fetched += sum(coming) - coming[self.rank()]
        return torch.cat(mine)

    def summed(self, tensor):
        return sum(self._told(tensor.clone()))

    def shared(self, tensor):
        return self._told(tensor.clone())[0]

    def shared_named(self, tensors):
        return dict(self._told(tensors)[0])
