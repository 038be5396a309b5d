"""The tables of cohorts that the public log names, fetched whole by every device, whatever its own group is.

What comes is held against the log: it has to be the body that an entry names, made of the sum of a round that
was announced, over the tree and the catalogue that were announced with that round. Otherwise it is thrown
away, and the tables at hand stay.
"""

from collections.abc import Callable

from confidante.core.errors import WireError
from confidante.device.catalog.serving import MODEL_BODY
from confidante.device.federation import downloads
from confidante.device.federation.coordinator_client import CoordinatorClient
from confidante.device.federation.verified_log import VerifiedLog
from confidante.device.recommend import cohorts
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose
from confidante.models import snapshot
from confidante.tasks.cohorts.release import MAX_BYTES, CohortRelease
from confidante.wire.catalogue import CatalogueWire


def update(
    vault: Vault,
    client: CoordinatorClient,
    log: VerifiedLog,
    population: str,
    purpose: Purpose,
    installed: Callable[[], object],
) -> bool:
    """Keep the newest tables that the log names for a population; False when nothing is newer.

    The log is caught up with before. installed: told when other tables are kept than before. Tables of
    another population go. Raises as `downloads.fetch`, and WireError for tables that are not what was
    announced.
    """
    newest = log.newest_cohorts(population)
    standing = cohorts.standing_of(vault, client.destination, population)
    if newest is None or newest.body == standing:
        if newest is None and standing is None and vault.read_body(cohorts.COHORTS_BODY) is not None:
            _keep(vault, client, population, None, (), installed)
        return False
    base = vault.read_body(cohorts.COHORTS_BODY) or b""
    data = downloads.fetch(
        vault, client, newest.body, what="cohort table", purpose=purpose, most_bytes=MAX_BYTES, base=base
    )
    release = CohortRelease.decode(data)
    wire = _catalogue(vault, client, newest.catalogue, purpose)
    release.check(wire, newest.task)
    _keep(vault, client, population, data, wire.catalogue.ids, installed)
    return True


def _keep(
    vault: Vault,
    client: CoordinatorClient,
    population: str,
    data: bytes | None,
    ids: tuple[str, ...],
    installed: Callable[[], object],
) -> None:
    with vault.lock:
        cohorts.keep(vault, client.destination, population, data, ids)
        installed()


def _catalogue(vault: Vault, client: CoordinatorClient, digest: bytes, purpose: Purpose) -> CatalogueWire:
    """Return a catalogue by its digest: the installed model's, when it is that one, else as in a round."""
    data = vault.read_body(MODEL_BODY)
    catalogue = None if data is None else snapshot.decode(data).catalogue
    if catalogue is not None:
        wire = CatalogueWire(catalogue)
        if wire.digest == digest:
            return wire
    wire = downloads.catalogue(vault, client, digest, purpose)
    if wire.digest != digest:
        raise WireError("the catalogue is not the one that the public log names: refused")
    return wire
