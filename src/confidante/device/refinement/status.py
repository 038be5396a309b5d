"""How refinement stands on a device, for the person, the page and the command line."""

import ipaddress
from dataclasses import dataclass
from typing import final
from urllib.parse import urlsplit

from confidante.device.refinement import vault_state
from confidante.device.refinement.download_policy import SIZES, Decision, decide, questions_expected
from confidante.device.refinement.schemes import known
from confidante.device.refinement.scoring_tokens import tokens_left
from confidante.device.refinement.vault_state import LastRefinement, Prepared, Setup
from confidante.device.storage.vault import Vault


@final
@dataclass(frozen=True, slots=True)
class RefinementStatus:
    """How it stands.

    server, population: empty when no server was chosen; then nothing else here says anything.
    relay: what carries questions, empty when none does; direct: questions go to the server itself, which
    then sees this device's network address. warning: a sentence, empty when all is well. seconds: that a
    refinement may take. policy: "auto", "ask" or "download". epsilon: that may be spent on choosing a bucket
    for one question, 0: all items are asked for.

    prepared_at: seconds since 1970 when all that it takes was last fetched, None: never. items, dimensions:
    of the server's catalogue and vectors. buckets: into how many the server put its items. secret: the
    server gives its vectors to nobody. scheme: what questions are encrypted by, empty: nothing that the
    server knows is here. decision: of the policy, with its figures; None while nothing is prepared. tokens:
    left, None where none are asked for. not_before: seconds since 1970 until which nothing is asked, because
    the server saw this device just now; None: it may be at once.

    allowed: whether the person's switch is on. asked: questions that were sent so far; up, down: their
    bytes and those of their answers. last: what came of the last refinement, None: there was none.
    """

    server: str = ""
    population: str = ""
    relay: str = ""
    direct: bool = False
    warning: str = ""
    seconds: float = 0.0
    policy: str = ""
    epsilon: float = 0.0
    prepared_at: float | None = None
    items: int = 0
    dimensions: int = 0
    buckets: int = 0
    secret: bool = False
    scheme: str = ""
    decision: Decision | None = None
    tokens: int | None = None
    not_before: float | None = None
    allowed: bool = False
    asked: int = 0
    up: int = 0
    down: int = 0
    last: LastRefinement | None = None

    @property
    def set_up(self) -> bool:
        """Whether there is a server to refine with."""
        return bool(self.server)


def status(vault: Vault, *, allowed: bool) -> RefinementStatus:
    """Return how refinement stands. allowed: whether the person's switch is on."""
    setup, prepared, use = vault_state.setup(vault), vault_state.prepared(vault), vault_state.use(vault)
    last = vault_state.last_of(use.last)
    if setup is None:
        return RefinementStatus(allowed=allowed, asked=use.asked, up=use.up, down=use.down, last=last)
    scheme = "" if prepared is None else known(prepared.offered.schemes)
    return RefinementStatus(
        server=setup.url,
        population=setup.population,
        relay=setup.relay,
        direct=setup.direct,
        warning=warning(setup),
        seconds=setup.seconds,
        policy=setup.policy.value,
        epsilon=setup.epsilon,
        prepared_at=None if prepared is None else prepared.at,
        items=0 if prepared is None else prepared.items,
        dimensions=0 if prepared is None else prepared.dimensions,
        buckets=0 if prepared is None else prepared.buckets,
        secret=prepared is not None and prepared.offered.secret,
        scheme=scheme,
        decision=None if prepared is None else decision(vault, setup, prepared),
        tokens=None if prepared is None else tokens_left(vault, setup, prepared.offered),
        not_before=None if setup.direct or setup.at_once else vault_state.rests_until(vault),
        allowed=allowed,
        asked=use.asked,
        up=use.up,
        down=use.down,
        last=last,
    )


def decision(vault: Vault, setup: Setup, prepared: Prepared) -> Decision:
    """Return whether to ask or to download, by what is known now."""
    asked, since = vault_state.use(vault).lately(vault.now())
    in_bucket = setup.epsilon > 0 and prepared.buckets > 0
    return decide(
        setup.policy,
        secret=prepared.offered.secret,
        sizes=SIZES.get(known(prepared.offered.schemes)),
        items=prepared.items,
        scored=prepared.bucket_size if in_bucket else prepared.items,
        dimensions=prepared.dimensions,
        expected=questions_expected(asked, since, prepared.days),
        days=prepared.days,
        at_hand=prepared.downloaded,
    )


def warning(setup: Setup) -> str:
    """Return what the person should know of who sees what; empty when all is well."""
    if setup.direct:
        return "Without a relay, the server sees this device's network address with each question."
    if not setup.relay:
        return ""
    server, relay = (_host(url) for url in (setup.url, setup.relay))
    if server == relay or server.endswith(f".{relay}") or relay.endswith(f".{server}"):
        return (
            "Relay and server have one address: they may be one party, which then sees who asks. Choose a "
            "relay that somebody else runs."
        )
    return ""


def _host(url: str) -> str:
    """Return the host of an address; every name of this device is one."""
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    try:
        return "localhost" if ipaddress.ip_address(host).is_loopback else host
    except ValueError:
        return host
