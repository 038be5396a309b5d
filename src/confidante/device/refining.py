"""A device that has lists refined by a server that cannot read what it is asked."""

from typing import TYPE_CHECKING

from confidante.core.errors import DataError
from confidante.device.opened import Opened, one_at_a_time
from confidante.device.values import Purpose

if TYPE_CHECKING:  # refinement is loaded when it is first used, so that a start is quick
    from confidante.device.refinement.keeping import Setup
    from confidante.device.refinement.policy import Policy
    from confidante.device.refinement.status import RefinementStatus

SECONDS = 2.0
"""What a refinement may take, all in all."""


class Refining(Opened):
    """The part of a `Device` that has its lists refined."""

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
    ) -> None:
        """Choose the coordinator that lists are refined with, and keep the choice; None: none, any more.

        Nothing is sent by this. relay: address of a relay, which carries questions so that the server does
        not see who asks, and cannot read them itself; it should not be run by whoever runs the server.
        direct: without a relay, questions go to the server, which then sees this device's network address.
        seconds: that a refinement may take. policy: "auto" asks or downloads the server's vectors, whichever
        takes fewer bytes; "ask" and "download" do the one or the other. epsilon: of the privacy budget, that
        one question may spend on choosing a bucket of the server's items, where there are buckets, instead of
        asking for all; 0: never. What was fetched before stays if it is the same server and population.

        DataError for what does not fit together, EgressError for an address that nothing is sent to.
        """
        from confidante.device.refinement.keeping import set_up

        if url is None:
            set_up(self._vault, None)
            return
        wanted = _checked(url, population, relay, direct, seconds, policy, epsilon)
        set_up(self._vault, wanted)

    @one_at_a_time
    def refinement_status(self) -> "RefinementStatus":
        """Return how refinement stands, with the policy's figures. Nothing is sent by this."""
        from confidante.device.refinement.telling import status

        return status(self._vault, allowed=self._consents.allowed(Purpose.REFINE))


def _checked(
    url: str,
    population: str,
    relay: str | None,
    direct: bool,
    seconds: float,
    policy: "Policy | str",
    epsilon: float,
) -> "Setup":
    """Return a setting that holds together."""
    from confidante.device.refinement.keeping import Setup
    from confidante.device.refinement.policy import Policy
    from confidante.device.request import render

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
    return Setup(url.rstrip("/"), population, relay or "", direct, float(seconds), chosen, float(epsilon))
