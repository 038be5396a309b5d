"""A device that has lists refined by a server that cannot read what it is asked."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import msgspec
import numpy as np

from confidante.core.errors import DataError, EgressError
from confidante.core.values import Item
from confidante.device.base import Opened, one_at_a_time
from confidante.device.recommend.query import Question, ask
from confidante.device.recommend.recommender import Recommender
from confidante.device.storage import settings
from confidante.device.values import Answer, NotRefined, Purpose

if TYPE_CHECKING:  # refinement is loaded when it is first used, so that a start is quick
    from confidante.device.federation.coordinator_client import CoordinatorClient
    from confidante.device.federation.wallet import Evidence
    from confidante.device.recommend.query import Added
    from confidante.device.refinement.download_policy import Policy
    from confidante.device.refinement.runner import Refiner
    from confidante.device.refinement.status import RefinementStatus
    from confidante.device.refinement.vault_state import Setup

SECONDS = 2.0
"""What a refinement may take, all in all."""


@final
@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller of `Device.recommend` wants, to be asked again when a server's answer is here."""

    n: int
    keep: Callable[[Item], bool] | None
    labels: tuple[str, ...]
    exclude: tuple[str, ...]
    context: Mapping[str, str] | None
    diversity: float
    repeats: bool


class Refining(Opened):
    """The part of a `Device` that has its lists refined."""

    _answers: Recommender
    _refiner: "Refiner | None"

    @one_at_a_time
    def refine_with(
        self,
        url: str | None,
        population: str = "",
        *,
        relay: str | None = None,
        direct: bool = False,
        seconds: float = SECONDS,
        policy: "Policy | str" = "auto",
        epsilon: float = 0.0,
        certificates: str = "",
        at_once: bool = False,
    ) -> None:
        """Choose the coordinator that lists are refined with, and keep the choice; None: none, any more.

        Nothing is sent by this. relay: address of a relay, which carries questions so that the server does
        not see who asks, and cannot read them itself; it should not be run by whoever runs the server.
        direct: without a relay, questions go to the server, which then sees this device's network address.
        seconds: that a refinement may take. policy: "auto" asks or downloads the server's vectors, whichever
        takes fewer bytes; "ask" and "download" do the one or the other. epsilon: of the privacy budget, that
        one question may spend on choosing a bucket of the server's items, where there are buckets, instead of
        asking for all; 0: never. certificates: to trust in place of the system's, in PEM, where server and
        relay have their own. at_once: ask right after a refresh, too, when the server could tell by the time
        whose question it is; else a device waits for some minutes, drawn by chance, and lists are not refined
        meanwhile (`NotRefined.TOO_SOON`). What was fetched before stays if it is the same server and
        population.

        DataError for what does not fit together, EgressError for an address that nothing is sent to.
        """
        from confidante.device.refinement.vault_state import set_up

        if url is None:
            set_up(self._vault, None)
            return
        wanted = _checked(url, population, relay, direct, seconds, policy, epsilon, certificates)
        set_up(self._vault, msgspec.structs.replace(wanted, at_once=at_once))

    def refresh_refinement(
        self, *, patience: float = 60.0, evidence: "Evidence | None" = None
    ) -> "RefinementStatus":
        """Fetch what is new of what refining takes, and return how it stands.

        What the server offers and this device does not have becomes recommendable. It takes at most
        `patience` seconds; what came until then is kept. evidence: what to show where tokens for questions
        are given for something. Call it now and then, and not right before a list is to be refined: the
        coordinator sees this device fetch, and could tell by the time whose question came next, so nothing
        is asked for 2 to 10 minutes from then on.

        DataError when no server was chosen, ConsentError when the switch is off, EgressError when the
        coordinator cannot be reached or has nothing to refine with, WireError when it talks nonsense, and
        ForkedLogError when it shows this device another log or other vectors than others.
        """
        from confidante.device.federation.coordinator_client import CoordinatorClient
        from confidante.device.refinement import vault_state
        from confidante.device.refinement.client import trusted

        self._consents.require(Purpose.REFINE)
        setup = vault_state.setup(self._vault)
        if setup is None:
            raise DataError("there is no server to refine with: choose one with refine_with")
        line = CoordinatorClient(self._ledger, setup.url, tls=trusted(setup.certificates))
        line.allow(patience)
        self._prepare_refinement(line, setup, evidence)
        return self.refinement_status()

    @one_at_a_time
    def refinement_status(self) -> "RefinementStatus":
        """Return how refinement stands, with the policy's figures. Nothing is sent by this."""
        from confidante.device.refinement.status_report import status

        return status(self._vault, allowed=self._consents.allowed(Purpose.REFINE))

    # --- within

    def _question(self, wish: Wish) -> Question:
        """Return what is asked, of the library and the profile as they are now."""
        return ask(
            self._serving.library,
            self._profile(),
            context=None if settings.no_profiling(self._vault) else wish.context,
            labels=wish.labels,
            exclude=self._answers.rows(wish.exclude),
            repeats=wish.repeats,
        )

    def _refining(self, answer: Answer, question: Question, wish: Wish) -> Answer:
        """Return the local answer, with a refinement under way."""
        if self._refiner is None:
            from confidante.device.refinement.runner import Refiner

            self._refiner = Refiner(self._vault, self._consents, self._ledger)

        def merge(add: "Callable[[Question], Added]") -> Answer:
            return self._merged(question, wish, add)

        handle = self._refiner.begin(question, merge, nobody=settings.no_profiling(self._vault))
        return replace(answer, refinement=handle)

    def _merged(self, asked: Question, wish: Wish, add: "Callable[[Question], Added]") -> Answer:
        """Return the refined list, of the library and the profile as they are now; the vault is held."""
        from confidante.device.refinement.client import NotRefinedError

        if settings.no_profiling(self._vault):
            raise NotRefinedError(NotRefined.NO_PROFILING, "No-profiling mode was switched on meanwhile.")
        if not self._consents.allowed(Purpose.REFINE):
            raise NotRefinedError(NotRefined.SWITCHED_OFF, "Having lists refined was switched off meanwhile.")
        question = self._question(wish)
        if not np.isin(asked.profile.numbers, question.profile.numbers).all():
            raise NotRefinedError(
                NotRefined.STOPPED, "What the question was made of was forgotten meanwhile."
            )
        return self._answers.best(
            question.with_added(add(question)),
            wish.n,
            diversity=wish.diversity,
            keep=wish.keep,
            personal=True,
        )

    def _prepare_refinement(
        self, line: "CoordinatorClient", setup: "Setup", evidence: "Evidence | None" = None
    ) -> None:
        from confidante.device.refinement.sync import Preparing

        Preparing(self._vault, self._serving, line, setup).prepare(evidence)

    def _refresh_refinement_behind(self, line: "CoordinatorClient", evidence: "Evidence | None") -> None:
        """Fetch what is new, if lists are refined with this coordinator and the person allows it."""
        from confidante.device.privacy.http_request import render
        from confidante.device.refinement import vault_state

        setup = vault_state.setup(self._vault)
        if setup is None or not self._consents.allowed(Purpose.REFINE):
            return
        if render("GET", setup.url).destination == line.destination:
            with suppress(EgressError):  # a server that has nothing to refine with, now, is no failure
                self._prepare_refinement(line, setup, evidence)

    def _stop_refining(self) -> None:
        if self._refiner is not None:
            self._refiner.stop()


