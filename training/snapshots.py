"""Snapshots: what a checkpoint holds of a run, taken at once and written while training goes on.

A snapshot is taken by copying the state to the memory of the CPU, which needs as much of it as the checkpoint
has bytes. From then on nothing that training does can change it.
"""

import contextlib
import errno
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from gan import shapes
from gan.config import to_dict
from gan.errors import UserError
from gan.files import json_lines, read_json
from gan.models import card, checkpoint
from gan.models.runs import resume_command
from training import phases
from training.config import RunConfig
from training.retention import check_room, prune
from training.state import TrainState

FULL = (errno.ENOSPC, errno.EDQUOT)  # what the system says of a full disk, and of a used quota
TRANSFER = "transfer.json"  # of a run: what was taken from the model that it started from


@dataclass(frozen=True)
class Snapshot:
    """A checkpoint to be written.  nimg: real images shown when it was taken."""

    run: Path
    config: RunConfig
    nimg: int
    contents: checkpoint.Contents

    @property
    def folder(self) -> Path:
        """Where it belongs."""
        return self.run / "checkpoints" / checkpoint.folder_name(self.nimg)

    def write(self) -> Path:
        """Write it, then remove the checkpoints that the config does not keep.

        Without room the older checkpoints stay as they are, and UserError says how to go on.
        """
        try:
            checkpoint.write_contents(self.folder, self.contents)
        except UserError as error:
            raise paused(self.run, self.nimg, error) from error
        prune(self.run, self.config)
        return self.folder


class Writer:
    """Writes the snapshots of a run one after the other, each in a thread while training goes on.

    To be left by `with`: what is being written then becomes whole, but for a KeyboardInterrupt, which waits
    for nothing. Of several processes, the first one alone begins a snapshot.
    say: gets a line for a failure that another error outruns.
    """

    def __init__(self, run: Path, data: Mapping[str, Any], say: Callable[[str], None]) -> None:
        self.run, self.data, self._say = run, data, say
        self._thread = ThreadPoolExecutor(1, "snapshot")
        self._writing: Future[Path] | None = None

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(wait=kind is None or issubclass(kind, Exception))
        if kind is None:
            self.settle()
        elif told := self.failure():
            self._say(f"warning: {told}")

    def begin(self, state: TrainState) -> Path:
        """Take a snapshot and begin to write it; the folder that will be there. Waits for the one before.

        Raises UserError for the one before, or if there is no room for one more.
        """
        self.settle()
        snapshot = take(self.run, state, self.data)
        self._writing = self._thread.submit(snapshot.write)
        return snapshot.folder

    def settle(self) -> None:
        """Wait until the snapshot that was begun is whole. Raises what kept it from being written, once."""
        writing, self._writing = self._writing, None
        if writing:
            writing.result()

    def failure(self) -> str | None:
        """What kept the snapshot that was begun from being written, None while nothing did."""
        failed = self._writing and self._writing.done() and self._writing.exception()
        return str(failed) if failed else None


def take(run: Path, state: TrainState, data: Mapping[str, Any]) -> Snapshot:
    """The snapshot of this moment. UserError, as of a full disk, if there is no room for one more."""
    try:
        check_room(run, state.config.max_disk_gib)
    except UserError as error:
        raise paused(run, state.nimg, error) from error
    return Snapshot(run, state.config, state.nimg, _contents(run, state, data).copied())


def save(run: Path, state: TrainState, data: Mapping[str, Any]) -> Path:
    """Write the checkpoint of this moment at once; `data` describes the data set."""
    folder = run / "checkpoints" / checkpoint.folder_name(state.nimg)
    return checkpoint.write_contents(folder, _contents(run, state, data))


def update_card(run: Path, state: TrainState, data: Mapping[str, Any]) -> Path:
    """Write the card of this moment's checkpoint, if there is one, anew if there are scores."""
    folder = run / "checkpoints" / checkpoint.folder_name(state.nimg)
    if folder.is_dir() and scores(run):
        checkpoint.replace_card(folder, _card(run, state, _described(run, state, data)))
    return folder


@contextlib.contextmanager
def pausing(state: TrainState) -> Iterator[None]:
    """The same UserError as of a snapshot for every other file that a full disk refuses within the block."""
    try:
        yield
    except (OSError, UserError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError) or cause.errno not in FULL:
            raise
        raise paused(state.run, state.nimg, error) from error


def paused(run: Path | None, nimg: int, error: Exception) -> UserError:
    """What to say where `error` keeps a run from writing."""
    return UserError(
        f"paused at {nimg / 1000:g} kimg: {error}. The older checkpoints are intact:"
        f" make room, then go on with {resume_command(run)}"
    )


def origin(run: Path) -> list[str]:
    """Which models this run started from, the first one first; empty for one from scratch."""
    return _transfer(run).get("origin", [])


def _transfer(run: Path) -> dict[str, Any]:
    """What was taken from the model that a run started from; {} for one from scratch."""
    path = run / TRANSFER
    return read_json(path, dict) if path.is_file() else {}


def scores(run: Path) -> list[dict[str, Any]]:
    """Records of the run's metrics.jsonl, oldest first, without a line that a killed writer left half."""
    return json_lines(run / "metrics.jsonl")[0]


def parameters(network: nn.Module) -> int:
    """How many values training changes."""
    return sum(p.numel() for p in network.parameters())


def _contents(run: Path, state: TrainState, data: Mapping[str, Any]) -> checkpoint.Contents:
    """The checkpoint of this moment; its tensors are those of the state."""
    config = _described(run, state, data)
    return checkpoint.contents(
        config=config,
        generator=state.ema,
        discriminator=state.discriminator,
        training_tensors=state.tensors(),
        training_state=state.counters(),
        card=_card(run, state, config),
    )


def _described(run: Path, state: TrainState, data: Mapping[str, Any]) -> dict[str, Any]:
    """config.json of a checkpoint of this moment."""
    settings = to_dict(state.config)
    inherited = _transfer(run).get("features_seen")
    return {
        "kimg": state.nimg / 1000,
        "generator": settings["generator"],
        "discriminator": settings["discriminator"],
        "run": settings,
        "data": dict(data),
        "origin": origin(run),
        "phases": phases.recorded(run),
        **({"features_seen": inherited} if inherited else {}),
    }


def _card(run: Path, state: TrainState, config: Mapping[str, Any]) -> str:
    return card.build(
        config,
        image_shape=shapes.image_shape(state.config.generator),
        parameters={"generator": parameters(state.ema), "discriminator": parameters(state.discriminator)},
        metrics=scores(run),
    )
