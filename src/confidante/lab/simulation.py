"""Every person of a data set as a simulated device: the task, plan, noise and protocol code of a real one.

Three engines take the same sums:

- `secure`: every device runs the real secure-aggregation client, with real dropouts;
- `ideal`: the same integers (each device's encoded vector and its own noise share) are added in the open;
- `aggregate`: as `ideal`, but the noise of all survivors is drawn at once. Sums of Skellam shares are
  Skellam, so the law of the result is exactly the same, and the lab saves one noise vector a device.

Devices need not be in memory together: `aggregate` and `ideal` take them in batches from `SimulatedPeople`,
which may make them up, and a `SumBackend` may spread the adding over other processes (`ray_workers`). All the
integers stay the same.

All randomness is labelled by what it is for (sum, device, upload), not by the order in which it is drawn: so
`secure` and `ideal` with the same seed return the same integers.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import PlanError, ProtocolError, Reject
from confidante.crypto.identity import SEED_BYTES, Identity
from confidante.lab.batch_sum import SimulatedSum, SumBackend, add_batches
from confidante.lab.device_streams import smallest
from confidante.lab.entropy import SeededEntropy
from confidante.lab.people import SimulatedPeople
from confidante.privacy.clipping import IntegerRows, decode, encode
from confidante.privacy.plan import Cohort, SumPlan, plan_sum
from confidante.secagg.config import RoundConfig
from confidante.secagg.in_memory import run_round
from confidante.secagg.packing import centred, packed_size
from confidante.secagg.phases import Phase
from confidante.tasks.base import NoisySum, Task

Engine = Literal["secure", "ideal", "aggregate"]
Progress = Callable[[str, float], None]
"""Called with what is going on and how much of it is done, 0 to 1."""

_BATCH = 256


@final
@dataclass(frozen=True, slots=True)
class SumRecord:
    """One private sum as it happened.

    rounds: uploads of at most the agreed size that the vector was cut into, each its own secure sum;
    survivors: devices in the sum (the fewest over its rounds); bytes up and down: median over the devices
    that took part to the end, all rounds; 0 in the engines without a protocol, where upload_bytes (the
    masked vector alone) still holds. digest: SHA-256 in hex of the integer sum (int64, little-endian).
    """

    plan: SumPlan
    rounds: int
    survivors: int
    dropped: int
    bytes_up: int
    bytes_down: int
    upload_bytes: int
    largest_upload: int
    digest: str
    seconds: float


@final
class Simulator:
    """A `SumService` over simulated devices."""

    def __init__(
        self,
        histories: SimulatedPeople,
        multipliers: Mapping[str, float],
        entropy: SeededEntropy,
        *,
        engine: Engine = "aggregate",
        adder: SumBackend | None = None,
        cohort: Cohort | None = None,
        dropout: float = 0.0,
        bits: int = 20,
        max_upload: int = 3_000_000,
        max_rounds: int = 10,
        progress: Progress | None = None,
    ) -> None:
        """Make one device of every person.

        adder: adds up the same people in place of this process, for the engine `aggregate` only. multipliers:
        noise multiplier of each task by name, 0.0 for none. cohort: what the plans promise to withstand;
        dropout: part of the devices that really vanish during each sum. bits: of the ring. max_upload: bytes
        of one upload; max_rounds: uploads that one sum may take. Raises PlanError.
        """
        self.histories = histories
        self.records: list[SumRecord] = []
        self._multipliers = multipliers
        self._entropy = entropy
        self._engine = engine
        self._adder = adder
        self._cohort = cohort or Cohort(histories.people)
        self._dropout = dropout
        self._bits = bits
        self._chunk = max_upload * 8 // max(bits, 1)  # entries of one upload
        self._max_rounds = max_rounds
        self._progress = progress or (lambda _what, _part: None)
        self._identities: Sequence[Identity] | None = None
        self._taken = 0
        if self._cohort.devices != histories.people:
            raise PlanError(
                f"the cohort has {self._cohort.devices} devices, the data {histories.people} people"
            )
        if adder is not None and engine != "aggregate":
            raise PlanError(f"the engine {engine} adds up in one process: take aggregate")
        if not 0 <= dropout <= 1:
            raise PlanError(f"dropout is {dropout}: give a part of the devices in [0, 1]")
        if self.max_length < 1:
            raise PlanError(
                f"{max_rounds} uploads of {max_upload} bytes hold no entry of {bits} bits: allow larger ones"
            )

    @property
    def max_length(self) -> int:
        """Entries of the longest vector that fits the agreed uploads."""
        return self._chunk * self._max_rounds

    def noise_sd(self, name: str) -> float:
        """Return the noise to expect in an entry of the task's sum, for an l2 bound of 1."""
        survivors = self._cohort.devices - self._vanishing[0]
        return self._multipliers[name] * float(np.sqrt(survivors / self._cohort.honest_survivors))

    @property
    def _vanishing(self) -> tuple[int, int]:
        """How many devices vanish before they upload, and how many when the unmasking begins."""
        both = int(self._cohort.devices * Fraction(str(self._dropout)))
        early = -(-both // 3)
        return early, both - early

    def take(self, task: Task) -> NoisySum:
        """Take one private sum over all devices.

        Raises PlanError when the vector is longer than the agreed uploads hold, and ProtocolError TOO_FEW
        when more devices vanish than the cohort allows for, in every engine.
        """
        started = time.perf_counter()
        if task.length > self.max_length:
            raise PlanError(
                f"{task.name}: a vector of {task.length} entries does not fit {self._max_rounds} uploads of "
                f"{self._chunk}: allow larger or more uploads, or sum fewer entries"
            )
        plan = plan_sum(
            task.name,
            task.length,
            task.l2_bound,
            task.linf_bound,
            self._multipliers[task.name],
            self._cohort,
            self._bits,
        )
        people = self._cohort.devices
        entropy = self._entropy.child("sum", self._taken)
        self._taken += 1
        # A third of them go before they upload, the rest when the unmasking begins: both must work.
        before, after = self._vanishing
        work = SimulatedSum(task, plan, entropy)
        if self._engine == "secure":
            order = np.argsort(work.vanishing.of(0, people), kind="stable")
            early, late = order[:before], order[before : before + after]
            total, counts, up, down = self._secure(work, early, late)
        else:
            left = people - before - after
            if left < self._cohort.minimum_survivors:
                raise ProtocolError(
                    Reject.TOO_FEW, f"{left} devices are left, {self._cohort.minimum_survivors} needed"
                )
            total, count = self._open(replace(work, gone=smallest(work.vanishing, people, before)))
            counts, up, down = [count], 0, 0
        survivors = min(counts)
        sizes = [packed_size(part.stop - part.start, plan.bits) for part in self._uploads(plan)]
        self.records.append(
            SumRecord(
                plan=plan,
                rounds=len(sizes),
                survivors=survivors,
                dropped=before + after,
                bytes_up=up,
                bytes_down=down,
                upload_bytes=sum(sizes),
                largest_upload=max(sizes),
                digest=hashlib.sha256(total.astype("<i8").tobytes()).hexdigest(),
                seconds=time.perf_counter() - started,
            )
        )
        variance = float(plan.noise_variance(max(counts))) / plan.scale**2
        return NoisySum(decode(total, plan), variance, survivors)

    def _open(self, work: SimulatedSum) -> tuple[NDArray[np.int64], int]:
        """Add up the same integers as a secure round would, without the masks."""
        plan, people = work.plan, self._cohort.devices
        noisy = plan.noise_multiplier > 0
        if self._adder is not None:
            total, count = self._adder.add(work, lambda part: self._progress(plan.task, part))
        else:
            total, count = np.zeros(plan.length, dtype=np.int64), 0
            for batch, done in add_batches(work, self.histories, 0, people, total):
                count += len(batch)
                self._progress(plan.task, done / people)
                if noisy and self._engine == "ideal":
                    for device in batch.tolist():
                        for part in self._uploads(plan):
                            total[part] += _share(plan, part, device, work.entropy)
        if noisy and self._engine == "aggregate":
            fresh = work.entropy.child("noise").draw(plan.mechanism.entropy_bytes)
            total += plan.mechanism.share(plan.noise_variance(count), plan.length, fresh)
        wrapped: NDArray[np.int64] = centred(total.astype(np.uint32), plan.bits)
        return wrapped, count

    def _uploads(self, plan: SumPlan) -> list[slice]:
        """Return the parts of the vector, one an upload."""
        starts = range(0, plan.length, self._chunk)
        return [slice(start, min(start + self._chunk, plan.length)) for start in starts]

    def _secure(
        self, work: SimulatedSum, early: NDArray[np.int64], late: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], list[int], int, int]:
        """Run one secure round a chunk and return the sum, survivors a round, and bytes up and down."""
        plan, entropy = work.plan, work.entropy
        devices = _Devices(work, self.histories)
        if self._identities is None:
            seeds = self._entropy.child("identities")
            self._identities = [
                Identity.from_seed(seeds.draw(SEED_BYTES)) for _ in range(self._cohort.devices)
            ]
        drop = {Phase.MASK: early.tolist(), Phase.CONFIRM: late.tolist()}
        parts, counts = [], []
        up = np.zeros(self._cohort.devices, dtype=np.int64)
        down = np.zeros(self._cohort.devices, dtype=np.int64)
        uploads = self._uploads(plan)
        for number, part in enumerate(uploads):
            of_round = entropy.child("round", number)
            chunk = replace(plan, length=part.stop - part.start)
            config = RoundConfig.of_plan(chunk, of_round.draw(32), of_round.draw(32))
            asked = 0

            def upload(device: int, number: int = number, part: slice = part) -> NDArray[np.int64]:
                nonlocal asked
                asked += 1
                self._progress(plan.task, (number + asked / self._cohort.devices) / len(uploads))
                return devices.one(device)[part] + _share(plan, part, device, entropy)

            result = run_round(config, upload, self._identities, entropy=of_round.draw, drop=drop)
            parts.append(result.sum)
            counts.append(len(result.survivors))
            up += result.bytes_up.sum(axis=0)
            down += result.bytes_down.sum(axis=0)
        stayed = np.setdiff1d(np.arange(self._cohort.devices), np.concatenate([early, late]))
        return np.concatenate(parts), counts, int(np.median(up[stayed])), int(np.median(down[stayed]))


def _share(plan: SumPlan, part: slice, device: int, entropy: SeededEntropy) -> NDArray[np.int64]:
    """Return the noise that a device adds to one upload (zeros without noise)."""
    fresh = entropy.child("share", device, part.start).draw(plan.mechanism.entropy_bytes)
    return plan.mechanism.share(plan.share_variance, part.stop - part.start, fresh)


@final
class _Devices:
    """Encodes vectors in batches, one batch held at a time; asked for in increasing order."""

    def __init__(self, work: SimulatedSum, crowd: SimulatedPeople) -> None:
        self._work, self._crowd, self._dither = work, crowd, work.dither
        self._first = -1
        self._rows: IntegerRows | None = None

    def one(self, device: int) -> NDArray[np.int64]:
        first = device // _BATCH * _BATCH
        if self._rows is None or first != self._first:
            self._first, stop = first, min(first + _BATCH, self._crowd.people)
            histories = self._crowd.select(np.arange(first, stop))
            update = self._work.task.client_update(histories)
            self._rows = encode(update, self._work.plan, self._dither.of(first, stop))
        return self._rows.dense(device - first)
