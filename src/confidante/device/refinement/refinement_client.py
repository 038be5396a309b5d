"""`device.refinement`: lists that a server refines without being able to read what it is asked."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, final

import numpy as np

from confidante.core.arguments import checked_arguments
from confidante.core.errors import DataError, EgressError
from confidante.device.catalog.serving import Serving
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.ledger import Ledger
from confidante.device.recommend.query import ScoringQuery
from confidante.device.recommend.recommender import Recommender, Request
from confidante.device.storage import settings
from confidante.device.storage.access import VaultAccess, exclusive
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
@checked_arguments
class RefinementClient:
    """Has the lists of one device refined.

    Stability: provisional
    """

    def __init__(
        self,
        access: VaultAccess,
        consents: Consents,
        ledger: Ledger,
        serving: Serving,
        recommender: Recommender,
    ) -> None:
        self._access, self._vault = access, access.vault
        self._consents, self._ledger = consents, ledger
        self._serving, self._recommender = serving, recommender
        self._refiner: Refiner | None = None

    @exclusive
    def use(
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
        """Choose the coordinator that lists are refined with, and keep the choice. Nothing is sent by this.

        What was fetched before stays if it is the same server and population.

        Args:
            url: Address of the coordinator; None: have no lists refined any more.
            population: Name of the population.
            relay: Address of a relay, which carries questions so that the server does not see who asks, and
                cannot read them itself. Somebody else than the server's operator should run it.
            direct: Do without a relay: questions go to the server, which then sees this device's network
                address.
            seconds: What a refinement may take, 0.05 to 60.
            policy: "auto" asks or downloads the server's vectors, whichever takes fewer bytes; "ask" and
                "download" do the one or the other.
            epsilon: What one question may spend of the privacy budget, 0 to 8, on choosing a bucket of the
                server's items, where there are buckets, instead of asking for all; 0: never.
            certificates: What to trust in place of the system's certificates, in PEM.
            at_once: Ask right after a refresh, too, when the server could tell by the time whose question it
                is. Otherwise a device waits for some minutes, drawn by chance, and lists are not refined
                meanwhile (`NotRefined.TOO_SOON`).

        Raises:
            DataError: What was given does not fit together.
            EgressError: Nothing is sent to such an address.
        """
        from confidante.device.privacy.http_request import render
        from confidante.device.refinement.client import trusted
        from confidante.device.refinement.download_policy import Policy
        from confidante.device.refinement.vault_state import Setup, set_up

        if url is None:
            set_up(self._vault, None)
            return
        try:
            chosen = Policy(policy)
        except ValueError:
            raise DataError(f"the policy is auto, ask or download, not {policy!r}") from None
        for address in filter(None, (url, relay)):
            render("GET", address)
        if not population:
            raise DataError("name the population, too")
        if relay is not None and direct:
            raise DataError("questions go through the relay or directly, not both: leave one out")
        if relay is None and not direct and chosen is not Policy.DOWNLOAD:
            raise DataError(
                "name a relay, so that the server does not see who asks; or say direct=True to do without, "
                "or policy='download' to ask nothing"
            )
        if not 0.05 <= seconds <= 60:
            raise DataError(f"the time limit of a refinement is 0.05 to 60 seconds, not {seconds}")
        if not 0 <= epsilon <= 8:
            raise DataError(f"the epsilon of a question is 0 to 8, not {epsilon}")
        trusted(certificates)
        terms = (float(seconds), chosen, float(epsilon), certificates, at_once)
        set_up(self._vault, Setup(url.rstrip("/"), population, relay or "", direct, *terms))

    def refresh(self, *, patience: float = 60.0, evidence: "Evidence | None" = None) -> "RefinementStatus":
        """Fetch what is new of what refining takes.

        What the server offers and this device does not have becomes recommendable. Call it now and then, and
        not right before a list is to be refined: the coordinator sees this device fetch, and could tell by
        the time whose question came next, so nothing is asked for 2 to 10 minutes from then on.

        Args:
            patience: Seconds that it may take; what came until then is kept.
            evidence: What to show where tokens for questions are given for something.

        Returns:
            How refinement stands then.

        Raises:
            DataError: No server was chosen.
            ConsentError: The switch is off.
            EgressError: The coordinator cannot be reached, or has nothing to refine with.
            WireError: The coordinator talks nonsense.
            ForkedLogError: It shows this device another log or other vectors than others.
        """
        from confidante.device.federation.coordinator_client import CoordinatorClient
        from confidante.device.refinement import vault_state
        from confidante.device.refinement.client import trusted

        self._consents.require(Purpose.REFINE)
        setup = vault_state.setup(self._vault)
        if setup is None:
            raise DataError("there is no server to refine with: choose one with device.refinement.use")
        client = CoordinatorClient(self._ledger, setup.url, tls=trusted(setup.certificates))
        client.allow(patience)
        self._sync(client, setup, evidence)
        return self.status()

    @exclusive
    def status(self) -> "RefinementStatus":
        """Return how refinement stands, with the policy's figures. Nothing is sent by this."""
        from confidante.device.refinement.status import status

        return status(self._vault, allowed=self._consents.allowed(Purpose.REFINE))

    # --- for the rest of the device

    def _begin(self, answer: Answer, query: ScoringQuery, request: Request) -> Answer:
        """Return the local answer to a query, with a refinement of it under way."""
        if self._refiner is None:
            from confidante.device.refinement.runner import Refiner

            self._refiner = Refiner(self._vault, self._consents, self._ledger)

        def merge(add: "Callable[[ScoringQuery], Added]") -> Answer:
            return self._merged(query, request, add)

        handle = self._refiner.begin(query, merge, nobody=settings.no_profiling(self._vault))
        return replace(answer, refinement=handle)

    def _refresh_with(self, client: "CoordinatorClient", evidence: "Evidence | None") -> None:
        """Fetch what is new, if lists are refined with this coordinator and the person allows it."""
        from confidante.device.privacy.http_request import render
        from confidante.device.refinement import vault_state

        setup = vault_state.setup(self._vault)
        if setup is None or not self._consents.allowed(Purpose.REFINE):
            return
        if render("GET", setup.url).destination == client.destination:
            with suppress(EgressError):  # a server that has nothing to refine with, now, is no failure
                self._sync(client, setup, evidence)

    def _stop(self) -> None:
        """Stop whatever is under way; lists that are being refined stay as they are."""
        if self._refiner is not None:
            self._refiner.stop()

    # --- within

    def _merged(
        self, asked: ScoringQuery, request: Request, add: "Callable[[ScoringQuery], Added]"
    ) -> Answer:
        """Return the refined list, of the library and the profile as they are now; the vault is held."""
        from confidante.device.refinement.client import NotRefinedError

        if settings.no_profiling(self._vault):
            raise NotRefinedError(
                NotRefined.NO_PROFILING, "No-profiling mode was switched on in the meantime."
            )
        if not self._consents.allowed(Purpose.REFINE):
            raise NotRefinedError(
                NotRefined.SWITCHED_OFF, "Having lists refined was switched off in the meantime."
            )
        query = self._recommender._query(request)
        if not np.isin(asked.profile.numbers, query.profile.numbers).all():
            raise NotRefinedError(
                NotRefined.STOPPED, "Data that the question was made of was forgotten in the meantime."
            )
        return self._recommender._top_k(query.with_added(add(query)), request, personal=True)

    def _sync(self, client: "CoordinatorClient", setup: "Setup", evidence: "Evidence | None") -> None:
        from confidante.device.refinement.sync import RefinementSync

        RefinementSync(self._vault, self._serving, client, setup).prepare(evidence)
