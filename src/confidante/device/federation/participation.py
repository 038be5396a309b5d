"""The device's part in one private sum: bytes in, bytes out; whoever carries them is somebody else.

A `Client` of the protocol trusts whoever made it. What it leaves to its owner is done here:

- the round's configuration is worked out from the plan that was agreed to; of what the coordinator offers,
  only the round's number, the public seed and the roster are taken, and any other difference is refused;
- keys, masks and noise come from `SystemEntropy` and nothing else;
- the vector is the task's own `client_update` over the person's own events, clipped and noised by the plan,
  for cohorts in the rows of the person's own group, which is found here and said to nobody; picks are no
  sequence, and in no sum over sequences;
- every message is in the ledger before it is handed out;
- a round is noted before its first message, and never joined again, whatever happened to it;
- its budget is counted as spent, durably, before the masked vector is handed out: from then on the sum can be
  opened with the help of others, whether this device goes on or not;
- before each step the switch is asked again, and whether anything was forgotten since the vector was made; if
  so, the device leaves the round and drops its secrets. A vector that was handed out before cannot be called
  back: its noise and its budget are what protects it.

One sum is one upload. Who is on the roster is the coordinator's word (docs/explanation/threat-model.md).
"""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import ConfidanteError, ConsentError, ProtocolError, Reject, VaultError
from confidante.core.values import Histories
from confidante.crypto.identity import SEED_BYTES, Identity
from confidante.device.federation.agreement import Agreement, Offer, agreed_config
from confidante.device.federation.journal import Beginning, Journal, Kept, Step
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.ledger import EgressRecord, Ledger
from confidante.device.recommend.cohorts import stated_here
from confidante.device.storage import settings
from confidante.device.storage.vault import Vault
from confidante.packs.weights import top_of, weigh
from confidante.privacy.clipping import encode
from confidante.privacy.limits import DELTA
from confidante.secagg.client import RANDOM_BYTES, Client
from confidante.secagg.config import RoundSetup
from confidante.secagg.phases import Phase
from confidante.tasks.registry import kind_of

_SHOWN = 10  # own entries kept for the person to read

_MESSAGES: Mapping[Phase, tuple[str, str, str]] = {
    Phase.ADVERTISE: (
        "ADVERT",
        "a public key made for this round, signed",
        "That this device takes part in this round.",
    ),
    Phase.SHARE: (
        "SHARES",
        "sealed shares of this round's secrets, one for each neighbour",
        "Nothing but their number: only the neighbours can open them.",
    ),
    Phase.MASK: (
        "MASKED",
        "your vector, clipped, noised and masked",
        "Random-looking numbers. Once enough devices sent theirs, the noised sum of all of them.",
    ),
    Phase.CONFIRM: (
        "CONFIRMATION",
        "a signature of which devices are in the sum",
        "Which list this device was shown.",
    ),
    Phase.REVEAL: (
        "REVEAL",
        "shares that take the masks off the sum, and off nothing else",
        "The neighbours' shares; with those of others, the noised sum.",
    ),
}
"""By phase: name, content and visible part of what the client sends in it."""


@final
@dataclass(frozen=True, slots=True)
class Route:
    """How messages will travel: to whom, in what envelope, and what the way itself gives away.

    wrap: makes of a message all bytes that will leave (`render(...).data`), so that the ledger holds just
    them.
    """

    destination: str
    wrap: Callable[[bytes], bytes] = bytes
    seen: str = ""


@final
@dataclass(frozen=True, slots=True)
class Outgoing:
    """Bytes to send, the message in them, and the entry of the ledger that holds them."""

    departure: EgressRecord
    data: bytes
    message: bytes


@final
@dataclass(frozen=True, slots=True)
class RoundCourse:
    """A round whose course is kept, so that this device can go on with it.

    begin: makes of the random bytes what to keep when it is joined. kept: how far it went before, if it did.
    """

    journal: Journal
    begin: Callable[[bytes], Beginning]
    kept: Kept | None = None


def device_identity(vault: Vault, destination: str) -> Identity:
    """Return the long-lived identity of this device for one coordinator, making it at the first call.

    Another one for each destination, so that two coordinators cannot tell that they see the same device.
    """
    name = f"identity {destination}"
    with vault.write():
        seed = vault.setting(name)
        if seed is None:
            seed = SystemEntropy().draw(SEED_BYTES)
            vault.set_setting(name, seed)
    return Identity.from_seed(seed)


