"""Run in a process of its own: bans the network and other processes, then uses everything a device offers.

`python silence_walk.py parts|device|modules FOLDER` with all that sends switched off must end with 0.
`ATTEMPTS` show that the ban catches what it is for: `python silence_walk.py NAME FOLDER` must end with 3
for each.
"""

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

BANNED = (
    "socket.connect",
    "socket.sendto",
    "socket.sendmsg",
    "socket.bind",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.gethostbyaddr",
    "socket.getnameinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "pty.spawn",
    "webbrowser.open",
)
CAUGHT = 3
sys.path.append(str(Path(__file__).parents[1] / "unit" / "device"))  # `test_participation` has the rounds


def ban() -> None:
    """From here on, end the process at the first banned thing: an exception could be swallowed."""

    def hook(event: str, _arguments: tuple[Any, ...]) -> None:
        if event in BANNED:
            print(f"not silent: {event}", file=sys.stderr, flush=True)
            os._exit(CAUGHT)

    sys.addaudithook(hook)


def open_sockets() -> list[str]:
    """Return this process's sockets, where the system shows them: native code raises no audit event."""
    kept = Path("/proc/self/fd")
    return (
        [link for link in map(_target, kept.iterdir()) if link.startswith("socket:")] if kept.exists() else []
    )


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # the descriptor of this very listing
        return ""


def walk_modules(_folder: Path) -> None:
    """Import every module of the device."""
    import importlib
    import pkgutil

    import confidante.device

    for found in pkgutil.walk_packages(confidante.device.__path__, "confidante.device."):
        importlib.import_module(found.name)


def walk_parts(folder: Path) -> None:
    """Use switches, ledger, egress and rounds with every switch that sends off."""
    from outward_world import home

    from confidante.core.entropy import SystemEntropy
    from confidante.core.errors import ConfidanteError
    from confidante.device.federation.participation import Participation, Route, device_identity
    from confidante.device.privacy.consent import PERSON
    from confidante.device.privacy.egress import Egress
    from confidante.device.privacy.http_request import render
    from confidante.device.values import Purpose

    with home(folder / "profile") as at:
        for purpose in Purpose:
            at.consents.switch(purpose, True, how=PERSON)
            at.consents.switch(purpose, False, how=PERSON)
        egress = Egress(at.ledger)
        at.consents.switch(Purpose.TRAIN, True, how=PERSON)
        request = render("POST", "https://127.0.0.1:9/", b"written while it was on")
        number = at.write(request.data).number
        at.consents.switch(Purpose.TRAIN, False, how=PERSON)
        refused: list[Callable[[], object]] = [
            lambda: egress.deliver(number, request),
            lambda: egress.send(number, request.data, socket.socket),
            *(
                lambda purpose=purpose: egress.request(  # type: ignore[misc]
                    "GET", "https://127.0.0.1:9/", purpose=purpose, task="t", content={}, visible=""
                )
                for purpose in Purpose
            ),
        ]
        from test_participation import AGREEMENT, World

        world = World(at, device_identity(at.vault, "https://example.org"))
        refused.append(
            lambda: Participation(
                at.vault,
                at.consents,
                at.ledger,
                SystemEntropy(),
                world.identity,
                AGREEMENT,
                world.offer(),
                Route("https://example.org"),
            )
        )
        for attempt in refused:
            try:
                attempt()
            except ConfidanteError:
                continue
            raise AssertionError("something was handed out with its switch off")
        at.ledger.verify()
        at.consents.verify()


