"""One private sum over a network: wait for a round, join it, carry its messages, and learn how it ended.

Every request, those that only ask included, is in the egress ledger before it leaves. The device decides by
its own `Terms`, its switches, its probes and its budget; the coordinator decides when. All waiting is
measured by this device's own clock, so clocks that differ do no harm. What fails on the way is tried again,
later and later and never in step with other devices; a round that moved on without this device is left.

A device waits, and takes part, under an identity and a seat made for one round, so nothing links its rounds.
Killed in a round and started anew, it goes on with that round (`device/federation/journal.py`).
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import (
    ConfidanteError,
    ConsentError,
    EgressError,
    PlanError,
    WireError,
)
from confidante.device.egress import Response
from confidante.device.federation.agreement import Agreement, Offer
from confidante.device.federation.alarms import require_none
from confidante.device.federation.journal import KEPT, Beginning, Journal, Kept
from confidante.device.federation.line import FIRST_PAUSE, Line, RefusedError, refused
from confidante.device.federation.probes import Finding, Probe, look
from confidante.device.federation.publiclog import PublicLog
from confidante.device.federation.rounds import Outgoing, Participation, Place, Route
from confidante.device.federation.tokens import Evidence, Wallet
from confidante.device.ledger import DepartureState
from confidante.device.request import Request, render
from confidante.device.values import Purpose
from confidante.models.scoring import ModelName, read_scores
from confidante.models.task_wire import CatalogueWire, Models, decode_plan, models_named
from confidante.protocol.config import RoundConfig
from confidante.protocol.coordination import (
    PHASES,
    SEAT_BYTES,
    SENT_IN,
    CheckedIn,
    Ended,
    Offered,
    Tier,
    check_in,
    decode,
    end_path,
    offer_path,
    phase_path,
)
from confidante.protocol.identity import SEED_BYTES, Identity

if TYPE_CHECKING:
    from confidante.device.consent import Consents
    from confidante.device.ledger import Ledger
    from confidante.device.vault.store import Vault

_TOKENS_TRIED = 3


@final
@dataclass(frozen=True, slots=True)
class Terms:
    """What the person, or the app for them, agrees to beforehand; an offer beyond it is refused.

    catalogue: whose items are counted, in which order; None: the one that the coordinator's public log names.
    purpose: the one switch that all of it needs; None: the switch of what is asked for. least_noise: noise
    multiplier of one sum; least_devices: of one round; most_bytes: of one masked vector; tier: SMALL for
    a device that takes on short vectors only. most_fetched: bytes of a catalogue or a model that is fetched
    for a round. least_dropout, least_collusion: parts of a round that may vanish, and that may tell the
    coordinator all they know, without harm to the others: what a plan has to allow for. With a plan that
    allows for less, fewer devices of the coordinator's own lay another's vector open.
    """

    catalogue: CatalogueWire | None = None
    purpose: Purpose | None = None
    least_noise: float = 1.0
    least_devices: int = 16
    most_bytes: int = 256 << 10
    tier: Tier = Tier.LARGE
    most_fetched: int = 16 << 20
    least_dropout: float = 0.3
    least_collusion: float = 0.1

    def agreement(
        self,
        plan: bytes,
        task: bytes,
        catalogue: CatalogueWire | None = None,
        *,
        purpose: Purpose = Purpose.TRAIN,
        models: Models = ModelName,
    ) -> Agreement:
        """Return what these terms make of an offer; PlanError beyond them, WireError when malformed.

        catalogue, purpose: of what is offered, for terms without one of their own. models: gives those that a
        task names.
        """
        wire = self.catalogue or catalogue
        if wire is None:
            raise PlanError("there is no catalogue to read the offered task by: fetch the one that it names")
        asked, what = decode_plan(plan), wire.decode_task(task, models)
        for beyond, problem in (
            (asked.noise_multiplier < self.least_noise, f"a noise multiplier of {asked.noise_multiplier:g}"),
            (asked.cohort.devices < self.least_devices, f"a round of {asked.cohort.devices} devices"),
            (
                asked.cohort.max_dropout < self.least_dropout,
                f"a round in which no more than the part {asked.cohort.max_dropout:g} may vanish",
            ),
            (
                asked.cohort.max_collusion < self.least_collusion,
                f"a round safe from no more than the part {asked.cohort.max_collusion:g} of colluders",
            ),
            (asked.upload_bytes > self.most_bytes, f"an upload of {asked.upload_bytes:,} bytes"),
        ):
            if beyond:
                raise PlanError(f"{asked.task}: {problem} is beyond what was agreed to: not joined")
        switch = self.purpose or purpose
        return Agreement(asked, what, wire.catalogue.ids, switch, f"your say in {asked.task}")

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """The switches of which one at least must be on."""
        return _SWITCHES if self.purpose is None else (self.purpose,)


_SWITCHES = (Purpose.TRAIN, Purpose.COHORT, Purpose.QUALITY)


def purpose_of(task: str, announced: str) -> Purpose:
    """Return the switch that a sum needs. task: its name in the plan; announced: in the public log."""
    if task in _QUALITY:
        return Purpose.QUALITY
    if task == "contributors" or (task == "popularity" and announced.startswith(_MEASURE)):
        return Purpose.COHORT
    return Purpose.TRAIN


_QUALITY = ("quality of lists", "comparison of lists")
_MEASURE = "measure "  # how the names of sums begin that no training needs


@final
@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    state: "not now" (a probe said no, or another round goes on; nothing was sent), "not chosen" (no round in
    the time given), "published", "aborted" (the round ended without a sum), "left" (this device or the
    network gave it up) or "unknown" (all was sent, and its end was not learnt). why: one sentence, or empty.
    round: its number. findings: what each probe said.
    """

    state: Literal["not now", "not chosen", "published", "aborted", "left", "unknown"]
    why: str = ""
    round: bytes | None = None
    findings: tuple[Finding, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class _Waiting:
    """What a device waits with: made for one round."""

    seed: bytes
    seat: bytes

    @property
    def identity(self) -> Identity:
        return Identity.from_seed(self.seed)


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
        allowed: Collection[str] = (),
        evidence: Evidence | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """line: the way to the coordinator. allowed: probes that may not know. say: told how it goes.

        evidence: what is shown where tokens are asked for.
        """
        self._vault, self._consents, self._ledger = vault, consents, ledger
        self._line = line
        self._population = population
        self._terms = terms
        self._probes, self._allowed = probes, allowed
        self._evidence = evidence
        self._say = say
        self._entropy = SystemEntropy()
        self._log = PublicLog(vault, line.destination)
        self._journal = Journal(vault, line.destination, population)
        self._purpose = terms.purposes[0]

    def take_part(self, patience: float = 600.0) -> Outcome:
        """Take part in one round, waiting for it and going through it for at most `patience` seconds.

        Goes on with the round that this device was in when its process was killed, if there is one.

        ConsentError when the switch is off or the budget is spent, PlanError when what is offered is not
        what was agreed to, EgressError when the coordinator cannot be reached or takes nobody in, WireError
        and ProtocolError when it talks nonsense or cheats, ForkedLogError when its public log is not the one
        that others see.
        """
        rounds = self._ledger.rounds
        if not rounds.at_work.acquire(blocking=False):
            return Outcome("not now", "this device is in another round already")
        try:
            return self._take_part(patience)
        finally:
            rounds.at_work.release()

    def _take_part(self, patience: float) -> Outcome:
        kept = self._kept()
        self._require(kept)
        why, findings = look(self._probes, self._allowed)
        if why:
            return Outcome("not now", why, findings=findings)
        self._line.allow(patience)
        try:
            outcome = self._wait_and_join() if kept is None else self._go_on(kept)
        except RefusedError as error:
            raise EgressError(f"the coordinator takes no check-in: {error}") from None
        return Outcome(outcome.state, outcome.why, outcome.round, findings)

    def _kept(self) -> Kept | None:
        """Return the round to go on with, having settled one whose time is over or whose switch is off."""
        with self._vault.write():
            kept = self._journal.read()
            if kept is not None and self._consents.allowed(Purpose(kept.beginning.purpose)):
                return kept
            if kept is not None:
                self._ledger.rounds.give_up(kept.beginning.round_id)
            self._journal.erase()
        return None

    def _require(self, kept: Kept | None) -> None:
        require_none(self._vault, self._line.destination)
        on = [purpose for purpose in self._terms.purposes if self._consents.allowed(purpose)]
        if not on:
            self._consents.require(self._terms.purposes[0])
        self._purpose = on[0]
        budget = self._ledger.budget()
        if kept is None and budget.limited and budget.epsilon_spent >= budget.epsilon_limit:
            raise ConsentError(
                f"the privacy budget is spent (epsilon {budget.epsilon_spent:.3g} of "
                f"{budget.epsilon_limit:.3g}): nothing more is given"
            )

    # --- waiting

    def _wait_and_join(self) -> Outcome:
        self._say("waiting for a round")
        found = self._wait_for_a_round()
        if found is None:
            return Outcome("not chosen", "no round was held in the time given")
        round_id, waiting = found
        self._say("chosen for a round: looking at what is asked")
        try:
            return self._join(round_id, waiting)
        except RefusedError as error:
            return _gone(error, round_id)
        finally:
            if self._at_work:
                self._vault.set_setting(self._waiting_name, None)  # another round gets another one

    @property
    def _waiting_name(self) -> str:
        return f"waiting {self._line.destination} {self._population}"

    def _waiting(self) -> _Waiting:
        """Return what this device waits with, also after it was started anew."""
        with self._vault.write():
            made = self._vault.setting(self._waiting_name)
            if made is None:
                made = self._entropy.draw(SEED_BYTES + SEAT_BYTES)
                self._vault.set_setting(self._waiting_name, made)
        return _Waiting(made[:SEED_BYTES], made[SEED_BYTES:])

    def _wait_for_a_round(self) -> tuple[bytes, _Waiting] | None:
        """Return the round that this device was seated in, and what it waited with; None when time is up."""
        wallet = Wallet(self._vault, self._line, self._log, self._population, self._purpose, self._evidence)
        for left in reversed(range(_TOKENS_TRIED)):
            waiting = self._waiting()
            try:
                round_id = self._check_in(waiting, wallet)
            except RefusedError as error:
                if not (left and wallet.refused(waiting.seat, error.reason)):
                    raise
                self._vault.set_setting(self._waiting_name, None)
                continue
            if round_id is None:
                return None
            wallet.used(waiting.seat)
            return round_id, waiting
        raise AssertionError  # the last refusal raises

    def _check_in(self, waiting: _Waiting, wallet: Wallet) -> bytes | None:
        """Ask to be seated until this device is, or time is up (None)."""
        token = wallet.take(waiting.identity, waiting.seat)
        body = check_in(waiting.identity, self._population, waiting.seat, self._terms.tier, token)
        while True:
            answer = self._line.ask(
                "POST",
                "/v1/check-in",
                body,
                purpose=self._purpose,
                content={
                    "message": "check-in",
                    "population": self._population,
                    "tier": self._terms.tier.value,
                },
                visible="That a device is ready for a round, by a key made for it.",
            )
            said = decode(answer.body, CheckedIn)
            if said.round is not None:
                return said.round
            if not self._line.pause(said.wait):
                return None

    # --- in a round

    def _join(self, round_id: bytes, waiting: _Waiting) -> Outcome:
        answer = self._look(waiting, offer_path(round_id), "what a round is")
        offered = decode(answer.body, Offered)
        if RoundConfig.decode(offered.config).round_id != round_id:
            raise WireError("the coordinator offers another round than the one it seated this device in")
        self._log.catch_up(self._line, self._purpose, upto=offered.entry)
        announced = self._log.check_offer(round_id, offered, self._population)
        purpose = purpose_of(decode_plan(offered.plan).task, announced.task)
        self._consents.require(self._terms.purpose or purpose)
        agreement = self._agreement(offered.plan, offered.task, announced.catalogue, purpose)

        def begin(randomness: bytes) -> Beginning:
            self._vault.set_setting(self._waiting_name, None)
            return Beginning(
                round_id=round_id,
                purpose=agreement.purpose.value,
                seed=waiting.seed,
                seat=waiting.seat,
                randomness=randomness,
                config=offered.config,
                roster=offered.roster,
                plan=offered.plan,
                task=offered.task,
                catalogue=announced.catalogue,
                entry=offered.entry,
                until=self._vault.now() + KEPT,
            )

        offer = Offer(offered.config, offered.identities())
        return self._through(waiting, agreement, offer, Place(self._journal, begin))

    def _go_on(self, kept: Kept) -> Outcome:
        """Take up the round that this device was in when it was last at work."""
        was = kept.beginning
        self._say("going on with the round that this device was in")
        self._purpose = Purpose(was.purpose)
        try:
            masked = len(kept.steps) > PHASES.index("mask")
            agreement = self._agreement(
                was.plan, was.task, was.catalogue, self._purpose, models=() if masked else None
            )
            offered = Offered(was.entry, was.config, was.roster, was.plan, was.task, 0.0)
            offer = Offer(was.config, offered.identities())
            place = Place(self._journal, lambda _fresh: was, kept)
            return self._through(_Waiting(was.seed, was.seat), agreement, offer, place)
        except RefusedError as error:
            return _gone(error, was.round_id)
        finally:
            if self._at_work:
                with self._vault.write():
                    self._journal.erase()
                    self._ledger.rounds.give_up(was.round_id)

    def _agreement(
        self,
        plan: bytes,
        task: bytes,
        catalogue: bytes,
        purpose: Purpose,
        models: tuple[bytes, ...] | None = None,
    ) -> Agreement:
        """Return what the terms make of an offer, having fetched what it names. models: only these."""
        from confidante.device.federation import fetching

        wire = self._terms.catalogue
        if wire is None:
            wire = fetching.catalogue(self._vault, self._line, catalogue, self._purpose)
        named = models_named(task) if models is None else models
        if not named:
            return self._terms.agreement(plan, task, wire, purpose=purpose)
        read = {}
        for digest in named:
            self._say("fetching a model that is to be graded")
            data = fetching.model(self._vault, self._line, digest, self._purpose)
            read[digest] = read_scores(data, wire.catalogue)
        return self._terms.agreement(plan, task, wire, purpose=purpose, models=read.__getitem__)

    def _through(self, waiting: _Waiting, agreement: Agreement, offer: Offer, place: Place) -> Outcome:
        """Carry the messages of a round, from its start or from where it was left, and learn its end."""
        round_id = RoundConfig.decode(offer.config).round_id

        def wrap(message: bytes) -> bytes:
            return self._request(round_id, waiting, message).data

        mine = Participation(
            self._vault,
            self._consents,
            self._ledger,
            self._entropy,
            waiting.identity,
            agreement,
            offer,
            Route(self._line.destination, wrap, render("PUT", self._line.url).seen),
            place,
        )
        try:
            again = len(mine.sent)
            for number, phase in enumerate(PHASES, start=1):
                if number < again:
                    continue
                self._say(f"in a round of {len(offer.roster)} devices: {number} of {len(PHASES)}, {phase}")
                if number == again:
                    mine.check_wanted()
                    # Once a round is over its coordinator knows of no message: how it ended says the rest.
                    with suppress(RefusedError) if phase == PHASES[-1] else nullcontext():
                        self._hand_in(mine, mine.sent[-1], waiting)
                    continue
                incoming = b"" if phase == PHASES[0] else self._incoming(waiting, round_id, phase)
                if incoming is None:
                    return Outcome("left", "the round did not go on in the time given", round_id)
                self._hand_in(mine, mine.answer(incoming), waiting)
            return self._how_it_ended(mine, waiting)
        finally:
            if self._at_work:
                mine.leave()
            else:
                mine.let_go()

    @property
    def _at_work(self) -> bool:
        """Whether this device was neither stopped nor closed: what it was in goes on then, another time."""
        return not (self._line.stopped or self._vault.closed)

    def _incoming(self, waiting: _Waiting, round_id: bytes, phase: str) -> bytes | None:
        """Return the coordinator's message that opens a phase; None when time is up."""
        while not self._line.over:
            path, what = phase_path(round_id, phase) + "/in", f"the messages for the phase {phase}"
            answer = self._look(waiting, path, what)
            if answer.status != 204:
                return answer.body
        return None

    def _hand_in(self, mine: Participation, outgoing: Outgoing, waiting: _Waiting) -> None:
        """Send a message that the ledger holds; should that fail, or was it sent, the same as a new entry."""
        request = self._request(mine.round_id, waiting, outgoing.message)
        answer = None
        if outgoing.departure.state is DepartureState.WRITTEN:
            try:
                answer = self._line.egress.deliver(outgoing.departure.number, request)
            except EgressError:
                self._line.require_going()
        if answer is None or answer.status >= 500:
            self._line.pause(FIRST_PAUSE)
            mine.check_wanted()
            phase = _phase_of(outgoing.message)
            self._line.ask(
                "PUT",
                phase_path(mine.round_id, phase),
                outgoing.message,
                purpose=self._purpose,
                content={"message": f"{phase}, once more", "bytes": len(outgoing.message)},
                visible="The same message as before, which may not have got through.",
                bearer=waiting.seat,
                wanted=mine.check_wanted,
            )
        elif answer.status >= 400:
            raise refused(answer)

    def _how_it_ended(self, mine: Participation, waiting: _Waiting) -> Outcome:
        self._say("all is sent: waiting for the round to end")
        while not self._line.over:
            try:
                answer = self._look(waiting, end_path(mine.round_id), "how a round ended")
                if answer.status == 204:
                    continue
                ended = decode(answer.body, Ended)
            except (ConfidanteError, RefusedError) as error:
                return Outcome("unknown", str(error), mine.round_id)
            mine.attach_receipt({"published": ended.published, "reason": ended.reason})
            return Outcome("published" if ended.published else "aborted", ended.reason, mine.round_id)
        return Outcome("unknown", "its end was not told in the time given", mine.round_id)

    def _request(self, round_id: bytes, waiting: _Waiting, message: bytes) -> Request:
        url = self._line.url + phase_path(round_id, _phase_of(message))
        return render("PUT", url, message, bearer=waiting.seat)

    def _look(self, waiting: _Waiting, path: str, what: str) -> Response:
        return self._line.ask(
            "GET",
            path,
            purpose=self._purpose,
            content={"message": f"asks for {what}"},
            visible=f"That a device in this round asks for {what}.",
            bearer=waiting.seat,
        )


_PHASES = {kind.value: phase for phase, kind in SENT_IN.items()}


def _phase_of(message: bytes) -> str:
    """Return the phase that one of this device's messages belongs to."""
    return _PHASES[message[1]]


def _gone(error: RefusedError, round_id: bytes) -> Outcome:
    return Outcome("aborted" if error.status == 410 else "left", str(error), round_id)
