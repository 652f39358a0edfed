"""The whole story in one call: draw a data set, train on it from scratch, score, look."""

import contextlib
import dataclasses
import json
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gan import console, sampling
from gan.config import from_dict, load_yaml
from gan.console import progress
from gan.devices import pick
from gan.errors import UserError
from gan.files import atomic_bytes
from gan.images import grid, labelled_grid, save_png
from gan.jobs import training
from gan.jobs.preparation import draw_openmoji
from gan.jobs.report_files import numbered
from gan.jobs.scoring import append_records, score
from gan.models import checkpoint, seen
from gan.shapes import image_shape
from training.config import RunConfig
from training.data.images import ImageDataset, open_dataset
from training.preparation import openmoji

PRESET = "demo"
RESOLUTION = 32  # of a data set that is drawn here
METRICS = (
    "fd-efficientnet-lite0",
    "dc[efficientnet-lite0]",
)  # on features that no preset's discriminator sees
NUM_FAKES = 2000
RECORD = "demo.json"  # in the run directory: what the stages after training found, once all are done
_ROUNDING = 0.05  # of the training time: a rest as short as this is not worth going on for
_CROP = 4  # images per side that the contact sheet shows of each snapshot
_SNAPSHOTS = 7  # on the contact sheet, before the real images


class Clock:
    """Says on stderr what begins, with the time since the start, and keeps the seconds of each stage."""

    def __init__(self) -> None:
        self.start = time.monotonic()
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, name: str, text: str) -> Iterator[None]:
        """Announce `text`, time the body under `name`."""
        begun = time.monotonic()
        self.say(text)
        yield
        self.seconds[name] = round(time.monotonic() - begun, 1)

    def say(self, text: str) -> None:
        """One line with the time since the start."""
        console.say(f"[{duration(time.monotonic() - self.start)}] {text}")


def run_demo(
    config: RunConfig,
    out: Path,
    *,
    minutes: float,
    fresh: bool,
    metrics: Sequence[str] = METRICS,
    num_fakes: int = NUM_FAKES,
) -> tuple[Path, dict[str, Any]]:
    """All stages that are not done yet -> (run directory, its record, also in demo.json).

    minutes: of training, summed over sessions. Raises KeyboardInterrupt if training is stopped by hand,
    UserError if the data set is missing and not ours to draw, and whatever the stages raise.
    """
    clock = Clock()
    prepare_data(Path(config.data.path), clock)
    opened = open_dataset(config.data.path)
    config, dataset = training.shaped(by_class(config, opened), opened)
    with contextlib.closing(dataset):
        run = None if fresh else find_run(out, config)
        left = minutes * 60 - (trained_seconds(run) if run else 0)
        record = _read_record(run) if run else None
        if run and record and (record["minutes"] >= minutes or record["kimg"] >= config.kimg):
            clock.say(f"{run} is finished already; --fresh trains another")
            return run, record
        if run is None or (left > _ROUNDING * minutes * 60 and _newest_kimg(run) < config.kimg):
            run = train(config, out, run, left, clock)
        record = {"minutes": minutes, **evaluate_run(run, config, dataset, metrics, num_fakes, clock)}
        atomic_bytes(run / RECORD, (json.dumps(record, indent=2) + "\n").encode())
    clock.say("done")
    return run, record


def prepare_data(path: Path, clock: Clock) -> None:
    """Draw the OpenMoji set at `path` unless something is there; UserError if it has another name."""
    if path.exists():
        return
    if not path.name.startswith(f"{openmoji.NAME}-{RESOLUTION}"):
        drawn = f"{openmoji.NAME} at {RESOLUTION}x{RESOLUTION}"
        raise UserError(f"no data set at {path}; leave --data out to draw {drawn}")
    with clock.stage("data", f"drawing {path} from {openmoji.NAME} ..."):
        draw_openmoji(path, resolution=RESOLUTION)


def by_class(config: RunConfig, opened: ImageDataset) -> RunConfig:
    """The config to train on the classes of a set, where it has any."""
    labelled = opened.conditioned("labels").labels is not None
    data = dataclasses.replace(config.data, conditional="labels" if labelled else False)
    return dataclasses.replace(config, data=data)


def find_run(out: Path, config: RunConfig) -> Path | None:
    """The newest run in `out` with a good checkpoint, these settings (kimg aside) and this data, or None."""
    for run in sorted(out.glob(f"[0-9]*-{config.preset}-*"), reverse=True):
        with contextlib.suppress(UserError):  # not a run, or one of another version
            saved = from_dict(RunConfig, load_yaml(run / "config.yaml"))
            same_data = Path(saved.data.path).resolve() == Path(config.data.path).resolve()
            same = dataclasses.replace(saved, kimg=config.kimg, data=config.data) == config
            if same_data and same and checkpoint.newest_good(run)[0]:
                return run
    return None


def train(config: RunConfig, out: Path, run: Path | None, seconds: float, clock: Clock) -> Path:
    """Train, or go on with `run`, for at most `seconds`; KeyboardInterrupt if somebody stops it earlier."""
    verb = f"going on with {run}" if run else "training from scratch"
    with clock.stage("training", f"{verb}, {duration(seconds)} at most; Ctrl-C saves and stops ..."):
        trained = training.train(config, out=out, resume=str(run) if run else None, max_minutes=seconds / 60)
    if trained.interrupted:
        clock.say("stopped; the same command goes on from here")
        raise KeyboardInterrupt
    return trained.path


def trained_seconds(run: Path) -> float:
    """Training time up to the newest checkpoint of a run, over all its sessions."""
    return checkpoint.read(checkpoint.resolve(run)).state()["seconds"]


