"""What goes when events go for good: items that nothing names any more, and what was derived."""

import json
from pathlib import Path

import pytest

from confidante.core.values import Item
from confidante.device.storage import history, items, wishes
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault
from confidante.device.values import Retention

ROUND = bytes(32)


@pytest.fixture
def vault(tmp_path: Path):
    with Vault.open(tmp_path, InsecurePlaintextKey(), create=True, clock=lambda: 1e9) as opened:
        items.put(opened, [Item("shop", "Known to the shop")])
        items.put(opened, [Item("own", "Own"), Item("other", "Other own")], personal=True)
        for key in (1, 2, 3):
            history.add_event(opened, key, "view", float(key))
        yield opened


def known(vault: Vault) -> list[str]:
    return items.known_ids(vault, ["shop", "own", "other"])


def test_an_event_that_expires_takes_the_item_along_unless_it_still_counts_as_had(vault: Vault) -> None:
    assert history.expire(vault, Retention(events=1)) == 2
    assert known(vault) == ["shop", "own", "other"]
    assert history.expire(vault, Retention(events=1, keep_seen=False)) == 0
    assert known(vault) == ["shop", "other"]


@pytest.mark.parametrize("how", ["forget", "purge", "expire"])
def test_items_whose_last_wish_went_before_go_with_the_next_event(vault: Vault, how: str) -> None:
    wishes.put(vault, "saved", "own", 1)
    history.forget(vault, [2])
    assert "own" in known(vault)
    wishes.unset(vault, "saved", "own")
    match how:
        case "forget":
            history.forget(vault, [1])
        case "purge":
            history.forget(vault, [1], undo_seconds=60)
            assert "own" in known(vault)
            history.purge(vault, even_if_undoable=True)
        case _:
            history.expire(vault, Retention(events=1, keep_seen=False))
    assert known(vault) == ["shop", "other"]


def test_an_item_waits_for_events_and_wishes_that_can_still_come_back(vault: Vault) -> None:
    wishes.put(vault, "saved", "own", 1)
    history.forget(vault, [2])
    forgotten = history.forget(vault, [], undo_seconds=60, everything=True)
    history.add_event(vault, 1, "view", 9.0)
    history.expire(vault, Retention(events=0))
    assert known(vault) == ["shop", "own", "other"]
    history.undo(vault, forgotten.undo or "")
    assert wishes.subjects(vault, "saved") == ("own",)
    history.forget(vault, [], everything=True)
    assert known(vault) == ["shop"]


def test_expiry_empties_what_was_derived_and_leaves_the_sign_that_nothing_was_forgotten(vault: Vault) -> None:
    note = json.dumps({"largest": ["Own"]}).encode()
    with vault.write() as sql:
        sql("INSERT INTO outbox (round, made, body) VALUES (?, 1, ?)", (ROUND, note))
    vault.write_body("personal:profile", b"Own")
    assert history.expire(vault, Retention(events=3)) == 0
    assert vault.rows("SELECT body FROM outbox") == [(note,)]
    assert history.expire(vault, Retention(events=2)) == 1
    assert vault.rows("SELECT round, body FROM outbox") == [(ROUND, b"{}")]
    assert vault.read_body("personal:profile") is None
