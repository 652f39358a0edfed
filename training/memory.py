"""`micro_batch: auto`: the largest part of a batch that fits, found before training, halved when it must be.

A step that runs out of memory is undone as a whole and repeated. The copies that this takes, of weights and
optimisers, are in the memory of the device, so the search before training counts them in.
"""

import gc
from collections.abc import Callable

import torch
from torch import Tensor

from gan import distributed, randomness
from gan.errors import UsageError, UserError
from gan.networks.blocks import moving
from training import parts
from training.config import RunConfig
from training.state import TrainState, scaler
from training.step import train_step

Say = Callable[[str], None]


class Undo:
    """A copy of all that a step changes, to go back to. The weight average moves only after the step."""

    def __init__(self, state: TrainState) -> None:
        self.state = state
        networks = state.generator, state.discriminator
        self._tensors = [t for network in networks for t in (*network.parameters(), *moving(network))]
        self._optimizers = [
            (optimizer, {p: _copied(moments) for p, moments in optimizer.state.items()})
            for optimizer in (state.optimizer_g, state.optimizer_d)
        ]
        self._copies = [t.detach().clone() for t in self._tensors]
        self._memory = dict(state.memory)  # whose tensors a step replaces and never writes to
        self._scales = state.scaler_g.state_dict(), state.scaler_d.state_dict()
        self._augmentation = state.augmentation.undo() if state.augmentation else None

    @torch.no_grad()
    def restore(self) -> None:
        """Bring the state back; drop gradients."""
        state = self.state
        for tensor, copy in zip(self._tensors, self._copies, strict=True):
            tensor.grad = None
            tensor.copy_(copy)
        for optimizer, saved in self._optimizers:
            optimizer.state.clear()
            optimizer.state.update(saved)
        state.memory = dict(self._memory)
        state.scaler_g, state.scaler_d = (scaler(state.config, state.device) for _ in range(2))
        for each, saved in zip((state.scaler_g, state.scaler_d), self._scales, strict=True):
            each.load_state_dict(saved)
        if self._augmentation:
            self._augmentation()


def fitting_step(
    state: TrainState, real: Tensor, c: Tensor | None, say: Say, every: bool = False
) -> parts.Terms:
    """`train_step`, with half the micro-batch from here on where it does not fit into memory.

    say: gets a line for each halving.  every: see `train_step`.
    Raises UserError if the smallest micro-batch does not fit either.
    """
    while True:
        undo = Undo(state)
        try:
            return train_step(state, real, c, every)
        except (RuntimeError, MemoryError) as error:
            alone = distributed.world() > 1 and not isinstance(error, parts.AllOutOfMemory)
            if alone or not parts.out_of_memory(error):  # the others go on: only the end of all is safe
                raise
        undo.restore()  # only here: the traceback held what the step had allocated
        release(state.device)
        halve(state, say)


def halve(state: TrainState, say: Say) -> None:
    """Make the micro-batch at most half as large. UserError if no smaller one holds what belongs together."""
    size = parts.size_of(state.config, state.micro_batch)
    smaller = next_size(state.config, size)
    at = f"out of memory at {state.nimg / 1000:g} kimg with {size} images at a time"
    if smaller is None:
        raise UserError(
            f"{at}, the fewest that batch {state.config.batch} can be split into: "
            "choose smaller networks or images, precision bf16, or a smaller minibatch group"
        )
    state.micro_batch = smaller
    say(f"{at}: the step was undone and is repeated with micro-batch {smaller}")


def next_size(config: RunConfig, size: int) -> int | None:
    """The largest micro-batch <= size / 2 into which `parts.check` lets the batch be split, or None."""
    for candidate in range(size // 2, 0, -1):
        try:
            parts.check(config, candidate)
        except UsageError:
            continue
        return parts.size_of(config, candidate)
    return None


def probe(state: TrainState, say: Say, score: Callable[[], None] = lambda: None) -> None:
    """Set state.micro_batch to the largest one, by halving, with which a step of all phases fits; say so.

    The step is on noise, with every augmentation, and leaves no trace. score: what else must fit beside the
    networks and optimisers; called between the step and its undoing.
    """
    undo, config, device = Undo(state), state.config, state.device
    real, c = noise(state)
    if state.augmentation:
        state.augmentation.p = 1.0
    state.micro_batch = None
    fitting_step(state, real, c, lambda _: None, every=True)
    with randomness.kept():
        score()
    undo.restore()
    release(device)
    size = parts.size_of(config, state.micro_batch)
    say(f"micro-batch {size} of {len(real)} images: a step with every phase fits into memory")


def noise(state: TrainState) -> tuple[Tensor, Tensor | None]:
    """Random images instead of a process's share of a batch, and labels of the whole, to rehearse steps."""
    config, network, device = state.config, state.discriminator, state.device
    draws = randomness.Draws(config.seed, state.nimg, range(config.batch // distributed.world()), device)
    real = draws.uniform(network.image_shape) * 2 - 1
    c = torch.eye(network.c_dim, device=device)[[0] * config.batch] if network.c_dim else None
    return real, c


def fits(work: Callable[[], None], device: torch.device) -> bool:
    """Whether `work` has the memory it needs, in every process; where it lacks some, what it took is freed.

    Within, the processes must not wait for one another.
    """
    problem = None
    try:
        work()
    except (RuntimeError, MemoryError) as error:
        if not parts.out_of_memory(error):
            raise
        problem = "out of memory"
    if problem := distributed.agreed(problem):
        release(device)
    return not problem


def release(device: torch.device) -> None:
    """Give back to the device what nothing refers to any more."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def _copied(moments: dict) -> dict:
    """Adam's state of one parameter."""
    return {name: value.clone() if isinstance(value, Tensor) else value for name, value in moments.items()}
