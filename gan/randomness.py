"""Random numbers of samples, by `ops.random`, and the random states that everything else draws from.

What a training step draws follows from the seed of the run, the images seen, the sample's number in the batch
and a stream: nothing depends on how a batch is split, on the device, or on what was drawn before. Streams, in
[0, 2**31), have three parts, highest bits first:

     7 bits   which optimiser step it is of those that a batch may bring: G's, path length's, D's, R1's, ...
    12 bits   what is drawn, in the order in which it is asked for: 0 on its own, others by `Draws.apart`
    12 bits   the draws of one such thing, such as the layers of a generator
"""

import contextlib
import copy
import itertools
import random
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ops import random as philox

DRAWS = 2**12  # streams of one thing that is drawn; things of one step
WHOLE = 2**32 - 1  # stands as a sample number for what is drawn once for a whole batch


class _Keys:
    """Keys [N, 3] of one stream, from which those of others follow by one operation."""

    def __init__(self, stream: int, keys: Tensor) -> None:
        self._stream, self._keys, self._named = stream, keys, None

    def of(self, stream: int) -> Tensor:
        """Keys of that stream, which their first column names."""
        if stream == self._stream:
            return self._keys
        if self._named is None:
            self._named = torch.arange(3, device=self._keys.device) == 0
        return torch.add(self._keys, self._named, alpha=(stream - self._stream) << 32)


class Draws:
    """Random numbers of n samples: each call draws others, and each sample's depend on no other sample.

    Args:
        seed: in [0, 2**32).
        nimg: images seen; a scalar int64 tensor where a graph that is launched again reads it.
        samples: numbers of the n samples, in [0, 2**32 - 1).
        device: where numbers are, unless a call asks for another place.
        step: number of the optimiser step, in [0, 128), for draws independent of those of other steps.

    Calls of one object must have the same order for all samples that belong together; what is drawn under
    conditions of some samples takes `apart`, or comes last.
    """

    def __init__(
        self,
        seed: int,
        nimg: int | Tensor,
        samples: Sequence[int],
        device: torch.device | str = "cpu",
        *,
        step: int = 0,
    ) -> None:
        self.seed, self.nimg, self.samples, self.device = seed, nimg, samples, torch.device(device)
        self._first, self._each = step * DRAWS**2, 1
        self._streams, self._things = itertools.count(self._first), itertools.count(1)
        self._keys: dict[torch.device, _Keys] = {}

    def apart(self) -> "Draws":
        """Draws of the same samples, independent of these: what is drawn of one does not move the other."""
        other = copy.copy(self)
        other._streams = itertools.count(self._first + next(self._things) * DRAWS)
        return other

    def rows(self, count: int) -> "Draws":
        """These, as numbers of `count` rows: as many for each sample, one after the other.

        Raises ValueError where `count` is no multiple of n.
        """
        each, rest = divmod(count, len(self.samples))
        if rest or not each:
            raise ValueError(f"{count} rows for {len(self.samples)} samples: not a multiple")
        other = copy.copy(self)
        other._each = each
        return other

    def normal(
        self,
        shape: Sequence[int] = (),
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Unit normal [n, *shape]; the same bits on the CPU and on CUDA, where kernels serve both."""
        return self._drawn(philox.normal, shape, dtype, device)

    def uniform(
        self,
        shape: Sequence[int] = (),
        dtype: torch.dtype = torch.float32,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """Uniform multiples of 2**-24 in [0, 1), [n, *shape]; the same bits everywhere."""
        return self._drawn(philox.uniform, shape, dtype, device)

    def shared(self, shape: Sequence[int] = (), device: torch.device | str = "cpu") -> Tensor:
        """Uniform numbers `shape` that all samples of a batch share, wherever they are."""
        number = torch.full((1,), WHOLE, device=device)
        return philox.uniform(philox.keys(self.seed, self.nimg, number, next(self._streams)), shape)[0]

    def _drawn(
        self, draw: Callable[..., Tensor], shape: Sequence[int], dtype: torch.dtype, device: object
    ) -> Tensor:
        device = self.device if device is None else torch.device(device)
        stream = next(self._streams)
        if device not in self._keys:
            self._keys[device] = _Keys(stream, self._first_keys(device, stream))
        return draw(self._keys[device].of(stream), (self._each, *shape), dtype).flatten(0, 1)

    def _first_keys(self, device: torch.device, stream: int) -> Tensor:
        """Keys of a stream; the numbers of a range are counted on the device, which waits for nothing."""
        numbers = self.samples
        if isinstance(numbers, range):
            numbers = torch.arange(numbers.start, numbers.stop, numbers.step, device=device)
        else:
            numbers = torch.tensor(numbers, dtype=torch.int64, device=device)
        return philox.keys(self.seed, self.nimg, numbers, stream)


def seed_global(device: torch.device, *numbers: int) -> None:
    """Set torch's global generators, of the CPU and of `device`, from numbers >= 0: for what others draw."""
    seed = int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index or 0].manual_seed(seed)


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Restore at the end the states of Python's, NumPy's and torch's global generators, on every device."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (saved, not drawn from)
    cuda = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=list(cuda)):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
