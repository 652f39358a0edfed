"""Run directories: number, files that describe the run, checkpoints, and how a run begins and goes on."""

import json
import platform
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

import gan
from gan import distributed, shapes
from gan.config import dumps_yaml
from gan.errors import UserError
from gan.files import atomic_bytes
from gan.models import checkpoint
from gan.sampling import remembered_conditions
from training import graphs, phases
from training.config import RunConfig
from training.data.images import ImageDataset
from training.initial import start_from
from training.losses.base import Loss
from training.monitor import log
from training.rollback import check, harden, hardened, saved_rollbacks, set_aside
from training.snapshots import TRANSFER, parameters, save
from training.state import TrainState, create

EXAMPLES = 256  # condition vectors that a checkpoint keeps, to draw samples for


def new_run(out: Path, config: RunConfig, dataset: ImageDataset) -> Path:
    """Make runs/00003-<preset>-<data>/ with config.yaml and environment.json; UserError if it cannot."""
    suffix = _suffix(config, dataset)
    try:
        out.mkdir(parents=True, exist_ok=True)
        numbers = [int(p.name[:5]) for p in out.iterdir() if re.match(r"\d{5}-", p.name)]
        run = out / f"{max(numbers, default=-1) + 1:05d}-{suffix}"
        run.mkdir()
    except OSError as error:
        raise UserError(
            f"cannot make a run directory in {out}: {error.strerror}; choose another --out"
        ) from error
    describe(run, config)
    return run


def describe(run: Path, config: RunConfig) -> None:
    """Write the resolved config and what it runs on."""
    atomic_bytes(run / "config.yaml", dumps_yaml(config).encode())
    describe_surroundings(run)


def describe_surroundings(run: Path) -> None:
    """Write what it runs on, with what is in effect now; only the first process does."""
    if distributed.rank() == 0:
        atomic_bytes(run / "environment.json", json.dumps(environment(), indent=2).encode())


