"""Items and wishes: put, found, removed; texts that cannot be stored are refused by name."""

import time
from pathlib import Path

import pytest

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.storage import items, wishes
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.storage.vault import Vault

ALIEN = Item("alien", "Alien (1979)", ("Horror", "Sci-Fi"), "In space\nno one can hear you scream.")
AMELIE = Item("amelie", "Le fabuleux destin d'Am\u00e9lie Poulain")
ALIENS = Item("aliens", "The Aliens come back", ("Horror",))


@pytest.fixture
def vault(tmp_path: Path):
    with Vault.open(tmp_path, InsecurePlaintextKey(), create=True, clock=lambda: 1e9) as opened:
        items.put(opened, [ALIENS, ALIEN, AMELIE])
        yield opened


def test_items_read_back_as_they_were_put(vault: Vault) -> None:
    keys = items.keys_of(vault, ["amelie", "alien", "nobody"])
    assert keys == {"alien": 2, "amelie": 3}
    assert items.items_of(vault, [3, 2, 3]) == [AMELIE, ALIEN, AMELIE]
    stored = items.everything(vault)
    assert stored.items == (ALIENS, ALIEN, AMELIE)
    assert stored.keys.tolist() == [1, 2, 3]
    assert not stored.removed.any()
    assert items.key_of(vault, "nobody") is None
    with pytest.raises(DataError, match="not in the vault"):
        items.items_of(vault, [2, 99])


def test_putting_again_replaces_under_the_same_key(vault: Vault) -> None:
    other = Item("alien", "Alien, director's cut")
    assert items.put(vault, [other]) == 1
    assert items.items_of(vault, [2]) == [other]
    assert items.count(vault) == 3


def test_a_removed_item_keeps_its_key_and_can_come_back(vault: Vault) -> None:
    assert items.remove(vault, ["alien", "nobody"]) == [2]
    assert items.count(vault) == 2
    assert items.find(vault, "alien (", 5) == ()
    assert items.known_ids(vault, ["alien"]) == ["alien"]
    assert items.everything(vault).removed.tolist() == [False, True, False]
    items.put(vault, [ALIEN])
    assert items.key_of(vault, "alien") == 2
    assert items.count(vault) == 3


def test_finding_ignores_case_and_accents_and_puts_the_best_first(vault: Vault) -> None:
    assert items.find(vault, "ALIEN", 5) == (ALIEN, ALIENS)
    assert items.find(vault, "alien", 1) == (ALIEN,)
    assert items.find(vault, "aliens", 5) == (ALIENS,)
    assert items.find(vault, "AMELIE P", 5) == (AMELIE,)
    assert items.find(vault, "%", 5) == items.find(vault, "\x00", 5) == items.find(vault, "\ud800", 5) == ()
    with pytest.raises(DataError):
        items.find(vault, "alien", -1)


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (Item("", "x"), "the id '' has 0 characters"),
        (Item("x" * 513, "x"), "513 characters"),
        (Item("a\x00b", "x"), "control character"),
        (Item("a\nb", "x"), "control character"),
        (Item("\ud800", "x"), "surrogate"),
        (Item("bad", "x" * 10_000_000), "the title of item 'bad' has 10,000,000 characters"),
        (Item("bad", "\ud800"), "the title of item 'bad'"),
        (Item("bad", "x", ("y",) * 65), "item 'bad' has 65 labels"),
        (Item("bad", "x", ("y" * 201,)), "a label of item 'bad'"),
        (Item("bad", "x", (), "y" * 100_001), "the description of item 'bad'"),
    ],
)
def test_an_item_that_cannot_be_kept_is_named_and_none_is_put(vault: Vault, item: Item, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        items.put(vault, [Item("good", "Good"), item])
    assert items.key_of(vault, "good") is None


def test_many_items_are_put_in_seconds(tmp_path: Path) -> None:
    with Vault.open(tmp_path / "many", InsecurePlaintextKey(), create=True) as vault:
        start = time.monotonic()
        items.put(vault, (Item(f"i{k}", f"Title {k}", ("Drama",)) for k in range(20_000)))
        assert time.monotonic() - start < 20  # 0.4 s here; this is for what grows with the square
        assert items.count(vault) == 20_000


def test_wishes_are_kept_by_kind_newest_first_and_can_be_taken_back(tmp_path: Path) -> None:
    times = iter(range(100))
    with Vault.open(tmp_path, InsecurePlaintextKey(), create=True, clock=lambda: float(next(times))) as vault:
        for subject in ("b", "a", "c"):
            wishes.put(vault, "saved", subject, 1)
        wishes.put(vault, "less", "a", 1)
        wishes.put(vault, "taste", "Horror", -2)
        wishes.put(vault, "taste", "Horror", wishes.REMOVED)
        assert wishes.subjects(vault, "saved") == ("c", "a", "b")
        assert wishes.levels(vault) == (("Horror", wishes.REMOVED),)
        wishes.unset(vault, "saved", "a")
        wishes.unset(vault, "saved", "a")
        assert wishes.subjects(vault, "saved") == ("c", "b")
        assert wishes.subjects(vault, "less") == ("a",)
        for kind, subject, level in (
            ("other", "a", 1),
            ("less", "a", 2),
            ("taste", "a", 3),
            ("less", "", 1),
            ("less", "\ud800", 1),
        ):
            with pytest.raises(DataError):
                wishes.put(vault, kind, subject, level)
