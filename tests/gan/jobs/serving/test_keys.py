"""API keys and what they may ask for."""

import contextlib
import hashlib
import sqlite3
import stat

import pytest

from gan.errors import UsageError, UserError
from gan.jobs.serving import keys as keys_module
from gan.jobs.serving.administration import overview, revoke
from gan.jobs.serving.database import FILE, Database
from gan.jobs.serving.keys import ROLES, Denied, Keys
from gan.jobs.serving.quotas import LocalUsage, TooMany

DAY = 86_400


@pytest.fixture
def keys(database):
    return Keys(database)


@pytest.fixture
def hashed(monkeypatch):
    """How often a secret was hashed."""
    calls, real = [], keys_module._hash
    monkeypatch.setattr(keys_module, "_hash", lambda *given: calls.append(given) or real(*given))
    return calls


def test_a_key_opens_and_only_its_hash_is_kept(keys, database):
    given = keys.create("me", terms="1", attested_by="root")
    key = keys.verify(given)
    assert key.name == "me" and key.terms == "1" and key.attested_by == "root" and key.attested
    secret = given.split("_", 2)[2]
    files = list(database.path.parent.iterdir())
    assert files and all(secret.encode() not in path.read_bytes() for path in files)
    salt, stored = database._connection.execute("SELECT salt, hash FROM keys").fetchone()
    assert stored == hashlib.scrypt(secret.encode(), salt=salt, n=16384, r=8, p=1, maxmem=2**26, dklen=32)
    assert stat.S_IMODE(database.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(database.path.parent.stat().st_mode) == 0o700


def test_two_keys_share_no_salt(keys, database):
    keys.create("a"), keys.create("b")
    salts = database._connection.execute("SELECT salt FROM keys").fetchall()
    assert len(set(salts)) == 2 and all(len(salt) == 16 for (salt,) in salts)


def test_wrong_keys(keys):
    given = keys.create("me")
    other = keys.create("other")
    number = given.split("_")[1]
    swapped = f"gan_{number}_{other.split('_', 2)[2]}"
    unknown = f"gan_{'0' * 12}_{given.split('_', 2)[2]}"
    for wrong in (
        "",
        "x",
        number,
        given[:-1],
        given + "x",
        given.upper(),
        swapped,
        unknown,
        "gan_é_ü",
        "\x00",
    ):
        with pytest.raises(Denied, match="missing, wrong, revoked or expired"):
            keys.verify(wrong)
    assert keys.verify(given).name == "me"
    with pytest.raises(Denied):  # also after the right one was remembered
        keys.verify(swapped)


def test_what_is_wrong_costs_what_is_right_costs(keys, hashed):
    given = keys.create("me")
    hashed.clear()
    keys.verify(given)
    assert len(hashed) == 1
    for wrong in (f"gan_{'0' * 12}_{'x' * 43}", "x", given[:-1] + ("A" if given[-1] != "A" else "B")):
        hashed.clear()
        with pytest.raises(Denied):
            keys.verify(wrong)
        assert len(hashed) == 1, wrong
    hashed.clear()
    keys.verify(given)
    assert hashed == []  # remembered


def test_revoked_at_once_also_by_another_process(keys, database):
    given = keys.create("me")
    assert keys.recall(given) is None  # nobody verified it
    assert keys.verify(given).name == "me" and keys.recall(given) == keys.verify(given)
    assert revoke(database.path.parent, "me").revoked
    assert keys.recall(given) is None
    with pytest.raises(Denied):
        keys.verify(given)
    (record,) = overview(database.path.parent)
    assert record["state"] == "revoked" and "salt" not in record and "hash" not in record
    with pytest.raises(UsageError, match="no key nobody"):
        revoke(database.path.parent, "nobody")


def test_expired(keys, monkeypatch):
    given = keys.create("me", days=2)
    created = keys.verify(given).created
    monkeypatch.setattr(keys_module.time, "time", lambda: created + 2 * DAY - 1)
    assert keys.verify(given) and keys.recall(given)
    monkeypatch.setattr(keys_module.time, "time", lambda: created + 2 * DAY + 1)
    assert keys.recall(given) is None
    with pytest.raises(Denied):
        keys.verify(given)
    assert keys.all()[0].state(created + 2 * DAY + 1) == "expired"


def test_a_key_is_recalled_for_a_minute_and_without_its_hash(keys, hashed, monkeypatch):
    given, other = keys.create("me"), keys.create("other")
    keys.verify(given)
    hashed.clear()
    now = keys_module.time.monotonic()
    assert keys.recall(given).name == "me" and hashed == []
    for wrong in (other, given[:-1], given[:17] + other[17:], "", "x"):
        assert keys.recall(wrong) is None
    monkeypatch.setattr(keys_module.time, "monotonic", lambda: now + 61)
    assert keys.recall(given) is None


def test_names(keys):
    keys.create("me")
    with pytest.raises(UsageError, match="there is a key me already"):
        keys.create("me")
    for name in ("", "a b", "-x", "a\nb", "x" * 65, "é"):
        with pytest.raises(UsageError, match="no name of a key"):
            keys.create(name)


def test_a_file_that_holds_no_keys(tmp_path):
    (tmp_path / FILE).write_bytes(b"not a database, but long enough to be told from an empty file" * 40)
    with pytest.raises(UserError, match="is no file of keys"):
        Database(tmp_path)


# The tables of the first version, which had no roles.
OLD = """
CREATE TABLE keys (
    number TEXT PRIMARY KEY, name TEXT UNIQUE NOT NULL, salt BLOB NOT NULL, hash BLOB NOT NULL,
    created REAL NOT NULL, expires REAL, revoked REAL, per_minute INTEGER NOT NULL, per_day INTEGER NOT NULL,
    attested REAL, terms TEXT, attested_by TEXT);
CREATE TABLE usage (
    number TEXT PRIMARY KEY, free_at REAL NOT NULL DEFAULT 0, day INTEGER NOT NULL DEFAULT 0,
    images INTEGER NOT NULL DEFAULT 0);
"""


def test_a_file_of_a_version_without_roles_goes_on(tmp_path):
    secret, salt = "x" * 43, b"s" * 16
    stored = hashlib.scrypt(secret.encode(), salt=salt, n=16384, r=8, p=1, maxmem=2**26, dklen=32)
    with contextlib.closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as connection:
        connection.executescript(OLD)
        row = ("0" * 12, "me", salt, stored, 1.0, None, None, 60, 10, 1.0, "1", "root")
        connection.execute(f"INSERT INTO keys VALUES ({','.join('?' * 12)})", row)
        connection.execute("INSERT INTO usage VALUES (?, 0, 20000, 3)", (row[0],))
    for _ in range(2):  # the second one finds it migrated
        database = Database(tmp_path)
        key = Keys(database).verify(f"gan_{'0' * 12}_{secret}")
        assert (key.name, key.role, key.terms, key.attested_by) == ("me", "user", "1", "root")
        assert LocalUsage(database, lambda: 20000.0 * DAY).used(key) == 3
        LocalUsage(database).check_near_misses(key, 1, 60.0)
        database.close()
    database = Database(tmp_path)
    other = Keys(database).verify(Keys(database).create("other", role="operator", terms="2", attested_by="a"))
    assert (other.name, other.role, other.terms, other.attested_by) == ("other", "operator", "2", "a")
    database.close()


def test_roles(keys, database):
    with pytest.raises(UsageError, match="did you mean 'verifier'"):
        keys.create("me", role="verifyer")
    key = keys.verify(keys.create("me", role="verifier"))
    assert key.may("verify") and not key.may("images") and not key.may("metrics")
    with database.transaction() as connection:
        connection.execute("UPDATE keys SET role = 'of a later version'")
    (key,) = keys.all()
    assert not any(key.may(what) for allowed in ROLES.values() for what in allowed)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0 * DAY

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_requests_a_minute(keys, database, clock):
    usage, key = LocalUsage(database, clock), keys.verify(keys.create("me", per_minute=6))
    for _ in range(6):
        usage.charge(key, 1)
    with pytest.raises(TooMany, match="6 times a minute") as caught:
        usage.charge(key, 1)
    assert caught.value.retry_after == 10 and usage.used(key) == 6
    clock.now += 9
    with pytest.raises(TooMany):
        usage.charge(key, 1)
    clock.now += 1
    usage.charge(key, 1)
    with pytest.raises(TooMany):
        usage.charge(key, 1)
    clock.now -= 5000  # a clock that was set back locks nobody out for longer than a minute
    with pytest.raises(TooMany) as caught:
        usage.charge(key, 1)
    assert caught.value.retry_after <= 60


def test_images_a_day(keys, database, clock):
    usage, key = LocalUsage(database, clock), keys.verify(keys.create("me", per_day=10))
    other = keys.verify(keys.create("other", per_day=10))
    usage.charge(key, 8)
    with pytest.raises(TooMany, match="asks for 3 images, and 2 of 10") as caught:
        usage.charge(key, 3)
    assert caught.value.retry_after == DAY
    usage.charge(key, 2)
    usage.charge(other, 10)
    usage.refund(key, 4)
    assert (usage.used(key), LocalUsage(database, clock).used(other)) == (6, 10)
    usage.refund(key, 99)
    assert usage.used(key) == 0
    clock.now += DAY
    usage.charge(other, 10)


def test_a_clock_that_jumps(keys, database, clock):
    """No second day for who sets it back, no year of waiting when it comes back from the future."""
    usage, key = LocalUsage(database, clock), keys.verify(keys.create("me", per_day=10, per_minute=1000))
    usage.charge(key, 8)
    clock.now -= 3 * DAY
    assert usage.used(key) == 8
    with pytest.raises(TooMany, match="1000 times a minute: ask again in 1 s"):
        usage.charge(key, 1)
    clock.now += 1
    with pytest.raises(TooMany, match="2 of 10"):
        usage.charge(key, 3)
    usage.charge(key, 1)
    usage.refund(key, 1)
    assert usage.used(key) == 8
    clock.now += DAY  # the next day, by the clock that was set back
    usage.charge(key, 10)
    clock.now += 400 * DAY
    usage.charge(key, 10)
    usage.near_miss(key, 1, 60.0)
    usage.near_miss(key, 1, 60.0)
    clock.now -= 400 * DAY
    clock.now += 1
    with pytest.raises(TooMany) as caught:
        usage.charge(key, 1)
    assert caught.value.retry_after <= DAY
    with pytest.raises(TooMany) as caught:
        usage.check_near_misses(key, 1, 60.0)
    assert caught.value.retry_after <= 60
    clock.now += 61
    usage.check_near_misses(key, 1, 60.0)
    clock.now += DAY
    usage.charge(key, 10)


def test_near_misses_leak(keys, database, clock):
    usage, key = LocalUsage(database, clock), keys.verify(keys.create("me"))
    other = keys.verify(keys.create("other"))
    for _ in range(3):
        usage.check_near_misses(key, 3, 60.0)
        usage.near_miss(key, 3, 60.0)
    usage.check_near_misses(key, 3, 60.0)
    usage.near_miss(key, 3, 60.0)
    with pytest.raises(TooMany, match="too often") as caught:
        usage.check_near_misses(key, 3, 60.0)
    assert caught.value.retry_after == 20
    usage.check_near_misses(other, 3, 60.0)
    clock.now += 20
    usage.check_near_misses(key, 3, 60.0)


def test_a_failed_commit_does_not_shut_the_file(database, keys):
    """SQLite may leave the transaction open when its disk is full."""

    class Full:
        def __init__(self, real):
            self.real, self.full = real, True

        def execute(self, *given):
            if given[0] == "COMMIT" and self.full:
                raise sqlite3.OperationalError("database or disk is full")
            return self.real.execute(*given)

        def __getattr__(self, name):
            return getattr(self.real, name)

    database._connection = full = Full(database._connection)
    with pytest.raises(UserError, match="disk is full"):
        keys.create("me")
    full.full = False
    assert keys.all() == [] and keys.verify(keys.create("me")).name == "me"
