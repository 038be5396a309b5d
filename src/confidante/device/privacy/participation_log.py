"""Which private sums this device joined, and what they cost: no round twice, and no budget beyond the limit.

A round is `joined`, then `spent` from the moment its masked vector is handed out, or `over` when it was
given up before. Spent is spent: the sum can be opened without the device's further help, so nothing is
given back when a round ends badly. A round that a crash or a closed vault left at `joined` is over
(`give_up_unfinished`) unless all that it takes to go on with it was kept; its number stays used.
"""

import math
import threading
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, final

from confidante.core.errors import ConsentError
from confidante.device.privacy.budget import (
    NO_LIMIT,
    Budget,
    composed,
    gaussian_epsilon,
)
from confidante.device.storage.vault import Vault
from confidante.privacy.limits import DELTA, EPSILON_LIMIT

_LIMIT = "budget.epsilon"
_CLOSE = 1 + 1e-6  # the rounding up of many rounds must not refuse a programme made for just this limit


@final
@dataclass(frozen=True, slots=True)
class JoinedRound:
    """A round that this device joined.

    Attributes:
        id: Its id, 32 bytes.
        task: What it summed, in words.
        at: When it was joined, in seconds since 1970.
        epsilon: What it costs where it is spent.
        delta: The delta at which `epsilon` holds; 0 for what is no sum.
        state: "joined", "spent" once its masked vector was handed out, or "over".

    Stability: provisional
    """

    id: bytes
    task: str
    at: float
    epsilon: float
    delta: float
    state: Literal["joined", "spent", "over"]


