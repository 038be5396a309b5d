"""What moves rounds on. A worker calls `RoundEngine.step` again and again; any number of workers may.

A round is a list of messages and a phase, both in the store. To end a phase, a worker claims the round, plays
the protocol's server again from the first message, and commits what the server says in one transaction. It
keeps nothing else: killed anywhere, another does the same again and gets the same bytes.
"""

import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import final

from confidante.coordinator.config.population import Population
from confidante.coordinator.rounds.schedule import Schedule
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import LEFT, PAID_AT, Noted, RoundState
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConfidanteError, ProtocolError, StoreError, WireError
from confidante.crypto.identity import PublicIdentity
from confidante.secagg.config import RoundConfig, RoundSetup
from confidante.secagg.phases import PHASES, Phase
from confidante.secagg.server import Server
from confidante.wire.rounds import Refused

_LONGEST_REASON = 1000
_SOON, _LONGEST_IDLE = 0.05, 1.0
_SEATS_KEPT = 3600.0  # seconds for which devices may still ask how their round ended
_FORGET_EVERY = 600.0
_LOOK_EVERY = 5.0  # seconds between two looks for devices that wait no more
_MOST_CLAIMS = 100  # of one phase; each but the last was by a worker that died of it, or lost the database


class LostError(Exception):
    """A message that a round cannot do without is gone."""


@final
class RoundEngine:
    """Opens, moves on and ends the rounds of some populations, and leaves those of others alone.

    All workers of a database have the same version of this program.
    """

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        *populations: Population,
        worker: str = "worker",
        lease: float = 15.0,
        phase_ended: Callable[[str, float], None] = lambda _phase, _seconds: None,
    ) -> None:
        """worker: a name for the database; lease: seconds without a sign of life until others try, too.

        phase_ended: told each phase that this engine ended, and how many seconds it was open.
        """
        entropy, self._next = SystemEntropy(), math.inf
        self._phase_ended = phase_ended
        self._store, self._bodies, self._lease = store, bodies, lease
        self._worker = f"{worker} {entropy.draw(8).hex()}"  # nobody else's: it may claim again what it had
        self._forgot = self._looked = 0.0
        self._schedules = {one.name: Schedule(store, bodies, one, entropy) for one in populations}

    @property
    def says(self) -> dict[str, str]:
        """Where each population stands, in words for its operator."""
        return {name: schedule.says for name, schedule in self._schedules.items()}

    def idle(self, now: float) -> float:
        """Return for how many seconds, after a step that did nothing, none is needed but for what is new."""
        return min(max(self._next - now, _SOON), _LONGEST_IDLE)

    def step(self, now: float) -> bool:
        """Do one thing that is due; False when nothing is. Raises StoreError, nothing half done: call again.

        now: seconds since 1970.
        """
        mine, claimed = tuple(self._schedules), None
        claimable, self._next = self._store.rounds.due(now, mine)
        if claimable:
            claimed = self._store.rounds.claim_due(now, self._worker, self._lease, populations=mine)
        if claimed is not None:
            self._end_phase(claimed, now)
            return True
        if self._tidy():
            return True
        if not self._looked <= now < self._looked + _LOOK_EVERY:
            self._looked = now
            for schedule in self._schedules.values():
                schedule.drop_who_left(now)
        if not self._forgot <= now < self._forgot + _FORGET_EVERY:
            self._store.messages.forget_seats(max(now - _SEATS_KEPT, 0.0))
            self._forgot = now
        return self._open_next(now)

    def _open_next(self, now: float) -> bool:
        """Open a round of the first population that is due one; what ails one population stops no other."""
        again: StoreError | None = None
        for schedule in self._schedules.values():
            try:
                if schedule.open_next(now):
                    return True
            except ConfidanteError as error:
                schedule.says = f"no round is opened: {error}"
                if isinstance(error, StoreError) and error.retry:
                    again = again or error
        if again is not None:
            raise again
        return False

    def _end_phase(self, state: RoundState, now: float) -> None:
        """End the phase of a claimed round, and so perhaps the round."""
        store, round_id, phase = self._store, state.row.id, state.phase
        name = f"round {round_id.hex()[:12]} ({state.row.task})"
        schedule = self._schedules[state.row.population]
        counts: dict[str, int] = {}
        if state.claims > _MOST_CLAIMS:
            self._abort(round_id, f"{_MOST_CLAIMS} workers did not live to end {phase}", now, {})
            return
        try:
            server, refused = replay(store, self._bodies, state, self._beat(round_id, now))
            counts = _counts(phase, len(server.waiting_for) - len(refused), refused.values())
            out = server.advance()
            noted = Noted(counts, refused)
            if server.phase is Phase.DONE:
                survivors = server.result.survivors
                ref, entry = schedule.conclude(state, server.result)
                noted = Noted(counts | {"round published": 1}, refused)
                done = store.rounds.publish(round_id, ref, survivors, entry, now, noted=noted)
                says = f"{name} was published with {len(survivors)} devices"
            else:
                following = server.phase.name
                if following == PAID_AT:
                    schedule.afford(state)
                refs = {data: self._bodies.put(data) for data in set(out.values())}
                outbox = {client: refs[data] for client, data in out.items()}
                deadline = now + schedule.population.seconds(following)
                done = store.rounds.advance(round_id, phase, following, deadline, outbox, now, noted=noted)
                says = f"{name} is at {following} with {len(out)} devices"
        except (ConfidanteError, LostError) as error:
            if isinstance(error, StoreError) and error.retry:
                raise
            if self._abort(round_id, str(error), now, counts):
                schedule.says = f"{name} ended without a sum: {error}"
            return
        if done:  # else its operator, or another worker, was faster, and what would be said is not so
            schedule.says = says
            self._phase_ended(phase, max(now - state.since, 0.0))

    def _abort(self, round_id: bytes, why: str, now: float, counts: Mapping[str, int]) -> bool:
        noted = Noted({**counts, "round aborted": 1})
        return self._store.rounds.abort(round_id, why[:_LONGEST_REASON], now, noted=noted)

    def _beat(self, round_id: bytes, now: float) -> Callable[[], None]:
        """Return what to call in the course of a long step, so that nobody takes the worker for dead."""
        began = last = time.monotonic()

        def beat() -> None:
            nonlocal last
            at = time.monotonic()
            if at - last > self._lease / 3:
                last = at
                self._store.rounds.renew(round_id, self._worker, now + at - began + self._lease)

        return beat

    def _tidy(self) -> bool:
        """Delete what devices sent in a round that is over; False when nothing is left of any."""
        left = self._store.messages.leftovers(1)
        for round_id, refs in left:
            for ref in set(refs):
                self._bodies.delete(ref)
            self._store.messages.clear(round_id)
        return bool(left)


