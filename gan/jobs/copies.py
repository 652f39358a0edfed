"""A page of the fakes that are nearest to being copies, beside the real images that they resemble."""

import base64
import html
from functools import partial
from pathlib import Path

from gan import distributed, precision
from gan.files import atomic_bytes
from gan.images import encode, view
from metrics.images import Images
from metrics.measure import Statistic, measure
from metrics.memorisation import memorisation
from metrics.networks import Networks

NETWORK = "efficientnet-lite0"  # its weights need no download
WORST, NEIGHBOURS = 24, 3
_STYLE = "body{font:14px sans-serif;margin:2em}img{width:128px;image-rendering:pixelated;margin:2px}"


def write_page(out: Path, real: Images, fake: Images, networks: Networks) -> None:
    """Write an HTML page with images inside: the most suspicious fakes, each with its nearest real images.

    Real and fake images are compared by features of EfficientNet-Lite0. Under several processes all call
    this and share the work, and rank 0 writes. Raises UserError if `out` cannot be written.
    """
    want = Statistic(NETWORK, "pool", "bank", None)
    network, device = networks[NETWORK], networks.device
    with precision.exact(), distributed.dealing():
        measured = partial(measure, statistics=[want], extractors={NETWORK: network}, device=device)
        reals, fakes = (measured(s, progress=lambda count: None)[want] for s in (real, fake))
        found = memorisation(reals.features, fakes.features, k=min(NEIGHBOURS, reals.count))
    if distributed.rank():
        return
    rows = []
    for index in found.worst[:WORST].tolist():
        neighbours = "".join(_picture(real, i) for i in found.indices[index].tolist())
        rows.append(
            f"<p>{_picture(fake, index)} &rarr; {neighbours} fake {index}: {found.ratios[index]:.3f}</p>"
        )
    about = (
        f"{fakes.count:,} fakes against {reals.count:,} real images, features of {network.name} "
        f"(sha256 {network.sha256}). {found.auth_pct:.1f} % of the fakes are further from their "
        "nearest real image than that one is from its own nearest other. The number after each row is the "
        "quotient of these distances: 0 is a copy, up to 1 is closer than real images are to each other."
    )
    page = f"<!doctype html><meta charset=utf-8><title>Nearest real images</title><style>{_STYLE}</style>"
    page += f"<h1>Most suspicious fakes</h1><p>{html.escape(about)}</p>{''.join(rows)}\n"
    atomic_bytes(out, page.encode())


def _picture(images: Images, index: int) -> str:
    """An <img> with the PNG inside."""
    data = base64.b64encode(encode(view(images.read(index, index + 1)[0]), ".png")).decode()
    return f'<img alt="image {index}" src="data:image/png;base64,{data}">'
