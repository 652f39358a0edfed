"""A service without HTTP: what requests that come together cost."""

import asyncio
import threading
import time

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.serving import batching
from gan.jobs.serving.orders import Order
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from tests.gan.runs import write_run


@pytest.fixture
def service(tmp_path):
    run = write_run(tmp_path / "plain")
    options = {"device": "cpu", "content_filter": "off", "state": str(tmp_path / "state")}
    found = Service(ServeConfig(models=(str(run),), **options))
    found.keys.create("me", terms="1", attested_by="tests")
    yield found
    found.close()


@pytest.fixture
def batches(service, monkeypatch):
    """Grows with each batch of a queue that waits half a minute for one that is not full."""
    drawn, real, (queue,) = [], service.models._generator, service.models._queues.values()
    monkeypatch.setattr(service.models, "_generator", lambda name: drawn.append(name) or real(name))
    monkeypatch.setattr(batching, "_GATHERING", 30.0)
    queue._seconds = 30.0
    return drawn


@pytest.fixture
def checked(service, monkeypatch):
    """The check of seed 2 ends when this event is set, after that of seed 1."""
    free, real = threading.Event(), service.accept

    def accept(key, order, request):
        assert 2 not in order.seeds or free.wait(30)
        return real(key, order, request)

    monkeypatch.setattr(service, "accept", accept)
    yield free
    free.set()


async def made(service, checked, second):
    """What becomes of a request for seed 1, and of the second one, whose check takes longer."""
    (key,) = service.keys.all()
    orders = Order(model="plain", seeds=(1,)), second
    both = [asyncio.create_task(service.make(key, order, "one")) for order in orders]
    late = time.monotonic() + 20
    while not service.engine.waiting("plain"):
        assert time.monotonic() < late
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    checked.set()
    return await asyncio.wait_for(asyncio.gather(*both, return_exceptions=True), 20)


def test_requests_that_come_together_share_a_batch(service, batches, checked):
    answers = asyncio.run(made(service, checked, Order(model="plain", seeds=(2, *range(10, 16)), form="zip")))
    assert [len(answer) for answer in answers] == [1, 7] and batches == ["plain"]


def test_one_that_is_refused_is_not_waited_for(service, batches, checked, monkeypatch):
    def admit(*_):
        if checked.is_set():  # the second one
            raise UserError("not this one")

    monkeypatch.setattr(service.inputs, "admit", admit)
    (image,), refused = asyncio.run(made(service, checked, Order(model="plain", seeds=(2,))))
    assert image.data and str(refused) == "not this one" and batches == ["plain"]


def test_nobody_is_expected_of_an_unknown_model(service):
    (key,) = service.keys.all()
    with pytest.raises(UsageError, match="none"):
        asyncio.run(service.make(key, Order(model="none", seeds=(1,)), "one"))
