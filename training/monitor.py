"""The monitor of a run: once per tick it measures what training/health.py judges, and keeps the evidence."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from gan import distributed, sampling
from gan.files import atomic_bytes, json_lines
from gan.images import grid, save_png
from gan.models import checkpoint
from training.data.images import ImageDataset
from training.early_stop import overfit
from training.health import Record, Verdict, judge
from training.held_out import HeldOut
from training.state import TrainState

POOLED = 8  # rows and columns of the pooled pixels
NEIGHBOURS = 3  # the k of coverage


class Monitor:
    """Examines one session of a run; `halt` is why it should not go on, as health.on_collapse has it.

    `enough` is why it may end, as stop.when has it. The first ticks are judged with what `stats.jsonl` has of
    the ticks before them.
    """

    def __init__(
        self,
        run: Path,
        dataset: ImageDataset,
        state: TrainState,
        say: Callable[[str], None],
        held_out: ImageDataset | None = None,
    ):
        self.run, self.say, self.halt, self.enough = run, say, None, None
        self.config, self._stop = state.config.health, state.config.stop
        self.verdict = Verdict(state.health)
        self._window = max(self.config.window, self._stop.overfit_ticks)
        self._records = json_lines(run / "stats.jsonl")[0][-self._window :]
        compared = held_out is not None and self.config.images
        self._held_out = HeldOut(dataset, held_out, self.config.images) if compared else None
        count = min(self.config.images, len(dataset))
        picked = (torch.from_numpy(dataset.image(i * len(dataset) // count).copy()) for i in range(count))
        self._reals = features(torch.stack(list(picked))) if count > 1 else None

    def examine(self, state: TrainState, record: Record) -> dict[str, float | str | None]:
        """What to add to a tick's record; sets state.health, `halt` where the run is lost, and `enough`."""
        fakes = fakes_of(state.generator, self.config.images) if self._reals is not None else None
        found: dict[str, float | str | None] = {"health/diversity": None, "health/coverage": None}
        if fakes is not None:
            points = features(fakes)
            found["health/diversity"] = diversity(points, self._reals)
            found["health/coverage"] = coverage(points, self._reals)
        logits = [record.get(f"logits/{name}") for name in ("real", "fake")]
        found["health/gap"] = None if None in logits else logits[0] - logits[1]
        for key, network in (("weight_norm/g", state.generator), ("weight_norm/d", state.discriminator)):
            found[key] = weight_norm(network)
        found["nonfinite"] = sum(not math.isfinite(found[f"weight_norm/{network}"]) for network in "gd")
        found |= self._held_out.examine(state) if self._held_out else {}
        self._records = [*self._records, {**record, **found}][-self._window :]
        self.enough = overfit(self._records, self._stop)
        verdict = judge(self._records, self.config)
        state.health = found["health"] = verdict.state
        self._react(state, verdict, record | found, fakes)
        return found

    def agree(self) -> str | None:
        """Let all processes know `halt` and `enough` of the first, which alone examines; the `halt`."""
        self.halt, self.enough = distributed.agreed(self.halt), distributed.agreed(self.enough)
        return self.halt

    def _react(self, state: TrainState, verdict: Verdict, record: Record, fakes: Tensor | None) -> None:
        """Log a state that is new, keep the evidence of a lost run, and decide whether it goes on."""
        new = verdict.state != self.verdict.state
        self.verdict = verdict
        if verdict.lost and self.config.on_collapse != "ignore":
            self.halt = f"{verdict.state}: {verdict.reason}"
        if new:
            action = self.config.on_collapse if verdict.lost else "none"
            log(self.run, state, verdict.state, verdict.reason, action)
            self.say(f"health: {verdict.state}" + (f" ({verdict.reason})" if verdict.reason else ""))
        if verdict.lost and (new or self.halt):
            folder = self.run / "evidence" / checkpoint.folder_name(state.nimg)
            safe = {
                k: v if not isinstance(v, float) or math.isfinite(v) else str(v) for k, v in record.items()
            }
            atomic_bytes(folder / "record.json", json.dumps(safe, indent=2).encode())
            if fakes is not None:
                save_png(folder / "fakes.png", grid(fakes, 8))


def log(run: Path, state: TrainState, name: str, reason: str, action: str) -> None:
    """Append one event to health.jsonl, which is never cut: it tells a run's whole history."""
    event = {"kimg": state.nimg / 1000, "tick": state.tick, "state": name, "reason": reason}
    event |= {"action": action, "rollbacks": state.rollbacks}
    with (run / "health.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(event, ensure_ascii=False) + "\n")


def fakes_of(generator: nn.Module, count: int) -> Tensor:
    """uint8 [count, C, H, W] of seeds 0, 1, ... from the weights in training, which stay as they are."""
    mode = generator.training
    generator.eval()
    try:
        return torch.cat(list(sampling.images(generator, range(count))))
    finally:
        generator.train(mode)


def features(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] -> float32 [N, C * 64] on the CPU: pixels pooled to 8x8, in [0, 1]."""
    pooled = nn.functional.adaptive_avg_pool2d(images.to(torch.float32) / 255, POOLED)
    return pooled.flatten(1).cpu()


def diversity(fakes: Tensor, reals: Tensor) -> float:
    """Root of the trace of the fakes' covariance over that of the reals; features [N, D], [M, D].

    1 where both scatter alike about their means, 0 where all fakes are one.
    """
    both = (points.var(dim=0).sum().clamp_min(0).sqrt() for points in (fakes, reals))
    ours, theirs = both
    return float(ours / theirs.clamp_min(1e-8))


def coverage(fakes: Tensor, reals: Tensor) -> float:
    """Share of reals whose nearest fake is no further than their third nearest real (Naeem et al. 2020).

    Features [N, D], [M, D]. With equal distributions and N = M, it is about 1 - 1 / 2 ** 3.
    """
    among = torch.cdist(reals, reals).sort(dim=1).values  # column 0: the distance to itself
    radius = among[:, min(NEIGHBOURS, len(reals) - 1)]
    return float((torch.cdist(reals, fakes).min(dim=1).values <= radius).float().mean())


def weight_norm(network: nn.Module) -> float:
    """L2 norm of all parameters together; NaN or infinite as soon as one of them is."""
    return float(torch.nn.utils.get_total_norm([p.detach() for p in network.parameters()]))
