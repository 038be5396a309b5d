"""What comes in while a batch is being done is done together by the next."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from confidante.coordinator.http.group_commit import Batched
from confidante.core.errors import StoreError


def gathered(work: Callable[[Sequence[int]], Sequence[int]], items: int) -> list[int | BaseException]:
    """Hand in 0 while nothing is done, and the others while that one is being done."""

    async def go() -> list[int | BaseException]:
        busy, free = asyncio.Event(), asyncio.Event()

        async def run(one: Callable[[], Any]) -> Any:
            busy.set()
            await free.wait()
            return one()

        batched = Batched(run, work)
        first = asyncio.create_task(batched(0))
        await busy.wait()
        others = [asyncio.create_task(batched(item)) for item in range(1, items)]
        await asyncio.sleep(0)
        free.set()
        return await asyncio.gather(first, *others, return_exceptions=True)

    return asyncio.run(go())


def test_each_gets_what_came_of_its_own_item_and_those_who_wait_share_a_batch() -> None:
    batches: list[list[int]] = []

    def work(items: Sequence[int]) -> list[int]:
        batches.append(list(items))
        return [item * 10 for item in items]

    assert gathered(work, 600) == [item * 10 for item in range(600)]
    assert batches == [[0], [*range(1, 257)], [*range(257, 513)], [*range(513, 600)]]


def test_a_batch_that_fails_fails_for_all_in_it_and_for_nobody_else() -> None:
    def work(items: Sequence[int]) -> list[int]:
        if 3 in items:
            raise StoreError("no room")
        return list(items)

    first, *others = gathered(work, 5)
    assert first == 0
    assert [type(one) for one in others] == [StoreError] * 4


def test_who_gives_up_waiting_takes_nobody_along() -> None:
    done: list[int] = []

    async def go() -> None:
        started, free = asyncio.Event(), asyncio.Event()

        async def run(one: Callable[[], Any]) -> Any:
            started.set()
            await free.wait()
            return one()

        def work(items: Sequence[int]) -> list[int]:
            done.extend(items)
            return list(items)

        batched = Batched(run, work)
        both = [asyncio.create_task(batched(item)) for item in (1, 2)]
        await started.wait()
        both[0].cancel()
        free.set()
        assert await both[1] == 2
        with pytest.raises(asyncio.CancelledError):
            await both[0]

    asyncio.run(go())
    assert done == [1, 2]
