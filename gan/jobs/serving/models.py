"""The models of a server: read when first asked for, the ones not asked for longest dropped by memory.

Every model has a queue of its own, so that one in demand does not stop the others. What is served is the
checkpoint that a path meant when the server started.
"""

import contextlib
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from gan import hub
from gan.devices import pick
from gan.errors import UsageError, UserError, unknown
from gan.jobs.serving.batching import Queue, Wish
from gan.jobs.serving.moves import Moves
from gan.jobs.serving.orders import Order
from gan.jobs.serving.times import Times
from gan.latents import checked_seed
from gan.models import checkpoint
from gan.models.content import read_json
from gan.sampling import chosen, drawn_numbers, images, one_hot

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # it goes into headers and addresses
_WEIGHTS = "generator.safetensors"
_VECTORS = "conditions.safetensors"
_MOST_VALUE = torch.finfo(torch.float32).max


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a model before its weights are read.

    digest: sha256 of its generator.safetensors.  size: its bytes.  c_dim: classes, or values of a vector.
    classes: their names, where it has them.  vectors: whether it takes vectors.
    seen: lowest and highest of each value of the vectors that it was trained with, where they are known.
    """

    name: str
    path: Path
    digest: str
    size: int
    kind: str
    kimg: float
    c_dim: int
    classes: tuple[str, ...]
    vectors: bool
    seen: tuple[tuple[float, float], ...] = ()

    def label(self, given: int | str | Sequence[float] | None) -> int | tuple[float, ...] | None:
        """A class by name or number, or a vector, as `Wish` has it. UsageError for one that does not fit."""
        if given is None:
            return None
        if not self.c_dim:
            raise UsageError(f"the model {self.name} has no classes: leave class and condition out")
        if not isinstance(given, int | str):
            if not self.vectors or len(given) != self.c_dim:
                takes = f"vectors of {self.c_dim} values" if self.vectors else "a class"
                raise UsageError(f"the model {self.name} takes {takes}")
            for number, value in enumerate(given):
                if not abs(value) <= _MOST_VALUE:  # also nan
                    raise UsageError(f"condition.{number} is no number that a model can take: {value:g}")
            return tuple(map(float, given))
        if self.vectors:
            raise UsageError(f"the model {self.name} has no classes: give a condition of {self.c_dim} values")
        if isinstance(given, str) and given in self.classes:
            return self.classes.index(given)
        number = int(given) if isinstance(given, int) or re.fullmatch(r"[0-9]{1,9}", given) else -1
        if not 0 <= number < self.c_dim:
            raise UsageError(unknown("class", given, self.classes or map(str, range(self.c_dim))))
        return number


class Catalogue:
    """What is known of models by name, of which none is in memory.

    places: run directories or checkpoint directories, or what is known already.  memory: bytes of weights,
    which no model may exceed.
    directions: files that images may be moved along, in `moves`; each model is read once for them.
    Raises UserError and CheckpointError as `gan.load` does, and UsageError for two models of one name and for
    a model that alone is larger than `memory`.
    """

    def __init__(
        self, places: Sequence[str | Facts], *, memory: float | None = None, directions: Sequence[str] = ()
    ) -> None:
        self.facts: dict[str, Facts] = {}
        for place in places:
            facts = place if isinstance(place, Facts) else facts_of(place)
            if facts.name in self.facts:
                raise UsageError(f"two models are named {facts.name}: rename the folder {place}")
            if memory is not None and facts.size > memory:
                raise UsageError(f"{place} has {facts.size / 2**30:.3g} GiB of weights: raise memory_gib")
            self.facts[facts.name] = facts
        read = {name: partial(_generator_of, facts) for name, facts in self.facts.items()}
        self.moves = Moves(directions, read)

    def of(self, name: str) -> Facts:
        """The facts of a model. UsageError, naming the nearest one, for an unknown name."""
        if name not in self.facts:
            raise UsageError(unknown("model", name[:100], self.facts))
        return self.facts[name]

    def wishes(self, order: Order, urgent: bool = True) -> list[Wish]:
        """One a seed, urgent or not. UsageError for an order that does not fit the model."""
        label = self.of(order.model).label(order.label)
        self.moves.check(order.model, order.moves)
        asked = {"label": label, "psi": order.psi, "moves": order.moves, "urgent": urgent}
        return [Wish(seed=seed, **asked) for seed in order.seeds]


class Models(Catalogue):
    """Models by name, with a queue each.

    capacity: of each queue.  memory: bytes of weights that stay loaded, None for no bound. A model in a batch
    stays until its end.  times: `network`, for which networks were at work.  The rest is as in `Catalogue`.
    """

    def __init__(
        self,
        places: Sequence[str | Facts],
        *,
        device: str = "auto",
        capacity: int,
        memory: float | None = None,
        directions: Sequence[str] = (),
    ) -> None:
        super().__init__(places, memory=memory, directions=directions)
        self._device, self._memory = pick(device), memory
        self.times = Times()
        self._loaded: OrderedDict[str, nn.Module] = OrderedDict()  # the one asked for last is the last
        self._order = threading.Lock()
        self._queues = {name: Queue(partial(self._draw, name), capacity) for name in self.facts}

    def submit(self, name: str, wishes: Sequence[Wish], seconds: float) -> list["Future[Tensor]"]:
        """As `Queue.submit` does, for a known name."""
        return self._queues[name].submit(wishes, seconds)

    def finishing(self, name: str, images: int) -> contextlib.AbstractContextManager[None]:
        """As `Queue.finishing` does, for a known name."""
        return self._queues[name].finishing(images)

    def expecting(self, name: str) -> contextlib.AbstractContextManager[None]:
        """As `Queue.expecting` does; of an unknown name nothing is expected."""
        queue = self._queues.get(name)
        return contextlib.nullcontext() if queue is None else queue.expecting()

    def waiting(self, name: str) -> int:
        """Images that wait for a model."""
        return len(self._queues[name])

    def loaded(self) -> list[str]:
        """Names of the models in memory, the one asked for last at the end."""
        with self._order:
            return list(self._loaded)

    def close(self) -> None:
        """Finish what was accepted; nothing more is."""
        for queue in self._queues.values():
            queue.close()

    def _draw(self, name: str, wishes: Sequence[Wish]) -> list[Tensor]:
        """Images of at most one batch of wishes, all of one kind."""
        generator = self._generator(name)
        seeds = [wish.seed for wish in wishes]
        labels = _conditions(generator, wishes) if generator.c_dim else None
        with self.times.of("network"):
            if moves := wishes[0].moves:
                return list(self.moves.images(generator, seeds, labels, wishes[0].psi, moves))
            return list(next(images(generator, seeds, labels=labels, psi=wishes[0].psi)).cpu())

    def _generator(self, name: str) -> nn.Module:
        """The model, read if it is not in memory, from which others make room first."""
        with self._order:
            if name not in self._loaded:
                while self._loaded and self._memory is not None and self._size(name) > self._memory:
                    self._loaded.popitem(last=False)
                self._loaded[name] = checkpoint.read(self.facts[name].path).generator(self._device)
            self._loaded.move_to_end(name)
            return self._loaded[name]

    def _size(self, name: str) -> int:
        """Bytes of weights in memory with that model."""
        return sum(self.facts[each].size for each in {name, *self._loaded})


def facts_of(place: str | Path) -> Facts:
    """What a server says of a model. Raises UserError and CheckpointError as `gan.load` does."""
    saved = checkpoint.read(checkpoint.resolve(place))
    named = hub.parse(place, "model").repo if hub.is_name(place) else Path(place).resolve()
    name = Path(named).name
    if not _NAME.fullmatch(name):
        raise UsageError(f"{place}: a served model is named by its folder, of letters, digits and any of ._-")
    weights = read_json(saved.path / "manifest.json")["files"][_WEIGHTS]
    generator: dict[str, Any] = saved.config.get("generator") or {}
    return Facts(
        name=name,
        path=saved.path,
        digest=weights["sha256"],
        size=weights["size"],
        kind=str(generator.get("type")),
        kimg=saved.kimg,
        c_dim=int(generator.get("c_dim") or 0),
        classes=tuple((saved.config.get("data") or {}).get("classes") or ()),
        vectors=(vectors := saved.path / _VECTORS).is_file(),
        seen=_seen(vectors) if vectors.is_file() else (),
    )


def _seen(path: Path) -> tuple[tuple[float, float], ...]:
    """Lowest and highest of each value of a table of vectors. UserError for values that are no numbers."""
    table = load_file(path)["vectors"].double()
    if not table.isfinite().all():
        raise UserError(f"{path} has values that are no numbers: images drawn by them would be noise")
    return tuple(zip(table.amin(0).tolist(), table.amax(0).tolist(), strict=True))


def _generator_of(facts: Facts) -> nn.Module:
    """On the CPU, for its digest."""
    return checkpoint.read(facts.path).generator()


def _conditions(generator: nn.Module, wishes: Sequence[Wish]) -> Tensor:
    """c [N, c_dim], float32, of each wish, drawn from its seed where it names none."""
    rows = []
    for wish in wishes:
        if wish.label is None:
            rows.append(chosen(generator, drawn_numbers(generator, [checked_seed(wish.seed)])))
        elif isinstance(wish.label, int):
            rows.append(one_hot([wish.label], generator.c_dim))
        else:
            rows.append(torch.tensor([wish.label], dtype=torch.float32))
    return torch.cat(rows)
