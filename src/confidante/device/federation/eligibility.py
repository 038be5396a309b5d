"""Whether now is a good time to take part: one small question each, and honest when it cannot be answered.

A probe that does not know says so, and what is not known counts as no, unless the person, or the app for
them, allows it by the probe's name. Nothing here asks another machine anything or starts a process.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, final

from confidante.core.errors import DataError

_SUPPLIES = Path("/sys/class/power_supply")
_NETWORKS = Path("/sys/class/net")
_ROUTES = Path("/proc/net")
_MEMORY = Path("/proc/meminfo")
_BUS = Path("/run/dbus/system_bus_socket")
_BUS_TIMEOUT = 2.0  # seconds

BUSY = 0.7
"""Average number of runnable processes a processor above which a machine counts as in use."""

FREE_DISK, FREE_MEMORY = 256 << 20, 192 << 20
"""Bytes that must be free on the disk and in memory."""


@final
@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe says. why: one sentence without its full stop, for "not now" and "unknown"."""

    state: Literal["ok", "not now", "unknown"]
    why: str = ""


OK = Verdict("ok")


class EligibilityCheck(Protocol):
    """One condition. name: by which "unknown" may be allowed, such as "network"."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    def look(self) -> Verdict:
        """Return how it stands now. Quick. One that raises does not know."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """What the probe of a name said."""

    name: str
    verdict: Verdict


def look(
    checks: Sequence[EligibilityCheck], allowed: Collection[str] = ()
) -> tuple[str, tuple[Finding, ...]]:
    """Ask every probe; return why this is no time to take part (empty: it is one), and what each said.

    allowed: names of probes whose "unknown" is no obstacle.
    """
    findings = tuple(Finding(check.name, _ask(check)) for check in checks)
    problems = [
        one.verdict.why
        for one in findings
        if one.verdict.state == "not now" or (one.verdict.state == "unknown" and one.name not in allowed)
    ]
    return "; ".join(problems), findings


def _ask(check: EligibilityCheck) -> Verdict:
    try:
        return check.look()
    # An app's own code runs here and may raise anything; only the type is told, and it counts as "unknown".
    except Exception as error:  # noqa: BLE001
        return Verdict("unknown", f"the probe {check.name} failed ({type(error).__name__})")


def usual(folder: Path) -> tuple[EligibilityCheck, ...]:
    """Return the probes that a device asks unless told otherwise. folder: of the profile."""
    return OnMains(), Unmetered(), Idle(), Room(folder)


@final
@dataclass(frozen=True, slots=True)
class OnMains:
    """The device runs on mains, or charges. supplies: where the system lists batteries and chargers."""

    supplies: Path = _SUPPLIES
    name: str = "power"

    def look(self) -> Verdict:
        """Ask the system's list of power supplies, or psutil where there is none such."""
        if not self.supplies.is_dir():
            return _battery_elsewhere()
        kinds: dict[str, list[Path]] = {}
        for supply in sorted(self.supplies.iterdir()):
            if _text(supply / "scope") != "Device":  # the battery of a mouse
                kinds.setdefault(_text(supply / "type"), []).append(supply)
        chargers = kinds.get("Mains", []) + kinds.get("USB", [])
        if any(_text(charger / "online") == "1" for charger in chargers):
            return OK
        states = {_text(battery / "status") for battery in kinds.get("Battery", [])}
        if not states:
            return OK  # nothing that it could run on but mains
        if "Discharging" in states:
            return Verdict("not now", "this device runs on its battery")
        if states <= {"Charging", "Full", "Not charging"}:
            return OK
        return Verdict("unknown", "the battery does not say whether it is being charged")


@final
@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody needs the processor. load: gives the average number of runnable processes, a minute's."""

    load: Callable[[], float] | None = None
    processors: int | None = None
    name: str = "idle"

    def look(self) -> Verdict:
        """Compare the load with the number of processors."""
        try:
            load = os.getloadavg()[0] if self.load is None else self.load()
        except (AttributeError, OSError):
            return Verdict("unknown", "the system does not say how busy it is")
        each = load / (self.processors or os.cpu_count() or 1)
        return (
            OK if each <= BUSY else Verdict("not now", f"this device is busy (load {each:.1f} a processor)")
        )


def metered(bus: Path = _BUS) -> int | None:
    """Ask NetworkManager, over this machine's own message bus, whether the network costs by the byte.

    Returns:
        NMMetered (0 unknown, 1 yes, 2 no, 3 guessed yes, 4 guessed no); None where it does not answer.

    Raises:
        ImportError: there is a message bus and jeepney is not installed.
    """
    if not bus.exists():
        return None
    from jeepney import DBusAddress, HeaderFields, MessageType, Parser, Properties, message_bus
    from jeepney.auth import BEGIN, AuthenticationError, Authenticator

    name = "org.freedesktop.NetworkManager"
    manager = Properties(DBusAddress("/org/freedesktop/NetworkManager", bus_name=name, interface=name))
    end = time.monotonic() + _BUS_TIMEOUT
    try:
        with socket.socket(socket.AF_UNIX) as spoken:  # jeepney's own connection waits for ever for "Hello"
            spoken.settimeout(_BUS_TIMEOUT)
            spoken.connect(str(bus))
            login, parser = Authenticator(), Parser()
            for said in login:
                spoken.sendall(said)
                login.feed(_heard(spoken))
            spoken.sendall(BEGIN + message_bus.Hello().serialise(1) + manager.get("Metered").serialise(2))
            while time.monotonic() < end:
                answer = parser.get_next_message()
                if answer is None:
                    parser.add_data(_heard(spoken))
                elif answer.header.fields.get(HeaderFields.reply_serial) == 2:
                    told = answer.header.message_type is MessageType.method_return
                    return answer.body[0][1] if told and answer.body[0][0] == "u" else None
    except (OSError, AuthenticationError):
        pass
    return None


