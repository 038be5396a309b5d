"""Time the vault: opening, recording, forgetting for good, rotating; and the memory it takes.

    python benchmarks/bench_vault.py [--json]

Beside each, the same work on plain SQLite where there is such a thing: what encryption and durability cost.
Every recorded event is on disk when its time stops. Memory is that of a fresh process with the vault open.
"""

import argparse
import json
import os
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from _timing import in_child, milliseconds, parser, peak_mib, verdict
from confidante.core.values import Item
from confidante.device.storage import history, items
from confidante.device.storage.keys import InsecurePlaintextKey, KeySource, Passphrase
from confidante.device.storage.vault import Vault

ITEMS, EVENTS, SNAPSHOT = 10_000, 500, 10_000_000
OPEN_TARGET_MS = 100.0
WORDS = "correct horse battery staple"


def filled(folder: Path, source: KeySource) -> Vault:
    vault = Vault.open(folder, source, create=True)
    items.put(vault, (Item(f"i{k}", f"Title number {k}", ("Drama", "Comedy")) for k in range(ITEMS)))
    history.add_events(vault, [history.NewEvent(1 + k, "view", 1e9 + k) for k in range(EVENTS)])
    return vault


def bench_open(folder: Path, source: KeySource) -> dict[str, Any]:
    filled(folder, source).close()

    def opened() -> None:
        with Vault.open(folder, source) as vault:
            history.count(vault)

    return milliseconds(opened)


def bench_sqlite_record(path: Path) -> dict[str, Any]:
    """Record into SQLite of the standard library, as durably: WAL, synchronous FULL, one writer."""
    plain = sqlite3.connect(path, isolation_level=None)
    for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
        plain.execute(f"PRAGMA {pragma}").fetchall()
    plain.execute(
        "CREATE TABLE event (number INTEGER PRIMARY KEY AUTOINCREMENT, item, kind, at, value, context)"
    )

    def record() -> None:
        plain.execute("BEGIN IMMEDIATE")
        plain.execute("INSERT INTO event (item, kind, at, context) VALUES (1, 'view', 1e9, '{}')")
        plain.execute("COMMIT")

    measured = milliseconds(record, 200)
    plain.close()
    return measured


def bench_forget(vault: Vault) -> dict[str, Any]:
    numbers = iter(history.select(vault))
    return milliseconds(lambda: history.forget(vault, [next(numbers)]))


def small_part(folder: str | None) -> None:
    """Print the peak memory of a fresh process, after the imports or with a vault read."""
    if folder is not None:
        with Vault.open(Path(folder), Passphrase(WORDS)) as vault:
            history.newest(vault, EVENTS)
    print(json.dumps(own_peak_mib()))


def own_peak_mib() -> float:
    """Return the peak of this program alone: Linux carries `peak_mib` over from who started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return peak_mib()
    return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as made:
        base = Path(made)
        result = {
            "items": ITEMS,
            "events": EVENTS,
            "open_passphrase": bench_open(base / "passphrase", Passphrase(WORDS)),
            "open_beside": bench_open(base / "beside", InsecurePlaintextKey()),
            "memory_mib": {
                "imports": in_child(__file__, "--part"),
                "vault_open": in_child(__file__, "--part", base / "passphrase"),
            },
        }
        with Vault.open(base / "beside", InsecurePlaintextKey()) as vault:
            result["record"] = milliseconds(lambda: history.add_event(vault, 1, "view", 1e9), 200)
            result["forget_one"] = bench_forget(vault)
            vault.write_body("model", os.urandom(SNAPSHOT))
            result["rotate_with_snapshot"] = milliseconds(vault.rotate)
            result["forget_one_with_snapshot"] = bench_forget(vault)
            result["snapshot_bytes"] = SNAPSHOT
        result["record_plain_sqlite"] = bench_sqlite_record(base / "plain.db")
        return result


def main() -> None:
    made: argparse.ArgumentParser = parser(__doc__)
    made.add_argument("--part", nargs="?", const="", help=argparse.SUPPRESS)
    given = made.parse_args()
    if given.part is not None:
        small_part(given.part or None)
        return
    result = measure()
    if given.json:
        print(json.dumps(result, indent=2))
        return
    for name, what in (
        ("open_passphrase", f"open and close, passphrase (target {OPEN_TARGET_MS:.0f} ms)"),
        ("open_beside", "open and close, key beside"),
        ("record", "record one event, on disk"),
        ("record_plain_sqlite", "the same, plain SQLite"),
        ("forget_one", f"forget one for good, {ITEMS:,} items"),
        ("rotate_with_snapshot", "rotate, with 10 MB of snapshots"),
        ("forget_one_with_snapshot", "forget one for good, with them"),
    ):
        row = result[name]
        print(f"{what:46} {row['median']:8.2f} ms [{row['quartile_1']:.2f}, {row['quartile_3']:.2f}]")
    print(f"opening: {verdict(OPEN_TARGET_MS / result['open_passphrase']['median'])}")
    memory = result["memory_mib"]
    print(f"memory: imports {memory['imports']:.0f} MiB, with a vault open {memory['vault_open']:.0f} MiB")


if __name__ == "__main__":
    main()
