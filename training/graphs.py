"""CUDA graphs: what one objective computes, recorded once and then launched as a whole, without Python.

Networks of small images launch thousands of small kernels a step, and the GPU waits for Python between them.
A graph is launched by one call, but it computes what was recorded: the same shapes, with the same numbers of
the host, at the same addresses. So all that differs between steps is a tensor whose address stays: images,
labels, the count of images that keys the random numbers, and what losses remember. What differs otherwise,
such as the margins of an augmentation or a blur that fades, has no graph, and `refusal` says so.

The optimiser's step is no part of a graph: learning rates are numbers of the host.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from gan import distributed
from gan.errors import UsageError
from training.config import GIVEN, RunConfig
from training.schedules import Schedule

R = TypeVar("R")
Found = tuple[dict[str, Tensor], ...]  # of one objective: its terms, and what is remembered
Work = Callable[[Tensor, Tensor | None, int | Tensor], Found]  # of images, labels, images seen
WARM = 3  # steps of each objective before it is recorded: libraries choose algorithms, memory is allocated


class Recorder(Protocol):
    """Where work is recorded.  warm: does it, as it will be recorded.  record: what the work returns, not
    computed yet, and a function that computes it, at the same addresses each time."""

    def warm(self, work: Callable[[], R]) -> R: ...

    def record(self, work: Callable[[], R]) -> tuple[R, Callable[[], None]]: ...


class OnCuda:
    """Records on the present CUDA device; the graphs of one recorder share their memory."""

    def __init__(self) -> None:
        self._stream, self._pool = torch.cuda.Stream(), torch.cuda.graph_pool_handle()

    def warm(self, work: Callable[[], R]) -> R:
        """On the stream that records, where autograd then finds its nodes."""
        present = torch.cuda.current_stream()
        self._stream.wait_stream(present)
        with torch.cuda.stream(self._stream):
            found = work()
        present.wait_stream(self._stream)
        return found

    def record(self, work: Callable[[], R]) -> tuple[R, Callable[[], None]]:
        """One CUDA graph."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream):
            found = work()
        return found, graph.replay


@dataclass(frozen=True)
class Recorded:
    """One objective.  real, c, nimg, memory: where its inputs are written.  gradients: of the parameters."""

    real: Tensor
    c: Tensor | None
    nimg: Tensor
    memory: dict[str, Tensor]
    found: Found
    gradients: list[Tensor | None]
    replay: Callable[[], None]


class Graphs:
    """The objectives of a run, each recorded after WARM steps of it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder, self._steps, self._recorded = recorder, Counter[str](), dict[str, Recorded]()

    def computed(
        self,
        name: str,
        state: Any,
        parameters: Sequence[nn.Parameter],
        batch: tuple[Tensor, Tensor | None],
        work: Work,
    ) -> Found:
        """What `work` returns for the batch of images and labels; gradients are in `parameters`.

        name: of the objective.  state: a `TrainState`, whose count of images and memory the work reads.
        """
        if self._steps[name] < WARM:
            self._steps[name] += 1
            return self._recorder.warm(lambda: work(*batch, state.nimg))
        if name not in self._recorded:
            self._recorded[name] = self._made(state, parameters, batch, work)
        recorded = self._recorded[name]
        _write(recorded, batch, state)
        recorded.replay()
        for parameter, gradient in zip(parameters, recorded.gradients, strict=True):
            parameter.grad = gradient
        return tuple({key: value.clone() for key, value in part.items()} for part in recorded.found)

    def _made(
        self,
        state: Any,
        parameters: Sequence[nn.Parameter],
        batch: tuple[Tensor, Tensor | None],
        work: Work,
    ) -> Recorded:
        real, c = (None if value is None else value.clone() for value in batch)
        nimg = torch.full([], state.nimg, dtype=torch.int64, device=real.device)
        remembered, state.memory = state.memory, {key: value.clone() for key, value in state.memory.items()}
        try:
            found, replay = self._recorder.record(lambda: work(real, c, nimg))
            memory = state.memory
        finally:
            state.memory = remembered
        gradients = [parameter.grad for parameter in parameters]
        return Recorded(real, c, nimg, memory, found, gradients, replay)


def _write(recorded: Recorded, batch: tuple[Tensor, Tensor | None], state: Any) -> None:
    real, c = batch
    recorded.real.copy_(real, non_blocking=True)
    if recorded.c is not None:
        recorded.c.copy_(c, non_blocking=True)
    recorded.nimg.fill_(state.nimg)
    for name, value in recorded.memory.items():
        value.copy_(state.memory[name], non_blocking=True)


def refusal(config: RunConfig, device: torch.device) -> str | None:
    """Why a run has no graphs, in words; None where nothing is in the way. config: as `fit` returns it."""
    loss = config.loss
    reasons = {
        f"they are CUDA's, and this run is on {device.type}": device.type != "cuda",
        "augment.name must be none: augmentations are drawn on the host": config.augment.name != "none",
        "loss.blur_sigma must be 0: a blur that fades changes with every step": loss.blur_sigma,
        "loss.r1_gamma must be one number, no schedule": isinstance(loss.r1_gamma, Schedule),
        "precision must be float32 or bf16: fp16 scales losses by numbers of the host": (
            config.precision == "fp16"
        ),
        "micro_batch must be null: a step in parts is added up on the host": config.micro_batch is not None,
        "checkpoint_activations must be false: it keeps states of random numbers": (
            config.checkpoint_activations
        ),
        "there is more than one process": distributed.world() > 1,
        "plug-ins and own losses may compute anything": config.plugins or loss.name.startswith(GIVEN),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def graphs_of(config: RunConfig, device: torch.device) -> Graphs | None:
    """The graphs of a run, None where it has none. UsageError where it must have some and cannot."""
    reason = refusal(config, device)
    if config.cuda_graphs is True and reason:
        raise UsageError(f"cuda_graphs: {reason}; or set cuda_graphs to auto, or to false")
    return Graphs(OnCuda()) if config.cuda_graphs and not reason else None


def described(config: RunConfig, device: torch.device) -> str:
    """For a line about the run: "" where nobody asked for graphs."""
    if not config.cuda_graphs:
        return ""
    reason = refusal(config, device)
    return f", no CUDA graphs ({reason})" if reason else ", in CUDA graphs"
