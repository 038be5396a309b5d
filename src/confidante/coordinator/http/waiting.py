"""Long polls on the phase of a round: however many devices wait, one of them asks the database."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, final

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
