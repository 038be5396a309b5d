"""Probes say what the system says, say when it does not, and what is not known counts as no."""

import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from jeepney import HeaderFields, MessageType, message_bus, new_method_return
from jeepney.io.blocking import open_dbus_connection

from confidante.core.errors import DataError
from confidante.device.federation.eligibility import (
    OK,
    Finding,
    Hours,
    Idle,
    OnMains,
    Room,
    Unmetered,
    Verdict,
    look,
    metered,
    usual,
)


@dataclass(frozen=True)
class Says:
    name: str
    verdict: Verdict

    def look(self) -> Verdict:
        return self.verdict


UNKNOWN = Says("network", Verdict("unknown", "nobody can say"))
NOT_NOW = Says("power", Verdict("not now", "on battery"))
FINE = Says("idle", OK)


def test_what_is_not_known_is_no_time_to_take_part_unless_it_is_allowed_by_name() -> None:
    assert look([FINE, UNKNOWN])[0] == "nobody can say"
    assert look([FINE, UNKNOWN], ("power",))[0] == "nobody can say"
    assert look([FINE, UNKNOWN], ("network",)) == (
        "",
        (Finding("idle", OK), Finding("network", UNKNOWN.verdict)),
    )


def test_a_no_stays_a_no_whatever_is_allowed_and_all_reasons_are_told() -> None:
    assert look([NOT_NOW, UNKNOWN], ("power",))[0] == "on battery; nobody can say"


def supply(folder: Path, name: str, **values: str) -> None:
    (folder / name).mkdir(parents=True)
    for what, value in values.items():
        (folder / name / what).write_text(value + "\n")


@pytest.mark.parametrize(
    ("supplies", "state"),
    [
        ({}, "ok"),
        ({"AC": {"type": "Mains", "online": "1"}, "B": {"type": "Battery", "status": "Discharging"}}, "ok"),
        (
            {"AC": {"type": "Mains", "online": "0"}, "B": {"type": "Battery", "status": "Discharging"}},
            "not now",
        ),
        ({"B": {"type": "Battery", "status": "Full"}}, "ok"),
        ({"B": {"type": "Battery", "status": "Unknown"}}, "unknown"),
        ({"mouse": {"type": "Battery", "scope": "Device", "status": "Discharging"}}, "ok"),
        ({"usb": {"type": "USB", "online": "0"}}, "ok"),
    ],
    ids=[
        "none",
        "plugged in",
        "on battery",
        "full",
        "silent battery",
        "a mouse",
        "a socket with nothing in it",
    ],
)
def test_power(tmp_path: Path, supplies: dict[str, dict[str, str]], state: str) -> None:
    (tmp_path / "supplies").mkdir()
    for name, values in supplies.items():
        supply(tmp_path / "supplies", name, **values)
    assert OnMains(tmp_path / "supplies").look().state == state


def test_idle_is_by_the_processor() -> None:
    assert Idle(lambda: 0.5, processors=1).look() == OK
    assert Idle(lambda: 0.5, processors=8).look() == OK
    assert Idle(lambda: 8.0, processors=4).look().state == "not now"

    def silent() -> float:
        raise OSError

    assert Idle(silent).look().state == "unknown"


ROUTE = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


@pytest.mark.parametrize(
    ("kind", "told", "state"),
    [
        ("wwan", 2, "not now"),
        ("wlan", 2, "ok"),
        ("wlan", 4, "ok"),
        ("wlan", 1, "not now"),
        ("wlan", 3, "not now"),
        ("wlan", 0, "unknown"),
        ("wlan", None, "unknown"),
    ],
)
def test_network(tmp_path: Path, kind: str, told: int | None, state: str) -> None:
    (tmp_path / "net" / "mine0").mkdir(parents=True)
    (tmp_path / "net" / "mine0" / "uevent").write_text(f"DEVTYPE={kind}\nINTERFACE=mine0\n")
    (tmp_path / "route").write_text(ROUTE + "mine0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n")
    assert Unmetered(tmp_path / "net", tmp_path, lambda: told).look().state == state


def test_a_mobile_network_that_is_not_the_one_in_use_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "net" / "other0").mkdir(parents=True)
    (tmp_path / "net" / "other0" / "uevent").write_text("DEVTYPE=wwan\n")
    (tmp_path / "route").write_text(ROUTE + "other0\t0000FEA9\t00000000\t0001\t0\t0\t9\t0000FFFF\t0\t0\t0\n")
    (tmp_path / "ipv6_route").write_text(
        f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} 00000400 00000001 00000000 00000003 mine0\n"
    )
    assert Unmetered(tmp_path / "net", tmp_path, lambda: 2).look() == OK


