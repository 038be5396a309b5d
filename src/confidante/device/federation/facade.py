"""A device among others: rounds with a coordinator, in the foreground or behind, and the models they make."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from confidante.core.entropy import SystemEntropy
from confidante.core.errors import EgressError
from confidante.device.base import Opened, one_at_a_time
from confidante.device.values import Purpose

if TYPE_CHECKING:  # rounds are loaded when they are first used, so that a start is quick
    from confidante.crypto.identity import PublicIdentity
    from confidante.device.federation.agreement import Agreement, Offer
    from confidante.device.federation.alarms import Alarm
    from confidante.device.federation.background import Background, Pace
    from confidante.device.federation.coordinator_client import CoordinatorClient, Tls
    from confidante.device.federation.eligibility import Probe
    from confidante.device.federation.participant import Participant
    from confidante.device.federation.participation import Participation, Route
    from confidante.device.federation.policy import Outcome, Terms
    from confidante.device.federation.verified_log import PublicLog
    from confidante.device.federation.wallet import Evidence


class TakingPart(Opened):
    """The part of a `Device` that takes part in private sums."""

    _backgrounds: "list[Background]"

    @one_at_a_time
    def install_model(self, data: bytes) -> str:
        """Take a published model and its catalogue; return the model's digest. Raises `WireError`."""
        return self._serving.install(data)

    @one_at_a_time
    def identity(self, destination: str) -> "PublicIdentity":
        """Return the keys that one coordinator knows this device by; another coordinator sees others."""
        from confidante.device.federation.participation import device_identity

        return device_identity(self._vault, destination).public

    @one_at_a_time
    def join(self, agreement: "Agreement", offer: "Offer", route: "Route") -> "Participation":
        """Take part in one private sum; whoever calls this carries the messages.

        Nothing is handed out that is not in the ledger before. Raises `ConsentError` when the purpose is
        switched off, the budget would be exceeded or the round was joined before, and `PlanError` when the
        offer is not the round of the agreed plan.
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
        terms: "Terms | None" = None,
        *,
        patience: float = 600.0,
        probes: "Sequence[Probe]" = (),
        allowed: Collection[str] = (),
        evidence: "Evidence | None" = None,
        tls: "Tls | None" = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> "Outcome":
        """Take part in one private sum of a coordinator, for at most `patience` seconds.

        terms: what is agreed to beforehand. probes: whether this is a time for it, such as being on mains;
        allowed: names of those that may not know. evidence: what to show where tokens are asked for. tls: in
        place of the system's certificates. say: told how it goes. Killed in a round and started anew, a
        device goes on with it. Other methods can be used meanwhile. Raises as `Participant.take_part` says.
        """
        from confidante.device.federation.coordinator_client import CoordinatorClient

        line = CoordinatorClient(self._ledger, url, tls=tls)
        participant = self._participant(line, population, terms, probes, allowed, evidence, say, at_once=True)
        return participant.take_part(patience)

    def participate_in_background(
        self,
        url: str,
        population: str,
        terms: "Terms | None" = None,
        *,
        pace: "Pace | None" = None,
        probes: "Sequence[Probe] | None" = None,
        allowed: Collection[str] = (),
        evidence: "Evidence | None" = None,
        tls: "Tls | None" = None,
    ) -> "Background":
        """Take part in a coordinator's rounds, and keep the model fresh, until this device is closed.

        pace: how often. probes: the usual ones when left out; the rest as for `participate`. What fails is
        told by the state of what is returned, and tried again later. Raises EgressError for an address that
        nothing is sent to.
        """
        from confidante.device.federation import eligibility as asking
        from confidante.device.federation.background import Background
        from confidante.device.federation.coordinator_client import CoordinatorClient

        asked = asking.usual(self.folder) if probes is None else probes

        def take_part(line: CoordinatorClient, patience: float, say: Callable[[str], None]) -> "Outcome":
            return self._participant(line, population, terms, asked, allowed, evidence, say).take_part(
                patience
            )

        def line() -> CoordinatorClient:
            return CoordinatorClient(self._ledger, url, tls=tls)

        line()
        background = Background(
            line,
            take_part,
            self._ledger.rounds,
            self._vault.now,
            lambda: self._vault.closed,
            pace=pace,
            refresh=lambda line: self._refresh(line, population, evidence),
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
        """Install the newest model that a coordinator's public log names; False when there is none newer.

        It takes at most `patience` seconds; what came until then is kept, and the next call goes on from
        there. purpose: the switch that allows the questions. Raises ConsentError when it is off, DataError
        when the log names no such population, EgressError when the coordinator cannot be reached, WireError
        when it talks nonsense, and ForkedLogError when it shows this device another log or model than before,
        or than others.
        """
        from confidante.device.federation import downloads
        from confidante.device.federation.coordinator_client import CoordinatorClient, RefusedError
        from confidante.device.federation.verified_log import PublicLog

        self._consents.require(purpose)
        line = CoordinatorClient(self._ledger, url, tls=tls)
        line.allow(patience)
        log = PublicLog(self._vault, line.destination)
        try:
            newer = downloads.update(self._vault, line, log, population, purpose, self.install_model)
            self._refresh_cohorts(line, log, population, purpose)
        except RefusedError as error:
            raise EgressError(f"the coordinator does not give its newest model: {error}") from None
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

        After an alarm about the public log, what the log shows next is believed. DataError when no such alarm
        is open.
        """
        from confidante.device.federation.alarms import dismiss

        dismiss(self._vault, number)

    # --- within

    def _participant(
        self,
        line: "CoordinatorClient",
        population: str,
        terms: "Terms | None",
        probes: "Sequence[Probe]",
        allowed: Collection[str],
        evidence: "Evidence | None",
        say: Callable[[str], None],
        *,
        at_once: bool = False,
    ) -> "Participant":
        from confidante.device.federation.participant import Participant
        from confidante.device.federation.policy import Terms

        return Participant(
            self._vault,
            self._consents,
            self._ledger,
            line,
            population,
            terms or Terms(),
            probes=probes,
            allowed=allowed,
            evidence=evidence,
            at_once=at_once,
            say=say,
        )

    def _refresh(self, line: "CoordinatorClient", population: str, evidence: "Evidence | None") -> None:  # noqa: ARG002
        """Bring up to date what comes from a coordinator. Other parts of a device add theirs."""
        self._refresh_model(line, population)

    def _refresh_model(self, line: "CoordinatorClient", population: str) -> None:
        """Install the newest model; without a switch that allows the question, or an answer, it stays."""
        from confidante.device.federation import downloads
        from confidante.device.federation.coordinator_client import RefusedError
        from confidante.device.federation.verified_log import PublicLog

        purpose = next((one for one in Purpose if one.sends and self._consents.allowed(one)), None)
        if purpose is not None:
            log = PublicLog(self._vault, line.destination)
            with suppress(RefusedError):
                downloads.update(self._vault, line, log, population, purpose, self.install_model)
                self._refresh_cohorts(line, log, population, purpose)

    def _refresh_cohorts(
        self, line: "CoordinatorClient", log: "PublicLog", population: str, purpose: Purpose
    ) -> None:
        """Have the newest tables of all cohorts, whichever of them is used here."""
        from confidante.device.federation import cohort_tables

        cohort_tables.update(self._vault, line, log, population, purpose, self._cohorts_changed)

    def _cohorts_changed(self) -> None:
        self._person.cohorts.installed()
        self._person.changed()

    def _stop_backgrounds(self) -> None:
        for background in self._backgrounds:
            background.close()
