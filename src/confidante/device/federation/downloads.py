"""Models and catalogues, fetched by the sha256 that the public log or an announcement names.

The digest says all: a body that is at hand is not asked for, and one that came is used only if it is the one.
It comes in ranges, each kept in the vault as it arrives, so a link that breaks, or a device that is switched
off, loses one range at most. To a device that has an older body, the coordinator may give the difference:
the device names that body only when this coordinator's own log did, since it would tell what the device has
from others; for the same reason, catalogues are kept for each coordinator apart.

A catalogue says what the entries of a sum count, and does not fill the person's library: what can be
recommended comes with the model, whose snapshot names its items, or from the app.
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from confidante.core import delta
from confidante.core.errors import DataError, EgressError, WireError
from confidante.device.catalog.serving import MODEL_BODY
from confidante.device.federation.alarms import Caught, require_none, sound
from confidante.device.federation.coordinator_client import CoordinatorClient, RefusedError
from confidante.device.federation.verified_log import VerifiedLog
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose
from confidante.models import snapshot
from confidante.packs.registry import with_features
from confidante.wire import catalogue as catalogues
from confidante.wire.catalogue import CatalogueWire

RANGE = 1 << 20
"""Bytes asked for at a time."""

_CATALOGUES = 4
_PART = "fetched part of "
_CATALOGUE = "catalogue "


def fetch(
    vault: Vault,
    client: CoordinatorClient,
    digest: bytes,
    *,
    what: str,
    purpose: Purpose,
    most_bytes: int,
    base: bytes = b"",
) -> bytes:
    """Return the body whose sha256 is `digest`, going on where an earlier call was cut off.

    what: "model" or "catalogue". base: an older one, from which a difference will do if the log of this
    coordinator names it, as far as it was verified; from nothing, the difference is the body, compressed.

    RefusedError and EgressError as `CoordinatorClient.ask`; WireError when it is larger than `most_bytes`;
    ForkedLogError, with an alarm, when what came is not what the digest names.
    """
    require_none(vault, client.destination)
    if not VerifiedLog(vault, client.destination).names(hashlib.sha256(base).digest()):
        base = b""
    path = f"/v1/models/{digest.hex()}"
    data = _whole(vault, client, f"{path}?from={hashlib.sha256(base).hexdigest()}", what, purpose, most_bytes)
    if _is(data, digest):
        return data
    with suppress(WireError):  # a difference that leads elsewhere proves nothing: only the body itself does
        return delta.apply(base, data, digest, most_bytes)
    for _again in range(2):  # parts that were kept may be of an answer that was cut off unseen
        data = _whole(vault, client, path, what, purpose, most_bytes)
        if _is(data, digest):
            return data
    raise sound(
        vault,
        client.destination,
        Caught.MODEL,
        f"The coordinator handed out a {what} that is not the one its public log names.",
        {"named in the log": digest.hex(), "handed out": hashlib.sha256(data).hexdigest()},
    )


def catalogue(
    vault: Vault,
    client: CoordinatorClient,
    digest: bytes,
    purpose: Purpose,
    most_bytes: int = catalogues.MAX_BYTES,
) -> CatalogueWire:
    """Return the catalogue of that name, from the vault when it came before; raises as `fetch`."""
    kept = f"{_CATALOGUE}{client.destination} "
    name = kept + digest.hex()
    data = vault.read_body(name)
    if data is None:
        base = _newest(vault, kept)
        data = fetch(
            vault, client, digest, what="catalogue", purpose=purpose, most_bytes=most_bytes, base=base
        )
        wire = CatalogueWire.decode(data, with_features)
        with vault.write() as sql:
            vault.write_body(name, data)
            sql(
                "DELETE FROM snapshot WHERE name IN (SELECT name FROM snapshot WHERE substr(name, 1, ?) = ? "
                "ORDER BY made DESC, rowid DESC LIMIT -1 OFFSET ?)",
                (len(kept), kept, _CATALOGUES),
            )
        return wire
    return CatalogueWire.decode(data, with_features)


def model(
    vault: Vault,
    client: CoordinatorClient,
    digest: bytes,
    purpose: Purpose,
    most_bytes: int = snapshot.MAX_BYTES,
) -> bytes:
    """Return the model file whose sha256 is `digest`: the installed one, or fetched. Raises as `fetch`."""
    installed = vault.read_body(MODEL_BODY) or b""
    if hashlib.sha256(installed).digest() == digest:
        return installed
    return fetch(vault, client, digest, what="model", purpose=purpose, most_bytes=most_bytes, base=installed)


def update(
    vault: Vault,
    client: CoordinatorClient,
    log: VerifiedLog,
    population: str,
    purpose: Purpose,
    install: Callable[[bytes], Any],
) -> bool:
    """Install the newest model that the log names for a population; False when it is there, or none is named.

    Raises as `VerifiedLog.catch_up`, `fetch` and `Device.install_model`.
    """
    log.catch_up(client, purpose)
    newest = log.newest_model(population)
    found = vault.rows("SELECT digest FROM snapshot WHERE name = ?", (MODEL_BODY,))
    if newest is None or (found and found[0][0] == newest):
        return False
    install(model(vault, client, newest, purpose))
    return True


def require_known(log: VerifiedLog, population: str) -> None:
    """Raise DataError when a log, as far as it was read, names nothing of a population."""
    known = sorted(log.populations)
    if population not in known:
        raise DataError(
            f"the public log of {log.destination} does not name a population {population[:80]!r} (it names "
            f"{', '.join(known) or 'none yet'}): check the name, or wait for its first round"
        )


def _whole(
    vault: Vault, client: CoordinatorClient, path: str, what: str, purpose: Purpose, most_bytes: int
) -> bytes:
    """Return all bytes of an address, from the parts that are kept and those that are missing."""
    prefix = f"{_PART}{what} "
    mine = f"{prefix}{client.destination}{path} "
    with vault.write() as sql:  # parts of others of its sort are never gone on with
        sql(
            "DELETE FROM snapshot WHERE substr(name, 1, ?) = ? AND substr(name, 1, ?) <> ?",
            (len(prefix), prefix, len(mine), mine),
        )
    parts: list[bytes] = []
    size = 0
    while True:
        name = f"{mine}{len(parts):06}"
        part = vault.read_body(name)
        if part is None:
            part = _range(client, path, size, what, purpose)
            if size + len(part) > most_bytes:
                _drop(vault, prefix)
                raise WireError(f"the {what} has more than {most_bytes:,} bytes: refused")
            vault.write_body(name, part)
        parts.append(part)
        size += len(part)
        if len(part) != RANGE:  # the last one, or a server that knows no ranges and gave all
            _drop(vault, prefix)
            return b"".join(parts)


def _range(client: CoordinatorClient, path: str, start: int, what: str, purpose: Purpose) -> bytes:
    """Return RANGE bytes from `start` on, fewer at the end, none behind it."""
    try:
        answer = client.ask(
            "GET",
            path,
            purpose=purpose,
            content={"question": f"a {what}", "from byte": start},
            visible=f"That a device fetches this {what}"
            + (
                f", and which older one it has ({path[-64:][:8]}..., e3b0c442...: none)."
                if "?" in path
                else "."
            ),
            task=f"fetching a {what}",
            headers={"Range": f"bytes={start}-{start + RANGE - 1}"},
        )
    except RefusedError as error:
        if error.status == 416:
            return b""
        raise
    if answer.status == 206:
        if len(answer.body) > RANGE:
            raise EgressError(f"{RANGE:,} bytes of a {what} were asked for, {len(answer.body):,} came")
        return answer.body
    if start:  # all of it, once more
        raise EgressError(f"the server does not give the rest of a {what}: try again later")
    return answer.body


def _newest(vault: Vault, kept: str) -> bytes:
    """Return the newest body whose name begins so; empty when there is none."""
    found = vault.rows(
        "SELECT name FROM snapshot WHERE substr(name, 1, ?) = ? ORDER BY made DESC, rowid DESC LIMIT 1",
        (len(kept), kept),
    )
    return (vault.read_body(found[0][0]) or b"") if found else b""


def _drop(vault: Vault, prefix: str) -> None:
    with vault.write() as sql:
        sql("DELETE FROM snapshot WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))


def _is(data: bytes, digest: bytes) -> bool:
    return hashlib.sha256(data).digest() == digest
