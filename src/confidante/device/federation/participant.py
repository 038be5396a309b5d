"""One private sum over a network: wait for a round, join it, carry its messages, and learn how it ended.

Every request, those that only ask included, is in the egress ledger before it leaves. The device decides by
its own `ParticipationPolicy`, its switches, its eligibility checks and its budget; the coordinator decides
when. All waiting is measured by this device's own clock, so clocks that differ do no harm. What fails on the
way is tried again, later and later and never in step with other devices; a round that moved on without this
device is left.

A device waits, and takes part, under an identity and a seat made for one round, so nothing links its rounds.
Killed in a round and started anew, it goes on with that round (`device/federation/journal.py`).
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import msgspec

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConfidanteError, ConsentError, EgressError, PlanError, WireError
from confidante.crypto.identity import SEED_BYTES, Identity
from confidante.device.federation.agreement import Agreement, Offer
from confidante.device.federation.alarms import require_none
from confidante.device.federation.coordinator_client import CoordinatorClient, RefusedError
from confidante.device.federation.eligibility import EligibilityCheck
from confidante.device.federation.eligibility import look as ask_probes
from confidante.device.federation.journal import KEPT, Beginning, Journal, Kept
from confidante.device.federation.participation import Participation, RoundCourse, Route
from confidante.device.federation.policy import Outcome, ParticipationPolicy
from confidante.device.federation.round_session import RoundSession, gone, look, put
from confidante.device.federation.verified_log import VerifiedLog
from confidante.device.federation.wallet import Evidence, JustAskedError, Wallet
from confidante.device.privacy.http_request import render
from confidante.models.scoring import PublishedScores
from confidante.privacy.purposes import SUM_PURPOSES, Purpose
from confidante.secagg.config import RoundConfig
from confidante.secagg.phases import Phase
from confidante.tasks.registry import read_form
from confidante.wire.rounds import (
    SEAT_BYTES,
    CheckedIn,
    RoundOffer,
    check_in,
    decode,
    offer_path,
    phase_path,
)

if TYPE_CHECKING:
    from confidante.device.privacy.consent import Consents
    from confidante.device.privacy.ledger import Ledger
    from confidante.device.storage.vault import Vault

_TOKENS_TRIED = 3


HELD = 30.0
"""Seconds for which a coordinator may hold a check-in."""

_LEAVING = 10.0  # seconds for saying that an offer is refused
_REMEMBERED = 86_400.0


@final
class _Refusal(msgspec.Struct, array_like=True, frozen=True):
    """An offer that was refused: when, under which policy, switches and budget, and why."""

    at: float
    under: bytes
    why: str


@final
@dataclass(frozen=True, slots=True)
class _Waiting:
    """What a device waits with: made for one round, and given up after a day."""

    seed: bytes
    seat: bytes
    since: float = 0.0

    @property
    def identity(self) -> Identity:
        return Identity.from_seed(self.seed)


_LEAST_BETWEEN_CHECK_INS = 5.0  # whatever the coordinator says: each is kept in the ledger for good
_WAITING_FOR = 86_400.0  # one who waits for long is known by its key, if by nothing else


@final
class Participant:
    """Takes part in the rounds of one population, one at a time."""

    def __init__(
        self,
        vault: "Vault",
        consents: "Consents",
        ledger: "Ledger",
        client: CoordinatorClient,
        population: str,
        policy: ParticipationPolicy,
        *,
        eligibility: Sequence[EligibilityCheck] = (),
        allowed: Collection[str] = (),
        evidence: Evidence | None = None,
        at_once: bool = False,
        say: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        """allowed: names of checks that may not know. say: told how it goes.

        evidence: what is shown where tokens are asked for. at_once: use tokens right after they were asked
        for; otherwise that try ends with "not now".
        """
        self._vault, self._consents, self._ledger = vault, consents, ledger
        self._client = client
        self._population = population
        self._policy = policy
        self._eligibility, self._allowed = eligibility, allowed
        self._evidence, self._at_once = evidence, at_once
        self._say = say
        self._entropy = SystemEntropy()
        self._log = VerifiedLog(vault, client.destination)
        self._journal = Journal(vault, client.destination, population)
        self._purpose = policy.purposes[0]
        self._on = frozenset[Purpose]()

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
        why, findings = ask_probes(self._eligibility, self._allowed)
        if why:
            return Outcome("not now", why, findings=findings)
        if kept is None and (before := self._refused_before()):
            return Outcome("not now", before, findings=findings)
        self._client.allow(patience)
        try:
            outcome = self._wait_and_join() if kept is None else self._go_on(kept)
        except RefusedError as error:
            raise EgressError(f"the coordinator refused the check-in: {error}") from None
        if outcome.round is not None and self._at_work:
            with suppress(ConfidanteError, RefusedError):  # what came of the round is told in any case
                self._wallet().restock()
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
        require_none(self._vault, self._client.destination)
        on = [purpose for purpose in self._policy.purposes if self._consents.allowed(purpose)]
        if not on:
            self._consents.require(self._policy.purposes[0])
        self._purpose, self._on = on[0], frozenset(on)
        budget = self._ledger.budget()
        if kept is None and budget.limited and budget.epsilon_spent >= budget.epsilon_limit:
            raise ConsentError(
                f"the privacy budget is spent (epsilon {budget.epsilon_spent:.3g} of "
                f"{budget.epsilon_limit:.3g}): this device takes part in no more sums"
            )

    # --- waiting

    def _wait_and_join(self) -> Outcome:
        self._say("waiting for a round")
        try:
            found = self._wait_for_a_round()
        except JustAskedError:
            return Outcome("not now", "tokens were asked for just now, and are used at another time")
        if found is None:
            return Outcome("not chosen", "no round was held in the time given")
        round_id, waiting = found
        self._say("chosen for a round: looking at what is asked")
        self._client.insist()
        try:
            return self._join(round_id, waiting)
        except RefusedError as error:
            return gone(error, round_id)
        finally:
            if self._at_work:
                self._vault.set_setting(self._waiting_name, None)  # another round gets another one

    @property
    def _waiting_name(self) -> str:
        return f"waiting {self._client.destination} {self._population}"

    def _waiting(self) -> _Waiting:
        """Return what this device waits with, also after it was started anew."""
        with self._vault.write():
            kept = self._vault.setting(self._waiting_name)
            found = None if kept is None else msgspec.msgpack.decode(kept, type=_Waiting)
            now = self._vault.now()
            if found is None or found.since + _WAITING_FOR <= now:
                found = _Waiting(self._entropy.draw(SEED_BYTES), self._entropy.draw(SEAT_BYTES), now)
                self._vault.set_setting(self._waiting_name, msgspec.msgpack.encode(found))
        return found

    def _wait_for_a_round(self) -> tuple[bytes, _Waiting] | None:
        """Return the round that this device was seated in, and what it waited with; None when time is up."""
        wallet = self._wallet()
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
        tier, wanted = self._policy.tier, [one.value for one in SUM_PURPOSES if one in self._on]
        body = check_in(waiting.identity, self._population, waiting.seat, tier, token, wanted)
        while True:
            answer = self._client.ask(
                "POST",
                "/v1/check-in",
                body,
                purpose=self._purpose,
                content={
                    "message": "check-in",
                    "population": self._population,
                    "tier": tier.value,
                    "gives sums for": wanted,
                },
                visible="That a device is ready for a round, by a key made for it, and for which switches.",
                headers={"prefer": f"wait={int(self._client.left)}"} if self._client.left < HELD else None,
            )
            said = decode(answer.body, CheckedIn)
            if said.round is not None:
                return said.round
            if not self._client.pause(said.wait, _LEAST_BETWEEN_CHECK_INS):
                return None

    def _wallet(self) -> Wallet:
        return Wallet(
            self._vault,
            self._client,
            self._log,
            self._population,
            self._purpose,
            self._evidence,
            at_once=self._at_once,
        )

    # --- in a round

    def _join(self, round_id: bytes, waiting: _Waiting) -> Outcome:
        answer = look(self._client, self._purpose, waiting.seat, offer_path(round_id), "what a round is")
        offered = decode(answer.body, RoundOffer)
        if RoundConfig.decode(offered.config).round_id != round_id:
            raise WireError("the coordinator offers another round than the one it seated this device in")
        self._log.catch_up(self._client, self._purpose, upto=offered.entry)
        announced = self._log.check_offer(round_id, offered, self._population)
        purpose = Purpose(announced.purpose)
        if purpose not in self._on:
            raise PlanError(
                f"{announced.task}: this device did not wait for a sum of the purpose {purpose.value}"
            )

        def begin(randomness: bytes) -> Beginning:
            self._vault.set_setting(self._waiting_name, None)
            return Beginning(
                round_id=round_id,
                purpose=purpose.value,
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

        with self._refusing(round_id, waiting.seat):
            agreement = self._agreement(offered.plan, offered.task, announced.catalogue, purpose)
            offer = Offer(offered.config, offered.identities())
            mine = self._participation(waiting, agreement, offer, RoundCourse(self._journal, begin))
        return self._through(mine, waiting, len(offer.roster))

    @contextmanager
    def _refusing(self, round_id: bytes, seat: bytes) -> Iterator[None]:
        """Keep why an offer is refused, so that this device takes no seat for the like of it, and leave."""
        try:
            yield
        except (PlanError, ConsentError) as error:
            said = msgspec.msgpack.encode(_Refusal(self._vault.now(), self._under, str(error)))
            self._vault.set_setting(self._refusal_name, said)
            self._client.allow(_LEAVING)  # it saves others a wait, and is worth no more
            with suppress(ConfidanteError, RefusedError):  # what is on the way is why it was refused
                self._client.ask(
                    "DELETE",
                    phase_path(round_id, Phase.ADVERTISE),
                    purpose=self._purpose,
                    content={"message": "leaves the round that it was chosen for"},
                    visible="That the device in this seat takes no part, so that nobody waits for it.",
                    bearer=seat,
                )
            raise

    def _refused_before(self) -> str:
        """Return why no round is waited for, empty when one is.

        An offer that was refused is not refused again, seat after seat, before something changed here.
        """
        kept = self._vault.setting(self._refusal_name)
        if kept is None:
            return ""
        was = msgspec.msgpack.decode(kept, type=_Refusal)
        left = was.at + _REMEMBERED - self._vault.now()
        if was.under == self._under and left > 0:
            return (
                f"what this coordinator asks was refused: {was.why}; asked again in {left / 3600:.1f} hours"
            )
        self._vault.set_setting(self._refusal_name, None)
        return ""

    @property
    def _under(self) -> bytes:
        """Return a digest of what decides about offers on this device: policy, switches and budget."""
        switches = " ".join(sorted(self._on))
        said = f"{switches}\n{self._ledger.budget().epsilon_limit!r}\n".encode()
        return hashlib.sha256(said + self._policy.digest).digest()

    @property
    def _refusal_name(self) -> str:
        return f"refused {self._client.destination} {self._population}"

    def _go_on(self, kept: Kept) -> Outcome:
        """Take up the round that this device was in when it was last at work."""
        was = kept.beginning
        self._say("going on with the round that this device was in")
        self._client.insist()
        self._purpose = Purpose(was.purpose)
        try:
            masked = len(kept.steps) > Phase.MASK
            agreement = self._agreement(
                was.plan, was.task, was.catalogue, self._purpose, models=() if masked else None
            )
            offered = RoundOffer(was.entry, was.config, was.roster, was.plan, was.task, 0.0)
            offer = Offer(was.config, offered.identities())
            place = RoundCourse(self._journal, lambda _fresh: was, kept)
            waiting = _Waiting(was.seed, was.seat)
            mine = self._participation(waiting, agreement, offer, place)
            return self._through(mine, waiting, len(offer.roster))
        except RefusedError as error:
            return gone(error, was.round_id)
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
        """Return what the policy makes of an offer, having fetched what it names. models: only these."""
        from confidante.device.federation import downloads

        wire, most = self._policy.catalogue, self._policy.most_fetched
        if wire is None:
            wire = downloads.catalogue(self._vault, self._client, catalogue, self._purpose, most)
        named = read_form(task).models if models is None else models
        if not named:
            return self._policy.agreement(plan, task, wire, purpose=purpose)
        read = {}
        for digest in named:
            self._say("fetching a model that is to be graded")
            data = downloads.model(self._vault, self._client, digest, self._purpose, most)
            read[digest] = PublishedScores(data, wire.catalogue)
        return self._policy.agreement(plan, task, wire, purpose=purpose, models=read.__getitem__)

    def _participation(
        self, waiting: _Waiting, agreement: Agreement, offer: Offer, place: RoundCourse
    ) -> Participation:
        """Join a round, or take it up again."""
        round_id = RoundConfig.decode(offer.config).round_id

        def wrap(message: bytes) -> bytes:
            return put(self._client.url, round_id, waiting.seat, message).data

        return Participation(
            self._vault,
            self._consents,
            self._ledger,
            self._entropy,
            waiting.identity,
            agreement,
            offer,
            Route(self._client.destination, wrap, render("PUT", self._client.url).seen),
            place,
        )

    def _through(self, mine: Participation, waiting: _Waiting, devices: int) -> Outcome:
        try:
            return RoundSession(self._client, self._purpose, mine, waiting.seat, self._say).run(devices)
        finally:
            if self._at_work:
                mine.leave()
            else:
                mine.let_go()

    @property
    def _at_work(self) -> bool:
        """Whether this device was neither stopped nor closed: what it was in goes on then, another time."""
        return not (self._client.stopped or self._vault.closed)
