"""One private sum over a network: wait for a round, join it, carry its messages, and learn how it ended.

Every request, those that only ask included, is in the egress ledger before it leaves. The device decides by
its own `Terms`, its switch and its budget; the coordinator decides when. All waiting is measured by this
device's own clock, so clocks that differ do no harm. What fails on the way is tried again, later and later
and never in step with other devices; a round that moved on without this device is left.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConfidanteError, ConsentError, EgressError, PlanError, WireError
from confidante.device.agreement import Agreement, Offer
from confidante.device.egress import Response
from confidante.device.line import FIRST_PAUSE, Line, RefusedError, refused
from confidante.device.request import render
from confidante.device.rounds import Participation, Route, device_identity
from confidante.device.values import Purpose
from confidante.models.task_wire import CatalogueWire, decode_plan
from confidante.protocol.coordination import (
    PHASES,
    SEAT_BYTES,
    CheckedIn,
    Ended,
    Offered,
    check_in,
    decode,
    end_path,
    offer_path,
    phase_path,
)

if TYPE_CHECKING:
    from confidante.device.consent import Consents
    from confidante.device.ledger import Ledger
    from confidante.device.vault.store import Vault

Probe = Callable[[], str]
"""Why this is no time to take part ("on battery"), or an empty text."""


@final
@dataclass(frozen=True, slots=True)
class Terms:
    """What the person, or the app for them, agrees to beforehand; an offer beyond it is refused.

    catalogue: whose items are counted, in which order; purpose: the switch it needs. least_noise: noise
    multiplier of one sum; least_devices: of one round; most_bytes: of one masked vector.
    """

    catalogue: CatalogueWire
    purpose: Purpose = Purpose.TRAIN
    least_noise: float = 1.0
    least_devices: int = 16
    most_bytes: int = 256 << 10

    def agreement(self, plan: bytes, task: bytes) -> Agreement:
        """Return what these terms make of an offer; PlanError beyond them, WireError when malformed."""
        asked, what = decode_plan(plan), self.catalogue.decode_task(task)
        for beyond, problem in (
            (asked.noise_multiplier < self.least_noise, f"a noise multiplier of {asked.noise_multiplier:g}"),
            (asked.cohort.devices < self.least_devices, f"a round of {asked.cohort.devices} devices"),
            (asked.upload_bytes > self.most_bytes, f"an upload of {asked.upload_bytes:,} bytes"),
        ):
            if beyond:
                raise PlanError(f"{asked.task}: {problem} is beyond what was agreed to: not joined")
        return Agreement(asked, what, self.catalogue.catalogue.ids, self.purpose, f"your say in {asked.task}")


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    state: "not now" (a probe said no; nothing was sent), "not chosen" (no round in the time given),
    "published", "aborted" (the round ended without a sum), "left" (this device or the network gave it up) or
    "unknown" (all was sent, and its end was not learnt). why: one sentence, or empty. round: its number.
    """

    state: Literal["not now", "not chosen", "published", "aborted", "left", "unknown"]
    why: str = ""
    round: bytes | None = None


