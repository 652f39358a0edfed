"""Who may come in: the API key of a request, checked beside the event loop and a bounded number at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from gan.jobs.serving.batching import Overloaded
from gan.jobs.serving.keys import Denied, Key, Keys
from gan.jobs.serving.service import Forbidden

MOST = 32  # checks that wait: each may cost 50 ms and 16 MiB, and strangers can ask for it
_THREADS = 2


class Door:
    """The keys of a service."""

    def __init__(self, keys: Keys) -> None:
        self._keys, self._waiting = keys, 0
        self._threads = ThreadPoolExecutor(_THREADS, "keys")

    async def check(self, given: str | None) -> Key:
        """The key that was given. Raises Denied, and Overloaded where too many are being checked."""
        if given is None:
            raise Denied("the API key is missing: send Authorization: Bearer KEY")
        if (known := self._keys.recall(given)) is not None:
            return known
        if self._waiting >= MOST:
            raise Overloaded(1)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._keys.verify, given)
        finally:
            self._waiting -= 1

    async def ready(self) -> None:
        """Raises UserError where the keys cannot be read."""
        await asyncio.get_running_loop().run_in_executor(self._threads, self._keys.all)

    def dependency(self, *what: str) -> Callable[..., Awaitable[Key]]:
        """What FastAPI asks before a route that needs a key, as OpenAPI then says.

        what: any of which the key's role must allow, of `keys.ROLES`; Forbidden is raised where it does not.
        """
        from fastapi import Depends
        from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

        bearer: Any = HTTPBearer(auto_error=False, description="A key of `gan serve keys create`.")

        async def known(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> Key:
            key = await self.check(given and given.credentials)
            if not any(key.may(each) for each in what):
                raise Forbidden(f"the role {key.role} of this key does not allow {what[0]}")
            return key

        return known
