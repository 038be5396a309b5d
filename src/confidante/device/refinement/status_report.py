"""From what the vault keeps of refinement to how it stands."""

import ipaddress
from urllib.parse import urlsplit

from confidante.device.refinement import vault_state
from confidante.device.refinement.download_policy import SIZES, Decision, decide, questions_expected
from confidante.device.refinement.schemes import known
from confidante.device.refinement.scoring_tokens import tokens_left
from confidante.device.refinement.status import RefinementStatus
from confidante.device.refinement.vault_state import Prepared, Setup
from confidante.device.storage.vault import Vault


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
