"""Long polls: on the phase of a round, and on a seat in one. However many wait, one asks the database."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from confidante.core.errors import StoreError

if TYPE_CHECKING:
    from confidante.coordinator.store.values import Standing

Read = Callable[[bytes], Awaitable["Standing | None"]]


@final
class Watch:
    """The phases that requests of this process wait for."""

    def __init__(self, read: Read, *, interval: float = 0.05) -> None:
        """read: how to look a round up; interval: seconds between two looks at one round."""
        self._read = read
        self._interval = interval
        self._closing = False
        self._stirred = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._followed: dict[tuple[bytes, str], tuple[asyncio.Task[Standing | None], int]] = {}

    def close(self) -> None:
        """Let everybody who waits go on at once, now and from now on."""
        self._closing = True
        self._stir()

    def nudge(self) -> None:
        """Have all rounds looked at again now: this process changed one. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stir)

    async def beyond(self, round_id: bytes, phase: str, seconds: float) -> "Standing | None":
        """Return the round once it is not at `phase` any more, or as it is after so many seconds."""
        self._loop = asyncio.get_running_loop()
        key = (round_id, phase)
        task, waiting = self._followed.get(key) or (asyncio.create_task(self._follow(*key)), 0)
        self._followed[key] = task, waiting + 1
        try:
            return await asyncio.wait_for(asyncio.shield(task), seconds)
        except TimeoutError:
            return await self._read(round_id)
        finally:
            task, waiting = self._followed[key]
            if waiting > 1:
                self._followed[key] = task, waiting - 1
            else:
                del self._followed[key]
                task.cancel()

    async def _follow(self, round_id: bytes, phase: str) -> "Standing | None":
        while True:
            stirred = self._stirred  # taken before the look, so that no change behind it is missed
            state = await self._read(round_id)
            if state is None or state.phase != phase or self._closing:
                return state
            try:
                await asyncio.wait_for(stirred.wait(), self._interval)
            except TimeoutError:
                continue

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = asyncio.Event()


@final
class Seats:
    """Devices that wait for a seat in a round, each in a request of this process that is held."""

    def __init__(
        self,
        running: Callable[[], Awaitable[set[bytes]]],
        places: Callable[[bytes], Awaitable[Mapping[bytes, int]]],
        *,
        interval: float = 0.25,
    ) -> None:
        """running: the rounds that run; places: index in a round by seat digest, which nobody else knows.

        interval: seconds between two looks while somebody waits.
        """
        self._running, self._places, self._interval = running, places, interval
        self._closing = False
        self._stirred = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[bytes, set[asyncio.Future[bytes | None]]] = {}
        self._following: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many different seats are waited for."""
        return len(self._waiting)

    def close(self) -> None:
        """Let everybody go on without a seat, now and from now on."""
        self._closing = True
        for futures in self._waiting.values():
            for future in futures:
                _settle(future, None)

    def nudge(self) -> None:
        """Look for new rounds now. May be called from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stir)

    @contextmanager
    def expected(self, seat: bytes) -> Iterator["asyncio.Future[bytes | None]"]:
        """Give what becomes the round in which a seat (its digest) is, if that opens from now on."""
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes | None] = self._loop.create_future()
        if self._closing:
            future.set_result(None)
        self._waiting.setdefault(seat, set()).add(future)
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())
        try:
            yield future
        finally:
            future.cancel()
            self._waiting[seat].discard(future)
            if not self._waiting[seat]:
                del self._waiting[seat]

    async def _follow(self) -> None:
        known = set[bytes]()
        while self._waiting and not self._closing:
            stirred = self._stirred  # taken before the look, so that no change behind it is missed
            try:
                running = await self._running()
                for round_id in running - known:
                    for seat in await self._places(round_id):
                        for future in self._waiting.get(seat, ()):
                            _settle(future, round_id)
                known = running
            except StoreError:
                pass  # looked for again
            try:
                await asyncio.wait_for(stirred.wait(), self._interval)
            except TimeoutError:
                continue

    def _stir(self) -> None:
        self._stirred.set()
        self._stirred = asyncio.Event()


def _settle(future: "asyncio.Future[bytes | None]", found: bytes | None) -> None:
    if not future.done():
        future.set_result(found)