def device_calls(folder: Path) -> dict[str, Callable[[Any], object]]:
    """Return what to do with each public member of a device and its components, in the order to do it in.

    A new member belongs here; `test_silence.py` fails until it is.
    """
    from confidante.core.values import Item
    from confidante.device.values import Retention
    from confidante.packs.signals import EventKind

    films = [Item(f"m{i}", f"Film {i}", ("Horror", "Drama")[i % 2 :]) for i in range(30)]
    exported = folder / "export.jsonl"
    return {
        "protection": lambda device: device.protection,
        "pack": lambda device: device.pack,
        "folder": lambda device: device.folder,
        "rollback": lambda device: device.rollback,
        "accept_rollback": lambda device: device.accept_rollback(),
        "now": lambda device: device.now(),
        "federation.has_model": lambda device: device.federation.has_model,
        "items.add": lambda device: device.items.add(films),
        "items.list": lambda device: device.items.list(5, "m3"),
        "items.entry": lambda device: device.items.entry("m3"),
        "items.entries": lambda device: device.items.entries(5, "m3"),
        "settings.set": lambda device: device.settings.set("colour", b"green"),
        "settings.get": lambda device: device.settings.get("colour"),
        "history.record_many": lambda device: device.history.record_many(device.history.events(limit=2)),
        "history.declare": lambda device: device.history.declare("binged", EventKind()),
        "history.declared": lambda device: device.history.declared,
        "history.erase_due": lambda device: device.history.erase_due(),
        "items.count": lambda device: device.items.count,
        "items.get": lambda device: device.items.get("m1"),
        "items.find": lambda device: device.items.find("Film"),
        "federation.install_model": lambda device: _refused(device.federation.install_model, b"no model"),
        "record": lambda device: [device.record(f"m{i}") for i in range(8)],
        "history.events": lambda device: device.history.events(search="Film"),
        "history.count": lambda device: device.history.count,
        "history.seen": lambda device: (
            device.history.seen.mark(["m28"]),
            device.history.seen.list(5, search="Film"),
            device.history.seen.among(["m28"]),
            device.history.seen.count,
            device.history.seen.unmark(["m28"]),
        ),
        "recommend": lambda device: (
            device.recommend(5, diversity=0.3),
            device.recommend(5, refine=True).refined(),
        ),
        "recommender.session": lambda device: device.recommender.session(["m1", "m2"], 5),
        "recommender.what_if": lambda device: device.recommender.what_if(without=[1]),
        "explain": lambda device: device.explain("m20"),
        "recommender.similar_items": lambda device: device.recommender.similar_items("m1"),
        "taste.less": lambda device: device.taste.less("m9"),
        "taste.never": lambda device: device.taste.never("m10"),
        "taste.allow": lambda device: device.taste.allow("m9"),
        "taste.save": lambda device: device.taste.save("m11"),
        "taste.saved": lambda device: device.taste.saved,
        "taste.unsave": lambda device: device.taste.unsave("m11"),
        "taste.refused": lambda device: device.taste.refused,
        "taste.list": lambda device: device.taste.list(),
        "taste.edit": lambda device: device.taste.edit("Drama", level=1),
        "onboarding.due": lambda device: device.onboarding.due,
        "onboarding.slate": lambda device: device.onboarding.slate(5),
        "onboarding.pick": lambda device: device.onboarding.pick(["m12", "m13"]),
        "onboarding.picks": lambda device: device.onboarding.picks,
        "onboarding.skip": lambda device: device.onboarding.skip(),
        "settings.attributes": lambda device: setattr(device.settings, "attributes", {"age": "25-34"}),
        "cohorts.attributes": lambda device: device.cohorts.attributes,
        "cohorts.current": lambda device: device.cohorts.current,
        "settings.pause": lambda device: device.settings.pause(60),
        "settings.paused_until": lambda device: device.settings.paused_until,
        "settings.resume": lambda device: device.settings.resume(),
        "settings.no_profiling": lambda device: (
            setattr(device.settings, "no_profiling", True),
            device.recommend(3),
        ),
        "consents": lambda device: (device.consents.state(), device.consents.verify()),
        "ledger": lambda device: (device.ledger.departures(), device.ledger.budget(), device.ledger.verify()),
        "federation.alarms": lambda device: device.federation.alarms(),
        "federation.dismiss_alarm": lambda device: _refused(device.federation.dismiss_alarm, 1),
        "refinement.use": lambda device: device.refinement.use(
            "https://127.0.0.1:9", "films", relay="https://127.0.0.2:9"
        ),
        "refinement.refresh": lambda device: _refused(device.refinement.refresh),
        "refinement.status": lambda device: device.refinement.status(),
        "federation.update_model": lambda device: _refused(
            device.federation.update_model, "https://127.0.0.1:9", "films"
        ),
        "federation.identity": lambda device: device.federation.identity("https://example.org"),
        "federation.join": _join_with_its_switch_off,
        "federation.participate": lambda device: _refused(
            device.federation.participate, "https://127.0.0.1:9", "films"
        ),
        "federation.participate_in_background": lambda device: device.federation.participate_in_background(
            "https://127.0.0.1:9", "films", eligibility=()
        ),
        "federation.backgrounds": lambda device: device.federation.backgrounds[0].close(),
        "export": lambda device: device.export(exported),
        "import_history": lambda device: device.import_history(exported),
        "backup": lambda device: device.backup(folder / "backup"),
        "forget": lambda device: device.forget(item="m1"),
        "undo": lambda device: device.undo(device.forget(item="m2", undo_seconds=60).undo),
        "history.purge": lambda device: device.history.purge(),
        "settings.beyond": lambda device: device.settings.beyond(Retention(3)),
        "settings.change_retention": lambda device: device.settings.change_retention(
            Retention(4), undo_seconds=60
        ),
        "settings.retention": lambda device: setattr(device.settings, "retention", Retention(3)),
        "items.remove": lambda device: device.items.remove(["m3"]),
        "settings.learning": lambda device: device.settings.learning,
        "recommender.explain": lambda device: device.recommender.explain("m20", 3),
        "federation.stop": lambda device: device.federation.stop(),
        "change_key": lambda device: device.change_key(_unprotected()),
        "is_opened_by": lambda device: device.is_opened_by(_unprotected()),
        "close": lambda device: device.close(),
        "erase": lambda device: _reopened(device, folder).erase(),
    }


