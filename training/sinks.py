"""Where numbers and pictures of a run are shown: TensorBoard, and Weights & Biases where it is asked for."""

import contextlib
import secrets
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from gan.config import to_dict
from gan.errors import UsageError, install
from gan.files import atomic_bytes
from training.config import RunConfig

WandB = Literal["off", "offline", "online"]
LARGEST = 1e20  # value in a histogram of TensorBoard
BINS = 64  # of a histogram in Weights & Biases


class Sink(Protocol):
    """Takes what is shown, at the image count `nimg`."""

    def scalars(self, values: Mapping[str, float], nimg: int) -> None:
        """Numbers by name."""

    def image(self, name: str, picture: Tensor, nimg: int) -> None:
        """A picture, uint8 [C, H, W]."""

    def histograms(self, values: Mapping[str, Tensor], nimg: int) -> None:
        """Values [N] by name, float32 on the CPU."""

    def finish(self, settings: Mapping[str, bool | float | str], measured: Mapping[str, float]) -> None:
        """The run's settings with what it ended with."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoard:
    """Event files in the run directory; what an earlier session wrote beyond `nimg` is dropped."""

    def __init__(self, run: Path, nimg: int) -> None:
        self._writer = SummaryWriter(str(run), purge_step=nimg + 1 if nimg else None)
        self._writer.add_text("config", f"```yaml\n{(run / 'config.yaml').read_text()}```", nimg)

    def scalars(self, values: Mapping[str, float], nimg: int) -> None:
        """Curves."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, nimg)

    def image(self, name: str, picture: Tensor, nimg: int) -> None:
        """A slider over time."""
        self._writer.add_image(name, picture, nimg)

    def histograms(self, values: Mapping[str, Tensor], nimg: int) -> None:
        """Ridges over time."""
        for name, found in drawable(values).items():
            self._writer.add_histogram(name, found, nimg)

    def finish(self, settings: Mapping[str, bool | float | str], measured: Mapping[str, float]) -> None:
        """A line in the table of hyper-parameters."""
        self._writer.add_hparams(dict(settings), {f"final/{k}": v for k, v in measured.items()}, run_name=".")
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


@contextlib.contextmanager
def one_report() -> Iterator[None]:
    """No traceback of TensorBoard's thread where it cannot write: within the block, as on a full disk.

    The thread keeps its OSError, and the next call of the writer raises it.
    """

    def said(found: threading.ExceptHookArgs) -> None:
        writer = type(found.thread).__module__.startswith("tensorboard.")
        if not (writer and isinstance(found.exc_value, OSError)):
            before(found)

    before, threading.excepthook = threading.excepthook, said
    try:
        yield
    finally:
        threading.excepthook = before


class WeightsAndBiases:
    """A run of the project `gan`; its id is kept in wandb.txt, so that a resume goes on in it.

    mode: offline writes to RUN/wandb, without an account, for `wandb sync`; online sends. Curves are over
    kimg, not over the service's own step, which may not go back as a run does after a rollback.
    """

    def __init__(self, run: Path, config: RunConfig, mode: Literal["offline", "online"]) -> None:
        self._wandb, path = library(), run / "wandb.txt"
        if not path.is_file():
            atomic_bytes(path, secrets.token_hex(4).encode())
        self._run = self._wandb.init(
            project="gan",
            dir=str(run),
            name=run.resolve().name,
            id=path.read_text(encoding="utf-8"),
            resume="allow",
            mode=mode,
            config=to_dict(config),
        )
        self._run.define_metric("kimg")
        self._run.define_metric("*", step_metric="kimg")

    def scalars(self, values: Mapping[str, float], nimg: int) -> None:
        """Curves."""
        self._run.log({**values, "kimg": nimg / 1000})

    def image(self, name: str, picture: Tensor, nimg: int) -> None:
        """A slider over time."""
        pixels = picture.permute(1, 2, 0).numpy()  # [H, W, C]
        self._run.log({name: self._wandb.Image(pixels), "kimg": nimg / 1000})

    def histograms(self, values: Mapping[str, Tensor], nimg: int) -> None:
        """Histograms over time."""
        shown = {
            name: self._wandb.Histogram(found.numpy(), num_bins=BINS)
            for name, found in drawable(values).items()
        }
        self._run.log({**shown, "kimg": nimg / 1000})

    def finish(self, settings: Mapping[str, bool | float | str], measured: Mapping[str, float]) -> None:
        """The summary; the settings are there since the start."""
        self._run.summary.update({f"final/{k}": v for k, v in measured.items()})

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


def drawable(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those that fit into bins: histograms end at LARGEST, and refuse what has no value within."""
    return {name: found for name, found in values.items() if (found.abs() < LARGEST).all()}


def library() -> ModuleType:
    """The module wandb. UsageError where it is not installed."""
    try:
        import wandb
    except ImportError as error:
        raise UsageError(
            f"--wandb needs its client; {install('wandb')}, or leave it off with --wandb off"
        ) from error
    return wandb


def sinks(run: Path, config: RunConfig, nimg: int, wandb: WandB) -> list[Sink]:
    """TensorBoard, and Weights & Biases unless it is off."""
    found: list[Sink] = [TensorBoard(run, nimg)]
    return found if wandb == "off" else [*found, WeightsAndBiases(run, config, wandb)]


def sampled(network: torch.nn.Module, prefix: str, count: int = 10_000) -> dict[str, Tensor]:
    """Up to `count` evenly spaced values of every trained weight of two axes and more, by prefix/name."""
    weights = {name: p.detach().flatten() for name, p in network.named_parameters() if p.ndim > 1}
    return {f"{prefix}/{name}": w[:: -(-len(w) // count)].float().cpu() for name, w in weights.items()}