def replay(
    store: Store, bodies: Bodies, state: RoundState, beat: Callable[[], None] = lambda: None
) -> tuple[Server, dict[int, str]]:
    """Return the protocol's server of a round as it is before its phase ends: what it was sent, sent again.

    Who sent what the protocol refuses counts as not heard; of the phase at hand the reasons are returned,
    too, by client. beat: called now and then. Raises LostError when a message is gone or damaged, and
    StoreError when it may be there later.
    """
    row = state.row
    roster = tuple(PublicIdentity.decode(one) for one in row.roster)
    server = Server(RoundSetup(RoundConfig.decode(row.config), roster))
    refused: dict[int, str] = {}
    for phase in PHASES[: Phase[state.phase] + 1]:
        refused.clear()
        for client, ref in store.messages.heard(row.id, phase.name):
            beat()
            try:
                data = bodies.get(ref)
            except StoreError as error:
                if error.retry:
                    raise
                raise LostError(f"a message of phase {phase.name} cannot be read: {error}") from None
            try:
                server.receive(client, data)
            except WireError:
                refused[client] = Refused.LEFT if data.startswith(LEFT) else Refused.MALFORMED
            except ProtocolError as error:
                refused[client] = error.reason
        if phase.name != state.phase:
            server.advance()
    return server, refused


def _counts(phase: str, missing: int, refused: Iterable[str]) -> dict[str, int]:
    """Return what to count of a phase: devices that were silent, and messages that were refused."""
    counts = Counter(f"rejected {reason}" for reason in refused)
    return {**counts, **({f"missing at {phase}": missing} if missing else {})}