@final
class Participant:
    """Takes part in the rounds of one population, one at a time."""

    def __init__(
        self,
        vault: "Vault",
        consents: "Consents",
        ledger: "Ledger",
        line: Line,
        population: str,
        terms: Terms,
        *,
        probes: Sequence[Probe] = (),
    ) -> None:
        """line: the way to the coordinator."""
        self._vault, self._consents, self._ledger = vault, consents, ledger
        self._line = line
        self._population = population
        self._terms = terms
        self._probes = probes
        self._entropy = SystemEntropy()
        self._seat = b""

    def take_part(self, patience: float = 600.0) -> Outcome:
        """Take part in one round, waiting for it and going through it for at most `patience` seconds.

        ConsentError when the switch is off or the budget is spent, PlanError when what is offered is not
        what was agreed to, EgressError when the coordinator cannot be reached or takes nobody in, WireError
        and ProtocolError when it talks nonsense or cheats.
        """
        self._consents.require(self._terms.purpose)
        budget = self._ledger.budget()
        if budget.epsilon_spent >= budget.epsilon_limit:
            raise ConsentError(
                f"the privacy budget is spent (epsilon {budget.epsilon_spent:.3g} of "
                f"{budget.epsilon_limit:.3g}): nothing more is given"
            )
        for probe in self._probes:
            if why := probe():
                return Outcome("not now", why)
        self._line.allow(patience)
        self._seat = self._waiting_seat()
        try:
            round_id = self._wait_for_a_round()
        except RefusedError as error:
            raise EgressError(f"the coordinator takes no check-in: {error}") from None
        if round_id is None:
            return Outcome("not chosen", "no round was held in the time given")
        self._vault.set_setting(self._seat_name, None)  # used up: another round gets another one
        try:
            return self._go_through(round_id)
        except RefusedError as error:
            state: Literal["aborted", "left"] = "aborted" if error.status == 410 else "left"
            return Outcome(state, str(error), round_id)

    @property
    def _seat_name(self) -> str:
        return f"seat {self._line.destination} {self._population}"

    def _waiting_seat(self) -> bytes:
        """Return the seat that this device waits with, also after it was started anew."""
        with self._vault.write():
            seat = self._vault.setting(self._seat_name)
            if seat is None:
                seat = self._entropy.draw(SEAT_BYTES)
                self._vault.set_setting(self._seat_name, seat)
        return seat

    def _wait_for_a_round(self) -> bytes | None:
        identity = device_identity(self._vault, self._line.destination)
        body = check_in(identity, self._population, self._seat)
        while True:
            answer = self._line.ask(
                "POST",
                "/v1/check-in",
                body,
                purpose=self._terms.purpose,
                content={"message": "check-in", "population": self._population},
                visible="That a device is ready for a round, by the key that this coordinator knows it by.",
            )
            said = decode(answer.body, CheckedIn)
            if said.round is not None:
                return said.round
            if not self._line.pause(said.wait):
                return None

    def _go_through(self, round_id: bytes) -> Outcome:
        offered = decode(self._look(offer_path(round_id), "what a round is").body, Offered)
        agreement = self._terms.agreement(offered.plan, offered.task)
        phase, message = PHASES[0], b""

        def wrap(made: bytes) -> bytes:
            nonlocal message
            message = made
            return render("PUT", self._at(round_id, phase), made, bearer=self._seat).data

        seen = render("PUT", self._line.url).seen
        mine = Participation(
            self._vault,
            self._consents,
            self._ledger,
            self._entropy,
            device_identity(self._vault, self._line.destination),
            agreement,
            Offer(offered.config, offered.identities()),
            Route(self._line.destination, wrap, seen),
        )
        if mine.round_id != round_id:
            mine.leave()
            raise WireError("the coordinator offers another round than the one it seated this device in")
        try:
            for phase in PHASES:  # `wrap` reads it
                incoming = b"" if phase == PHASES[0] else self._incoming(round_id, phase)
                if incoming is None:
                    return Outcome("left", "the round did not go on in the time given", round_id)
                self._hand_in(mine, mine.answer(incoming).departure.number, round_id, phase, lambda: message)
        finally:
            mine.leave()  # nothing, when it went through
        return self._how_it_ended(mine, round_id)

    def _incoming(self, round_id: bytes, phase: str) -> bytes | None:
        """Return the coordinator's message that opens a phase; None when time is up."""
        while not self._line.over:
            answer = self._look(phase_path(round_id, phase) + "/in", f"the messages for the phase {phase}")
            if answer.status != 204:
                return answer.body
        return None

    def _hand_in(
        self, mine: Participation, number: int, round_id: bytes, phase: str, message: Callable[[], bytes]
    ) -> None:
        """Send what the ledger holds as `number`; should that fail, the same message again as a new entry."""
        request = render("PUT", self._at(round_id, phase), message(), bearer=self._seat)
        try:
            answer = self._line.egress.deliver(number, request)
        except EgressError:
            answer = None
        if answer is None or answer.status >= 500:
            self._line.pause(FIRST_PAUSE)
            mine.check_wanted()
            self._line.ask(
                "PUT",
                phase_path(round_id, phase),
                message(),
                purpose=self._terms.purpose,
                content={"message": f"{phase}, once more", "bytes": len(message())},
                visible="The same message as before, which did not get through.",
                bearer=self._seat,
                wanted=mine.check_wanted,
            )
        elif answer.status >= 400:
            raise refused(answer)

    def _how_it_ended(self, mine: Participation, round_id: bytes) -> Outcome:
        while not self._line.over:
            try:
                answer = self._look(end_path(round_id), "how a round ended")
                if answer.status == 204:
                    continue
                ended = decode(answer.body, Ended)
            except (ConfidanteError, RefusedError) as error:
                return Outcome("unknown", str(error), round_id)
            mine.attach_receipt({"published": ended.published, "reason": ended.reason})
            return Outcome("published" if ended.published else "aborted", ended.reason, round_id)
        return Outcome("unknown", "its end was not told in the time given", round_id)

    def _at(self, round_id: bytes, phase: str) -> str:
        return self._line.url + phase_path(round_id, phase)

    def _look(self, path: str, what: str) -> Response:
        return self._line.ask(
            "GET",
            path,
            purpose=self._terms.purpose,
            content={"message": f"asks for {what}"},
            visible=f"That a device in this round asks for {what}.",
            bearer=self._seat,
        )
