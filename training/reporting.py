"""What a run says: console line, log.txt, stats.jsonl and the sinks, one record per tick."""

import json
import resource
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from gan import console
from gan.config import to_dict
from gan.files import atomic_write, json_lines
from gan.networks.reparametrize import sigmas
from training import phases
from training.health import LEVELS, Record
from training.sinks import WandB, sampled, sinks
from training.state import TrainState

KEYS = (
    "kimg", "tick", "phase", "seconds", "sec_per_kimg", "loss/g", "loss/d", "logits/real", "logits/fake",
    "r1", "path_length", "augment/p", "grad_norm/g", "grad_norm/d", "diversity", "memory_gib",
    "steps", "nonfinite_steps",
)  # fmt: skip


class Means:
    """Means of named terms since the last `take`, in float64, of their finite values.

    They stay on their device until they are taken, all at once.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, ...], Tensor] = {}  # names that come together -> sums and counts [2, n]

    def add(self, terms: Mapping[str, Tensor]) -> None:
        """Add one step's terms, numbers; a term may be absent from some steps."""
        for device in {value.device for value in terms.values()}:
            names = tuple(name for name, value in terms.items() if value.device == device)
            values = torch.stack([terms[name] for name in names]).double()
            pair = torch.stack([values.nan_to_num(0.0, 0.0, 0.0), (values * 0).eq(0)])  # NaN is not 0
            before = self._sums.get(names)
            self._sums[names] = pair if before is None else before + pair

    def take(self) -> dict[str, float | None]:
        """Means by name, None where no value was finite, and start again."""
        found: dict[str, list[float]] = {}
        for names, pair in self._sums.items():
            for name, total, count in zip(names, *pair.tolist(), strict=True):
                before = found.get(name, (0.0, 0.0))
                found[name] = [before[0] + total, before[1] + count]
        self._sums = {}
        return {name: total / count if count else None for name, (total, count) in found.items()}


