"""A queue from the simulated world to one reader: what an order-update stream or a price feed is made of."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from olaf_async.sim.loop import SimLoop

_T = TypeVar("_T")


class Mailbox(Generic[_T]):
    """Items in the order in which they were put; an exception among them is raised to the reader."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self._items: deque[_T | Exception] = deque()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: _T | Exception) -> None:
        """Add an item; the reader is woken. Yields: never."""
        self._items.append(item)
        if self._waiter is not None:
            wake(self._waiter)

    async def read(self) -> AsyncIterator[_T]:
        """The items, without end."""
        while True:
            while self._items:
                item = self._items.popleft()
                if isinstance(item, Exception):
                    raise item
                yield item
            self._waiter = self._loop.create_future()
            await self._waiter


class Doubled(Mailbox[_T]):
    """A mailbox with a second reader, who gets the same items."""

    def __init__(self, loop: SimLoop) -> None:
        super().__init__(loop)
        self.second: Mailbox[_T] = Mailbox(loop)

    def put(self, item: _T | Exception) -> None:
        """See Mailbox."""
        super().put(item)
        self.second.put(item)


def wake(future: asyncio.Future[None]) -> None:
    """Let whoever waits for it go on; it may have been woken or cancelled already."""
    if not future.done():
        future.set_result(None)
