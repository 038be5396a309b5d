"""What moves rounds on. A worker calls `Engine.step` again and again; any number of workers may.

A round is a list of messages and a phase, both in the store. To end a phase, a worker claims the round, plays
the protocol's server again from the first message, and commits what the server says in one transaction. It
keeps nothing else: killed anywhere, another does the same again and gets the same bytes.
"""

from contextlib import suppress
from typing import final

from confidante.coordinator.bodies import Bodies
from confidante.coordinator.population import Population
from confidante.coordinator.schedule import Schedule
from confidante.coordinator.store import Store
from confidante.coordinator.store.values import COLLECTING, RoundState
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ProtocolError, StoreError, WireError
from confidante.protocol.config import RoundConfig, RoundSetup
from confidante.protocol.identity import PublicIdentity
from confidante.protocol.server import Phase, Server

_LONGEST_REASON = 1000


class LostError(Exception):
    """A message that a round cannot do without is gone."""


@final
class Engine:
    """Opens, moves on and ends the rounds of some populations.

    All workers of a database serve the same populations, with the same version of this program.
    """

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        *populations: Population,
        worker: str = "worker",
        lease: float = 120.0,
    ) -> None:
        """worker: a name for the database; lease: seconds that a step may take before others try it, too."""
        self._store, self._bodies, self._worker, self._lease = store, bodies, worker, lease
        self._schedules = {one.name: Schedule(store, bodies, one, SystemEntropy()) for one in populations}

    @property
    def says(self) -> dict[str, str]:
        """Where each population stands, in words for its operator."""
        return {name: schedule.says for name, schedule in self._schedules.items()}

    def step(self, now: float) -> bool:
        """Do one thing that is due; False when nothing is. Raises StoreError, nothing half done: call again.

        now: seconds since 1970.
        """
        claimed = self._store.claim_due(now, self._worker, self._lease)
        if claimed is not None:
            self._end_phase(claimed, now)
            return True
        if self._tidy():
            return True
        return any(schedule.open_next(now) for schedule in self._schedules.values())

    def _end_phase(self, state: RoundState, now: float) -> None:
        """End the phase of a claimed round, and so perhaps the round."""
        store, round_id, phase = self._store, state.row.id, state.phase
        schedule = self._schedules.get(state.row.population)
        if schedule is None:
            store.abort(round_id, "its population is not served any more", now)
            return
        name = f"round {round_id.hex()[:12]} ({state.row.task})"
        try:
            server = replay(store, self._bodies, state)
            missing = len(server.waiting_for)
            out = server.advance()
        except (ProtocolError, LostError) as error:
            if store.abort(round_id, str(error)[:_LONGEST_REASON], now):
                schedule.says = f"{name} ended without a sum: {error}"
                store.count("round aborted")
            return
        if server.phase is Phase.DONE:
            ref, entry = schedule.conclude(state, server.result)
            survivors = server.result.survivors
            done = store.publish(round_id, ref, survivors, entry, now)
            schedule.says = f"{name} was published with {len(survivors)} devices"
            if done:
                store.count("round published")
        else:
            following = COLLECTING[COLLECTING.index(phase) + 1]
            refs = {data: self._bodies.put(data) for data in set(out.values())}
            outbox = {client: refs[data] for client, data in out.items()}
            deadline = now + schedule.population.seconds(following)
            done = store.advance(round_id, phase, following, deadline, outbox, now)
            schedule.says = f"{name} is at {following} with {len(out)} devices"
        if done and missing:
            store.count(f"missing at {phase}", missing)

    def _tidy(self) -> bool:
        """Delete what devices sent in a round that is over; False when nothing is left of any."""
        left = self._store.leftovers(1)
        for round_id, refs in left:
            for ref in set(refs):
                self._bodies.delete(ref)
            self._store.clear(round_id)
        return bool(left)


def replay(store: Store, bodies: Bodies, state: RoundState) -> Server:
    """Return the protocol's server of a round as it is before its phase ends: what it was sent, sent again.

    Who sent what the protocol refuses counts as not heard. Raises LostError when a message is gone or
    damaged, and StoreError when it may be there later.
    """
    row = state.row
    roster = tuple(PublicIdentity.decode(one) for one in row.roster)
    server = Server(RoundSetup(RoundConfig.decode(row.config), roster))
    for phase in COLLECTING[: COLLECTING.index(state.phase) + 1]:
        for client, ref in store.messages(row.id, phase):
            try:
                data = bodies.get(ref)
            except StoreError as error:
                if error.retry:
                    raise
                raise LostError(f"a message of phase {phase} cannot be read: {error}") from None
            with suppress(WireError, ProtocolError):
                server.receive(client, data)
        if phase != state.phase:
            server.advance()
    return server
