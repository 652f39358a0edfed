"""A page of the fakes that are nearest to being copies, beside the real images that they resemble."""

import base64
import html
from functools import partial
from pathlib import Path
from typing import NamedTuple

from gan import distributed, precision
from gan.files import atomic_bytes
from gan.images import encode, view
from metrics.images import Images
from metrics.measure import Statistic, measure
from metrics.memorisation import Memorisation, memorisation
from metrics.networks import Networks

NETWORK = "efficientnet-lite0"  # its weights need no download
WORST, NEIGHBOURS = 24, 3
_STYLE = "body{font:14px sans-serif;margin:2em}img{width:128px;image-rendering:pixelated;margin:2px}"


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
        f"{compare.fakes:,} fakes against {compare.reals:,} real images, features of {network.name} "
        f"(sha256 {network.sha256}). {compare.found.auth_pct:.1f} % of the fakes are further from their "
        "nearest real image than that one is from its own nearest other. The number after each row is the "
        "quotient of these distances: 0 is a copy, up to 1 is closer than real images are to each other."
    )
    page = f"<!doctype html><meta charset=utf-8><title>Nearest real images</title><style>{_STYLE}</style>"
    body = "".join(rows(real, fake, compare, WORST))
    page += f"<h1>Most suspicious fakes</h1><p>{html.escape(about)}</p>{body}\n"
    atomic_bytes(out, page.encode())


def compared(real: Images, fake: Images, networks: Networks, name: str) -> Compared:
    """Fakes and all real images by features of the network `name`. Of several processes all call this."""
    want = Statistic(name, "pool", "bank", None)
    with precision.exact(), distributed.dealing():
        extractors = {name: networks[name]}
        measured = partial(measure, statistics=[want], extractors=extractors, device=networks.device)
        reals, fakes = (measured(s, progress=lambda count: None)[want] for s in (real, fake))
        found = memorisation(reals.features, fakes.features, k=min(NEIGHBOURS, reals.count))
    return Compared(found, reals.count, fakes.count)


def rows(real: Images, fake: Images, compare: Compared, count: int) -> list[str]:
    """HTML of the `count` most suspicious fakes, each with its nearest real images."""
    found, lines = compare.found, []
    for index in found.worst[:count].tolist():
        neighbours = "".join(_picture(real, i) for i in found.indices[index].tolist())
        told = f"fake {index}: {found.ratios[index]:.3f}"
        lines.append(f"<p>{_picture(fake, index)} &rarr; {neighbours} {told}</p>")
    return lines


def _picture(images: Images, index: int) -> str:
    """An <img> with the PNG inside."""
    data = base64.b64encode(encode(view(images.read(index, index + 1)[0]), ".png")).decode()
    return f'<img alt="image {index}" src="data:image/png;base64,{data}">'
