"""What a device makes of kinds of event: known, declared, of an old vault, imported, skipped, only shown."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from device_world import START, open_device

from confidante import Device, Event, InsecurePlaintextKey, Item
from confidante.core.errors import DataError
from confidante.device.storage import schema
from confidante.device.storage.keys import Passphrase
from confidante.device.storage.vault import Vault
from confidante.device.web.wording import reason_words
from confidante.packs.media import MEDIA
from confidante.packs.signals import EventKind, Signal
from confidante.packs.weights import weigh


def scores(device: Device) -> dict[str, float]:
    return {one.item.id: one.score for one in device.recommend(1000).suggestions}


def test_an_unknown_kind_is_refused_and_says_what_to_do(tmp_path: Path) -> None:
    with open_device(tmp_path / "p") as device:
        with pytest.raises(DataError, match=r"'binged' is not known.*Declare what .*history\.declare"):
            device.record("m0", "binged")
        with pytest.raises(DataError, match=r"'dislikd' is not known.*Did you mean 'disliked?'"):
            device.history.record_many([Event(0, "m0", "view", START), Event(0, "m1", "dislikd", START)])
        assert device.history.count == 0


def test_a_declared_kind_is_remembered_and_goes_before_the_packs_word(tmp_path: Path) -> None:
    with open_device(tmp_path / "p") as device:
        device.history.declare("Rage Quit", EventKind(Signal.AGAINST, strength=2.0))
        device.record("m0", "rage-quit")
        below = scores(device)
        device.history.declare("view", EventKind(Signal.NEUTRAL))
    with open_device(tmp_path / "p") as device:
        assert device.pack.event("RAGE_QUIT").weight == -2.0
        assert scores(device) == below
        device.record("m1", "View")  # says nothing any more
        assert scores(device) == below
        assert set(device.history.declared) == {"Rage Quit", "view"}


@pytest.mark.parametrize("strength", [0.0, -1.0, 11.0, float("nan")])
def test_a_strength_that_makes_no_sense_is_refused(tmp_path: Path, strength: float) -> None:
    with open_device(tmp_path / "p") as device, pytest.raises(DataError, match="above 0, at most 10"):
        device.history.declare("binged", EventKind(strength=strength))


def test_kinds_of_an_old_vault_keep_saying_what_they_said_unless_the_table_has_them(tmp_path: Path) -> None:
    before = next(n for n, text in enumerate(schema.MIGRATIONS) if "CREATE TABLE kind" in text)
    key = Passphrase("correct horse")
    made = Vault.open(tmp_path / "p", key, create=True, migrations=schema.MIGRATIONS[:before])
    with made as old, old.write() as sql:
        for number, kind in enumerate(("binged", "Dislike", "view", "binged")):
            sql(
                "INSERT INTO item (id, title, labels, description) VALUES (?, '', '[]', '')",
                (f"m{number}",),
            )
            sql(
                "INSERT INTO event (item, kind, at, context) VALUES (?, ?, ?, '{}')",
                (number + 1, kind, START + number),
            )
    with Device(tmp_path / "p", key) as device:
        assert device.pack.event("binged").signal is Signal.FOR
        assert device.pack.event("dislike").signal is Signal.AGAINST
        device.record("m0", "Binged")
        device.export(tmp_path / "all.jsonl")
        device.forget(item="m0")
        device.forget(item="m3")
        with pytest.raises(DataError, match="not known"):  # no event says so any more
            device.record("m0", "binged")
    with Device(tmp_path / "q", InsecurePlaintextKey()) as copy:
        copy.import_history(tmp_path / "all.jsonl")
        assert copy.pack.event("binged").signal is Signal.FOR
        assert copy.pack.event("Dislike").signal is Signal.AGAINST


def test_an_unknown_kind_of_a_file_is_named_kept_and_teaches_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(
        "title,date,kind\nThe Orbit (1960),2026-01-01,binged\nThe Heist (1961),2026-01-02,Dislike\n", "utf-8"
    )
    with open_device(tmp_path / "p") as device:
        before = scores(device)
        report = device.import_history(tmp_path / "mine.csv", "csv")
        assert report.undeclared == (("binged", 1),)
        assert any("“binged”, which is not known" in line for line in report.lines())
        after = scores(device)
        assert "m0" not in after  # it was had
        device.history.declare("Binged", EventKind())
        assert scores(device) != after
        device.forget(everything=True)
        assert scores(device) == before


def test_what_says_nothing_changes_no_score_and_ages_no_event(tmp_path: Path) -> None:
    with open_device(tmp_path / "p") as device:
        for number in range(3):
            device.record(f"m{number}", "view", at=START + number)
        before = scores(device)
        for number, kind in enumerate(("impression", "Advertisement", "on_hold", "private", "plan to watch")):
            device.record(f"m{10 + number}", kind, at=START + 10 + number)
        assert scores(device) == before  # and none of them is kept out of the list
        assert [item.id for item in device.taste.saved] == ["m14"]
        device.record("m20", "seen", at=START + 20)
        after = scores(device)
        assert before.keys() - after.keys() == {"m20"}
        assert all(after[item] == before[item] for item in after)
        assert device.record("m30", "Private Session") is None


def test_an_undo_takes_back_what_came_before_it_of_the_same_item() -> None:
    kinds = ["like", "view", "Favourite", "like", "unlike", "like"]
    items = np.array([1, 1, 1, 2, 1, 1])
    assert weigh(MEDIA, kinds, items, [None] * 6, [None] * 6).weights.tolist() == [0, 1, 0, 1, 0, 1]
    undone = weigh(MEDIA, ["dislike", "undislike"], np.array([1, 1]), [None] * 2, [None] * 2)
    assert undone.weights.tolist() == [0, 0]


def tracks() -> list[Item]:
    """240 tracks of 12 bands and 4 genres."""
    words = [
        "river",
        "night",
        "fire",
        "glass",
        "road",
        "stone",
        "echo",
        "winter",
        "signal",
        "harbor",
        "silver",
        "garden",
        "motion",
        "paper",
    ]
    rng = np.random.default_rng(3)
    return [
        Item(
            f"{band}-{k}",
            f"{' '.join(rng.choice(words, 2))} {k}",
            (f"Genre {band % 4}",),
            creator=f"Band {chr(65 + band)}",
        )
        for band in range(12)
        for k in range(20)
    ]


def of_band(device: Device, band: int) -> int:
    return sum(one.item.id.startswith(f"{band}-") for one in device.recommend(20).suggestions)


@pytest.mark.parametrize("kind", ["skip", "Dislike"])
@pytest.mark.parametrize("then", [(), ("1-9", "2-9", "2-10", "1-10")])
def test_three_skips_of_a_creator_lower_its_share_by_80_percent(
    tmp_path: Path, kind: str, then: Sequence[str]
) -> None:
    with Device(tmp_path / "p", InsecurePlaintextKey()) as device:
        device.items.add(tracks())
        for place, item in enumerate(f"{band}-{k}" for k in range(3) for band in (1, 2, 0)):
            device.record(item, "like", at=START + place)
        before = of_band(device, 0)
        assert before >= 3
        unlike = [f"3-{k}" for k in range(20)]
        ranks = [device.explain(item).rank or 0 for item in unlike]
        for k in range(3):
            device.record(f"0-{10 + k}", kind, at=START + 100 + k)
        for k, item in enumerate(then):
            device.record(item, "like", at=START + 200 + k)
        assert of_band(device, 0) <= 0.2 * before
        assert np.median([device.explain(item).rank or 0 for item in unlike]) <= np.median(ranks) + 10
        why = device.explain("0-15")
        assert abs(why.suggestion.unexplained) < 1e-6
        assert any("same creator" in reason.parts for reason in why.suggestion.reasons)


def test_horror_rated_half_a_star_is_not_suggested_and_the_reason_says_so(tmp_path: Path) -> None:
    films = [Item(f"h{k}", f"Night {k}", ("Horror",)) for k in range(30)]
    films += [Item(f"c{k}", f"Day {k}", ("Comedy",)) for k in range(30)]
    with Device(tmp_path / "p", InsecurePlaintextKey()) as device:
        device.items.add(films)
        for k in range(2):
            device.record(f"c{k}", "rating", value=5.0, at=START + k)
        for k in range(8):
            device.record(f"h{k}", "rating", value=0.5, at=START + 10 + k)
        best = device.recommend(20).suggestions
        assert all("Comedy" in one.item.labels for one in best)
        (said,) = [r for r in device.explain("h20").suggestion.reasons if r.item == "h0"]
        assert said.points < 0
        assert said.said == "you rated it 0.5 of 5, below your usual 1.4"
        assert abs(device.explain("h20").suggestion.unexplained) < 1e-9
        assert reason_words(said) == "Night 0 (you rated it 0.5 of 5, below your usual 1.4)"
        device.record("h9", "rating", value=9.0, context={"out of": "10"})
        assert any(
            r.said.startswith("you rated it 9 of 10") for r in device.explain("h20").suggestion.reasons
        )
