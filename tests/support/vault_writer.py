"""A warm process that forks writers and kills them, for `vault_kills.py`.

Reads lines "<folder> <seed> <seconds>" and answers each with what the writer said until it was killed. It
says each thing it is about to do, and says it again when the vault has acknowledged it. With `--broken` the
vault replaces its key file before there is a copy to go with it: the tests must notice.
"""

import hashlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from confidante.core.values import Item
from confidante.device.storage import database, files, generations, history, items
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault
from confidante.device.values import Retention

BODIES = ("model", "library", "personal:profile")
_DOINGS = {
    "record": 30,
    "hide": 8,
    "undo": 4,
    "forget": 10,
    "purge": 4,
    "expire": 5,
    "rotate": 6,
    "body": 8,
    "setting": 6,
    "erase": 1,
}


def open_vault(folder: Path) -> Vault:
    vault = Vault.open(folder, InsecurePlaintextKey(), create=True, clock=lambda: 1e9)
    if items.count(vault) == 0:
        items.put(vault, [Item(f"i{k}", f"title {k}") for k in range(5)])
    return vault


def body_of(seed: int) -> bytes:
    return random.Random(seed).randbytes(1 + seed % 200_000)


def say(**what: Any) -> None:
    os.write(sys.stdout.fileno(), (json.dumps(what) + "\n").encode())


class Writer:
    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.seed = seed
        self.said = 0
        say(doing="open")
        self.vault = open_vault(folder)
        say(done="open")

    def forever(self) -> None:
        while True:
            (doing,) = self.random.choices(list(_DOINGS), list(_DOINGS.values()))
            getattr(self, doing)()

    def record(self) -> None:
        self.said += 1
        tag = f"{self.seed}-{self.said}"
        at = float(self.random.randrange(1000))
        say(doing="record", tag=tag, at=at)
        key = items.key_of(self.vault, f"i{self.random.randrange(5)}")
        assert key is not None
        event = history.add_event(self.vault, key, tag, at)
        say(done="record", number=event.number)

    def some(self) -> list[int]:
        numbers = history.select(self.vault)
        return self.random.sample(numbers, min(len(numbers), self.random.randrange(1, 4)))

    def hide(self) -> None:
        numbers = self.some()
        say(doing="hide", numbers=numbers)
        history.forget(self.vault, numbers, undo_seconds=60)
        say(done="hide", forgetting=self.vault.rows("SELECT max(number) FROM forgetting")[0][0])

    def undo(self) -> None:
        tokens = self.vault.rows("SELECT number, token FROM forgetting")
        if tokens:
            number, token = self.random.choice(tokens)
            say(doing="undo", forgetting=number)
            history.undo(self.vault, token)
            say(done="undo")

    def forget(self) -> None:
        numbers = self.some()
        say(doing="forget", numbers=numbers)
        history.forget(self.vault, numbers)
        say(done="forget")

    def purge(self) -> None:
        say(doing="purge")
        history.purge(self.vault, even_if_undoable=True)
        say(done="purge")

    def expire(self) -> None:
        keep = self.random.randrange(5, 20)
        say(doing="expire", keep=keep)
        history.expire(self.vault, Retention(events=keep))
        say(done="expire")

    def rotate(self) -> None:
        say(doing="rotate")
        self.vault.rotate()
        say(done="rotate")

    def body(self) -> None:
        name, seed = self.random.choice(BODIES), self.random.randrange(1 << 30)
        body = body_of(seed)
        say(doing="body", name=name, digest=hashlib.sha256(body).hexdigest())
        self.vault.write_body(name, body)
        say(done="body")

    def setting(self) -> None:
        value = self.random.randbytes(20)
        say(doing="setting", value=value.hex())
        self.vault.set_setting("test", value)
        say(done="setting")

    def erase(self) -> None:
        say(doing="erase")
        self.vault.erase()
        say(done="erase")
        self.__init__(self.folder, self.seed)  # type: ignore[misc]


def renew_key_first(connection, folder, keys, following):  # type: ignore[no-untyped-def]
    """What `generations.renew` must not be."""
    files.prepare_key_file(folder, following.encode())
    files.commit_key_file(folder)
    path = files.database(folder, following.generation)
    database.copy(connection, path, following.database)
    connection.close()
    files.remove_generation(folder, keys.generation)
    return database.connect(path, following.database), following


def main() -> None:
    if "--broken" in sys.argv:
        generations.renew = renew_key_first
    for line in sys.stdin:
        folder, seed, seconds = line.rsplit(maxsplit=2)
        child = os.fork()
        if child == 0:
            Writer(Path(folder), int(seed)).forever()
        time.sleep(float(seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        say(ended=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
