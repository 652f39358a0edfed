"""Keys in Redis: those of SQLite, known to every machine, and moved there once.

By fakeredis, and by a real redis-server on the loopback where there is one.
"""

import contextlib
import json

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.serving import administration
from gan.jobs.serving.database import Database
from gan.jobs.serving.keys import Denied, Keys
from gan.jobs.serving.service import Service
from gan.jobs.serving.settings import ServeConfig
from gan.jobs.serving.shared import client_of
from gan.jobs.serving.shared_keys import KEYS, NAMES, SharedKeys
from tests.gan.jobs.serving.test_shared import redis_server
from tests.gan.runs import write_run

pytest.importorskip("redis", reason="the extra redis is not installed")
LIMITS = {"per_minute": 9, "per_day": 8, "days": None, "terms": "1", "attested_by": "tests"}


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as (_, port):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(params=["fake", "real"])
def client(request):
    if request.param == "fake":
        fakeredis = pytest.importorskip("fakeredis", reason="fakeredis is not installed")
        pytest.importorskip("lupa", reason="lupa is not installed")
        found = fakeredis.FakeRedis(decode_responses=True)
    else:
        found = client_of(request.getfixturevalue("url"))
    found.flushall()
    yield found
    found.close()


def test_a_key_made_on_one_machine_opens_and_ends_on_another(client):
    one, other = Keys(SharedKeys(client)), Keys(SharedKeys(client))
    given = one.create("me", per_minute=9, days=2, role="verifier", terms="2", attested_by="tests")
    found = other.verify(given)
    assert (found.name, found.per_minute, found.role, found.terms) == ("me", 9, "verifier", "2")
    assert one.all() == other.all() == [found] and other.of(found.number) == found
    with pytest.raises(Denied):
        other.verify(given[:-1] + ("A" if given[-1] != "A" else "B"))
    revoked = one.revoke("me")
    assert revoked.revoked and one.revoke(found.number).revoked == revoked.revoked  # since then
    with pytest.raises(Denied):
        other.verify(given)  # at once, though it was remembered
    with pytest.raises(UsageError, match="no key nobody"):
        one.revoke("nobody")
    assert other.of("0" * 12) is None


def test_no_secret_is_kept(client):
    given = Keys(SharedKeys(client)).create("me")
    secret = given.split("_", 2)[2]
    assert all(secret not in str(client.hgetall(name)) for name in (KEYS, NAMES))


def test_names_are_taken_once(client):
    keys = Keys(SharedKeys(client))
    keys.create("me")
    with pytest.raises(UsageError, match="there is a key me already"):
        Keys(SharedKeys(client)).create("me")
    assert len(keys.all()) == 1
    (stored,) = SharedKeys(client).stored()
    assert SharedKeys(client).add(stored)  # as a lost answer is asked for again: the same key, once
    assert len(keys.all()) == 1 and client.hlen(NAMES) == 1


def test_what_is_no_key_opens_nothing(client):
    keys = Keys(SharedKeys(client))
    given = keys.create("me")
    number = given.split("_")[1]
    record = json.loads(client.hget(KEYS, number))
    for wrong in (
        "",
        "[]",
        "{}",
        json.dumps({**record, "number": "0" * 12}),
        json.dumps({**record, "hash": 3}),
    ):
        client.hset(KEYS, number, wrong)
        with pytest.raises(UserError, match="is no key: remove it"):
            keys.verify(given)


def test_keys_of_a_folder_move_and_open_as_before(tmp_path, url):
    with contextlib.closing(client_of(url)) as client:
        client.flushall()
        first = administration.create(tmp_path, "first", **LIMITS)
        administration.create(tmp_path, "second", **LIMITS)
        administration.revoke(tmp_path, "second")
        moved = administration.share(tmp_path, url)
        assert [key.name for key in moved] == ["first", "second"] and administration.overview(tmp_path) == []
        assert administration.share(tmp_path, url) == []
        states = {record["name"]: record["state"] for record in administration.overview(tmp_path, url)}
        assert states == {"first": "valid", "second": "revoked"}
        assert Keys(SharedKeys(client)).verify(first).name == "first"
        administration.create(tmp_path, "first", **LIMITS)
        with pytest.raises(UsageError, match="Redis has another key first"):
            administration.share(tmp_path, url)
        assert len(administration.overview(tmp_path)) == 1  # it stays where it is
    with pytest.raises(UsageError, match="name it as redis"):
        administration.share(tmp_path, None)


def test_two_servers_with_folders_of_their_own(tmp_path, url):
    run, home = str(write_run(tmp_path / "plain")), tmp_path / "a"
    with contextlib.closing(client_of(url)) as client:
        client.flushall()
    given = administration.create(home, "me", redis=url, **LIMITS)
    services = []
    try:
        for name in "ab":
            state = str(tmp_path / name)
            settings = ServeConfig(models=(run,), state=state, device="cpu", content_filter="off", redis=url)
            services.append(Service(settings))
        first, second = services
        key = second.keys.verify(given)
        second.usage.charge(key, 3)
        assert first.usage.used(first.keys.verify(given)) == 3
        (record,) = administration.overview(None, url)
        assert record["used_today"] == 3
        administration.revoke(None, "me", url)
        for service in services:
            with pytest.raises(Denied):
                service.keys.verify(given)
    finally:
        for service in services:
            service.close()


def test_keys_that_redis_leaves_behind_are_told(tmp_path, url):
    administration.create(tmp_path, "me", **LIMITS)
    settings = ServeConfig(
        models=(str(write_run(tmp_path / "plain")),),
        state=str(tmp_path),
        device="cpu",
        content_filter="off",
        redis=url,
    )
    with pytest.warns(UserWarning, match="1 keys of .* gan serve keys share"):
        Service(settings).close()


def test_without_redis_nobody_comes_in(tmp_path):
    with redis_server(tmp_path) as (process, port):
        client = client_of(f"redis://127.0.0.1:{port}/0")
        keys = Keys(SharedKeys(client))
        given = keys.create("me")
        assert keys.verify(given)
        process.kill()
        process.wait()
    with contextlib.closing(client):
        for ask in (lambda: keys.verify(given), keys.all, lambda: keys.create("you")):
            with pytest.raises(UserError, match=f"Redis at 127.0.0.1:{port} does not answer"):
                ask()


def test_a_file_of_keys_forgets_what_was_moved(tmp_path):
    with contextlib.closing(Database(tmp_path)) as database:
        given = Keys(database).create("me")
        database.forget(given.split("_")[1])
        assert Keys(database).all() == [] and Keys(database).create("me")