def test_room(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9000000 kB\nMemAvailable:  500000 kB\n")
    plenty = Room(tmp_path, disk=1, memory=500_000 << 10, meminfo=tmp_path / "meminfo")
    assert plenty.look() == OK
    little = Room(tmp_path, disk=1, memory=(500_000 << 10) + 1, meminfo=tmp_path / "meminfo")
    assert little.look() == Verdict("not now", "only 488 MiB of memory are free")
    assert Room(tmp_path, disk=1 << 60).look().state == "not now"
    assert Room(tmp_path / "nowhere").look().state == "unknown"
    elsewhere = Room(tmp_path, disk=1, memory=1, meminfo=tmp_path / "nowhere")
    assert elsewhere.look() == OK  # psutil knows


def at_hour(hour: int) -> float:
    return time.mktime((2026, 3, 10, hour, 30, 0, 0, 0, -1))


@pytest.mark.parametrize(
    ("first", "last", "hour", "state"),
    [(9, 17, 12, "ok"), (9, 17, 17, "not now"), (22, 6, 23, "ok"), (22, 6, 3, "ok"), (22, 6, 12, "not now")],
)
def test_hours(first: float, last: float, hour: int, state: str) -> None:
    assert Hours(first, last, lambda: at_hour(hour)).look().state == state


def test_hours_that_there_are_not_are_refused() -> None:
    with pytest.raises(DataError, match="0 to 24"):
        Hours(22, 25)


def test_the_usual_probes_of_this_machine_answer(tmp_path: Path) -> None:
    _why, findings = look(usual(tmp_path))
    assert [one.name for one in findings] == ["power", "network", "idle", "room"]


def test_no_message_bus_no_answer(tmp_path: Path) -> None:
    assert metered(tmp_path / "nowhere") is None


@pytest.mark.parametrize("says", [None, b"", b"REJECTED EXTERNAL\r\n", b"OK 00\r\n"])
def test_a_bus_that_refuses_hangs_up_or_is_silent_is_no_answer(tmp_path: Path, says: bytes | None) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "bus"))
        listening.listen()
        kept = []

        def answer() -> None:
            spoken, _ = listening.accept()
            kept.append(spoken)
            if says == b"":
                spoken.close()
            elif says:
                spoken.sendall(says)

        thread = threading.Thread(target=answer)
        thread.start()
        began = time.monotonic()
        assert metered(tmp_path / "bus") is None
        assert time.monotonic() - began < 15
        thread.join()
        kept[0].close()


def test_without_the_library_to_ask_with_it_is_said_what_to_install(tmp_path: Path) -> None:
    def missing() -> int | None:
        raise ModuleNotFoundError("No module named 'jeepney'")

    found = Unmetered(tmp_path, tmp_path, missing).look()
    assert found.state == "unknown"
    assert "install confidante[participate]" in found.why


class Manager:
    """Owns NetworkManager's name on a bus of its own and answers one property."""

    def __init__(self, bus: Path, value: int) -> None:
        self._value = value
        self._bus = open_dbus_connection(f"unix:path={bus}")
        owned = self._bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.NetworkManager"))
        assert owned.body == (1,)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        asked = self._bus.receive(timeout=20)
        while asked.header.message_type is not MessageType.method_call:
            asked = self._bus.receive(timeout=20)
        assert asked.header.fields[HeaderFields.path] == "/org/freedesktop/NetworkManager"
        assert asked.header.fields[HeaderFields.interface] == "org.freedesktop.DBus.Properties"
        assert asked.body == ("org.freedesktop.NetworkManager", "Metered")
        self._bus.send(new_method_return(asked, "v", (("u", self._value),)))

    def close(self) -> None:
        self._thread.join()
        self._bus.close()


BUS = """<busconfig><type>custom</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>"""


@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="there is no dbus-daemon")
@pytest.mark.parametrize("value", [1, 2, 4])
def test_network_manager_is_asked_over_a_real_message_bus(tmp_path: Path, value: int) -> None:
    bus = tmp_path / "bus"
    (tmp_path / "bus.conf").write_text(BUS.format(path=bus))
    with subprocess.Popen(
        ["dbus-daemon", f"--config-file={tmp_path / 'bus.conf'}", "--nofork"], stderr=subprocess.DEVNULL
    ) as daemon:
        try:
            end = time.monotonic() + 20
            while not bus.exists() and time.monotonic() < end:
                time.sleep(0.01)
            assert metered(bus) is None  # a bus without NetworkManager
            manager = Manager(bus, value)
            try:
                assert metered(bus) == value
            finally:
                manager.close()
        finally:
            daemon.terminate()
