"""How large the numbers in a network's config may be, so that what a file claims costs nothing by itself."""

import itertools
from typing import Any

LARGEST = {  # magnitude by field, where something is counted through; of all other fields the caller says
    "resolution": 2**16,
    "layers": 64,
    "blocks": 64,
    "plain_blocks": 64,
    "expansion": 64,
    "margin": 256,
    "filter_size": 16,
    "lrelu_upsampling": 4,
}
MAX_LIST = 64
MAX_DEPTH = 3  # of containers in a config
MAX_TAPS = 512  # along an axis of a filter that follows from the config


def check(config: Any, lowest: int, highest: int) -> None:
    """ValueError unless this is plain data, not deep, with no number out of bounds.

    lowest, highest: of the fields that are not in `LARGEST`; those of filters may be negative.
    """
    _check(config, "config", 0, lowest, highest)


def check_filters(config: Any) -> None:
    """ValueError where layers of StyleGAN3 resample by a factor that needs huge filters."""
    rates = [band.rate for band in config.bands()] if hasattr(config, "bands") else []
    factors = [max(pair) / min(pair) for pair in itertools.pairwise(rates)]
    if max(factors, default=1) * config_taps(config) > MAX_TAPS:
        raise ValueError(f"its filters would have more than {MAX_TAPS} taps")


def config_taps(config: Any) -> int:
    """Taps of a filter between layers of one rate."""
    return getattr(config, "filter_size", 1) * getattr(config, "lrelu_upsampling", 1)


def _check(value: Any, field: str, depth: int, lowest: int, highest: int) -> None:
    if isinstance(value, (dict, list, tuple)):
        if depth == MAX_DEPTH or len(value) > MAX_LIST:
            raise ValueError(f"option {field} is too large or nested too deep")
        pairs = value.items() if isinstance(value, dict) else ((field, each) for each in value)
        for key, each in pairs:
            _check(each, str(key), depth + 1, lowest, highest)
    elif isinstance(value, (int, float)):
        most = min(LARGEST.get(field, highest), highest)
        least = -most if field == "resample_filter" else max(lowest, -most)
        if not least <= value <= most:
            raise ValueError(f"option {field} is no number from {least:,} to {most:,}")
    elif value is not None and not isinstance(value, str):
        raise ValueError(f"option {field} is no number, text or list")
