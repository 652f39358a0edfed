"""Scores of the weight average while a run trains, and the best of its checkpoints."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from gan import distributed
from gan.errors import UserError
from gan.jobs.scoring import BATCH, DatasetImages, append_records, drawn, score
from gan.models import checkpoint
from metrics.evaluate import ready, rehearse
from metrics.images import BATCH as PASS
from metrics.networks import Networks
from metrics.plan import plan
from metrics.sets import enough
from training.data.images import ImageDataset
from training.memory import fits
from training.parts import out_of_memory
from training.snapshots import scores


class NoMemory(UserError):
    """A score needs more memory than there is."""


class RunScorer:
    """Scores of the weight average while a run trains; does nothing without metrics.

    metrics: names; by the first of them the best checkpoint is chosen. num_fakes: None is each metric's own.
    Raises UsageError for an unknown metric, UserError for fewer fakes than a metric needs, and if the weights
    of a feature network are absent.
    """

    def __init__(self, metrics: Sequence[str], num_fakes: int | None, device: torch.device) -> None:
        self.metrics, self.num_fakes, self.batch, self._device = list(metrics), num_fakes, BATCH, device
        if self.metrics:
            items = plan(self.metrics, num_fakes=num_fakes)
            enough(items, None, None)
            self._better, self._networks = items[0].spec.better, Networks(device)
            ready(items, self._networks)

    def rehearse(self, generator: nn.Module, dataset: ImageDataset, say: Callable[[str], None]) -> None:
        """Do one batch of all that a score does; its images are drawn in smaller batches until that fits.

        Like the batch of `gan evaluate`, this one changes a score by rounding only. Other networks have fixed
        batches. say: gets a line if it had to become smaller. Raises NoMemory if it never fits.
        """
        if not self.metrics:
            return

        def one_batch() -> None:
            fakes = drawn(generator, dataset, range(PASS), 1.0, self.batch)
            real = DatasetImages(dataset)
            rehearse(real, fakes, self.metrics, generator=generator, networks=self._networks)

        while not fits(one_batch, self._device):
            if self.batch == 1:
                raise NoMemory(f"the score does not fit into memory beside training: {self._remedy()}")
            self.batch //= 2
        if self.batch < BATCH:
            say(f"scores: images are drawn {self.batch} at a time, as many as fit into memory")

    def missing(self, run: Path, nimg: int) -> bool:
        """Whether metrics.jsonl of `run` has no record after `nimg` images; the same in all processes."""
        lacks = all(record.get("kimg") != nimg / 1000 for record in scores(run))
        return distributed.shared_text("missing" if lacks else "") != ""

    def score(self, generator: nn.Module, dataset: ImageDataset, nimg: int) -> list[dict]:
        """Records of the generator after `nimg` images, in the first process; [] in the others.

        All processes of a run must call this. Raises NoMemory, in the process that lacks it.
        """
        if not self.metrics:
            return []
        options = {"num_fakes": self.num_fakes, "seed": 0, "kimg": nimg / 1000, "batch": self.batch}
        try:
            records = score(generator, dataset, self.metrics, **options, networks=self._networks)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            raise NoMemory(f"no score at {nimg / 1000:g} kimg, out of memory: {self._remedy()}") from error
        return [] if distributed.rank() else records

    def keep(self, records: list[dict], run: Path, nimg: int, save: Callable[[], object]) -> None:
        """Add the records after `nimg` images to metrics.jsonl of `run`; for the first process.

        If the first is the best so far, best.json names its checkpoint, which `save` writes where a snapshot
        is not due. Such an extra checkpoint is removed when a better one is found; others stay. No other
        checkpoint of the run may be in writing.
        """
        if not records:
            return
        folder = run / "checkpoints" / checkpoint.folder_name(nimg)
        append_records(folder, records)
        before = checkpoint.best(run)
        if self._better and (before is None or self._improves(records[0], before[1].get("record", {}))):
            extra = not folder.is_dir()
            if extra:
                save()
            checkpoint.mark_best(folder, {"extra": extra, "record": records[0]})
            if before and before[1].get("extra") and before[0] != folder:
                shutil.rmtree(before[0], ignore_errors=True)

    def _remedy(self) -> str:
        """What to do about a score that does not fit."""
        names = ",".join(self.metrics)
        return f"take another than --metrics {names}, or none, and score checkpoints later with gan evaluate"

    def _improves(self, record: dict, old: dict) -> bool:
        """Whether a record is better than the old best one, or not comparable with it."""
        keys = ("label", "convention", "detector_sha256", "data_sha256")
        same = all(record[key] == old.get(key) for key in keys)
        sign = -1 if self._better == "lower" else 1
        return not same or sign * record["value"] > sign * old["value"]
