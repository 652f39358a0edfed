"""What the watermark survives, changes and costs: python -m benchmarks.watermark MODEL

A third of the pictures are photographs of scikit-image, a third glyphs of OpenMoji, the others what MODEL
draws, enlarged. False alarms are counted on other pictures, all of them by the whole search for crops, with
another secret for every hundred.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from scipy.stats import binomtest
from torch import Tensor

from benchmarks.watermark import pictures
from benchmarks.watermark.damage import DAMAGES
from gan.jobs.marking.coding import Payload
from gan.jobs.marking.watermark import Watermark

SECRETS_AFTER = 100  # unmarked pictures
FIRST_UNMARKED = 1024  # seed; those below are marked


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A picture that carries a mark, of a kind (photographs, glyphs, samples)."""

    kind: str
    picture: Image.Image
    psnr: float
    ssim: float
    seconds: float


def tensor(picture: Image.Image) -> Tensor:
    """uint8 [3, H, W]."""
    return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)


def drawn(
    kinds: dict[str, pictures.Drawer], count: int, side: int, first: int
) -> Iterator[tuple[str, Image.Image]]:
    """(kind, picture), by turns of the kinds, of seeds from `first`."""
    names = list(kinds)
    for number in range(count):
        kind = names[number % len(names)]
        yield kind, kinds[kind](first + number // len(names), side)


def embedded(
    kinds: dict[str, pictures.Drawer], count: int, side: int, marks: Watermark, payload: Payload
) -> tuple[list[Marked], dict[str, int]]:
    """(those that carry the mark, how many of each kind were tried)."""
    from skimage.metrics import structural_similarity

    found, tried = [], dict.fromkeys(kinds, 0)
    for kind, picture in drawn(kinds, count, side, 0):
        tried[kind] += 1
        image, begin = tensor(picture), time.process_time()
        result = marks.embed(image, payload)
        seconds = time.process_time() - begin
        if result is None:
            continue
        before, after = (each.permute(1, 2, 0).numpy() for each in (image, result))
        error = np.square(before.astype(float) - after).mean()
        similar = structural_similarity(before, after, channel_axis=2, data_range=255)
        found.append(
            Marked(
                kind=kind,
                picture=Image.fromarray(after),
                psnr=float(10 * np.log10(255**2 / error)),
                ssim=float(similar),
                seconds=seconds,
            )
        )
    return found, tried


def survived(marked: list[Marked], marks: Watermark, payload: Payload, name: str) -> dict[str, Any]:
    """Of one damage: shares read, by kind and of all; of symbols right (0.5 unread); CPU ms to read."""
    rng = np.random.default_rng(0)
    read: dict[str, list[bool]] = {}
    symbols, seconds = [], 0.0
    for each in marked:
        image = tensor(DAMAGES[name](each.picture, rng))
        begin = time.process_time()
        found = marks.detect(image)
        seconds += time.process_time() - begin
        right = found.payload == payload
        read.setdefault(each.kind, []).append(right)
        symbols.append(found.confidence if right else 0.5)
    everything = [right for kind in read.values() for right in kind]
    return {
        "damage": name,
        "read": {kind: float(np.mean(each)) for kind, each in read.items()},
        "all": float(np.mean(everything)),
        "symbols": float(np.mean(symbols)),
        "ms": 1000 * seconds / len(marked),
    }


def false_alarms(kinds: dict[str, pictures.Drawer], count: int, side: int) -> int:
    """Unmarked pictures in which a mark is read."""
    found, marks = 0, None
    for number, (_, picture) in enumerate(drawn(kinds, count, side, FIRST_UNMARKED)):
        if number % SECRETS_AFTER == 0:
            marks = Watermark(number.to_bytes(16, "big"))
        found += marks.detect(tensor(picture)).payload is not None
    return found


def line(row: dict[str, Any]) -> str:
    """Of a table in Markdown."""
    shares = " | ".join(f"{share:.3f}" for share in row["read"].values())
    return f"| {row['damage']} | {row['all']:.3f} | {shares} | {row['symbols']:.3f} | {row['ms']:.0f} |"


@click.command(epilog="Example: python -m benchmarks.watermark runs/00000-demo-openmoji-32")
@click.argument("model")
@click.option("--count", default=500, show_default=True, help="Pictures to mark.")
@click.option("--side", default=256, show_default=True, help="Of these, in pixels.")
@click.option("--unmarked", default=10_000, show_default=True, help="Pictures without a mark to look at.")
@click.option("--unmarked-side", default=128, show_default=True, help="Of these, in pixels.")
@click.option("--only", multiple=True, type=click.Choice(list(DAMAGES)), help="These damages; default: all.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
def main(
    model: str, count: int, side: int, unmarked: int, unmarked_side: int, only: tuple[str, ...], as_json: bool
) -> None:
    """Print how many pictures carry the mark, what it changes, what it survives, and false alarms."""
    kinds = {"photographs": pictures.photograph, "glyphs": pictures.glyph, "samples": pictures.samples(model)}
    marks, payload = Watermark(b"benchmark" * 4), Payload(key=0xBEEF, model=0x1234)
    marked, tried = embedded(kinds, count, side, marks, payload)
    if not marked:
        raise click.ClickException(f"none of {count} pictures of {side} px carries the mark: try --side 256")
    carried = {kind: sum(each.kind == kind for each in marked) for kind in kinds}
    changed = {
        "psnr": float(np.mean([each.psnr for each in marked])),
        "ssim": float(np.mean([each.ssim for each in marked])),
        "ms": float(1000 * np.median([each.seconds for each in marked])),
    }
    say = (lambda text: None) if as_json else click.echo
    shares = ", ".join(f"{carried[kind]} of {tried[kind]} {kind}" for kind in kinds)
    say(f"{side} px: {shares} carry the mark")
    say(f"PSNR {changed['psnr']:.1f} dB, SSIM {changed['ssim']:.4f}; {changed['ms']:.0f} CPU ms to mark\n")
    present = [kind for kind in kinds if carried[kind]]
    say(f"| Damage | read | {' | '.join(present)} | symbols right | CPU ms |")
    say("|---" * (4 + len(present)) + "|")
    rows = []
    for name in only or DAMAGES:  # each is told as it is done, for all of them take minutes
        rows.append(survived(marked, marks, payload, name))
        say(line(rows[-1]))
    alarms = false_alarms(kinds, unmarked, unmarked_side)
    low, high = binomtest(alarms, unmarked).proportion_ci(method="wilson")
    rate = f"{alarms} of {unmarked} read as marked (95 %: {low:.2g} to {high:.2g})"
    say(f"\nunmarked, {unmarked_side} px: {rate}")
    if as_json:
        alarm = {"alarms": alarms, "unmarked": unmarked, "interval": [low, high]}
        click.echo(json.dumps({"tried": tried, "carried": carried, **changed, **alarm, "rows": rows}))


if __name__ == "__main__":
    main()
