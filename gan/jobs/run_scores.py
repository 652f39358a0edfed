"""Scores of the weight average while a run trains, and the best of its checkpoints."""

import shutil
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gan import distributed
from gan.config import to_dict
from gan.errors import UsageError, UserError
from gan.jobs.scoring import BATCH, DatasetImages, append_records, drawn, score
from gan.models import checkpoint, seen
from metrics.evaluate import ready, rehearse
from metrics.images import BATCH as PASS
from metrics.networks import Networks
from metrics.networks.extractors import PACKAGED
from metrics.plan import Item, plan
from metrics.sets import enough
from training.config import RunConfig
from training.data.images import ImageDataset
from training.early_stop import StopConfig, stalled
from training.early_stop import check as check_rules
from training.held_out import open_held_out
from training.memory import fits
from training.parts import out_of_memory
from training.snapshots import scores

COMPARED = ("label", "convention", "detector_sha256", "data_sha256")  # in which comparable records agree
OF_ONE_SET = ("error", "note", "interval", "corrected", "standard_error")  # no part of a difference


class NoMemory(UserError):
    """A score needs more memory than there is."""


class RunScorer:
    """Scores of the weight average while a run trains; does nothing without metrics.

    metrics: names; by the first of them whose features no discriminator saw the best checkpoint is chosen.
    num_fakes: None is each metric's own.
    Raises UsageError for an unknown metric, UserError for fewer fakes than a metric needs, and if the weights
    of a feature network are absent.
    """

    def __init__(self, metrics: Sequence[str], num_fakes: int | None, device: torch.device) -> None:
        self.metrics, self.num_fakes, self.batch, self._device = list(metrics), num_fakes, BATCH, device
        self._seen: list[seen.Network] = []
        self._held_out: ImageDataset | None = None
        if self.metrics:
            self._first = self.metrics[0]
            items = plan(self.metrics, num_fakes=num_fakes)
            enough(items, None, None)
            self._better, self._networks = items[0].spec.better, Networks(device)
            ready(items, self._networks)

    def beware(self, networks: Sequence[seen.Network]) -> list[str]:
        """Mark the scores on features of `networks`, which a discriminator saw, and choose nothing by them.

        Returns lines for people. UsageError where that leaves no metric to choose the best checkpoint by.
        """
        self._seen = list(networks)
        if not self._seen:
            return []
        items = {name: plan([name])[0] for name in self.metrics}
        honest = [name for name, item in items.items() if not self._is_seen(item)]
        if len(honest) == len(items):
            return []
        names = ", ".join(name for name in items if name not in honest)
        if not honest:
            others = ", ".join(f"fd[{name}]" for name in unseen(networks))
            raise UsageError(
                f"--metrics {names}: the discriminator sees these features, so that no checkpoint can be"
                f" called the best by it; score on others, alone or beside it: {others}"
            )
        self._first, self._better = honest[0], items[honest[0]].spec.better
        told = f"{names} marked {seen.MARK}, for the discriminator sees its features"
        return [f"warning: {told}; {honest[0]} chooses the best checkpoint"]

    def hold_out(self, dataset: ImageDataset, held_out: ImageDataset) -> None:
        """Let every score be followed by what the fakes are to held-out images, see `score`.

        UserError where these, or the fakes, are too few for it.
        """
        if not self.chooses:
            return
        item, count, fakes = self._of_gap(dataset, held_out)
        if item.spec.scores == "pair":
            enough([item._replace(fakes=fakes)], count, None)
            self._held_out = held_out

    @property
    def chooses(self) -> bool:
        """Whether a score chooses the best checkpoint: one whose low or high values are better."""
        return bool(self.metrics and self._better)

    def stalled(self, run: Path, records: Sequence[dict], config: StopConfig) -> str | None:
        """Why to stop after these records, which are those of this moment; for the first process."""
        if not self.chooses or (now := self.deciding(records)) is None:
            return None
        alike = [r for r in scores(run) if all(r.get(key) == now.get(key) for key in ("metric", *COMPARED))]
        past = [r for r in alike if r.get("kimg") is not None and r["kimg"] <= now["kimg"]]
        first = {record["kimg"]: record for record in reversed(past)}  # others were added by hand
        return stalled([first[kimg] for kimg in sorted(first)], self._better, config)

    def _is_seen(self, item: Item) -> bool:
        """Whether a discriminator saw the features of a metric."""
        if item.extractor is None:
            return False
        network = self._networks[item.extractor]
        about = {"detector": getattr(network, "name", item.extractor), "detector_sha256": network.sha256}
        return bool(seen.by(about, self._seen))

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

        With held-out images, those of the score that chooses checkpoints follow against both sets,
        METRIC/train and METRIC/held-out, of as many reals and no more fakes, and their difference METRIC/gap.

        All processes of a run must call this. Raises NoMemory, in the process that lacks it.
        """
        if not self.metrics:
            return []
        options: dict[str, Any] = {
            "num_fakes": self.num_fakes,
            "seed": 0,
            "kimg": nimg / 1000,
            "batch": self.batch,
        }
        try:
            records = score(generator, dataset, self.metrics, **options, networks=self._networks)
            records += self._gap(generator, dataset, self._held_out, options) if self._held_out else []
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            raise NoMemory(f"no score at {nimg / 1000:g} kimg, out of memory: {self._remedy()}") from error
        seen.mark(records, self._seen)
        return [] if distributed.rank() else records

    def keep(self, records: list[dict], run: Path, nimg: int, save: Callable[[], object]) -> None:
        """Add the records after `nimg` images to metrics.jsonl of `run`; for the first process.

        If the first that is on no features that D saw is the best so far, best.json names its checkpoint,
        which `save` writes where a snapshot is not due. Such an extra checkpoint is removed when a better one
        is found; others stay. No other checkpoint of the run may be in writing.
        """
        if not records:
            return
        folder = run / "checkpoints" / checkpoint.folder_name(nimg)
        append_records(folder, records)
        before, first = checkpoint.best(run), self.deciding(records)
        if first and (before is None or self._improves(first, before[1].get("record", {}))):
            extra = not folder.is_dir()
            if extra:
                save()
            checkpoint.mark_best(folder, {"extra": extra, "record": first})
            if before and before[1].get("extra") and before[0] != folder:
                shutil.rmtree(before[0], ignore_errors=True)

    def deciding(self, records: Sequence[dict]) -> dict | None:
        """That of the records of one moment by which checkpoints are chosen; None if there is none."""
        return next((r for r in records if not r.get("seen_by_d")), None) if self.chooses else None

    def _of_gap(self, dataset: ImageDataset, held_out: ImageDataset) -> tuple[Item, int, int]:
        """The metric of the gap, and how many reals of each set and how many fakes it takes."""
        item = plan([self._first], num_fakes=self.num_fakes, there_are=len(dataset))[0]
        count = min(len(dataset), len(held_out))
        return item, count, min(item.fakes, count)

    def _gap(
        self, generator: nn.Module, dataset: ImageDataset, held_out: ImageDataset, options: dict[str, Any]
    ) -> list[dict]:
        """How much further the fakes are from held-out images than from as many of the training set."""
        _, count, fakes = self._of_gap(dataset, held_out)
        options = {**options, "num_fakes": fakes, "num_reals": count, "networks": self._networks}
        with warnings.catch_warnings():  # of few images, which bias both alike
            warnings.simplefilter("ignore", UserWarning)
            sides = [score(generator, each, [self._first], **options) for each in (dataset, held_out)]
        if not all(sides):
            return []  # of another process
        train, other = (records[0] for records in sides)
        values = train["value"], other["value"]
        gap = {key: value for key, value in train.items() if key not in OF_ONE_SET}
        gap["value"] = None if None in values else values[1] - values[0]
        return [called(train, "train"), called(other, "held-out"), called(gap, "gap")]

    def _remedy(self) -> str:
        """What to do about a score that does not fit."""
        names = ",".join(self.metrics)
        return f"take another than --metrics {names}, or none, and score checkpoints later with gan evaluate"

    def _improves(self, record: dict, old: dict) -> bool:
        """Whether a record is better than the old best one, or not comparable with it."""
        same = all(record[key] == old.get(key) for key in COMPARED)
        sign = -1 if self._better == "lower" else 1
        return not same or sign * record["value"] > sign * old["value"]


def kept_apart(config: RunConfig, dataset: ImageDataset, scorer: RunScorer) -> ImageDataset | None:
    """The held-out images of a run, None without, once the scorer and the rules to stop can use them.

    Raises what `open_held_out` raises, and UsageError for a rule that would never have a number.
    """
    held_out = open_held_out(config.data.held_out, dataset) if config.data.held_out else None
    ticks = held_out is not None and config.health.images > 0
    check_rules(config.stop, scored=scorer.chooses, held_out=ticks)
    if held_out is not None:
        scorer.hold_out(dataset, held_out)
    return held_out


def features_seen(config: RunConfig, saved: checkpoint.Checkpoint | None = None) -> list[seen.Network]:
    """The feature networks that the discriminator of a run sees, or one before it saw.

    config: as `fit` returns it.  saved: the checkpoint that the run goes on from.
    """
    before = saved or (checkpoint.read(checkpoint.resolve(config.init_from)) if config.init_from else None)
    now = seen.of_config({"discriminator": to_dict(config.discriminator)})
    return seen.united(now, seen.of_config(before.config) if before else None)


def called(record: dict, part: str) -> dict:
    """The record with "/part" after the name of its metric, in its label too."""
    name = record["metric"]
    return record | {"metric": f"{name}/{part}", "label": record["label"].replace(name, f"{name}/{part}", 1)}


def unseen(networks: Sequence[seen.Network]) -> list[str]:
    """Detectors whose weights are in packages, and whose features no discriminator in `networks` saw."""
    packages = PACKAGED.items()
    return [n for n, p in packages if not seen.by({"detector": n, "detector_sha256": p.sha256}, networks)]
