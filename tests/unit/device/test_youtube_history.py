# ruff: noqa: RUF001 - other scripts are the point here
"""YouTube's history: what Google puts around titles, music, advertisements, and what was something else."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from confidante.device.importing import ForeignEvent, Skipped
from confidante.packs.media import MEDIA

FORMATS = MEDIA.formats()
TITLES = ("The moss", "A sea", "Cats at night", "Dogs", "Um dia", "Watched pots", "Bread, again")


def entry(title: str, number: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "header": "YouTube",
        "title": title,
        "titleUrl": f"https://www.youtube.com/watch?v=abcdefgh{number:03}",
        "subtitles": [{"name": f"Channel {number}", "url": "https://x"}],
        "time": f"2024-03-01T12:{number:02}:00Z",
        **more,
    }


def read(folder: Path, entries: list[dict[str, Any]]) -> tuple[list[ForeignEvent], list[Skipped]]:
    path = folder / "watch-history.json"
    path.write_text(json.dumps(entries))
    rows = list(FORMATS.parse(path, "youtube"))
    return [r for r in rows if isinstance(r, ForeignEvent)], [r for r in rows if isinstance(r, Skipped)]


@pytest.mark.parametrize(
    "wording",
    [
        *("Watched {}", "{} angesehen", "Obejrzano: {}", "{} を視聴しました", "Просмотрено видео {}"),
        *("Je hebt naar {} gekeken", "{} adlı videoyu izlediniz", "تمت مشاهدة {} ."),
        *("Vuoy te {}", "{} zqx vou", "Zqx {} vou", "{}を観た", "観た「{}」"),  # in no list
    ],
)
def test_what_all_titles_share_is_no_part_of_them(tmp_path: Path, wording: str) -> None:
    entries = [entry(wording.format(title), k) for k, title in enumerate(TITLES)]
    events, skipped = read(tmp_path, entries)
    assert [(event.title, event.kind) for event in events] == [(title, "view") for title in TITLES]
    assert not skipped


def test_a_mixed_file_is_read_by_the_words_that_are_known(tmp_path: Path) -> None:
    wordings = ("Watched {}", "Så {}", "{} katsottiin", "{} izlənildi", "Megtekintette a következőt: {}")
    events, _ = read(tmp_path, [entry(one.format("Moss"), k) for k, one in enumerate(wordings)])
    assert [event.title for event in events] == ["Moss"] * 5


def test_what_the_titles_of_one_channel_share_is_theirs(tmp_path: Path) -> None:
    one = {"subtitles": [{"name": "Daily", "url": "https://x"}]}
    entries = [entry(f"The Daily Show {title}", k, **one) for k, title in enumerate(TITLES)]
    assert [event.title for event in read(tmp_path, entries)[0]] == [f"The Daily Show {t}" for t in TITLES]


def test_other_deeds_are_not_watching(tmp_path: Path) -> None:
    entries = [entry(f"Watched {title}", k) for k, title in enumerate(TITLES * 3)]
    entries += [entry("Liked Tea", 50), entry("Disliked Spam", 51), entry("Qwe Odd", 52)]
    entries += [entry("Searched for tea", 53, titleUrl="https://www.youtube.com/results?search_query=tea")]
    entries += [
        entry("Watched https://www.youtube.com/watch?v=", 54, titleUrl="https://www.youtube.com/watch?v=")
    ]
    entries += [entry("Watched Soap", 55, details=[{"name": "Google 広告から"}])]
    events, skipped = read(tmp_path, entries)
    assert [(event.title, event.kind) for event in events[21:]] == [("Tea", "like"), ("Spam", "dislike")]
    assert [row.reason for row in skipped] == [
        "something else than watching, in words that are not known",
        "no video (a post, a search, a visit)",
        "a video without a title, removed since",
        "an advertisement",
    ]


def test_youtube_music_is_played_and_addresses_vary(tmp_path: Path) -> None:
    events, _ = read(
        tmp_path,
        [
            entry(
                "Watched Song",
                1,
                header="YouTube Music",
                titleUrl="https://music.youtube.com/watch?v=abcdefghijk",
            ),
            entry("Watched Short", 2, titleUrl="https://youtube.com/shorts/abcdefghijl"),
            entry("Watched Old", 3, titleUrl="http://m.youtube.com/watch?feature=x&v=abcdefghijm"),
        ],
    )
    assert [(e.title, e.kind, e.foreign_id) for e in events] == [
        ("Song", "play", "abcdefghijk"),
        ("Short", "view", "abcdefghijl"),
        ("Old", "view", "abcdefghijm"),
    ]


def page(*cells: tuple[str, str, str]) -> str:
    """Return a page of entries (header, content, small print)."""
    made = "".join(
        f'<div class="outer-cell x"><div class="y"><div class="header-cell"><p>{header}<br></p></div>'
        f'<div class="content-cell a">{content}<br></div><div class="content-cell b"></div>'
        f'<div class="content-cell c">{small}</div></div></div>'
        for header, content, small in cells
    )
    return f"<html><body>{made}</body></html>"


def test_a_page_in_any_language_is_told_by_what_is_in_it(tmp_path: Path) -> None:
    link = '<a href="https://www.youtube.com/watch?v=abcdefghijk">Watched pots never boil</a>'
    why = "<b>ทำไม</b><br>&emsp;บันทึกไว้ในบัญชี Google ของคุณเนื่องจากเปิดการตั้งค่าต่อไปนี้<br>"
    content = page(
        ("YouTube Music", f"ดู {link}<br>2 มี.ค. 2567 15:04:05 UTC", why),
        (
            "YouTube",
            f"ดู {link}<br>2 มี.ค. 2567 15:04:06 UTC",
            f"<b>รายละเอียด</b><br>&emsp;จาก Google Ads<br>{why}",
        ),
    )
    path = tmp_path / "takeout.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("Takeout/YouTube และ YouTube Music/ประวัติ/ประวัติการดู.html", content)
        archive.writestr("Takeout/archive_browser.html", "<html><body>outer-cell</body></html>")
    assert FORMATS.detect(path) == "youtube"
    event, advertisement = FORMATS.parse(path)
    assert isinstance(event, ForeignEvent)
    assert (event.title, event.kind, event.at) == ("Watched pots never boil", "play", 1709391845)
    assert advertisement == Skipped("an advertisement", 2)


def test_a_spanish_archive_has_histories_subscriptions_and_a_library(tmp_path: Path) -> None:
    folder = "Takeout/YouTube y YouTube Music"
    search = entry("Buscaste moss", 1, titleUrl="https://www.youtube.com/results?search_query=moss")
    channel = "UC" + "a" * 22
    path = tmp_path / "takeout.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{folder}/historial/historial de búsquedas.json", json.dumps([search]))
        archive.writestr(
            f"{folder}/historial/historial de reproducciones.json", json.dumps([entry("Has visto Moss")])
        )
        subscriptions = (
            f"ID del canal,URL del canal,Título\n{channel},http://www.youtube.com/channel/{channel},Garden\n"
        )
        archive.writestr(f"{folder}/suscripciones/suscripciones.csv", subscriptions)
        songs = "ID del vídeo,Título,Álbum,Artista 1\nabcdefghijk,Song,Record,Ada\n"
        archive.writestr(f"{folder}/music (library and uploads)/music library songs.csv", songs)
        archive.writestr(
            f"{folder}/playlists/Favoritos.csv", "ID del vídeo,Fecha\nabcdefghijk,2024-03-01T12:00:00Z\n"
        )
    assert FORMATS.detect(path) == "youtube"
    events = [row for row in FORMATS.parse(path) if isinstance(row, ForeignEvent)]
    assert [(e.kind, e.title, e.creator, e.at) for e in events] == [
        ("view", "Moss", "Channel 0", 1709294400),
        ("subscribe", "Garden", "", 0),
        ("favorite", "Song", "Ada", 0),
    ]
