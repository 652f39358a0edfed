"""What images of a server cost: its pace on this machine, and the price of 1,000 at prices of machines.

Measured is a service of its own, in a folder that is removed: queue, network, filters, marks, encoding and
the audit log, for two clients that ask as soon as they are answered. What is left out is HTTP and TLS.
"""

import asyncio
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gan.devices import pick
from gan.errors import UsageError
from gan.jobs.marking import certificates
from gan.jobs.serving.keys import Key
from gan.jobs.serving.service import Order, Service
from gan.jobs.serving.settings import ServeConfig

CLIENTS = 2  # so that the next batch is drawn while one is encoded
HOUR = 3600.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Pace:
    """images, of `blocked` of which nothing left, in `seconds`; `size`: bytes of one that left, on average.

    batch: images of a request.  marked: images that carry the watermark.  filters, c2pa: what was on.
    """

    model: str
    device: str
    threads: int
    batch: int
    images: int
    blocked: int
    marked: int
    seconds: float
    size: float
    filters: tuple[str, ...]
    c2pa: bool

    @property
    def per_second(self) -> float:
        """Images a second."""
        return self.images / self.seconds


def price_of_thousand(per_hour: float, images_per_second: float, utilisation: float) -> float:
    """Of 1,000 images, in the unit of `per_hour`, where a machine makes images that part of the time."""
    return 1000 * per_hour / (HOUR * images_per_second * utilisation)


def prices_of(named: Sequence[str]) -> dict[str, float]:
    """NAME=PRICE -> price an hour by name. UsageError for what is no such pair, and a name given twice."""
    prices: dict[str, float] = {}
    for text in named:
        name, _, value = text.rpartition("=")
        try:
            price = float(value)
        except ValueError:
            price = math.nan
        if not name or not 0 <= price < math.inf:
            raise UsageError(f"--price '{text}': write a name and a price an hour, such as large=0.40")
        if name in prices:
            raise UsageError(f"--price {name} is given twice")
        prices[name] = price
    return prices


def told(pace: Pace, prices: Mapping[str, float], utilisation: float) -> dict[str, object]:
    """All of it for a script: the pace, its assumptions, and prices by machine."""
    fields = {name: getattr(pace, name) for name in Pace.__dataclass_fields__}
    costs = {
        name: {"per_hour": price, "per_1000": price_of_thousand(price, pace.per_second, utilisation)}
        for name, price in prices.items()
    }
    return {**fields, "images_per_second": pace.per_second, "utilisation": utilisation, "machines": costs}


def measure(
    settings: ServeConfig, images: int, batch: int, clock: Callable[[], float] = time.perf_counter
) -> Pace:
    """The pace of the first model of the settings, after a request that is not counted.

    images: at least; whole requests are made.  batch: images of a request.  clock: seconds.
    Raises what `Service` does.
    """
    with tempfile.TemporaryDirectory(prefix="gan-cost-") as folder:
        service = Service(_alone(settings, Path(folder), batch))
        try:
            limits = {"per_minute": 10**6, "per_day": 10**9}
            service.keys.create("cost", terms=settings.terms, attested_by="gan serve cost", **limits)
            key = service.keys.all()[0]
            model, requests = next(iter(service.models.facts)), math.ceil(images / batch)
            asyncio.run(_asked(service, key, _orders(model, 1, batch, first=0)))
            began = clock()
            made = asyncio.run(_asked(service, key, _orders(model, requests, batch, first=batch)))
            seconds = clock() - began
        finally:
            service.close()
    left = [size for size, _ in made if size]
    return Pace(
        model=model,
        device=str(pick(settings.device)),
        threads=torch.get_num_threads(),
        batch=batch,
        images=len(made),
        blocked=len(made) - len(left),
        marked=sum(marked for _, marked in made),
        seconds=seconds,
        size=sum(left) / max(1, len(left)),
        filters=tuple(service.filters.names),
        c2pa=service.signing.signer is not None,
    )


def _alone(settings: ServeConfig, folder: Path, batch: int) -> ServeConfig:
    """The settings for a folder of its own, with the certificate of the one that they name."""
    own = settings.c2pa_certificate, settings.c2pa_private_key
    usual = [Path(settings.state) / name for name in (certificates.CHAIN, certificates.PRIVATE)]
    if own == (None, None) and settings.c2pa != "off" and all(file.is_file() for file in usual):
        own = str(usual[0]), str(usual[1])
    room = max(settings.queue, CLIENTS * batch)
    chain, private = own
    changed = {"state": str(folder), "redis": None, "queue": room, "models": settings.models[:1]}
    return replace(settings, c2pa_certificate=chain, c2pa_private_key=private, **changed)


def _orders(model: str, requests: int, batch: int, first: int) -> Iterator[Order]:
    """Of consecutive seeds."""
    for number in range(requests):
        seeds = range(first + number * batch, first + (number + 1) * batch)
        yield Order(model=model, seeds=tuple(seeds), form="zip")


async def _asked(service: Service, key: Key, orders: Iterator[Order]) -> list[tuple[int, bool]]:
    """(bytes, whether it carries the watermark) of each image of all orders; 0 bytes: it was held back."""

    async def client() -> list[tuple[int, bool]]:
        found: list[tuple[int, bool]] = []
        for order in orders:
            made = await service.make(key, order, "cost")
            found += [(len(each.data or b""), each.marked) for each in made]
        return found

    return [each for part in await asyncio.gather(*(client() for _ in range(CLIENTS))) for each in part]