@final
class ParticipationLog:
    """The rounds of one vault and its budget. at_work: held by whoever takes part over a network."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.at_work = threading.Lock()

    def joined(self, limit: int = 50) -> tuple[JoinedRound, ...]:
        """Return the rounds that were joined last.

        Args:
            limit: The most rounds to return.

        Returns:
            The rounds, newest first.
        """
        rows = self._vault.rows(
            "SELECT id, task, at, epsilon, delta, state FROM round ORDER BY at DESC, id LIMIT ?",
            (min(max(limit, 0), 1 << 62),),
        )
        return tuple(JoinedRound(*row) for row in rows)

    def joined_since(self, at: float) -> int:
        """Return how many rounds were joined later than `at`, seconds since 1970.

        What was set aside is no round.
        """
        found = self._vault.rows("SELECT count(*) FROM round WHERE at > ? AND length(plan) > 0", (at,))
        return int(found[0][0])

    def cost(self, round_id: bytes) -> float:
        """Return the epsilon of a round that was joined; ConsentError for another."""
        rows = self._vault.rows("SELECT epsilon FROM round WHERE id = ?", (round_id,))
        if not rows:
            raise ConsentError("this device did not join the round: join it first")
        return float(rows[0][0])

    def state(self, round_id: bytes) -> str | None:
        """Return "joined", "spent" or "over", or None for a round that was never joined."""
        rows = self._vault.rows("SELECT state FROM round WHERE id = ?", (round_id,))
        return str(rows[0][0]) if rows else None

    def budget(self) -> Budget:
        """Return what was spent and what may be."""
        spent = self._costs("spent")
        kept = self._vault.setting(_LIMIT)
        limit = EPSILON_LIMIT if kept is None else float(kept.decode())
        return Budget(composed(spent), limit, DELTA, len(spent))

    def set_limit(self, epsilon: float) -> None:
        """Set the lifetime limit: at least 0, and finite (ConsentError). What was spent stays spent."""
        if not (math.isfinite(epsilon) and epsilon >= 0):
            raise ConsentError(f"a privacy budget is a number of 0 or more, not {epsilon}")
        with self._vault.write():
            self._vault.set_setting(_LIMIT, repr(float(epsilon)).encode())
            self._vault.mark_advanced()

    def join(self, round_id: bytes, task: str, plan: bytes, noise_multiplier: float) -> float:
        """Note that a round is joined and return the epsilon that it will cost by itself, at `DELTA`.

        plan: digest of what was agreed to. ConsentError for a round that was joined before, for a sum
        without noise (unless the limit is `NO_LIMIT`), and when this round with all that are spent or joined
        would exceed the limit.
        """
        epsilon = gaussian_epsilon(1 / noise_multiplier) if noise_multiplier > 0 else math.inf
        if not math.isfinite(epsilon):
            if self.budget().epsilon_limit < NO_LIMIT:
                raise ConsentError(
                    f"{task}: a sum with so little noise reveals too much: not joined, unless the budget "
                    "has no limit (`Ledger.set_budget(NO_LIMIT)`, for data that needs no protection)"
                )
            epsilon = NO_LIMIT
        with self._vault.write() as sql:
            self._refuse_used(round_id, task)
            self._refuse_beyond_limit(task, epsilon, DELTA, self._costs("spent") + self._costs("joined"))
            sql(
                "INSERT INTO round (id, task, plan, at, epsilon, delta, state) VALUES (?, ?, ?, ?, ?, ?, "
                "'joined')",
                (round_id, task, plan, self._vault.now(), epsilon, DELTA),
            )
        return epsilon

    def set_aside(self, name: bytes, task: str, epsilon: float) -> None:
        """Have the budget ready for something that is no round: `spend` counts it like one, with delta 0.

        name: 32 random bytes; epsilon: above 0. ConsentError when all that is spent or joined, and this,
        would exceed the limit.
        """
        if not 0 < epsilon < math.inf:
            raise ValueError(f"epsilon is {epsilon}: it is above 0")
        with self._vault.write() as sql:
            self._refuse_used(name, task)
            self._refuse_beyond_limit(task, epsilon, 0.0, self._costs("spent") + self._costs("joined"))
            sql(
                "INSERT INTO round (id, task, plan, at, epsilon, delta, state) VALUES (?, ?, ?, ?, ?, ?, "
                "'joined')",
                (name, task, b"", self._vault.now(), epsilon, 0.0),
            )

    def spend(self, round_id: bytes, task: str, epsilon: float, delta: float) -> None:
        """Count a round as spent, for good: at `epsilon`, or at what it was joined with if that is more.

        ConsentError when it was before, is over, or exceeds the limit.
        """
        with self._vault.write() as sql:
            if self.state(round_id) != "joined":
                self._refuse_used(round_id, task)
                raise ConsentError(f"{task}: this device did not join the round: join it first")
            ((joined,),) = sql("SELECT epsilon FROM round WHERE id = ?", (round_id,))
            cost = max(epsilon, joined)
            self._refuse_beyond_limit(task, cost, delta, self._costs("spent"))
            sql(
                "UPDATE round SET state = 'spent', epsilon = ?, delta = ? WHERE id = ?",
                (cost, delta, round_id),
            )
            self._vault.settle()  # a log that is cut off later must not give the budget back
            self._vault.mark_advanced()

    def carry_over(
        self, round_id: bytes, task: str, plan: bytes, at: float, epsilon: float, delta: float
    ) -> None:
        """Count a round as spent that this person's device was in elsewhere; once, however often it is said.

        The limit is not asked: what was given away was given away.
        """
        with self._vault.write() as sql:
            sql(
                "INSERT INTO round (id, task, plan, at, epsilon, delta, state)"
                " VALUES (?, ?, ?, ?, ?, ?, 'spent') ON CONFLICT (id) DO UPDATE SET state = 'spent',"
                " epsilon = max(epsilon, excluded.epsilon)",
                (round_id, task, plan, at, epsilon, delta),
            )
            self._vault.settle()
            self._vault.mark_advanced()

    def give_up(self, round_id: bytes) -> None:
        """Note that a joined round is over; one that is spent stays so."""
        with self._vault.write() as sql:
            sql("UPDATE round SET state = 'over' WHERE id = ? AND state = 'joined'", (round_id,))

    def give_up_unfinished(self, going_on: Collection[bytes] = ()) -> int:
        """Note that every joined round but those `going_on` is over, and return how many there were.

        Call it after opening a vault.
        """
        with self._vault.write() as sql:
            left = {row[0] for row in sql("SELECT id FROM round WHERE state = 'joined'")} - set(going_on)
            for round_id in left:
                self.give_up(round_id)
        return len(left)

    def _costs(self, state: str) -> list[tuple[float, float]]:
        return list(self._vault.rows("SELECT epsilon, delta FROM round WHERE state = ?", (state,)))

    def _refuse_used(self, round_id: bytes, task: str) -> None:
        if self.state(round_id) is not None:
            raise ConsentError(
                f"{task}: this device was in round {round_id.hex()[:12]} before; it joins no round twice"
            )

    def _refuse_beyond_limit(
        self, task: str, epsilon: float, delta: float, others: list[tuple[float, float]]
    ) -> None:
        limit = self.budget().epsilon_limit
        together = composed([*others, (epsilon, delta)])
        if not together <= limit * _CLOSE:
            raise ConsentError(
                f"{task}: with this round epsilon would reach {together:.3g}, above the "
                f"limit of {limit:.3g}: raise the limit, "
                "or take part in fewer rounds"
            )
