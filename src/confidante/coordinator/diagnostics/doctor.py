"""`confidante coordinator doctor`: a look at each thing that a run needs, and what to do."""

import os
import shutil
import socket
import ssl
import stat
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from cryptography import x509

from confidante.coordinator.config.population import Population
from confidante.coordinator.diagnostics.check import Check, guarded
from confidante.coordinator.diagnostics.doctor_population import check_announced
from confidante.coordinator.rounds.budget import standing
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies, shown
from confidante.coordinator.store.database import Database

_ENOUGH_DAYS = 14
_CLOCK_SECONDS = 30.0
_ROOM = 256 << 20
_ROUNDS_OF_ROOM = 3


def check_database(address: str, populations: tuple[Population, ...], now: float) -> Iterator[Check]:
    """Look at the database, its log and what was paid; make no tables."""
    path = Path(address.removeprefix("sqlite:///")) if address.startswith("sqlite:///") else None
    if path is not None and not path.exists():
        fits = os.access(path.parent, os.W_OK)
        told = (
            "is made by the first run" if fits else f"cannot be made: let this account write to {path.parent}"
        )
        yield Check("database", fits, f"{path} {told}")
        return
    with Store.open(address) as store:
        database = Database(address)
        try:
            with database.reading() as sql:
                has, wanted = database.revision(sql), database.newest_revision()
        finally:
            database.close()
        if has != wanted:
            told = (
                "it has no tables yet: the first run makes them"
                if not has
                else (
                    f"its tables are of version {has}, this program's of {wanted}: stop all "
                    "coordinators, make a backup, and run this one, which brings them up to date"
                )
            )
            yield Check("database", not has, f"{store_kind(address)} answers; {told}")
            return
        yield Check("database", good=True, said=f"{store_kind(address)} answers; tables of version {has}")
        if path is not None:
            beside = (path.with_name(path.name + end) for end in ("", "-wal", "-shm"))
            yield from check_modes("database", *beside)
        yield guarded("public log", lambda: f"holds together: {store.log.verify()} entries")
        yield check_clock(store, now)
        for one in populations:
            yield check_budget(store, one)
            yield from check_announced(store, one, now)
        yield from check_strays(store, {one.name for one in populations})


def check_strays(store: Store, named: Collection[str]) -> Iterator[Check]:
    """Give a cross for each population that was paid for and that no file names."""
    for name in sorted({name for name, _outcome in store.operator.outcomes()} - set(named)):
        if paid := len(store.payments.spent(name)):
            yield Check(
                "budget",
                good=False,
                said=f"{name}: {paid} rounds were paid for, and no file given here names it: give its file, "
                "too; if it was renamed, name it so again, as another name begins a new budget over the "
                "same people",
            )


def check_budget(store: Store, population: Population) -> Check:
    """Return what was spent; a cross when nothing fits any more."""
    found = standing(store, population)
    raised = ", unless privacy.epsilon is raised, which people have to agree to" if found.stopped else ""
    return Check("budget", not found.stopped, f"{population.name}: {found.words}{raised}")


