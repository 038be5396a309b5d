"""Kills a device right before, and right after, each note that it writes to its key ring: folder as argument.

Prints, one line a kill, the moment and whether the next opening finds an older copy. With `--broken` the note
is written before what it speaks of is on disk: the test must notice.
"""

import json
import os
import signal
import sys
from pathlib import Path

import keyring
from key_rings import InMemoryKeyring

from confidante import Device, Item, Keyring, Purpose
from confidante.device.storage.vault import Vault


class FileKeyring(InMemoryKeyring):
    """A key ring that outlives its process. `dies`: at which note, and whether once it is written."""

    def __init__(self, path: Path, dies: tuple[int, bool] | None = None) -> None:
        super().__init__()
        self.path, self.dies, self.notes = path, dies, 0
        if path.exists():
            self.kept = {(service, name): text for service, name, text in json.loads(path.read_text())}

    def set_password(self, service: str, username: str, password: str) -> None:
        self.notes += username.endswith(" anchor")
        self._die_at((self.notes, False))
        super().set_password(service, username, password)
        self.path.write_text(json.dumps([[*entry, text] for entry, text in self.kept.items()]))
        self._die_at((self.notes, True))

    def _die_at(self, moment: tuple[int, bool]) -> None:
        if moment == self.dies:
            os.kill(os.getpid(), signal.SIGKILL)


def use(folder: Path) -> None:
    """Do whatever is noted."""
    with Device(folder, Keyring()) as device:
        device.items.add([Item("a", "A")])
        device.record("a")
        device.consents.switch(Purpose.REFINE, True, how="person")
        name = os.urandom(32)
        device.ledger.rounds.set_aside(name, "a bucket", 0.1)
        device.ledger.write(Purpose.REFINE, "a bucket", "x", b"x", {}, "", round=name, epsilon=0.1)
        device.consents.switch(Purpose.REFINE, False, how="person")
        device.ledger.set_budget(50.0)
        device.forget(item="a", undo_seconds=60)
        device.forget(everything=True)
        device.change_key(Keyring())


def main() -> None:
    folder = Path(sys.argv[1])
    if "--broken" in sys.argv:
        Vault.mark_advanced = Vault._write_anchor  # type: ignore[method-assign]
    ring, number, killed = folder / "ring", 0, True
    while killed:
        number += 1
        for written in (False, True):
            child = os.fork()
            if child == 0:
                keyring.set_keyring(FileKeyring(ring, (number, written)))
                use(folder / "p")
                os._exit(0)
            killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
            keyring.set_keyring(FileKeyring(ring))
            with Device(folder / "p", Keyring()) as device:
                found = device.rollback is not None
                device.accept_rollback()
            print(json.dumps({"note": number, "written": written, "killed": killed, "found": found}))


if __name__ == "__main__":
    main()
