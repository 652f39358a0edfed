"""The file of keys and their use: read while others write, and written for all that wait at once."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gan.jobs.serving.keys import Keys
from gan.jobs.serving.quotas import LocalUsage, TooMany


@pytest.fixture
def keys(database):
    return Keys(database)


def test_keys_are_read_while_somebody_writes(keys, database):
    given = keys.create("me")
    keys.verify(given)
    with database.transaction() as connection:
        connection.execute("UPDATE usage SET images = 3")
        assert keys.recall(given).name == "me"


def test_charges_that_wait_share_a_transaction(keys, database):
    """One flush for all of them; who has used up its quota is refused alone."""
    usage, key = LocalUsage(database), keys.verify(keys.create("me", per_day=10))
    begun, count = [], 12

    def traced(statement):
        begun.append(statement.startswith("BEGIN"))

    database._connection.set_trace_callback(traced)
    together = database._together
    with ThreadPoolExecutor(count) as threads, database._lock, together._lock:  # somebody is at the disk
        futures = [threads.submit(usage.charge, key, 1) for _ in range(count)]
        late = time.monotonic() + 30
        while len(together._coming) < count:
            assert time.monotonic() < late
            time.sleep(0.005)
    failed = [error for future in futures if (error := future.exception(30)) is not None]
    database._connection.set_trace_callback(None)
    assert len(failed) == 2 and all(isinstance(error, TooMany) for error in failed)
    assert sum(begun) == 1 and usage.used(key) == 10


def test_work_that_fails_is_undone_alone(keys, database):
    keys.create("me")

    def wrong(connection):
        connection.execute("UPDATE usage SET images = 7")
        raise ValueError("no")

    def right(connection):
        return connection.execute("UPDATE usage SET calm_at = 5").rowcount

    found = database._do([right, wrong, right])
    assert found[0] == found[2] == 1 and isinstance(found[1], ValueError)
    assert database.read("SELECT images, calm_at FROM usage", ()) == [(0, 5.0)]
