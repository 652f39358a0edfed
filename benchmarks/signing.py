"""What a C2PA signature costs, and what a verdict on a picture costs.

    python -m benchmarks.signing

Pictures are noise that was enlarged four times: their files are larger than those of most photographs. Times
are medians of the processor's, of one thread, so that other work on a machine changes them little. A verdict
is all four looks, without an audit log, at a marked and signed file (ours), and at one without a mark (not).
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import torch
from torch import Tensor

from gan.cli.common import echo_json
from gan.images import encode
from gan.jobs.marking import certificates
from gan.jobs.marking.coding import Payload
from gan.jobs.marking.manifest import Reader, Signer
from gan.jobs.marking.metadata import Origin, marked
from gan.jobs.marking.secret import secret_of
from gan.jobs.marking.watermark import Watermark
from gan.jobs.verifying import Verifier

FORMS = ("png", "jpeg", "webp")
ORIGIN = Origin(model="model", digest="ab" * 32, seed=7)


def picture(side: int) -> Tensor:
    """uint8 [3, side, side], of a fixed seed."""
    noise = torch.rand(1, 3, side // 4, side // 4, generator=torch.Generator().manual_seed(0))
    large = torch.nn.functional.interpolate(noise, size=(side, side), mode="bicubic")[0]
    return (large * 255).clamp(0, 255).to(torch.uint8)


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """Of the processor: the median, after one call that is not counted."""
    times = []
    for _ in range(repeats + 1):
        began = time.process_time()
        work()
        times.append(1e3 * (time.process_time() - began))
    return statistics.median(times[1:])


def measured(sides: list[int], repeats: int) -> Iterator[dict[str, object]]:
    """A record for each side and format: bytes and milliseconds."""
    with tempfile.TemporaryDirectory() as folder:
        signer = Signer(certificates.create(Path(folder), "Benchmark"))
        watermark = Watermark(secret_of(folder))
        reader, verifier = Reader(certificates.trust(folder)), Verifier(folder)
        for side in sides:
            image = picture(side)
            carried = watermark.embed(image, Payload(key=1, model=2))
            for form in FORMS:
                plain = marked(image if carried is None else carried, form, ORIGIN)
                signed = signer.sign(plain, form, ORIGIN)
                other = encode(image, f".{form}")
                yield {
                    "side": side,
                    "format": form,
                    "bytes": len(plain),
                    "added": len(signed) - len(plain),
                    "sign": milliseconds(lambda a=plain, b=form: signer.sign(a, b, ORIGIN), repeats),
                    "read": milliseconds(lambda a=signed, b=form: reader.read(a, b), repeats),
                    "verdict": milliseconds(lambda a=signed: verifier.verify(a), max(1, repeats // 10)),
                    "stranger": milliseconds(lambda a=other: verifier.verify(a), max(1, repeats // 10)),
                }


@click.command(epilog="Example: python -m benchmarks.signing --sides 256 --repeats 20")
@click.option("--sides", default="64,256,1024", show_default=True, help="Sides of the pictures, pixels.")
@click.option("--repeats", type=click.IntRange(1), default=50, show_default=True, help="Of each measurement.")
@click.option("--json", "as_json", is_flag=True, help="Print a record a line.")
def main(sides: str, repeats: int, as_json: bool) -> None:
    """Measure signing, reading a signature, and whole verdicts."""
    torch.set_num_threads(1)
    if not as_json:
        click.echo("| Side | Format | Bytes | Added | Sign, ms | Read, ms | Ours, ms | Not, ms |")
        click.echo("|---|---|---|---|---|---|---|---|")
    for row in measured([int(side) for side in sides.split(",")], repeats):
        if as_json:
            echo_json(row)
            continue
        cells = [row["side"], row["format"], f"{row['bytes']:,}", f"{row['added']:,}"]
        cells += [f"{row[name]:.1f}" for name in ("sign", "read", "verdict", "stranger")]
        click.echo(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
