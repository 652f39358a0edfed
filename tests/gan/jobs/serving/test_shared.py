"""Quotas in Redis: those of SQLite, atomic among many, and what is done without Redis.

By fakeredis, and by a real redis-server on the loopback where there is one.
"""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.serving.database import Database
from gan.jobs.serving.keys import Keys
from gan.jobs.serving.quotas import LocalUsage, TooMany
from gan.jobs.serving.shared import SharedUsage
from tests.gan.jobs.serving.sample_key import KEY

pytest.importorskip("redis", reason="the extra redis is not installed")
DAY = 86_400


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0 * DAY

    def __call__(self) -> float:
        return self.now


@contextlib.contextmanager
def redis_server(folder, port=None, password=None, keep=False):
    """(process, port) of a real one on the loopback. keep: whether what it has survives its end."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server here: apt-get install redis-server")
    if port is None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    words = [
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--save",
        "",
        "--appendonly",
        "yes" if keep else "no",
        "--dir",
        str(folder),
    ]
    words += ["--requirepass", password] if password else []
    with subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            late = time.monotonic() + 20
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert time.monotonic() < late and process.poll() is None
                time.sleep(0.02)
            yield process, port
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as found:
        yield found


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(params=["fake", "real"])
def usage(request, clock):
    if request.param == "fake":
        fakeredis = pytest.importorskip("fakeredis", reason="fakeredis is not installed")
        pytest.importorskip("lupa", reason="lupa is not installed")
        client = fakeredis.FakeRedis(decode_responses=True)
        found = SharedUsage("redis://", clock, client=client)
    else:
        _, port = request.getfixturevalue("server")
        found = SharedUsage(f"redis://127.0.0.1:{port}/0", clock)
        found.client.flushall()
    yield found
    found.close()


@pytest.fixture
def local(tmp_path, clock):
    database = Database(tmp_path)
    key = Keys(database).verify(Keys(database).create("me", per_minute=KEY.per_minute, per_day=KEY.per_day))
    yield LocalUsage(database, clock), key
    database.close()


def told(act):
    try:
        return act()
    except TooMany as refused:
        return f"{refused} {refused.retry_after}"


def test_the_same_as_in_sqlite(usage, local, clock):
    """A long walk of charges, refunds, near misses and jumps of the clock, each answered alike."""
    other, key = local
    walk = [("charge", 1)] * 62 + [("wait", 3.5)] + [("charge", 5)] * 5 + [("refund", 7), ("charge", 9)]
    walk += [("wait", 40.0), ("charge", 90), ("charge", 3), ("wait", -3 * DAY), ("charge", 1), ("wait", 1.0)]
    walk += [("charge", 99), ("charge", 1), ("wait", 500.0 * DAY), ("charge", 50), ("wait", -499.0 * DAY)]
    walk += [("wait", 2.0), ("charge", 50), ("charge", 1), ("miss", 0)] + [("miss", 0)] * 4 + [("wait", 21.0)]
    walk += [
        ("look", 0),
        ("wait", -DAY),
        ("look", 0),
        ("wait", 61.0),
        ("look", 0),
        ("wait", DAY),
        ("charge", 99),
    ]
    for what, size in walk:
        if what == "wait":
            clock.now += size
            continue
        answers = []
        for counts, who in ((usage, KEY), (other, key)):
            if what == "miss":
                counts.near_miss(who, 3, 60.0)
            if what in ("charge", "refund"):
                answer = told(partial(getattr(counts, what), who, size))
            else:
                answer = told(partial(counts.check_near_misses, who, 3, 60.0))
            answers.append((answer, counts.used(who)))
        assert answers[0] == answers[1], (what, size)


def test_keys_do_not_share(usage):
    usage.charge(KEY, 100)
    usage.charge(replace(KEY, number="1" * 12), 100)
    with pytest.raises(TooMany, match="0 of 100"):
        usage.charge(KEY, 1)


def test_nothing_is_let_through_twice(usage):
    """Eight threads, each with connections of its own."""
    key = replace(KEY, per_minute=10_000)

    def one(_):
        with contextlib.suppress(TooMany):
            usage.charge(key, 1)
            return 1
        return 0

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(one, range(150))) == 100
    assert usage.used(key) == 100


def test_several_machines_share_one_quota_by_the_clock_of_redis(server):
    _, port = server
    machines = [SharedUsage(f"redis://127.0.0.1:{port}/0") for _ in range(2)]
    key = replace(KEY, number="2" * 12, per_day=3)
    machines[0].client.flushall()
    for machine in (*machines, machines[0]):
        machine.charge(key, 1)
    with pytest.raises(TooMany, match="0 of 3") as caught:
        machines[1].charge(key, 1)
    assert 0 < caught.value.retry_after <= DAY
    assert 0 < machines[0].client.ttl("gan:serve:usage:" + key.number) <= 2 * DAY
    for machine in machines:
        machine.close()


def test_redis_goes_and_comes_back(tmp_path):
    with redis_server(tmp_path) as (process, port):
        usage = SharedUsage(f"redis://127.0.0.1:{port}/0")
        usage.charge(KEY, 1)
        process.kill()
        process.wait(10)
        for act in (lambda: usage.charge(KEY, 1), usage.check, lambda: usage.used(KEY)):
            with pytest.raises(UserError, match=f"Redis at 127.0.0.1:{port} does not answer") as caught:
                act()
            assert not isinstance(caught.value, TooMany)
    with redis_server(tmp_path, port):
        usage.charge(KEY, 99)  # by the first attempt; what a Redis without a disk had counted is lost
        assert usage.used(KEY) == 99
    usage.close()


def test_a_redis_that_hangs_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("gan.jobs.serving.shared.TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        usage = SharedUsage(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0")
        began = time.monotonic()
        with pytest.raises(UserError, match="does not answer"):
            usage.charge(KEY, 1)
        assert time.monotonic() - began < 5
        usage.close()


def test_a_password_is_in_no_message(tmp_path):
    with redis_server(tmp_path, password="hidden-right") as (_, port):
        right = SharedUsage(f"redis://:hidden-right@127.0.0.1:{port}/0")
        right.charge(KEY, 1)
        right.close()
        for url in (f"redis://:hidden-wrong@127.0.0.1:{port}/0", "redis://me:hidden@127.0.0.1:1/0"):
            usage = SharedUsage(url)
            with pytest.raises(UserError) as caught:
                usage.charge(KEY, 1)
            error = caught.value
            assert "hidden" not in str(error) and error.__cause__ is None and error.__context__ is None
            usage.close()
    with pytest.raises(UsageError, match="cannot be read") as caught:
        SharedUsage("redis://:hidden@h:port/0")
    assert "hidden" not in str(caught.value) and caught.value.__context__ is None


def test_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(UserError, match=r"package redis; .*\[redis\]"):
        SharedUsage("redis://127.0.0.1")
