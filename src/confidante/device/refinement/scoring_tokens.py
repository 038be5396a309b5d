"""Anonymous tokens for questions: stocked when all else is fetched, spent one a question.

They are not asked for right before a question: who gives them sees who asks for them, and a question that
comes a moment later would be known by its time. They are asked for in one fixed number, which does not say
how many were spent.
"""

from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.federation.verified_log import VerifiedLog
from confidante.device.federation.wallet import Evidence, Wallet
from confidante.device.privacy.http_request import render
from confidante.device.refinement.vault_state import Setup
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose
from confidante.wire.refinement import RefinementOffer, tokens_of

STOCK = 16
"""Tokens that a device asks for at once, when fewer than half of that are left.

Half of what one subject gets if that is less: others may share its network address.
"""


def wallet(
    vault: Vault, client: CoordinatorClient, population: str, evidence: Evidence | None = None
) -> Wallet:
    """Return the tokens for questions to a population's server."""
    log = VerifiedLog(vault, client.destination)
    return Wallet(vault, client, log, tokens_of(population), Purpose.REFINE, evidence)


def tokens_left(vault: Vault, setup: Setup, offered: RefinementOffer) -> int | None:
    """Return how many questions can be paid for; None where none has to be."""
    if not offered.most:
        return None
    destination = render("GET", setup.url).destination
    return Wallet.left(vault, destination, tokens_of(setup.population))
