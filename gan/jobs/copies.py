"""A page of the fakes that are nearest to being copies, beside the real images that they resemble."""

import base64
import io
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from gan import distributed, precision
from gan.files import atomic_bytes
from gan.images import to_pil, view
from gan.jobs.report_sheet import sheet
from metrics.images import Images
from metrics.measure import Statistic, measure
from metrics.memorisation import Memorisation, memorisation
from metrics.networks import Networks

NETWORK = "efficientnet-lite0"  # its weights need no download
WORST, NEIGHBOURS = 24, 3
SIDE, PLAIN = 128, 64  # pixels of a picture at most, and of one that is kept to the bit


class Compared(NamedTuple):
    """What was found of so many real images and fakes."""

    found: Memorisation
    reals: int
    fakes: int


def write_page(out: Path, real: Images, fake: Images, networks: Networks) -> None:
    """Write an HTML page with images inside: the most suspicious fakes, each with its nearest real images.

    Real and fake images are compared by features of EfficientNet-Lite0. Under several processes all call
    this and share the work, and rank 0 writes. Raises UserError if `out` cannot be written.
    """
    network, compare = networks[NETWORK], compared(real, fake, networks, NETWORK)
    if distributed.rank():
        return
    about = (
        f"{compare.fakes:,} fakes against {compare.reals:,} real images. {compare.found.auth_pct:.1f} % of "
        "the fakes are further from their nearest real image than that one is from its own nearest other. "
        "The number of each row is the quotient of these distances: 0 is a copy, up to 1 is closer than "
        "real images are to each other."
    )
    note = f"Features of {network.name}, sha256 {network.sha256}."
    context = {"about": about, "note": note, "rows": rows(real, fake, compare, WORST)}
    atomic_bytes(out, sheet("copies.html", "gan evaluate", context).encode())


def compared(real: Images, fake: Images, networks: Networks, name: str) -> Compared:
    """Fakes and all real images by features of the network `name`. Of several processes all call this."""
    want = Statistic(name, "pool", "bank", None)
    with precision.exact(), distributed.dealing():
        extractors = {name: networks[name]}
        measured = partial(measure, statistics=[want], extractors=extractors, device=networks.device)
        reals, fakes = (measured(s, progress=lambda count: None)[want] for s in (real, fake))
        found = memorisation(reals.rows, fakes.rows, k=min(NEIGHBOURS, reals.count))
    return Compared(found, reals.count, fakes.count)


def rows(real: Images, fake: Images, compare: Compared, count: int) -> list[dict[str, Any]]:
    """The `count` most suspicious fakes, each with its nearest real images: pictures of source and number."""
    found, lines = compare.found, []
    for index in found.worst[:count].tolist():
        near = [_picture(real, number) for number in found.indices[index].tolist()]
        ratio = f"{found.ratios[index]:.3f}"
        lines.append({"fake": _picture(fake, index), "near": near, "number": index, "ratio": ratio})
    return lines


def _picture(images: Images, index: int) -> dict[str, Any]:
    """A small picture as a data URL."""
    image, buffer = to_pil(view(images.read(index, index + 1)[0])), io.BytesIO()
    image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    image.save(buffer, "WEBP", lossless=max(image.size) <= PLAIN, quality=85)
    return {
        "source": f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}",
        "number": index,
    }
