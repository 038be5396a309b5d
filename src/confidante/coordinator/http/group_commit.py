"""Group commit: what comes in while one batch is being done is done together by the next."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar, final

T = TypeVar("T")
R = TypeVar("R")

_MOST = 256  # items of one batch


@final
class Batched(Generic[T, R]):
    """One piece of work for many items, one batch at a time. Nobody waits when nothing is being done."""

    def __init__(
        self,
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        work: Callable[[Sequence[T]], Sequence[R]],
    ) -> None:
        """run: does something that blocks; work: returns what came of each item, or raises for all."""
        self._run, self._work = run, work
        self._turn = asyncio.Lock()
        self._next: tuple[list[T], asyncio.Task[Sequence[R]]] | None = None

    async def __call__(self, item: T) -> R:
        """Do it for one item, and return what came of it."""
        if self._next is None or len(self._next[0]) >= _MOST:
            items: list[T] = []
            self._next = items, asyncio.create_task(self._go(items))
        items, task = self._next
        place = len(items)
        items.append(item)
        return (await asyncio.shield(task))[place]

    async def _go(self, items: list[T]) -> Sequence[R]:
        async with self._turn:
            if self._next is not None and self._next[0] is items:
                self._next = None  # whoever comes from now on is in the next batch
            done: Sequence[R] = await self._run(partial(self._work, items))
            return done
