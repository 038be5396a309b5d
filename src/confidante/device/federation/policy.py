"""What is agreed to before a private sum, and what came of it."""

import hashlib
from dataclasses import dataclass, replace
from typing import Literal, final

from confidante.core.errors import PlanError
from confidante.device.federation.agreement import Agreement
from confidante.device.federation.eligibility import Finding
from confidante.device.values import Purpose
from confidante.models.scoring import ModelName
from confidante.privacy.limits import (
    LEAST_COLLUSION,
    LEAST_DEVICES,
    LEAST_DROPOUT,
    LEAST_NOISE,
    MOST_UPLOAD_BYTES,
    refusals,
)
from confidante.privacy.purposes import SUM_PURPOSES
from confidante.tasks.base import Models
from confidante.tasks.registry import decode_task
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.plans import decode_plan
from confidante.wire.rounds import Tier


@final
@dataclass(frozen=True, slots=True)
class ParticipationPolicy:
    """What the person, or the app for them, agrees to beforehand; an offer beyond it is refused.

    catalogue: whose items are counted, in which order; None: the one that the coordinator's public log names.
    purpose: the one switch that this device gives sums for; None: all that are on. least_noise: noise
    multiplier of one sum; least_devices: of one round; most_bytes: of one masked vector; tier: SMALL for
    a device that takes on short vectors only. most_fetched: bytes of a catalogue or a model that is fetched
    for a round. least_dropout, least_collusion: parts of a round that may vanish, and that may tell the
    coordinator all they know, without harm to the others: what a plan has to allow for. With a plan that
    allows for less, fewer devices of the coordinator's own lay another's vector open.
    """

    catalogue: CatalogueWire | None = None
    purpose: Purpose | None = None
    least_noise: float = LEAST_NOISE
    least_devices: int = LEAST_DEVICES
    most_bytes: int = MOST_UPLOAD_BYTES
    tier: Tier = Tier.LARGE
    most_fetched: int = 16 << 20
    least_dropout: float = LEAST_DROPOUT
    least_collusion: float = LEAST_COLLUSION

    def agreement(
        self,
        plan: bytes,
        task: bytes,
        catalogue: CatalogueWire | None = None,
        *,
        purpose: Purpose = Purpose.TRAIN,
        models: Models = ModelName,
    ) -> Agreement:
        """Return what this policy makes of an offer; PlanError beyond it, WireError when malformed.

        catalogue, purpose: of what is offered, for a policy without one of its own. models: gives those
        that a task names.
        """
        wire = self.catalogue or catalogue
        if wire is None:
            raise PlanError("the catalogue of the offered task is missing: fetch the one that it names")
        asked, what = decode_plan(plan), decode_task(task, wire, models)
        beyond = refusals(
            asked,
            least_noise=self.least_noise,
            least_devices=self.least_devices,
            least_dropout=self.least_dropout,
            least_collusion=self.least_collusion,
            most_bytes=self.most_bytes,
        )
        if beyond:
            raise PlanError(
                f"{asked.task}: not joined, as it is beyond this device's policy: {'; '.join(beyond)}"
            )
        switch = self.purpose or purpose
        return Agreement(asked, what, wire.catalogue.ids, switch, f"your say in {asked.task}")

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """The switches of which one at least must be on."""
        return SUM_PURPOSES if self.purpose is None else (self.purpose,)

    @property
    def digest(self) -> bytes:
        """sha256 of all that is agreed to."""
        named = repr(replace(self, catalogue=None))
        said = named.replace("ParticipationPolicy", "Terms", 1).encode()  # as 0.1 called it
        return hashlib.sha256(said + (self.catalogue.digest if self.catalogue else b"")).digest()


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
