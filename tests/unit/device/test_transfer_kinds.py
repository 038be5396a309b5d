"""Kinds of files that say other than that something was liked, and those that are told by name."""

from pathlib import Path

import pytest

from confidante import Device, InsecurePlaintextKey
from confidante.core.errors import DataError
from confidante.packs.signals import Signal


@pytest.fixture
def device(tmp_path: Path):
    with Device(tmp_path / "profile", InsecurePlaintextKey(), pack="media") as opened:
        yield opened


@pytest.mark.parametrize("column", ["thumbs", "Thumb Rating", "reaction", "vote"])
@pytest.mark.parametrize(("down", "up"), [("down", "up"), ("Thumbs Down", "Thumbs Up"), ("👎", "👍")])
def test_a_column_of_thumbs_is_read_as_likes_and_dislikes(device, tmp_path, column, down, up) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"title,date,{column}\nMill,2024-05-01,{down}\nPier,2024-05-02,{up}\n", "utf-8")
    device.import_history(path)
    kinds = {device.items.get(event.item).title: event.kind for event in device.history.events()}
    assert kinds == {"Mill": "thumbs-down", "Pier": "thumbs-up"}


@pytest.mark.parametrize("status", ["Not Started", "to be read", "unwatched", "not_played", "Unlistened"])
def test_what_was_not_begun_is_a_wish_and_was_not_seen(device, tmp_path, status) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"title,date,status\nMill,2024-05-01,{status}\nPier,2024-05-02,completed\n", "utf-8")
    device.import_history(path)
    assert [item.title for item in device.taste.saved] == ["Mill"]
    assert [device.items.get(event.item).title for event in device.history.events()] == ["Pier"]


@pytest.mark.parametrize(
    ("wanted", "dropped", "done"),
    [
        ("Geplant", "Abgebrochen", "Gesehen"),
        ("Möchte ich lesen", "aufgegeben", "gelesen"),
        ("À voir", "Abandonné", "Vu"),
        ("a lire", "abandonnee", "lu"),  # typed without accents
        ("Pendiente", "Abandonado", "Leído"),
        ("Da leggere", "Abbandonato", "Letto"),
        ("Quero ler", "Abandonado", "Lido"),
        ("хочу посмотреть", "Брошено", "Просмотрено"),
        ("読みたい", "中止", "読了"),
        ("想看", "弃剧", "看过"),
        ("보고 싶어요", "하차", "봤어요"),
    ],
)
def test_a_status_says_the_same_in_other_languages(device, tmp_path, wanted, dropped, done) -> None:
    path = tmp_path / "mine.csv"
    rows = f"Mill,2024-05-01,{wanted}\nPier,2024-05-02,{dropped}\nHill,2024-05-03,{done}\n"
    path.write_text(f"title,date,status\n{rows}", "utf-8")
    report = device.import_history(path)
    assert report.undeclared == ()
    assert [item.title for item in device.taste.saved] == ["Mill"]
    signals = {
        device.items.get(event.item).title: device.pack.event(event.kind).signal
        for event in device.history.events()
    }
    assert signals == {"Pier": Signal.AGAINST, "Hill": Signal.FOR}


@pytest.mark.parametrize(
    ("name", "text", "called"),
    [
        ("views.csv", '"Title","Playback Start Datetime (UTC)"\nMill,2024-05-01 10:00:00\n', "Prime Video"),
        ("seen.csv", "series_name,episode_number,created_at\nMill,1,2024-05-01\n", "TV Time"),
        ("wines.csv", "Winery,Wine name,Vintage,Scan date\nHill,Red,2019,2024-05-01\n", "Vivino"),
        ("beers.json", '[{"beer_name": "Mill", "brewery_name": "Pier"}]', "Untappd"),
        ("games.json", '{"games": [{"appid": 1, "playtime_forever": 9}]}', "Steam"),
        ("plays.json", '{"data": [{"watched_status": 1, "percent_complete": 9}]}', "Tautulli"),
        ("books.json", '{"1": {"books_id": "1", "primaryauthor": "Hill"}}', "LibraryThing"),
        ("marks.html", "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL></DL>", "bookmarks"),
    ],
)
def test_a_service_that_is_not_read_yet_is_told_by_name(device, tmp_path, name, text, called) -> None:
    path = tmp_path / name
    path.write_text(text, "utf-8")
    with pytest.raises(DataError, match=rf"is not read yet: .*{called}.*, because "):
        device.import_history(path)
    assert device.history.count == 0