class Reporter:
    """Writes the records of one session of a run; use as a context manager.

    What a previous session wrote beyond the image count it is resumed from is dropped. limit: seconds until
    the session is stopped, None without end.
    """

    def __init__(
        self,
        run: Path,
        state: TrainState,
        wandb: WandB = "off",
        limit: Callable[[], float | None] = lambda: None,
    ) -> None:
        self.run, self._began, self._limit = run, (state.seconds, state.nimg), limit
        self.means = Means()
        self._phase = len(phases.recorded(run)) + 1
        self._total = round(state.config.kimg * 1000)
        for name in ("stats.jsonl", "metrics.jsonl"):
            _truncate(run / name, state.nimg / 1000)
        self._sinks = sinks(run, state.config, state.nimg, wandb)
        self._bar = tqdm(
            total=self._total,
            initial=state.nimg,
            unit="img",
            desc="training",
            file=sys.stderr,
            disable=not sys.stderr.isatty(),
            dynamic_ncols=True,
        )

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()
        for sink in self._sinks:
            sink.close()

    def step(self, terms: Mapping[str, Tensor], batch: int) -> None:
        """Record one step."""
        self.means.add(terms)
        self._bar.update(batch)

    def tick(
        self,
        state: TrainState,
        seconds: float,
        images: int,
        examine: Callable[[TrainState, Record], Record] = lambda state, record: {},
    ) -> Record:
        """Write the record of a tick that took `seconds` for `images`; returns it.

        examine: what it returns of the state and the record so far is added to the record.
        """
        means = self.means.take()
        record = dict.fromkeys(KEYS) | means
        record |= {
            "kimg": state.nimg / 1000,
            "tick": state.tick,
            "phase": self._phase,
            "seconds": round(state.seconds, 3),
            "sec_per_kimg": round(seconds / images * 1000, 4) if images else None,
            "steps": images // state.config.batch,
            "nonfinite_steps": round((means.get("nonfinite_steps") or 0) * images / state.config.batch),
            "augment/p": state.augmentation.p if state.augmentation else 0.0,
            "memory_gib": round(peak_memory(), 3),
        }
        for key, network in (("sigma/g", state.generator), ("sigma/d", state.discriminator)):
            if found := sigmas(network):
                record[key] = float(torch.stack(list(found.values())).max())
        record |= examine(state, record)
        with (self.run / "stats.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({key: _finite(value) for key, value in record.items()}) + "\n")
        shown = {k: v for k, v in record.items() if v is not None and k not in {"kimg", "tick", "health"}}
        if "health" in record:
            shown["health/level"] = LEVELS.index(record["health"])
        self.scalars(shown, state.nimg)
        self.say(self._line(state, record))
        return record

    def images(self, name: str, picture: Tensor, nimg: int) -> None:
        """Show uint8 [C, H, W]."""
        for sink in self._sinks:
            sink.image(name, picture, nimg)

    def weights(self, state: TrainState) -> None:
        """Show histograms of the weights in training."""
        values = sampled(state.generator, "weights/g") | sampled(state.discriminator, "weights/d")
        for sink in self._sinks:
            sink.histograms(values, state.nimg)

    def scalars(self, values: Mapping[str, float], nimg: int) -> None:
        """Show further numbers, such as metrics."""
        for sink in self._sinks:
            sink.scalars(values, nimg)

    def hyper_parameters(self, state: TrainState, record: Record) -> None:
        """Enter the run in the table of hyper-parameters with its latest losses."""
        flat = _flatten(to_dict(state.config))
        measured = {k: v for k, v in record.items() if v is not None and "/" in k}
        for sink in self._sinks:
            sink.finish(flat, measured)

    def say(self, text: str) -> None:
        """One line on the console (stderr) and in log.txt."""
        console.say(text)
        with (self.run / "log.txt").open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def _line(self, state: TrainState, record: Record) -> str:
        """Of at most 80 columns. The time left follows from the pace of the session so far, and its limit."""
        seconds, images = (a - b for a, b in zip((state.seconds, state.nimg), self._began, strict=True))
        left = (self._total - state.nimg) * seconds / max(images, 1)
        limit = self._limit()
        parts = [
            f"kimg {record['kimg']:.1f}/{self._total / 1000:g}",
            duration(state.seconds),
            f"ETA {duration(left if limit is None else min(left, limit))}",
            f"{record['sec_per_kimg'] or 0:.3g} s/kimg",
            *(f"{n.upper()} {record[f'loss/{n}']:.2f}" for n in "gd" if record[f"loss/{n}"] is not None),
            *([record["health"]] if "health" in record else []),
            f"{record['memory_gib']:.1f} GiB",
        ]
        return "  ".join(parts)


class Silent(Reporter):
    """The reporter of every process but the first: says and writes nothing."""

    def __init__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def step(self, terms: Mapping[str, Tensor], batch: int) -> None:
        """Nothing."""

    def tick(self, *_: object) -> Record:
        """No record, and nothing is examined: the first process does it for all."""
        return {}

    def images(self, name: str, picture: Tensor, nimg: int) -> None:
        """Nothing."""

    def weights(self, state: TrainState) -> None:
        """Nothing."""

    def scalars(self, values: Mapping[str, float], nimg: int) -> None:
        """Nothing."""

    def hyper_parameters(self, state: TrainState, record: Mapping[str, float | None]) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""


def duration(seconds: float) -> str:
    """65 -> '1m05s', 3700 -> '1h01m'."""
    minutes, secs = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{secs:02d}s"


def peak_memory() -> float:
    """Largest memory so far in GiB: of the accelerator where one is used, else of this process."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 2**30
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def _truncate(path: Path, kimg: float) -> None:
    """Keep the complete records of a JSON-lines file up to `kimg`."""
    if not path.exists():
        return
    kept = [record for record in json_lines(path)[0] if (record.get("kimg") or 0) <= kimg]
    with atomic_write(path) as temporary:
        temporary.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")


def _flatten(data: object, prefix: str = "") -> dict[str, bool | float | str]:
    if isinstance(data, dict):
        flat: dict[str, bool | float | str] = {}
        for key, value in data.items():
            flat |= _flatten(value, f"{prefix}.{key}" if prefix else key)
        return flat
    return {prefix: data if isinstance(data, bool | int | float | str) else str(data)}


def _finite(value: float | str | None) -> float | str | None:
    return value if value is None or isinstance(value, str) or abs(value) < float("inf") else None
