"""Rates, quotas and near misses of keys in Redis, where several machines count them together.

Each call is one Lua script, which Redis runs alone: what `quotas.LocalUsage` does in a transaction. The time
is that of Redis, so that clocks of machines need not agree. Rate and quota are charged together or not at
all, and images can be given back, which the strategies of the package `limits` cannot do.

Where Redis does not answer within TIMEOUT, or answers nonsense, a UserError is raised and nothing is let
through; the next call tries again. The URL may hold a password: no message says more than host and port.
"""

from collections.abc import Callable, Sequence
from typing import Any

from gan.errors import UsageError, UserError, install
from gan.jobs.serving.keys import Key
from gan.jobs.serving.quotas import refusal, refuse_near_misses

TIMEOUT = 2.0  # seconds, to connect and to answer
PREFIX = "gan:serve:"
# now: seconds since 1970, of Redis where none is given.
_NOW = """
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1e6
end
local today = math.floor(now / 86400)
local function exact(number) return string.format('%.17g', number) end
local function kept(field) return tonumber(redis.call('HGET', KEYS[1], field) or '0') or 0 end
"""
# ARGV: now, images, images a day, seconds a request. -> seconds ahead, images used, now.
_CHARGE = """
local images, most, step = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local used = kept('images')
if kept('day') < today then used = 0 end
local free_at = math.min(math.max(kept('free_at'), now), now + 60)
local ahead, before = free_at + step - now, used
if ahead <= 60 + 1e-6 and used + images <= most then
  free_at, used = free_at + step, used + images
end
redis.call('HSET', KEYS[1], 'free_at', exact(free_at), 'day', today, 'images', used)
redis.call('EXPIRE', KEYS[1], 2 * 86400)
return {exact(ahead), before, exact(now)}
"""
# ARGV: now, images to give back. -> images used.
_REFUND = """
if kept('day') < today then return 0 end
local used = math.max(kept('images') - tonumber(ARGV[2]), 0)
if tonumber(ARGV[2]) > 0 then redis.call('HSET', KEYS[1], 'images', used) end
return used
"""
# ARGV: now, near misses to add, how many leak, in how many seconds. -> seconds ahead.
_NEAR = """
local added, most, seconds = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local calm_at = kept('calm_at')
if added > 0 then
  calm_at = math.min(math.max(calm_at, now), now + seconds) + added * seconds / most
end
calm_at = math.min(calm_at, now + seconds + seconds / most)
redis.call('HSET', KEYS[1], 'calm_at', exact(calm_at))
redis.call('EXPIRE', KEYS[1], math.ceil(2 * seconds + 60))
return exact(calm_at - now)
"""


class SharedUsage:
    """As `quotas.Usage` has it, in the Redis of a URL.

    client: of the package redis. Raises what `client_of` does. Redis itself may come later, and go.
    """

    def __init__(self, url: str, clock: Callable[[], float] | None = None, client: Any = None) -> None:
        """clock: seconds since 1970; None asks Redis.  client: instead of a connection to the URL."""
        self._clock = clock
        self.client = client_of(url) if client is None else client
        self._scripts = {
            name: self.client.register_script(_NOW + text)
            for name, text in (("charge", _CHARGE), ("refund", _REFUND), ("near", _NEAR))
        }

    def charge(self, key: Key, images: int) -> None:
        """Count one request of that many images. Raises TooMany, and then counts nothing."""
        ahead, used, now = self._run("charge", "usage", key, (images, key.per_day, 60 / key.per_minute))
        if refused := refusal(key, float(ahead), int(used), images, float(now)):
            raise refused

    def refund(self, key: Key, images: int) -> None:
        """Give back images that the server did not make; the request stays counted."""
        self._run("refund", "usage", key, (images,))

    def used(self, key: Key) -> int:
        """Images counted today."""
        return int(self._run("refund", "usage", key, (0,)))

    def near_miss(self, key: Key, most: int, seconds: float) -> None:
        """Count one request that came near what is blocked, in a bucket that leaks `most` in `seconds`."""
        self._run("near", "near", key, (1, most, seconds))

    def check_near_misses(self, key: Key, most: int, seconds: float) -> None:
        """Raises TooMany for a key with more near misses than `most` in `seconds`."""
        refuse_near_misses(float(self._run("near", "near", key, (0, most, seconds))), seconds)

    def check(self) -> None:
        """Raises UserError where Redis does not answer."""
        answered(self.client, self.client.ping)

    def close(self) -> None:
        """End the connections."""
        self.client.close()

    def _run(self, script: str, what: str, key: Key, given: Sequence[float]) -> Any:
        """What a script answers."""
        now = "" if self._clock is None else repr(self._clock())
        name, numbers = f"{PREFIX}{what}:{key.number}", [repr(each) for each in given]
        return answered(self.client, lambda: self._scripts[script](keys=[name], args=[now, *numbers]))


def answered(client: Any, ask: Callable[[], Any]) -> Any:
    """What Redis answers. UserError where it does not, or finds something wrong."""
    from redis.exceptions import RedisError

    try:
        return ask()
    except (RedisError, OSError) as error:
        kind = type(error).__name__  # its text could hold what was sent
    raise UserError(f"Redis at {place(client)} does not answer ({kind}): start it, or mend redis")


def client_of(url: str) -> Any:
    """A client of a URL, which connects when it is first asked.

    Raises UserError where the package is missing, UsageError for a URL that cannot be read.
    """
    try:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError as error:
        raise UserError(f"redis in the settings needs the package redis; {install('redis')}") from error

    # Once more where a connection was lost, such as by a restart: at worst a request is counted twice.
    again = Retry(NoBackoff(), 1, supported_errors=(redis.exceptions.ConnectionError,))
    try:
        return redis.Redis.from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=again, decode_responses=True
        )
    except (ValueError, TypeError):
        pass  # its text could hold the password
    raise UsageError(
        "redis: the URL cannot be read: write redis://HOST:PORT/0, or redis://:PASSWORD@HOST:PORT/0"
    )


def place(client: Any) -> str:
    """Where a client connects to, without user and password."""
    told = client.connection_pool.connection_kwargs
    return str(told.get("path") or f"{told.get('host', 'localhost')}:{told.get('port', 6379)}")