def _checked(
    url: str,
    population: str,
    relay: str | None,
    direct: bool,
    seconds: float,
    policy: "Policy | str",
    epsilon: float,
    certificates: str,
) -> "Setup":
    """Return a setting that holds together."""
    from confidante.device.privacy.http_request import render
    from confidante.device.refinement.client import trusted
    from confidante.device.refinement.download_policy import Policy
    from confidante.device.refinement.vault_state import Setup

    try:
        chosen = Policy(policy)
    except ValueError:
        raise DataError(f"the policy is auto, ask or download, not {policy!r}") from None
    for address in (url, relay):
        if address is not None:
            render("GET", address)
    if not population:
        raise DataError("name the population whose server is to refine, too")
    if relay is not None and direct:
        raise DataError("questions go through the relay or directly, not both: leave one out")
    if relay is None and not direct and chosen is not Policy.DOWNLOAD:
        raise DataError(
            "name a relay, so that the server does not see who asks; or say direct=True to do without, or "
            "policy='download' to ask nothing"
        )
    if not 0.05 <= seconds <= 60:
        raise DataError(f"a refinement takes 0.05 to 60 seconds, not {seconds}")
    if not 0 <= epsilon <= 8:
        raise DataError(f"the epsilon of a question is 0 to 8, not {epsilon}")
    trusted(certificates)
    return Setup(
        url.rstrip("/"), population, relay or "", direct, float(seconds), chosen, float(epsilon), certificates
    )
