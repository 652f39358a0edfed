"""Tables and pictures of finished runs."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.collapse import points
from benchmarks.collapse.classifier import Quality
from benchmarks.collapse.runs import GAMMAS, GUARDS, Job
from gan.images import labelled_grid, save_png

Result = dict[str, Any]
TITLES = {
    "none": "none",
    "spectral": "spectral normalisation of D",
    "r1": "R1",
    "relativistic": "R1 + R2, relativistic",
}
COLUMNS = {
    "digits": {"modes": "Modes of 1,000", "kl": "KL"},
    "grid": {"modes": "Modes of 25", "quality": "High quality"},
}
ROWS = 12  # images a guard in the picture of the digits
PANEL, REACH = 160, 5.0  # side of a panel of points in pixels, and what it shows: -REACH to REACH


def quality(found: Quality) -> str:
    """How good the classifier is, in one line."""
    return (
        f"Classifier: {found.digits:.1%} of {found.held_out} held-out digits, {found.triples:.1%} of their"
        f" triples; 26,000 real triples: {found.real_modes} modes, KL {found.real_kl:.4f}"
    )


def short(result: Result) -> str:
    """One result in one line."""
    scores = ", ".join(f"{name} {value:.4g}" for name, value in result["average"].items())
    return f"{scores}; {result['health']}, {result['minutes']:.1f} min"


def tables(results: Sequence[Result]) -> str:
    """Markdown: a table per task, a row per guard, and the sabotaged runs."""
    parts = [table(task, found) for task in GAMMAS if (found := _of_task(results, task))]
    if found := _of_task(results, "sabotage"):
        parts.append(sabotage_table(found))
    return "\n\n".join(parts) if parts else "No run is finished."


def table(task: str, results: Sequence[Result]) -> str:
    """A row per guard: each score of its seeds in order, of the weight average and of the latest weights."""
    names = COLUMNS[task]
    head = [f"{title}{of}" for of in ("", ", latest weights") for title in names.values()]
    lines = [_row(["Guard", *head, "Monitor at the end", "Minutes"]), _row(["---"] * (len(head) + 3))]
    for guard in GUARDS:
        rows = [r for r in results if r["job"].split("/")[1].split(":")[0] == guard]
        if rows:
            cells = [_seeds([r[of][name] for r in rows]) for of in ("average", "latest") for name in names]
            minutes = f"{statistics.mean(r['minutes'] for r in rows):.1f}"
            lines.append(_row([TITLES[guard], *cells, ", ".join(r["health"] for r in rows), minutes]))
    first = results[0]
    return f"{task}: {first['steps']:,} steps of {first['config']['batch']}\n\n" + "\n".join(lines)


def sabotage_table(results: Sequence[Result]) -> str:
    """When each sabotage was noticed, and what the run scored in the end."""
    lines = [_row(["Sabotage", "at", "ticks until noticed", "reason", "what was done", "modes in the end"])]
    lines.append(_row(["---"] * 6))
    for result in results:
        at, tick = result["sabotaged"], result["config"]["tick_kimg"]
        after = [e for e in result["events"] if e["kimg"] > at and e["state"] in ("collapsed", "diverged")]
        lost = f"{after[0]['state']}: {after[0]['reason']}" if after else ""
        ticks = f"{(after[0]['kimg'] - at) / tick:g}" if after else "never"
        back = next((e["reason"] for e in result["events"] if e["state"] == "rollback"), "")
        name, modes = result["job"].split("/")[1].split(":")[0], str(result["average"]["modes"])
        lines.append(_row([name, f"{at:g} kimg", ticks, lost, back, modes]))
    return "\n".join(lines)


def pictures(out: Path, target: Path) -> list[Path]:
    """collapse-digits.png and collapse-grid.png, of the runs of seed 0; those that can be made."""
    written = []
    found = {g: Job("digits", g, 0).folder(out) / "samples.npy" for g in GUARDS}
    if all(path.is_file() for path in found.values()):
        rows = [torch.from_numpy(np.load(path)[:ROWS]) for path in found.values()]
        picture = torch.cat([_strip(row) for row in rows], dim=1)
        written.append(target / "collapse-digits.png")
        save_png(written[-1], picture)
    found = {g: Job("grid", g, 0).folder(out) / "points.npy" for g in GUARDS}
    if all(path.is_file() for path in found.values()):
        panels = torch.stack([panel(torch.from_numpy(np.load(path))) for path in found.values()])
        written.append(target / "collapse-grid.png")
        save_png(written[-1], labelled_grid(panels, list(GUARDS), 4))
    return written


def panel(found: Tensor) -> Tensor:
    """uint8 [3, PANEL, PANEL]: points [N, 2] dark on white, the means of the Gaussians as light squares."""
    picture = torch.full((3, PANEL, PANEL), 255, dtype=torch.uint8)
    for set_, colour, reach in ((points.centres(), (255, 190, 120), 4), (found, (20, 60, 160), 1)):
        pixels = ((set_ / REACH + 1) / 2 * PANEL).long()
        inside = ((pixels >= reach) & (pixels < PANEL - reach)).all(dim=1)
        for dx in range(-reach + 1, reach):
            for dy in range(-reach + 1, reach):
                x, y = (pixels[inside] + torch.tensor([dx, dy])).unbind(1)
                picture[:, y, x] = torch.tensor(colour, dtype=torch.uint8)[:, None]
    return picture


def _strip(images: Tensor) -> Tensor:
    """[N, C, H, W] -> one row [C, H + 2, N * (W + 2)]."""
    padded = torch.nn.functional.pad(images, (1, 1, 1, 1), value=255)
    return padded.permute(1, 2, 0, 3).flatten(2)


def _of_task(results: Sequence[Result], task: str) -> list[Result]:
    return [result for result in results if result["job"].startswith(f"{task}/")]


def _seeds(values: Sequence[float]) -> str:
    """The value of each seed, and their mean."""
    text = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in values]
    mean = statistics.mean(values)
    return f"{', '.join(text)} (mean {f'{mean:.3f}' if isinstance(values[0], float) else f'{mean:.0f}'})"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
