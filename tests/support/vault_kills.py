"""Kills vault writers at random and checks what the vault still knows.

The oracle keeps what each vault must hold. Of the one thing that a writer had begun and not acknowledged, the
vault may hold all or nothing; of everything else, exactly what was acknowledged.
"""

import hashlib
import json
import random
import subprocess
import sys
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from vault_writer import BODIES, open_vault

from confidante.core.errors import VaultError
from confidante.device.storage.vault import Vault

KILLS_A_VAULT = 10
LONGEST_LIFE = 0.1  # seconds
UNKNOWN = (-1.0, -1)

Place = tuple[float, int]  # when an event was, and its number


class WrongVaultError(AssertionError):
    """The vault holds what it must not, or lacks what it must hold."""


@dataclass
class Known:
    """What a vault holds: events by their tag, hidden ones by the number of their forgetting."""

    events: dict[str, Place] = field(default_factory=dict)
    hidden: dict[int, dict[str, Place]] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    setting: str | None = None

    def apply(self, doing: str, what: dict[str, Any]) -> None:
        """Do in memory what the writer does. What only the vault can know comes in when it acknowledges."""
        match doing:
            case "record":
                self.events[what["tag"]] = what["at"], what.get("number", UNKNOWN[1])
            case "forget" | "hide":
                gone = {tag: place for tag, place in self.events.items() if place[1] in what["numbers"]}
                for tag in gone:
                    del self.events[tag]
                if gone:
                    self.bodies.pop("personal:profile", None)
                if gone and doing == "hide":
                    self.hidden[what.get("forgetting", UNKNOWN[1])] = gone
            case "undo":
                self.events |= self.hidden.pop(what["forgetting"])
                self.bodies.pop("personal:profile", None)
            case "purge":
                self.hidden.clear()
            case "expire":
                kept = sorted(self.events, key=self.events.__getitem__)[-what["keep"] :]
                if len(kept) < len(self.events):
                    self.bodies.pop("personal:profile", None)
                self.events = {tag: self.events[tag] for tag in kept}
            case "body":
                self.bodies[what["name"]] = what["digest"]
            case "setting":
                self.setting = what["value"]
            case "erase":
                self.events, self.hidden, self.bodies, self.setting = {}, {}, {}, None

    def outline(self) -> tuple[object, ...]:
        """Return what can be compared: all but the numbers that only the vault knows."""
        hidden = frozenset(frozenset(tags) for tags in self.hidden.values())
        return frozenset(self.events), hidden, self.bodies, self.setting


def read(vault: Vault) -> Known:
    known = Known()
    for tag, at, number, forgetting in vault.rows("SELECT kind, at, number, forgotten FROM event"):
        events = known.events if forgetting is None else known.hidden.setdefault(forgetting, {})
        events[tag] = at, number
    for name in BODIES:
        body = vault.read_body(name)
        if body is not None:
            known.bodies[name] = hashlib.sha256(body).hexdigest()
    setting = vault.setting("test")
    known.setting = None if setting is None else setting.hex()
    return known


class Killer:
    """Has writers run for a random time, kills them, and checks each vault after each kill."""

    def __init__(self, folder: Path, seed: int, *, broken: bool = False) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.found: Counter[str] = Counter()  # what the kills fell into
        command = [sys.executable, str(Path(__file__).with_name("vault_writer.py"))]
        self._writers = subprocess.Popen(
            command + ["--broken"] * broken, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writers.communicate()

    def kill(self, kills: int) -> None:
        """Raises WrongVaultError with the seed-independent story when a vault is not what it must be."""
        known, folder = Known(), self.folder
        for number in range(kills):
            if number % KILLS_A_VAULT == 0:
                known, folder = Known(), self.folder / f"vault-{number}"
            known = self._kill_once(folder, known)

    def _kill_once(self, folder: Path, known: Known) -> Known:
        life = self.random.random() * LONGEST_LIFE
        assert self._writers.stdin is not None
        self._writers.stdin.write(f"{folder} {self.random.randrange(1 << 30)} {life}\n")
        self._writers.stdin.flush()
        doing, known, highest = self._told(known)
        either = deepcopy(known)
        if doing is not None:
            either.apply(doing["doing"], doing)
        self._note(folder, doing)
        try:
            with open_vault(folder) as vault:
                found = read(vault)
                due = vault.renewal_due
        except VaultError as error:
            raise WrongVaultError(f"killed while {doing}: {error}") from None
        if found.outline() not in (known.outline(), either.outline()):
            raise WrongVaultError(f"killed while {doing}: holds {found}, not {known} or {either}")
        self.found["all of it"] += found.outline() == either.outline() != known.outline()
        self.found["nothing of it"] += found.outline() == known.outline() != either.outline()
        if due or sorted(path.suffix for path in folder.iterdir()) != [".db", ".key", ".lock"]:
            raise WrongVaultError(f"killed while {doing}: leaves {sorted(folder.iterdir())}")
        fresh = (
            set(found.events) - set(known.events) - {tag for gone in known.hidden.values() for tag in gone}
        )
        if any(found.events[tag][1] <= highest for tag in fresh):
            raise WrongVaultError(f"killed while {doing}: a number was given twice")
        return found

    def _told(self, known: Known) -> tuple[dict[str, Any] | None, Known, int]:
        """Apply all that was acknowledged; return what was begun last, unless that was acknowledged too."""
        assert self._writers.stdout is not None
        doing: dict[str, Any] | None = None
        highest = max((number for _, number in known.events.values()), default=0)
        for line in self._writers.stdout:
            said = json.loads(line)
            if "doing" in said:
                doing = said
            elif "done" in said:
                assert doing is not None
                if "number" in said:
                    if said["number"] <= highest:
                        raise WrongVaultError(f"number {said['number']} was given twice")
                    highest = said["number"]
                known.apply(said["done"], doing | said)
                highest = 0 if said["done"] == "erase" else highest
                doing = None
            else:
                assert said["ended"] == -9, "the writer failed by itself"
                return doing, known, highest
        raise AssertionError("the writers' process ended")

    def _note(self, folder: Path, doing: dict[str, Any] | None) -> None:
        self.found["kills"] += 1
        self.found[f"in {doing['doing']}" if doing else "between"] += 1
        names = {path.name for path in folder.iterdir()} if folder.exists() else set()
        databases = [name for name in names if name.endswith(".db")]
        self.found["two generations"] += len(databases) > 1
        self.found["half a key file"] += "vault.key.new" in names
        self.found["no vault yet"] += "vault.key" not in names
        self.found["log to replay"] += any(name.endswith("-wal") for name in names)