def environment() -> dict[str, Any]:
    """Versions and hardware that a result may depend on."""
    cuda = torch.cuda.is_available()
    return {
        "gan": gan.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "processes": distributed.world(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.version.cuda if cuda else None,
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "tf32": torch.backends.cudnn.allow_tf32 and torch.backends.cuda.matmul.allow_tf32,
    }


def begin(
    out: Path,
    config: RunConfig,
    dataset: ImageDataset,
    *,
    device: torch.device,
    loss: Loss | None = None,
) -> tuple[Path, TrainState, list[str]]:
    """A new run: its directory, its state, and lines for its log.

    config: as `fit` returns it. Its networks start from the weights of config.init_from, if it names a model.
    Under torchrun, the first process makes the directory.
    """
    state, record = create(config, device, loss=loss, conditions=examples(dataset)), None
    notes: list[str] = []
    if config.init_from:
        record, notes = start_from(state, config.init_from, dataset.classes)
    elif getattr(config.generator, "lora_rank", 0):
        notes = ["warning: generator.lora_rank trains adapters on random weights: name --init-from MODEL"]
    run = Path(distributed.from_first(lambda: str(new_run(out, config, dataset))))
    if record and distributed.rank() == 0:
        atomic_bytes(run / TRANSFER, json.dumps(record, indent=2, ensure_ascii=False).encode())
    return run, state, notes


def go_on(
    saved: checkpoint.Checkpoint,
    config: RunConfig,
    changes: Sequence[phases.Change],
    *,
    device: torch.device,
    loss: Loss | None = None,
) -> tuple[Path, TrainState, list[str]]:
    """A run from one of its checkpoints on, under `config`, as typed, with permitted changes.

    Checkpoints that are newer, of a branch that is left, are set aside.
    """
    run = saved.run
    state, notes = restore(saved, config, changes, device, loss), []
    if distributed.rank() == 0:
        checkpoint.sweep_temporaries(run)
        notes = [f"set aside {path}" for path in set_aside(run, saved.path)]
        notes += phases.enter(run, saved, changes)
        describe(run, state.config)
    return run, state, notes


def examples(dataset: ImageDataset) -> torch.Tensor | None:
    """Some of the condition vectors of a set, evenly spaced [M, c_dim], for samples; None without vectors."""
    if dataset.vectors is None:
        return None
    count = min(EXAMPLES, len(dataset))
    return torch.from_numpy(dataset.vectors[[i * len(dataset) // count for i in range(count)]].copy())


def restore(
    saved: checkpoint.Checkpoint,
    config: RunConfig,
    changes: Sequence[phases.Change],
    device: torch.device,
    loss: Loss | None = None,
) -> TrainState:
    """The state of a checkpoint, to go on under `config`, as typed, which differs from its own by `changes`.

    Raises UserError where the networks would have other weights.
    """
    tensors, counters = saved.training()
    generator = saved.generator()
    config, conditions = hardened(config, saved_rollbacks(counters)), remembered_conditions(generator)
    state = create(config, device, loss=loss, conditions=conditions)
    if changes:
        phases.check_fit(saved, state, changes)
    state.restore(tensors, counters)
    state.ema.load_state_dict(generator.state_dict())
    saved.fill(state.discriminator, "discriminator")
    return state


def write_back(
    run: Path, lost: TrainState, halt: str, config: RunConfig, data: Mapping[str, Any]
) -> list[str]:
    """Write the checkpoint to go on from after `lost` halted for `halt`; what was done, for the log.

    config: the one that the run began with. The checkpoint that the run goes back to is written again with
    the number of rollbacks, then the newer ones are set aside; a kill in between repeats the rollback.
    Raises UserError where the policy says stop, and where there is nothing to go back to.
    """
    folder = check(config, run, halt, lost.nimg, lost.rollbacks)
    saved = checkpoint.read(folder)
    changes = phases.changes(saved, config, data)  # of phases that have begun since
    state = restore(saved, config, changes, lost.device, lost.loss)
    notes = phases.enter(run, saved, changes)
    state.rollbacks = lost.rollbacks + 1
    changed = harden(state, config)
    save(run, state, data)
    moved = set_aside(run, folder)
    describe(run, state.config)
    count = f"rollback {state.rollbacks} of at most {config.health.max_rollbacks}"
    note = f"{count}: back to {state.nimg / 1000:g} kimg with {changed}"
    log(run, state, "rollback", note, "rollback")
    return [note, *notes, *(f"set aside {path}" for path in moved)]


def roll_back(
    run: Path, lost: TrainState, halt: str, config: RunConfig, data: Mapping[str, Any]
) -> tuple[TrainState, list[str]]:
    """`write_back` by the first process, whose UserError all raise; then every process reads what it wrote.

    The first one, too: weights under norms that were put on a discriminator stand at other places in its
    optimiser than those of one built with norms, and processes add up gradients in that order.
    """
    notes: list[str] = []

    def back() -> str:
        notes.extend(write_back(run, lost, halt, config, data))
        return str(checkpoint.newest_good(run)[0])

    folder = distributed.from_first(back)
    return restore(checkpoint.read(folder), config, [], lost.device, lost.loss), notes


def describe_data(dataset: ImageDataset) -> dict[str, Any]:
    """What a checkpoint keeps of its data set; seen: the classes that have images, where others have none."""
    about = {
        "name": dataset.name,
        "sha256": dataset.sha256,
        "images": len(dataset),
        "classes": dataset.classes,
        "licence": dataset.licence,
    }
    if dataset.vectors is not None:
        about["vectors"] = dataset.c_dim
    elif not dataset.counts.all():
        about["seen"] = dataset.counts.nonzero()[0].tolist()
    return about


def summary(state: TrainState) -> str:
    """Size of the images and networks, and where they are."""
    g, d = (parameters(network) / 1e6 for network in (state.generator, state.discriminator))
    channels, height, width = shapes.image_shape(state.config.generator)
    sizes = f"generator {g:.2f} M and discriminator {d:.2f} M parameters on {state.device}"
    return f"{height}x{width}x{channels}, {sizes}{graphs.described(state.config, state.device)}"


def _suffix(config: RunConfig, dataset: ImageDataset) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{config.preset}-{dataset.slug}")
