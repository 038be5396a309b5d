"""`device.federation`: rounds with a coordinator, in the foreground or behind, and the models they make."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, final

from confidante.core.arguments import checked_arguments
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import EgressError
from confidante.device.catalog.serving import Serving
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.ledger import Ledger
from confidante.device.recommend.cohorts import Cohorts
from confidante.device.storage.access import VaultAccess, exclusive
from confidante.device.values import Purpose

if TYPE_CHECKING:  # rounds are loaded when they are first used, so that a start is quick
    from confidante.crypto.identity import PublicIdentity
    from confidante.device.federation.agreement import Agreement, Offer
    from confidante.device.federation.alarms import Alarm
    from confidante.device.federation.background import Background, Pace
    from confidante.device.federation.coordinator_client import CoordinatorClient, Tls
    from confidante.device.federation.eligibility import EligibilityCheck
    from confidante.device.federation.participant import Participant
    from confidante.device.federation.participation import Participation, Route
    from confidante.device.federation.policy import Outcome, ParticipationPolicy
    from confidante.device.federation.verified_log import VerifiedLog
    from confidante.device.federation.wallet import Evidence

Refresh = Callable[["CoordinatorClient", "Evidence | None"], None]
"""Brings up to date what else comes from a coordinator."""


@final
@checked_arguments
class Federation:
    """One device among others.

    Stability: provisional
    """

    def __init__(
        self,
        access: VaultAccess,
        consents: Consents,
        ledger: Ledger,
        serving: Serving,
        cohorts: Cohorts,
        refresh: Refresh,
    ) -> None:
        self._access, self._vault = access, access.vault
        self._consents, self._ledger = consents, ledger
        self._serving, self._cohorts = serving, cohorts
        self._refresh_others = refresh
        self._backgrounds: list[Background] = []

    @property
    def has_model(self) -> bool:
        """Whether a published model is installed."""
        return self._serving.has_model

    @exclusive
    def install_model(self, data: bytes) -> str:
        """Take a published model and its catalogue.

        Args:
            data: The model's file, as `confidante coordinator` publishes it.

        Returns:
            The model's digest, 64 hexadecimal digits.

        Raises:
            WireError: It is not a model with its catalogue.
        """
        return self._serving.install(data)

    @exclusive
    def identity(self, destination: str) -> "PublicIdentity":
        """Return the keys that one coordinator knows this device by; another coordinator sees others.

        Args:
            destination: Scheme, host and port of the coordinator.

        Returns:
            The public keys.
        """
        from confidante.device.federation.participation import device_identity

        return device_identity(self._vault, destination).public

    @exclusive
    def join(self, agreement: "Agreement", offer: "Offer", route: "Route") -> "Participation":
        """Take part in one round of secure aggregation; whoever calls this carries the messages.

        Nothing is handed out that is not in the ledger before.

        Args:
            agreement: The plan that was agreed to.
            offer: The round, as the coordinator offers it.
            route: Where the messages go.

        Returns:
            The device's side of the round.

        Raises:
            ConsentError: The purpose is switched off, the budget would be exceeded, or the round was joined
                before.
            PlanError: The offer is not the round of the agreed plan.
        """
        from confidante.device.federation.participation import Participation, device_identity

        return Participation(
            self._vault,
            self._consents,
            self._ledger,
            SystemEntropy(),
            device_identity(self._vault, route.destination),
            agreement,
            offer,
            route,
        )

    def participate(
        self,
        url: str,
        population: str,
        policy: "ParticipationPolicy | None" = None,
        *,
        patience: float = 600.0,
        eligibility: "Sequence[EligibilityCheck]" = (),
        allowed: Collection[str] = (),
        evidence: "Evidence | None" = None,
        tls: "Tls | None" = None,
        say: Callable[[str], None] = lambda _sentence: None,
    ) -> "Outcome":
        """Take part in one round of a coordinator. Other methods can be used meanwhile.

        A device that was killed in a round and started anew goes on with it.

        Args:
            url: Address of the coordinator.
            population: Name of the population.
            policy: What is agreed to beforehand; the usual when left out.
            patience: Seconds that it may take, waiting for a round included.
            eligibility: Whether this is a time for it, such as being on mains.
            allowed: Names of those checks that may not know.
            evidence: What to show where tokens are asked for.
            tls: What to trust in place of the system's certificates.
            say: Told how it goes, a sentence at a time.

        Returns:
            What came of it.

        Raises:
            ConsentError: The switch of the round's purpose is off, or the budget is spent.
            EgressError: The coordinator cannot be reached.
            WireError: The coordinator talks nonsense.
            ForkedLogError: It shows this device another log than before, or than others.
        """
        from confidante.device.federation.coordinator_client import CoordinatorClient

        client = CoordinatorClient(self._ledger, url, tls=tls)
        participant = self._participant(
            client, population, policy, eligibility, allowed, evidence, say, at_once=True
        )
        return participant.take_part(patience)

    def participate_in_background(
        self,
        url: str,
        population: str,
        policy: "ParticipationPolicy | None" = None,
        *,
        pace: "Pace | None" = None,
        eligibility: "Sequence[EligibilityCheck] | None" = None,
        allowed: Collection[str] = (),
        evidence: "Evidence | None" = None,
        tls: "Tls | None" = None,
    ) -> "Background":
        """Take part in a coordinator's rounds, and keep the model fresh, until this device is closed.

        Args:
            url: Address of the coordinator.
            population: Name of the population.
            policy: What is agreed to beforehand; the usual when left out.
            pace: How often; the usual when left out.
            eligibility: Whether this is a time for it; the usual ones when left out.
            allowed: Names of those checks that may not know.
            evidence: What to show where tokens are asked for.
            tls: What to trust in place of the system's certificates.

        Returns:
            What takes part. Its state says what failed, which is tried again later.

        Raises:
            EgressError: Nothing is sent to such an address.
        """
        from confidante.device.federation.background import Background
        from confidante.device.federation.coordinator_client import CoordinatorClient
        from confidante.device.federation.eligibility import usual

        asked = usual(self._vault.folder) if eligibility is None else eligibility

        def take_part(client: CoordinatorClient, patience: float, say: Callable[[str], None]) -> "Outcome":
            return self._participant(client, population, policy, asked, allowed, evidence, say).take_part(
                patience
            )

        def refresh(client: CoordinatorClient) -> None:
            self._refresh_model(client, population)
            self._refresh_others(client, evidence)

        def connect() -> CoordinatorClient:
            return CoordinatorClient(self._ledger, url, tls=tls)

        connect()
        background = Background(
            connect,
            take_part,
            self._ledger.rounds,
            self._vault.now,
            lambda: self._vault.closed,
            pace=pace,
            refresh=refresh,
        )
        self._backgrounds.append(background)
        return background

    @property
    def backgrounds(self) -> "tuple[Background, ...]":
        """What takes part in the background, or did since this device was opened."""
        return tuple(self._backgrounds)

    def update_model(
        self,
        url: str,
        population: str,
        *,
        purpose: Purpose = Purpose.TRAIN,
        patience: float = 600.0,
        tls: "Tls | None" = None,
    ) -> bool:
        """Install the newest model that a coordinator's public log names.

        Args:
            url: Address of the coordinator.
            population: Name of the population.
            purpose: The switch that allows the questions.
            patience: Seconds that it may take; what came until then is kept, and the next call goes on from
                there.
            tls: What to trust in place of the system's certificates.

        Returns:
            Whether there was a newer model.

        Raises:
            ConsentError: The switch is off.
            DataError: The log names no such population.
            EgressError: The coordinator cannot be reached.
            WireError: The coordinator talks nonsense.
            ForkedLogError: It shows this device another log or model than before, or than others.
        """
        from confidante.device.federation import downloads
        from confidante.device.federation.coordinator_client import CoordinatorClient, RefusedError
        from confidante.device.federation.verified_log import VerifiedLog

        self._consents.require(purpose)
        client = CoordinatorClient(self._ledger, url, tls=tls)
        client.allow(patience)
        log = VerifiedLog(self._vault, client.destination)
        try:
            newer = self._update(client, log, population, purpose)
        except RefusedError as error:
            raise EgressError(f"the coordinator did not deliver its newest model: {error}") from None
        downloads.require_known(log, population)
        return newer

    def alarms(self) -> "tuple[Alarm, ...]":
        """Return what coordinators were caught at and the person has not dismissed, newest first.

        Nothing is sent to such a coordinator meanwhile.
        """
        from confidante.device.federation.alarms import alarms

        return alarms(self._vault)

    def dismiss_alarm(self, number: int) -> None:
        """Deal with a coordinator again in spite of an alarm; for the person to decide.

        After an alarm about the public log, what the log shows next is believed.

        Args:
            number: Of the alarm.

        Raises:
            DataError: No such alarm is open.
        """
        from confidante.device.federation.alarms import dismiss

        dismiss(self._vault, number)

    def stop(self) -> None:
        """Stop whatever takes part in the background; a round it is in goes on at the next start."""
        for background in self._backgrounds:
            background.close()

    # --- within

    def _participant(
        self,
        client: "CoordinatorClient",
        population: str,
        policy: "ParticipationPolicy | None",
        eligibility: "Sequence[EligibilityCheck]",
        allowed: Collection[str],
        evidence: "Evidence | None",
        say: Callable[[str], None],
        *,
        at_once: bool = False,
    ) -> "Participant":
        from confidante.device.federation.participant import Participant
        from confidante.device.federation.policy import ParticipationPolicy

        return Participant(
            self._vault,
            self._consents,
            self._ledger,
            client,
            population,
            policy or ParticipationPolicy(),
            eligibility=eligibility,
            allowed=allowed,
            evidence=evidence,
            at_once=at_once,
            say=say,
        )

    def _refresh_model(self, client: "CoordinatorClient", population: str) -> None:
        """Install the newest model; without a switch that allows the question, or an answer, it stays."""
        from confidante.device.federation.coordinator_client import RefusedError
        from confidante.device.federation.verified_log import VerifiedLog

        purpose = next((one for one in Purpose if one.sends and self._consents.allowed(one)), None)
        if purpose is not None:
            log = VerifiedLog(self._vault, client.destination)
            with suppress(RefusedError):
                self._update(client, log, population, purpose)

    def _update(
        self, client: "CoordinatorClient", log: "VerifiedLog", population: str, purpose: Purpose
    ) -> bool:
        """Have the newest model, and the newest tables of all cohorts, whichever of them is used here."""
        from confidante.device.federation import cohort_tables, downloads

        newer = downloads.update(self._vault, client, log, population, purpose, self.install_model)
        cohort_tables.update(self._vault, client, log, population, purpose, self._cohorts._installed)
        return newer