def check_clock(store: Store, now: float) -> Check:
    """Compare the clock with what the database saw."""
    newest = max((one.at for one in store.log.tail(100)), default=0.0)
    if newest > now + _CLOCK_SECONDS:
        return Check(
            "clock",
            good=False,
            said=f"the clock is {newest - now:.0f} seconds behind the newest of the log: set it (NTP)",
        )
    return Check("clock", good=True, said=f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC")


def check_bodies(address: str, populations: Sequence[Population]) -> Iterator[Check]:
    """Write, read and delete a body, and look at the room there is."""

    def probe() -> str:
        bodies, data = Bodies(address), os.urandom(64)
        ref = bodies.put(data)
        try:
            bodies.get(ref)
        finally:
            bodies.delete(ref)
        return f"{shown(address)} can be written, read and deleted"

    found = guarded("bodies", probe)
    if found.good and address.startswith("memory://"):
        found = Check(
            found.name,
            good=True,
            said=f"{shown(address)} is the memory of one process: uploads, sums and models are gone when it "
            "ends, and no other worker sees them. Give file://<folder>",
            warns=True,
        )
    yield found
    if found.good and address.startswith("file://"):
        yield from check_modes("bodies", Path(address.removeprefix("file://")))
        yield from check_disk(address, populations)


def check_modes(name: str, *paths: Path) -> Iterator[Check]:
    """Give a cross for each file or folder that others on this machine may read or write."""
    for path in paths:
        with suppress(OSError):  # not there, or another check says what is wrong with it
            if stat.S_IMODE(path.stat().st_mode) & 0o077:
                yield Check(name, good=False, said=f"others may look into {path}: chmod go= {path}")


def check_disk(address: str, populations: Sequence[Population]) -> Iterator[Check]:
    """Look whether there is room for the uploads of some rounds; nothing where bodies are not on a disk."""
    if not address.startswith("file://"):
        return
    needed = max([_ROOM, *(2 * _ROUNDS_OF_ROOM * one.cohort.devices * one.max_bytes for one in populations)])
    free = shutil.disk_usage(address.removeprefix("file://")).free
    said = f"{free / 1e9:,.2f} GB are free"
    if free < needed:
        said += f", and {_ROUNDS_OF_ROOM} full rounds need {needed / 1e9:,.2f} GB: make room"
    yield Check("disk", free >= needed, said)


def check_certificate(certificate: Path | None, key: Path | None, now: float) -> Check:
    """Look whether devices would accept it for some time to come."""
    if certificate is None or key is None:
        return Check(
            "TLS",
            good=True,
            said="no certificate: devices come from this machine, or through a proxy that has one. Name it "
            "to `run` by --proxies: all who come through an unnamed one share the connections of one address",
        )
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
    except (OSError, ValueError) as error:
        return Check(
            "TLS", good=False, said=f"{certificate} and {key} do not make a pair ({error}): renew them"
        )
    days = (found.not_valid_after_utc.timestamp() - now) / 86400
    if days < _ENOUGH_DAYS:
        told = "has expired" if days < 0 else f"expires in {days:.0f} days"
        return Check("TLS", good=False, said=f"{certificate} {told}: renew it and restart the coordinator")
    return Check("TLS", good=True, said=f"the certificate is valid for {days:.0f} more days")


def check_key(path: Path) -> Check:
    """Look whether others could read the operator's key."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return Check("operator key", good=True, said=f"{path} is made by the first run")
    except OSError as error:
        return Check(
            "operator key", good=False, said=f"{path} cannot be read ({error.strerror}): run as its owner"
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        return Check("operator key", good=False, said=f"others may read {path}: chmod 600 {path}")
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        return Check(
            "operator key", good=False, said=f"{path} cannot be read ({error.strerror}): run as its owner"
        )
    if len(key) < 32:
        return Check("operator key", good=False, said=f"{path} has no key of 32 characters: delete it")
    return Check("operator key", good=True, said=f"{path}, for its owner only")


def check_port(host: str, port: int) -> Check:
    """Look whether the port is free, or a coordinator is there already."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        if _answers(host, port):
            return Check(
                "port",
                good=True,
                said=f"{host}, port {port} is taken: a coordinator answers there already. Stop it before the "
                "next `run`, or take another --port",
                warns=True,
            )
        return Check(
            "port", good=False, said=f"{host}, port {port} cannot be used ({error}): take another --port"
        )
    return Check("port", good=True, said=f"{host}, port {port} is free")


def store_kind(address: str) -> str:
    """Return which database an address is of, without the rest of it."""
    return {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(address.partition(":")[0], "the database")


def _answers(host: str, port: int) -> bool:
    connection = HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/health/live")
        return connection.getresponse().read(100) == b"live\n"
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
