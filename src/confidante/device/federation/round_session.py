"""The messages of one private sum carried by a client, from its start or from where it was left, to its end.

What fails on the way is tried again, later and later, for as long as there is time: a coordinator that is
away for a while costs nobody the round. A round that moved on without this device is left.
"""

from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import final

from confidante.core.errors import ConfidanteError
from confidante.device.federation.coordinator_client import CoordinatorClient, RefusedError
from confidante.device.federation.participation import Outgoing, Participation
from confidante.device.federation.policy import Outcome
from confidante.device.privacy.egress import Response
from confidante.device.privacy.http_request import HttpRequest, render
from confidante.device.privacy.ledger import EgressState
from confidante.device.values import Purpose
from confidante.secagg.codec import SENT_IN
from confidante.secagg.phases import PHASES, Phase
from confidante.wire.rounds import Ended, decode, end_path, phase_path

_PHASES = {kind.value: phase for phase, kind in SENT_IN.items()}


LEAST_BETWEEN_POLLS = 1.0
"""Seconds before a question that was answered by "not yet" is asked again, whatever the coordinator wants."""


@final
class RoundSession:
    """One device's way through one round."""

    def __init__(
        self,
        client: CoordinatorClient,
        purpose: Purpose,
        mine: Participation,
        seat: bytes,
        say: Callable[[str], None],
    ) -> None:
        """purpose: whose switch must be on; mine: what is said; seat: shown with each request, 32 bytes."""
        self._client, self._purpose, self._mine, self._seat, self._say = client, purpose, mine, seat, say

    def run(self, devices: int) -> Outcome:
        """Carry all messages and learn how the round ended. devices: how many are in it, to be told.

        RefusedError when the coordinator wants nothing more of this device, EgressError when it could not be
        reached in the time there is, and what `Participation` raises.
        """
        mine = self._mine
        again = len(mine.sent)
        for number, phase in enumerate(PHASES, start=1):
            if number < again:
                continue
            self._say(f"in a round of {devices} devices: {number} of {len(PHASES)}, {phase.word}")
            if number == again:
                mine.check_wanted()
                # Once a round is over its coordinator knows of no message: how it ended says the rest.
                with suppress(RefusedError) if phase is Phase.REVEAL else nullcontext():
                    self._hand_in(mine.sent[-1])
                continue
            incoming = b"" if phase is Phase.ADVERTISE else self._incoming(phase)
            if incoming is None:
                return Outcome("left", "the round did not go on in the time given", mine.round_id)
            self._hand_in(mine.answer(incoming))
        return self._how_it_ended()

    def _incoming(self, phase: Phase) -> bytes | None:
        """Return the coordinator's message that opens a phase; None when time is up."""
        path, what = (
            phase_path(self._mine.round_id, phase) + "/in",
            f"the messages for the phase {phase.word}",
        )
        while not self._client.over:
            answer = look(self._client, self._purpose, self._seat, path, what)
            if answer.status != 204:
                return answer.body
            self._client.pause(0.0, LEAST_BETWEEN_POLLS)
        return None

    def _hand_in(self, outgoing: Outgoing) -> None:
        """Send a message that the ledger holds; should that fail, or was it sent, the same as a new entry."""
        mine, phase = self._mine, phase_of(outgoing.message)
        written = None
        if outgoing.departure.state is EgressState.WRITTEN:
            request = put(self._client.url, mine.round_id, self._seat, outgoing.message)
            written = outgoing.departure.number, request
        self._client.ask(
            "PUT",
            phase_path(mine.round_id, phase),
            outgoing.message,
            purpose=self._purpose,
            content={"message": f"{phase.word}, once more", "bytes": len(outgoing.message)},
            visible="The same message as before, which may not have got through.",
            bearer=self._seat,
            wanted=mine.check_wanted,
            written=written,
        )

    def _how_it_ended(self) -> Outcome:
        mine = self._mine
        self._say("all is sent: waiting for the round to end")
        while not self._client.over:
            try:
                path = end_path(mine.round_id)
                answer = look(self._client, self._purpose, self._seat, path, "how a round ended")
                if answer.status == 204:
                    self._client.pause(0.0, LEAST_BETWEEN_POLLS)
                    continue
                ended = decode(answer.body, Ended)
            except (ConfidanteError, RefusedError) as error:
                return Outcome("unknown", str(error), mine.round_id)
            mine.attach_receipt({"published": ended.published, "reason": ended.reason})
            return Outcome("published" if ended.published else "aborted", ended.reason, mine.round_id)
        return Outcome("unknown", "its end was not told in the time given", mine.round_id)


def look(client: CoordinatorClient, purpose: Purpose, seat: bytes, path: str, what: str) -> Response:
    """Ask for something of a round, as whoever has this seat in it, until there is an answer or no time."""
    return client.ask(
        "GET",
        path,
        purpose=purpose,
        content={"message": f"asks for {what}"},
        visible=f"That a device in this round asks for {what}.",
        bearer=seat,
    )


def put(url: str, round_id: bytes, seat: bytes, message: bytes) -> HttpRequest:
    """Return the request that hands in one of a device's messages."""
    return render("PUT", url + phase_path(round_id, phase_of(message)), message, bearer=seat)


def phase_of(message: bytes) -> Phase:
    """Return the phase that one of a device's messages belongs to."""
    return _PHASES[message[1]]


def gone(error: RefusedError, round_id: bytes) -> Outcome:
    """Return what came of a round whose coordinator wants nothing more of this device."""
    return Outcome("aborted" if error.status == 410 else "left", str(error), round_id)