def _join_with_its_switch_off(device: Any) -> None:
    from test_participation import AGREEMENT, PEOPLE, config, other

    from confidante.device.federation.agreement import Offer
    from confidante.device.federation.participation import Route

    roster = (
        device.federation.identity("https://example.org"),
        *(other(index).public for index in range(1, PEOPLE)),
    )
    _refused(
        device.federation.join, AGREEMENT, Offer(config().encode(), roster), Route("https://example.org")
    )


def _refused(call: Callable[..., object], *arguments: object) -> None:
    from confidante.core.errors import ConfidanteError

    try:
        call(*arguments)
    except ConfidanteError:
        return
    raise AssertionError("nonsense was taken")


def _unprotected() -> Any:
    from confidante.device.storage.keys import InsecurePlaintextKey

    return InsecurePlaintextKey()


def _reopened(_device: Any, folder: Path) -> Any:
    from confidante.device.device import Device

    return Device(folder / "profile", _unprotected())


def walk_device(folder: Path) -> None:
    """Call every public member of a device."""
    from confidante.device.device import Device
    from confidante.device.storage.keys import InsecurePlaintextKey

    device = Device(folder / "profile", InsecurePlaintextKey())
    for call in device_calls(folder).values():
        call(device)


def send_what_is_allowed(folder: Path) -> None:
    """Send through the egress with its switch on: the ban must catch it."""
    from outward_world import home

    from confidante.device.privacy.egress import Egress
    from confidante.device.values import Purpose

    with home(folder / "profile", Purpose.TRAIN) as at:
        Egress(at.ledger).request(
            "GET", "http://127.0.0.1:9/", purpose=Purpose.TRAIN, task="t", content={}, visible=""
        )


def _send_datagram() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        out.sendto(b"x", ("127.0.0.1", 9))


def _listen() -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))


ATTEMPTS: dict[str, Callable[[Path], object]] = {
    "egress": send_what_is_allowed,
    "connect": lambda _folder: socket.socket().connect(("127.0.0.1", 9)),
    "datagram": lambda _folder: _send_datagram(),
    "listen": lambda _folder: _listen(),
    "look-up": lambda _folder: socket.getaddrinfo("example.invalid", 80),
    "old look-up": lambda _folder: socket.gethostbyname("example.invalid"),
    "url": lambda _folder: urllib.request.urlopen("http://127.0.0.1:9/"),
    "process": lambda _folder: subprocess.run(["true"], check=False),
    "shell": lambda _folder: os.system("true"),
}
WALKS = {"parts": walk_parts, "device": walk_device, "modules": walk_modules}


def main(name: str, folder: Path) -> None:
    """Run one walk, or one attempt, under the ban."""
    ban()
    ({**WALKS, **ATTEMPTS}[name])(folder)
    if open_sockets():
        print(f"not silent: {open_sockets()}", file=sys.stderr)
        sys.exit(CAUGHT)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
