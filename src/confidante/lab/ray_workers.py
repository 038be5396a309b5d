"""Sums spread over a Ray cluster: each long-lived worker holds or makes up a part of the people.

A worker adds up its own devices, batch by batch, and returns one vector of integers a sum; the driver adds
those. What a device sends depends on the seed and its number only, so the sum is the same integers as in one
process, whatever the number of workers. A worker's memory is a batch and the vector, and with people out of a
file those as well.
"""

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any, Self, final

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from confidante.core.errors import ConfidanteError, WorkerError
from confidante.core.values import Histories
from confidante.lab.batch_sum import SimulatedSum, add_batches
from confidante.lab.memory import peak_bytes
from confidante.lab.people import SimulatedPeople

_STORE = 256 << 20  # bytes for what is sent around: one task and one vector at a time
_PIECES = 20  # a worker's part of a sum is asked for in so many pieces, which is what progress is told from
_START_SECONDS = 120.0


@final
class _Worker:
    """One part of the people, in a process of its own."""

    def __init__(self, crowd: SimulatedPeople, first: int) -> None:
        self._crowd, self._first = crowd, first
        self._work: SimulatedSum | None = None
        self._total = np.zeros(0, dtype=np.int64)

    def ready(self) -> int:
        return self._crowd.people

    def begin(self, work: SimulatedSum) -> None:
        self._work, self._total = work, np.zeros(work.plan.length, dtype=np.int64)

    def add(self, start: int, stop: int) -> int:
        """Add people `start` to `stop - 1` of this part and return how many did not vanish."""
        if self._work is None:
            raise WorkerError("this worker was started again and has lost its sum: run the command again")
        batches = add_batches(self._work, self._crowd, start, stop, self._total, first=self._first)
        return sum(len(batch) for batch, _ in batches)

    def end(self) -> NDArray[np.int64]:
        total, self._total, self._work = self._total, np.zeros(0, dtype=np.int64), None
        return total

    def peak(self) -> int | None:
        return peak_bytes()


@final
class RaySums:
    """A `SumBackend` over the workers of a Ray cluster. Use it in a `with` statement, which lets them go."""

    def __init__(
        self, crowd: SimulatedPeople, *, workers: int | None = None, address: str | None = None
    ) -> None:
        """Start the workers.

        workers: how many, by default one a processor; address: of a running cluster, as `ray.init` takes it,
        None for one on this machine that ends with the workers (a session of this process is used as it is).
        Raises WorkerError.
        """
        if workers is not None and workers < 1:
            raise WorkerError(f"give 1 or more workers, not {workers}")
        self._ours = not ray.is_initialized()
        self._actors: list[Any] = []
        if self._ours:
            _connect(crowd, workers, address)
        try:
            self._start(crowd, workers)
        except BaseException:
            self.close()
            raise

    @property
    def workers(self) -> int:
        """How many there are."""
        return len(self._actors)

    def add(self, work: SimulatedSum, progress: Callable[[float], None]) -> tuple[NDArray[np.int64], int]:
        """Return the integer sum over all people and how many did not vanish; see `SumBackend`."""
        shared = ray.put(work)
        calls = [actor.begin.remote(shared) for actor in self._actors]
        pieces = []
        for actor, people in zip(self._actors, self._parts, strict=True):
            step = max(1, -(-people // _PIECES))
            pieces += [actor.add.remote(start, min(start + step, people)) for start in range(0, people, step)]
        _answers(calls)
        count, waiting = 0, list(pieces)
        while waiting:
            ended, waiting = ray.wait(waiting, num_returns=1)
            count += sum(_answers(ended))
            progress(1 - len(waiting) / len(pieces))
        total = np.zeros(work.plan.length, dtype=np.int64)
        for actor in self._actors:  # one vector at a time in the object store
            total += _answers([actor.end.remote()])[0]
        return total, count

    def peaks(self) -> list[int | None]:
        """Return the most memory that each worker's process ever held, in bytes, None where unknown."""
        return _answers([actor.peak.remote() for actor in self._actors])

    def close(self) -> None:
        """Let the workers go, and the cluster if it was started for them."""
        for actor in self._actors:
            ray.kill(actor)
        self._actors = []
        if self._ours:
            ray.shutdown()

    def __enter__(self) -> Self:
        """Return the workers."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the workers go."""
        self.close()

    def _start(self, crowd: SimulatedPeople, workers: int | None) -> None:
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        processors = int(resources.get("CPU", 0))
        count = min(workers or max(processors, 1), max(crowd.people, 1))
        edges = [crowd.people * part // count for part in range(count + 1)]
        self._parts = [stop - start for start, stop in pairwise(edges)]
        made = ray.remote(num_cpus=1)(_Worker)
        self._actors = [made.remote(crowd.slice(start, stop), start) for start, stop in pairwise(edges)]
        try:
            _answers([actor.ready.remote() for actor in self._actors], _START_SECONDS)
        except GetTimeoutError:
            raise WorkerError(
                f"{count} workers did not start within {_START_SECONDS:.0f} seconds, and the cluster has "
                f"{processors} processors: ask for fewer workers, or wait until others have ended"
            ) from None


def _connect(crowd: SimulatedPeople, workers: int | None, address: str | None) -> None:
    """Join a cluster, or start one here: no dashboard, nothing reported, a bounded store, a quiet log."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    held = 0
    if isinstance(crowd, Histories):  # is sent to the workers once, and stays theirs
        held = crowd.indptr.nbytes + crowd.items.nbytes + crowd.times.nbytes
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address is None:
        options |= {
            "address": "local",
            "num_cpus": workers or os.cpu_count() or 1,
            "include_dashboard": False,
            "object_store_memory": _STORE + 2 * held,
        }
    else:
        options["address"] = address
    try:
        ray.init(**options)
    except (ConnectionError, OSError, RuntimeError, ValueError, RayError) as error:
        where = "on this machine" if address is None else f"at {address}"
        raise WorkerError(f"no Ray cluster {where}: {error}") from error


def _answers(calls: list[Any], seconds: float | None = None) -> list[Any]:
    """Return what the workers return; raise what they raise, and WorkerError where one was lost."""
    try:
        return list(ray.get(calls, timeout=seconds))
    except GetTimeoutError:
        raise
    except RayTaskError as error:
        if isinstance(error.cause, ConfidanteError):
            raise error.cause from None
        raise
    except RayError as error:
        raise WorkerError(
            f"a worker was lost ({type(error).__name__}): run the command again; the same seed gives the "
            "same sums"
        ) from error
