"""Every pack keeps the contract; one from outside is found by its entry point; the core works without any."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import msgspec
import pytest
from paths import ROOT

from confidante import DataError, Device, InsecurePlaintextKey, Item
from confidante.core.values import Price
from confidante.packs import registry
from confidante.packs.base import NONE, Pack
from confidante.packs.media import MEDIA
from confidante.packs.signals import EventKind
from confidante.testing.pack_contract import check_pack

OUTSIDE = ROOT / "examples" / "pack_recipes"


@pytest.fixture
def recipes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pack]:
    """The pack of the example, found as an installed package's would be."""
    monkeypatch.syspath_prepend(str(OUTSIDE))
    found = EntryPoints([EntryPoint("recipes", "confidante_recipes:RECIPES", registry.GROUP)])
    monkeypatch.setattr("importlib.metadata.entry_points", lambda **asked: found.select(**asked))
    registry.pack_named.cache_clear()
    yield registry.pack_named("recipes")
    registry.pack_named.cache_clear()
    sys.modules.pop("confidante_recipes", None)


def test_media_keeps_the_contract() -> None:
    check_pack(MEDIA)


def test_a_pack_from_outside_keeps_it_and_a_profile_remembers_it(recipes: Pack, tmp_path: Path) -> None:
    check_pack(recipes)
    with Device(tmp_path / "me", InsecurePlaintextKey(), pack="recipes") as device:
        device.items.add(recipes.demo)
        device.record("r1", "cooked")
        device.record("r2", "thrown-away")
        (first,) = device.recommend(1).suggestions
        assert first.item.id == "r3"
        assert device.pack.further(first.item) == recipes.fields(90, 6)
        with pytest.raises(DataError, match="minutes"):
            device.items.add([Item("r4", "Salad", more={"minutes": "soon"})])
    with Device(tmp_path / "me", InsecurePlaintextKey()) as again:
        assert again.pack is recipes
        assert again.items.get("r1").more == {"minutes": 40, "servings": 4}


def test_a_pack_that_is_not_installed_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no pack 'gardens' here, only media, none"):
        Device(tmp_path / "me", InsecurePlaintextKey(), pack="gardens")


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"demo": ()}, "demo"),
        ({"wording": {"never asked": "x"}}, "nobody asks"),
        ({"training": {"no_such": 1}}, "no training has"),
        ({"events": {"x": EventKind(strength=99.0)}}, "weighs too much"),
        ({"groups": lambda _titles: []}, "each title"),
        ({"fields": msgspec.defstruct("Loose", [])}, "forbids unknown"),
    ],
)
def test_the_contract_notices_a_pack_that_breaks_it(changed: dict[str, object], problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        check_pack(replace(MEDIA, **changed))


def test_without_a_pack_the_core_works_for_items_with_labels(tmp_path: Path) -> None:
    rows = tmp_path / "mine.csv"
    rows.write_text("title,date\nNight Train (1994),2026-01-02\nGarden,2026-01-03\n")
    with Device(tmp_path / "me", InsecurePlaintextKey(), pack="none") as device:
        device.items.add(Item(f"i{k}", f"Night Train {k} (1994)", ("ab"[k % 2],)) for k in range(8))
        assert len(device.onboarding.slate(8)) == 8, "no title is of a series here"
        device.record("i0")
        suggestions = device.recommend(3).suggestions
        assert [one.item.labels for one in suggestions] == [("a",)] * 3
        assert device.explain(suggestions[0].item.id).suggestion.reasons
        report = device.import_history(rows, add_missing=True)
        assert report.added == 2, "a year is part of a title here"
        assert [one.name for one in device.pack.formats()] == ["confidante", "amazon", "csv"]
    assert NONE.features(Item("x", "Alien (1979)")) == ()


def test_the_core_says_nothing_of_films() -> None:
    words = ("genre", "rate or save", "stem_of", "show_of", r"\((\d{4})\)")
    rooms = ("core", "models", "tasks", "training", "formats", "device", "coordinator")
    for room in rooms:
        for path in (ROOT / "src" / "confidante" / room).rglob("*.py"):
            if path.name in {"population_file.py", "matching.py"}:  # examples that an operator or reader sees
                continue
            text = path.read_text("utf-8")
            assert not [word for word in words if word in text], path


FULL = Item(
    "f",
    "Full",
    ("a",),
    "said",
    url="https://example.org/f?x=1",
    image="data:image/png;base64,iVBORw0KGgo=",
    creator="E. Hale",
    price=Price(Decimal("4.50"), "EUR"),
)


def test_what_an_item_says_besides_is_kept_exported_and_read_again(tmp_path: Path) -> None:
    with Device(tmp_path / "a", InsecurePlaintextKey()) as device:
        device.items.add([FULL])
        assert device.items.get("f") == FULL
        device.items.add([Item("f", "Full", ("a",), "said")])  # as a model's catalogue brings it
        assert device.items.get("f") == FULL
        device.export(tmp_path / "me.jsonl")
    with Device(tmp_path / "b", InsecurePlaintextKey()) as device:
        device.import_history(tmp_path / "me.jsonl")
        assert device.items.get("f") == FULL


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("url", "javascript:alert(1)"),
        ("url", "//example.org"),
        ("url", "https:// example.org"),
        ("image", "https://example.org/x.png"),
        ("image", "data:text/html;base64,PGI+"),
        ("image", "data:image/svg+xml;base64,PHN2Zz4="),
        ("image", "relative.png"),
        ("image", "/etc/passwd"),
        ("creator", "a\x00b"),
        ("more", {"a": object()}),
    ],
)
def test_links_and_pictures_that_would_reach_out_are_refused(
    tmp_path: Path, field: str, value: object
) -> None:
    with Device(tmp_path / "a", InsecurePlaintextKey(), pack="none") as device:
        with pytest.raises(DataError, match="x1"):
            device.items.add([replace(Item("x1", "X"), **{field: value})])
        assert device.items.count == 0


@pytest.mark.parametrize("text", ["4.50", "EUR 4.50", "-1 EUR", "1e3 EUR", "4,50 EUR", "4.50 eur"])
def test_a_price_is_an_amount_and_a_currency(text: str) -> None:
    with pytest.raises(DataError, match="price"):
        Price.read(text)
    assert str(Price.read("4.50 EUR")) == "4.50 EUR"