def _heard(spoken: socket.socket) -> bytes:
    data = spoken.recv(4096)
    if not data:
        raise ConnectionError("the message bus hung up")
    return data


@final
@dataclass(frozen=True, slots=True)
class Unmetered:
    """The network costs nothing by the byte.

    A mobile network counts as metered. Of any other, this asks NetworkManager; a phone's hotspot or a
    contract by the hour looks like any other network where that is not running: unknown.
    """

    networks: Path = _NETWORKS
    routes: Path = _ROUTES
    ask: Callable[[], int | None] = metered
    name: str = "network"

    def look(self) -> Verdict:
        """Ask for the kind of the network that the default route is on, then NetworkManager."""
        names = _default_networks(self.routes)
        if any("DEVTYPE=wwan" in _text(self.networks / name / "uevent") for name in names):
            return Verdict("not now", "this device is on a mobile network")
        try:
            told = self.ask()
        except ImportError:
            return Verdict(
                "unknown",
                "nobody can say whether the network is metered: install confidante[participate], with which "
                "NetworkManager is asked",
            )
        match told:
            case 1 | 3:
                return Verdict("not now", "the network is metered")
            case 2 | 4:
                return OK
        return Verdict("unknown", "nobody can say whether the network is metered")


@final
@dataclass(frozen=True, slots=True)
class Room:
    """There is disk and memory to spare. folder: of the profile; sizes in bytes."""

    folder: Path
    disk: int = FREE_DISK
    memory: int = FREE_MEMORY
    meminfo: Path = _MEMORY
    name: str = "room"

    def look(self) -> Verdict:
        """Ask the file system and the system's figures of memory."""
        try:
            free = shutil.disk_usage(self.folder).free
        except OSError:
            return Verdict("unknown", "the system does not say how much of the disk is free")
        if free < self.disk:
            return Verdict("not now", f"only {free >> 20} MiB of the disk are free")
        available = _available_memory(self.meminfo)
        if available is None:
            return Verdict("unknown", "the system does not say how much memory is free")
        if available < self.memory:
            return Verdict("not now", f"only {available >> 20} MiB of memory are free")
        return OK


@final
@dataclass(frozen=True, slots=True)
class Hours:
    """It is between two hours of the day, local time; `first` 22 and `last` 6 is the night.

    first, last: 0 to 24, DataError otherwise. clock: seconds since 1970.
    """

    first: float
    last: float
    clock: Callable[[], float] = time.time
    name: str = "hours"

    def __post_init__(self) -> None:
        """Refuse hours that there are not."""
        if not (0 <= self.first <= 24 and 0 <= self.last <= 24):
            raise DataError(f"hours of a day are 0 to 24, not {self.first:g} to {self.last:g}")

    def look(self) -> Verdict:
        """Compare with this device's clock."""
        now = time.localtime(self.clock())
        hour = now.tm_hour + now.tm_min / 60
        within = (
            self.first <= hour < self.last
            if self.first <= self.last
            else (hour >= self.first or hour < self.last)
        )
        return OK if within else Verdict("not now", f"it is not between {self.first:g} and {self.last:g} h")


def _text(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="ascii").strip()
    return ""


def _psutil() -> Any:
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:  # it comes with confidante[participate]
        return None
    return psutil


def _battery_elsewhere() -> Verdict:
    """Ask psutil; of a machine without a battery it says as little as of one that it cannot read."""
    psutil = _psutil()
    battery = None if psutil is None or not hasattr(psutil, "sensors_battery") else psutil.sensors_battery()
    if battery is None or battery.power_plugged is None:
        return Verdict("unknown", "the system does not say whether this device runs on its battery")
    return OK if battery.power_plugged else Verdict("not now", "this device runs on its battery")


def _available_memory(meminfo: Path) -> int | None:
    """Return the bytes that can be had without swapping, None where the system does not say."""
    for line in _text(meminfo).splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable" and rest.split()[:1] and rest.split()[0].isdecimal():
            return int(rest.split()[0]) << 10
    psutil = _psutil()
    return None if psutil is None else int(psutil.virtual_memory().available)


def _default_networks(routes: Path) -> set[str]:
    """Return the names of the networks that the default routes go through (Linux)."""
    found = set()
    for line in _text(routes / "route").splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000":
            found.add(fields[0])
    for line in _text(routes / "ipv6_route").splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[0] == "0" * 32 and fields[1] == "00" and fields[9] != "lo":
            found.add(fields[9])
    return found
