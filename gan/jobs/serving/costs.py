"""What images of a server cost: its pace on this machine, and the price of 1,000 at prices of machines.

Measured is a service of its own, in a folder that is removed: queue, network, filters, marks, encoding and
the audit log, for two clients that ask as soon as they are answered. What is left out is HTTP and TLS.
"""

import asyncio
import io
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from gan.errors import UsageError
from gan.jobs.marking import certificates
from gan.jobs.serving.engine import LocalEngine
from gan.jobs.serving.keys import Key
from gan.jobs.serving.orders import Made, Order
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig

CLIENTS = 2  # so that the next batch is drawn while one is encoded
HOUR = 3600.0  # seconds


# What parts of the work are called, of `times.Times`; those that follow each other in one name are added up.
PARTS = {
    "network": "network",
    "judge": "filters",
    "withhold": "filters",
    "resize": "size",
    "watermark": "watermark",
    "encode": "file",
    "sign": "signature",
    "log": "log",
}


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Of requests for `batch` images: that many `images` in `seconds`, of `blocked` of which nothing left."""

    batch: int
    images: int
    blocked: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Images a second."""
        return self.images / self.seconds


@dataclass(frozen=True, kw_only=True)
class Pace:
    """What was measured. rates: by images of a request.  size: bytes of a file that left, on average.

    width, height: pixels of one; 0 where none left.  marked: images that carry the watermark.
    filters, c2pa: what was on.  shares: of the time that all threads worked, by part of the work; what is
    left to 1 is none: waiting counts nowhere.
    """

    model: str
    device: str
    threads: int
    width: int
    height: int
    size: float
    marked: int
    filters: tuple[str, ...]
    c2pa: bool
    rates: tuple[Rate, ...]
    shares: dict[str, float]

    @property
    def images(self) -> int:
        """Of all rates."""
        return sum(rate.images for rate in self.rates)

    @property
    def blocked(self) -> int:
        """Of all rates."""
        return sum(rate.blocked for rate in self.rates)


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
    """All of it for a script: the pace, its assumptions, and prices by machine and images of a request."""
    fields = {name: getattr(pace, name) for name in Pace.__dataclass_fields__ if name != "rates"}
    rates = [{**asdict(rate), "images_per_second": rate.per_second} for rate in pace.rates]
    costs = {
        name: {
            "per_hour": price,
            "per_1000": {
                str(rate.batch): price_of_thousand(price, rate.per_second, utilisation) for rate in pace.rates
            },
        }
        for name, price in prices.items()
    }
    return {**fields, "rates": rates, "utilisation": utilisation, "machines": costs}


def images_a_day(images_per_second: float, utilisation: float) -> float:
    """That a machine makes which makes images that part of the time."""
    return 24 * HOUR * images_per_second * utilisation


def measure(
    settings: ServeConfig,
    images: int,
    batches: Sequence[int],
    clock: Callable[[], float] = time.perf_counter,
) -> Pace:
    """The pace of the first model of the settings, after a request that is not counted.

    images: at least, of each rate; whole requests are made.  batches: images of a request, by rate.
    clock: seconds. Raises what `Service` does.
    """
    with tempfile.TemporaryDirectory(prefix="gan-cost-") as folder:
        own = _alone(settings, Path(folder), max(batches))
        engine = LocalEngine(own)
        service = Service(own, engine)
        try:
            limits = {"per_minute": 10**6, "per_day": 10**9}
            service.keys.create("cost", terms=settings.terms, attested_by="gan serve cost", **limits)
            key, model = service.keys.all()[0], next(iter(service.models.facts))
            asyncio.run(_asked(service, key, _orders(model, 1, max(batches), first=0)))
            before, first = _seconds(service, engine), max(batches)
            rates, made = [], []
            for batch in batches:
                requests, began = math.ceil(images / batch), clock()
                some = asyncio.run(_asked(service, key, _orders(model, requests, batch, first)))
                blocked = sum(not each.data for each in some)
                rates.append(Rate(batch=batch, images=len(some), blocked=blocked, seconds=clock() - began))
                first, made = first + len(some), made + some
            shares = _shares(before, _seconds(service, engine))
            facts = engine.told()
        finally:
            service.close()
    return _pace(model, facts, service, tuple(rates), made, shares)


def _pace(
    model: str,
    facts: Mapping[str, Any],
    service: Service,
    rates: tuple[Rate, ...],
    made: Sequence[Made],
    shares: dict[str, float],
) -> Pace:
    left = [each.data for each in made if each.data]
    width, height = Image.open(io.BytesIO(left[0]), formats=("PNG",)).size if left else (0, 0)
    return Pace(
        model=model,
        device=facts["device"],
        threads=facts["threads"],
        width=width,
        height=height,
        size=sum(map(len, left)) / max(1, len(left)),
        marked=sum(each.marked for each in made),
        filters=tuple(facts["filters"]),
        c2pa=service.signing.signer is not None,
        rates=rates,
        shares=shares,
    )


def _seconds(service: Service, engine: LocalEngine) -> dict[str, float]:
    """Of all work until now."""
    return engine.times.seconds() | service.times.seconds()


def _shares(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Of the time between, by PARTS, in their order."""
    spent = dict.fromkeys(PARTS.values(), 0.0)
    for name, part in PARTS.items():
        spent[part] += after.get(name, 0.0) - before.get(name, 0.0)
    return {part: seconds / sum(spent.values()) for part, seconds in spent.items()}


def _alone(settings: ServeConfig, folder: Path, batch: int) -> ServeConfig:
    """The settings for a folder of its own, with the certificate of the one that they name."""
    own = settings.c2pa_certificate, settings.c2pa_private_key
    usual = [Path(settings.state) / name for name in (certificates.CHAIN, certificates.PRIVATE)]
    if own == (None, None) and settings.c2pa != "off" and all(file.is_file() for file in usual):
        own = str(usual[0]), str(usual[1])
    room = max(settings.queue, CLIENTS * batch)
    chain, private = own
    changed = {"state": str(folder), "redis": None, "queue": room, "models": settings.models[:1]}
    changed |= {"workers": 1, "ray": None}
    return replace(settings, c2pa_certificate=chain, c2pa_private_key=private, **changed)


def _orders(model: str, requests: int, batch: int, first: int) -> Iterator[Order]:
    """Of consecutive seeds."""
    for number in range(requests):
        seeds = range(first + number * batch, first + (number + 1) * batch)
        yield Order(model=model, seeds=tuple(seeds), form="zip")


async def _asked(service: Service, key: Key, orders: Iterator[Order]) -> list[Made]:
    """The images of all orders, in any order."""

    async def client() -> list[Made]:
        found: list[Made] = []
        for order in orders:
            found += await service.make(key, order, "cost")
        return found

    return [each for part in await asyncio.gather(*(client() for _ in range(CLIENTS))) for each in part]