def evaluate_run(
    run: Path, config: RunConfig, dataset: ImageDataset, metrics: Sequence[str], num_fakes: int, clock: Clock
) -> dict[str, Any]:
    """Score the first and the newest checkpoint, write grid.png and progress.png -> what demo.json holds.

    before, after: the record of the first metric.  more: after training, those of the others.
    """
    folders = run / "checkpoints" / checkpoint.folder_name(0), checkpoint.resolve(run)
    scored = [score_checkpoint(f, dataset, metrics, num_fakes, config.seed, clock) for f in folders]
    [before, *_], [after, *more] = scored
    with clock.stage("images", "drawing samples ..."):
        save_png(run / "grid.png", sample_grid(run))
        save_png(run / "progress.png", contact_sheet(run, image_shape(config.generator)))
    return {
        "kimg": after["kimg"],
        "trained_seconds": round(trained_seconds(run), 1),
        "stage_seconds": clock.seconds,
        "before": before,
        "after": after,
        "more": more,
    }


def score_checkpoint(
    folder: Path, dataset: ImageDataset, metrics: Sequence[str], num_fakes: int, seed: int, clock: Clock
) -> list[dict[str, Any]]:
    """Records of the metrics for the checkpoint in `folder`, also appended to the run's metrics.jsonl."""
    saved = checkpoint.read(folder)
    text = f"scoring {num_fakes:,} images after {saved.kimg:g} kimg ..."
    with (
        clock.stage(f"score-{folder.name}", text),
        progress(len(dataset) + num_fakes, "images", unit="img") as bar,
    ):
        records = score(
            saved.generator(pick("auto")),
            dataset,
            metrics,
            num_fakes=num_fakes,
            seed=seed,
            kimg=saved.kimg,
            progress=lambda _, count: bar.update(count),
        )
    seen.mark(records, seen.of_config(saved.config))
    append_records(folder, records)
    return records


def sample_grid(run: Path, columns: int = 10, side: int = 64) -> Tensor:
    """columns^2 images of the newest checkpoint, seeds 0, 1, ..., each enlarged to at most `side` pixels.

    Returns uint8 [C, H, W].
    """

    generator = checkpoint.read(checkpoint.resolve(run)).generator()
    images = torch.cat(list(sampling.images(generator, range(columns**2))))  # [N, C, H, W]
    factor = max(1, side // max(images.shape[2:]))
    return grid(images.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3), columns)


def contact_sheet(run: Path, shape: tuple[int, int, int]) -> Tensor:
    """The same corner of the sample grids of several snapshots, first to last, then of the real images.

    shape: (channels, rows, columns) of an image. Returns uint8 [3, H, W].
    """

    fakes = numbered(run.glob("fakes-*.png"), "fakes-")
    count = min(_SNAPSHOTS, len(fakes))
    chosen = [fakes[round(i * (len(fakes) - 1) / max(count - 1, 1))] for i in range(count)]
    labels = [f"{kimg:g} kimg" for kimg, _ in chosen] + ["real"]
    crops = [_read_image(path) for path in [*(path for _, path in chosen), run / "reals.png"]]
    height, width = (
        min(2 + _CROP * (side + 2), *(crop.shape[axis] for crop in crops))  # gan.images.grid pads by 2
        for axis, side in ((1, shape[1]), (2, shape[2]))
    )
    return labelled_grid(torch.stack([crop[:, :height, :width] for crop in crops]), labels, columns=4)


def summary(run: Path, record: dict[str, Any], config: RunConfig) -> str:
    """What was made, how good it is, where it is and what to type next."""
    before, after = record["before"], record["after"]
    ratio, spent = before["value"] / max(after["value"], 1e-9), duration(record["trained_seconds"])
    lines = [
        ("Data", f"{config.data.path}, {after['num_real']:,} images"),
        (
            "Training",
            f"{spent} minutes, {after['kimg'] * 1000:,.0f} images shown",
        ),
        ("Score", f"{before['value']:.4g} before, {after['value']:.4g} after: {ratio:.1f} times lower"),
        ("", f"({after['metric']}, lower is better; {after['num_fake']:,} samples against all images)"),
        *([("", f"({seen.MARK}: a flattering number)")] if after.get("seen_by_d") else []),
        *(("", f"{other['metric']} {other['value']:.2g}") for other in record.get("more", ())),
        ("Samples", str(run / "grid.png")),
        ("Progress", str(run / "progress.png")),
        ("Checkpoint", str(checkpoint.resolve(run))),
    ]
    table = "\n".join(f"{name:<11} {text}" for name, text in lines)
    longer = f"--resume {shlex.quote(str(run))} --kimg {3 * after['kimg']:.0f}"
    return f"""{table}

Next:
  {tool("gan")} sample {shlex.quote(str(run))} --seeds 0-31 --out walk.gif
  {tool("gan")} train {longer}
  {tool("tensorboard")} --logdir {run.parent}
Then read on in notebooks/01-tour.ipynb."""


def tool(name: str) -> str:
    """What to type for a command of this environment: its name if the shell finds it, else its path."""
    path = Path(sys.executable).parent / name
    if shutil.which(name) == str(path):
        return name
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def duration(seconds: float) -> str:
    """65 -> '1:05', minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _newest_kimg(run: Path) -> float:

    return checkpoint.read(checkpoint.resolve(run)).kimg


def _read_record(run: Path) -> dict[str, Any] | None:
    """demo.json of a run, if it describes the newest checkpoint."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        record = json.loads((run / RECORD).read_text(encoding="utf-8"))
        if record["kimg"] == _newest_kimg(run):
            return record
    return None


def _read_image(path: Path) -> Tensor:
    """PNG -> uint8 [3, H, W]."""
    with Image.open(path, formats=("PNG",)) as image:
        return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)