@final
class Participation:
    """This device in one round. Its repr shows no secret."""

    def __init__(
        self,
        vault: Vault,
        consents: Consents,
        ledger: Ledger,
        entropy: SystemEntropy,
        identity: Identity,
        agreement: Agreement,
        offer: Offer,
        route: Route,
        place: RoundCourse | None = None,
    ) -> None:
        """Join the round, or go on with it; from here on its number is used up on this device.

        place: where its course is kept; left out, it ends with this object.

        ConsentError when the switch is off, the budget would be exceeded, or the round was joined before;
        PlanError when the offer is not the round of the agreed plan; WireError when it is malformed;
        ProtocolError FOREIGN when this identity is not on the roster; VaultError when what was kept of a
        round is not what it was.
        """
        if type(entropy) is not SystemEntropy:
            raise TypeError(f"people are protected by SystemEntropy only, not by {type(entropy).__name__}")
        consents.require(agreement.purpose)
        setup = RoundSetup(agreed_config(agreement.plan, offer), offer.roster)
        if identity.public not in offer.roster:
            raise ProtocolError(Reject.FOREIGN, "this device is not on the roster of the round")
        self.round_id = setup.config.round_id
        self._vault = vault
        self._consents = consents
        self._ledger = ledger
        self._entropy = entropy
        self._agreement = agreement
        self._route = route
        self._masked: int | None = None
        self._place = place
        self.sent: list[Outgoing] = []
        self._client: Client | None
        kept = None if place is None else place.kept
        fresh = entropy.draw(RANDOM_BYTES) if kept is None else kept.beginning.randomness
        client = Client(setup, offer.roster.index(identity.public), identity, fresh)
        if kept is None:
            plan = agreement.plan
            with vault.write():
                self._epsilon = ledger.rounds.join(
                    self.round_id, plan.task, agreement.digest, plan.noise_multiplier
                )
                if place is not None:
                    place.journal.begin(place.begin(fresh))
        else:
            self._epsilon = ledger.rounds.cost(self.round_id)
            for step in kept.steps:
                self._take_again(client, step)
        self._client = client

    def __repr__(self) -> str:
        """Show which round and how far, and nothing secret."""
        phase = "left" if self._client is None else self._client.phase.name
        return f"<Participation in {self._agreement.plan.task} {self.round_id.hex()[:12]} {phase}>"

    @property
    def done(self) -> bool:
        """Whether this device has nothing more to do or to hide in the round."""
        return self._client is None

    def begin(self) -> Outgoing:
        """Return the first message."""
        return self.answer(b"")

    def answer(self, message: bytes) -> Outgoing:
        """Return what answers the coordinator's `message` (nothing before the first), in the ledger already.

        A message that is malformed or misplaced raises WireError or ProtocolError and changes nothing. On
        one that only a lying coordinator or a failed round explains (ProtocolError), when the switch was
        turned off, an event was forgotten or the budget is spent (ConsentError), and when the vault fails
        (VaultError), this device leaves.
        """
        with self._vault.lock:  # nothing is forgotten between the check and the ledger
            client = self._client
            if client is None:
                raise ProtocolError(Reject.WRONG_PHASE, "this device is not in the round any more")
            try:
                self._still_wanted(client.phase)
                before = client.phase
                data, note = self._step(client, message)
                outgoing = self._hand_out(before, message, data, note)
            except ConfidanteError as error:
                if client.phase is Phase.FAILED or isinstance(error, ConsentError | VaultError):
                    self._leave()
                raise
            if client.phase is Phase.DONE:
                self._client = None
            self.sent.append(outgoing)
            return outgoing

    def check_wanted(self) -> None:
        """Ask again what each step asks, before a message that was handed out is sent once more.

        ConsentError, and this device leaves, when the switch was turned off or an event was forgotten since.
        """
        with self._vault.lock:
            self._consents.require(self._agreement.purpose)
            if self._client is not None:
                try:
                    self._still_wanted(self._client.phase)
                except ConsentError:
                    self._leave()
                    raise

    def leave(self) -> None:
        """Drop every secret and answer nothing more. What was spent stays spent."""
        with self._vault.lock:
            self._leave()

    def let_go(self) -> None:
        """Answer nothing more here, but keep what it takes to go on, where a `RoundCourse` was given."""
        self._client = None

    def attach_receipt(self, receipt: Mapping[str, Any]) -> None:
        """Keep what came of the round (survivors, digest of the model) with the vector that left for it."""
        if self._masked is not None:
            self._ledger.attach_receipt(self._masked, receipt)

    def _still_wanted(self, phase: Phase) -> None:
        self._consents.require(self._agreement.purpose)
        expected = "joined" if phase < Phase.CONFIRM else "spent"
        if self._ledger.rounds.state(self.round_id) != expected:
            raise ConsentError("this device has given up this round: wait for another one")
        # Forgetting empties the outbox; what merely expires by age or number does not end a round.
        if phase >= Phase.CONFIRM and self._ledger.local_note(self.round_id) is None:
            raise ConsentError("data that went into this round was forgotten: this device leaves the round")

    def _take_again(self, client: Client, step: Step) -> None:
        """Bring the client to where it was after `step`; what it makes of it again is not sent."""
        before = client.phase
        if before is Phase.MASK:
            # What is masked does not change the client's state; the vector that was is not kept.
            nothing = np.zeros(self._agreement.plan.length, dtype=np.int64)
            same = len(client.mask(step.incoming, nothing)) == len(step.outgoing)
            self._masked = step.departure
        else:
            same = self._step(client, step.incoming)[0] == step.outgoing
        if not same:
            raise VaultError(
                "the saved state of the round does not match what was sent: this device leaves the round"
            )
        self.sent.append(
            Outgoing(self._ledger.departure(step.departure), self._route.wrap(step.outgoing), step.outgoing)
        )

    def _step(self, client: Client, message: bytes) -> tuple[bytes, dict[str, Any]]:
        """Return the next message and, for the vector, what only the person may read of it."""
        match client.phase:
            case Phase.ADVERTISE:
                return client.advertise(), {}
            case Phase.SHARE:
                return client.share_keys(message), {}
            case Phase.MASK:
                vector, note = self._vector()
                return client.mask(message, vector), note
            case Phase.CONFIRM:
                return client.confirm(message), {}
            case _:
                return client.reveal(message), {}

    def _hand_out(self, before: Phase, incoming: bytes, message: bytes, note: dict[str, Any]) -> Outgoing:
        """Write a message into the ledger and the journal, with what it spends, in one transaction."""
        name, what, visible = _MESSAGES[before]
        plan, agreement = self._agreement.plan, self._agreement
        masked = before is Phase.MASK
        content: dict[str, Any] = {"message": name, "what": what, "bytes": len(message)}
        if masked:
            content |= {
                "entries": plan.length,
                "each entry counts": agreement.counts,
                "bits an entry": plan.bits,
                "devices": plan.cohort.devices,
                "fewest devices in the sum": plan.cohort.minimum_survivors,
                "noise multiplier": plan.noise_multiplier,
            }
        data = self._route.wrap(message)
        with self._vault.write():
            departure = self._ledger.write(
                agreement.purpose,
                plan.task,
                self._route.destination,
                data,
                content,
                f"{visible} {self._route.seen}".strip(),
                round=self.round_id,
                epsilon=self._epsilon if masked else 0.0,
                delta=DELTA if masked else 0.0,
            )
            if masked:
                self._ledger.note_locally(self.round_id, note)
                self._masked = departure.number
            if self._place is not None:
                self._place.journal.step(len(self.sent) + 1, Step(incoming, message, departure.number))
        return Outgoing(departure, data, message)

    def _events(self) -> list[tuple[str, float]]:
        """Return item and time of the own events that speak for their item, oldest first (`weigh`).

        Kinds without an order (`EventKind.sequential`), such as picks, are among them only where what was met
        counts, and not what came after what.
        """
        pack, unordered = settings.pack(self._vault), not kind_of(self._agreement.task).reads_order
        rows = self._vault.rows(
            "SELECT item.id, event.at, event.kind, item.key, event.value, event.context "
            "FROM event JOIN item ON item.key = event.item "
            "WHERE event.forgotten IS NULL ORDER BY event.at, event.number"
        )
        kinds = [row[2] for row in rows]
        tops = [top_of(json.loads(row[5])) for row in rows]
        keys = np.array([row[3] for row in rows], dtype=np.int64)
        weights = weigh(pack, kinds, keys, [row[4] for row in rows], tops).weights
        ordered = {kind: pack.event(kind).sequential for kind in set(kinds)}
        return [
            (item, at)
            for (item, at, kind, *_), weight in zip(rows, weights.tolist(), strict=True)
            if weight > 0 and (unordered or ordered[kind])
        ]

    def _vector(self) -> tuple[NDArray[np.int64], dict[str, Any]]:
        """Return the noised integers (int64 [length]), and the note for the person."""
        agreement = self._agreement
        plan, place = agreement.plan, {item: index for index, item in enumerate(agreement.items)}
        known = [(place[item], at) for item, at in self._events() if item in place]
        history = Histories(
            np.array([0, len(known)], dtype=np.int64),
            np.array([item for item, _at in known], dtype=np.int32),
            np.array([int(at) for _item, at in known], dtype=np.int64),
        )
        task, said = agreement.task, dict[str, str]()
        place_here = kind_of(task).place
        if place_here is not None:
            task, more = place_here(task, stated_here(self._vault))
            said = dict(more)
        rows = task.client_update(history)
        dither = np.frombuffer(self._entropy.draw(8), dtype="<u8").astype(np.uint64)
        own = encode(rows, plan, dither).dense(0)
        fresh = self._entropy.draw(plan.mechanism.entropy_bytes)
        noise = plan.mechanism.share(plan.share_variance, plan.length, fresh)
        largest = [int(i) for i in np.argsort(-np.abs(own), kind="stable")[:_SHOWN] if own[i]]
        note = {
            "own events counted": len(known),
            **said,
            "entries that are not zero": int(np.count_nonzero(own)),
            "largest own entries before noise and masks": [
                {"entry": i, "name": agreement.name_of(i), "value": float(own[i]) / plan.scale}
                for i in largest
            ],
            "noise of this device, standard deviation": math.sqrt(plan.share_variance) / plan.scale,
        }
        return own + noise, note

    def _leave(self) -> None:
        self._client = None
        with suppress(VaultError), self._vault.write():  # failed or closed: settled when it opens again
            if self._place is not None:
                self._place.journal.erase()
            self._ledger.rounds.give_up(self.round_id)
