import dataclasses
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from checkerboard import checkerboard

from confidante.core.errors import DataError
from confidante.core.values import Item
from confidante.device.values import Reason, ReasonKind, Suggestion
from confidante.lab.data.dataset import Dataset, LoadReport
from confidante.lab.demo import run_demo
from confidante.lab.demo_reasons import explain
from confidante.lab.report import page, prepare_folder, write_report
from confidante.lab.report_plots import percent

NEEDED = [
    "ndcg_at_10",
    "popularity_ndcg_at_10",
    "central_ndcg_at_10",
    "hr_at_10",
    "epsilon",
    "epsilon_release",
    "delta",
    "adjacency",
    "devices",
    "dropped",
    "rounds",
    "bytes_up_per_device",
    "bytes_down_per_device",
    "seconds",
    "seed",
]


def board(size=12):
    made = checkerboard(size)
    people = made.histories.people
    names = tuple(f"p{person}" for person in range(people))
    catalogue = dataclasses.replace(
        made.catalogue, titles=tuple(f'<script>"{t}" $1 & $2' for t in made.catalogue.titles)
    )
    events = len(made.histories.items)
    return Dataset(made.histories, catalogue, names, LoadReport("board", events, events))


@pytest.fixture(scope="module")
def secure():
    return run_demo(board(), source="a board", engine="secure", seed=4)


@pytest.fixture(scope="module")
def html(secure):
    return page(secure)


def test_the_real_protocol_runs_from_data_to_figures(secure):
    figures = secure.to_json()
    assert set(NEEDED) <= set(figures)
    json.dumps(figures, allow_nan=False)
    assert figures["devices"] == 12
    assert figures["dropped"] == 2
    assert figures["rounds"] == 3
    assert 0 < figures["epsilon_release"] <= figures["epsilon"] <= 8
    assert figures["bytes_up_per_device"] > 0
    assert figures["bytes_down_per_device"] > 0
    assert len(figures["people"]) >= 1


def test_a_seed_decides_all_but_the_seconds():
    first, again, other = (run_demo(board(), engine="aggregate", seed=seed) for seed in (1, 1, 2))
    assert {**first.to_json(), "seconds": 0} == {**again.to_json(), "seconds": 0}
    assert first.to_json()["groups"] != other.to_json()["groups"]
    assert page(first) == page(dataclasses.replace(again, seconds=first.seconds))


def test_reasons_add_up_both_ways_and_keep_their_sign(secure):
    for person in secure.people:
        for suggestion in person.suggestions:
            whole = np.sign(suggestion.score)
            named = sum(share.share for share in suggestion.because)
            assert named + suggestion.others + suggestion.popularity == pytest.approx(whole)
            assert sum(share.share for share in suggestion.parts) == pytest.approx(whole)
    shares = {"d": (4, 0.5), "b": (-3, 0), "a": (1, 1), "c": (0.5, 0)}
    reasons = [Reason(ReasonKind.POPULARITY, "", 1.0)]
    for title, parts in shares.items():
        by_part = dict(zip(("one", "two"), parts, strict=True))
        reasons.append(Reason(ReasonKind.EVENT, title, sum(parts), by_part))
    found = explain(Suggestion(Item("x", "X"), 5.0, tuple(reasons)), most=2)
    assert [share.share for share in found.because] == [0.9, -0.6]
    assert [share.what for share in found.because] == ["d", "b"]
    assert {share.what: share.share for share in found.parts} == {"one": 0.5, "two": 0.3, "popularity": 0.2}
    assert found.others == pytest.approx(0.5)
    assert found.other_events == 2
    assert percent(-0.6) == "\u221260\u00a0%"
    assert percent(-0.001) == "0\u00a0%"


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.urls, self.ids, self.unnamed = [], [], [], 0

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.urls += [value for name, value in attributes if name.split(":")[-1] in ("href", "src", "action")]
        self.unnamed += tag == "svg" and not (found.get("role") == "img" and found.get("aria-label"))


def test_the_page_asks_nobody_for_anything(html):
    links = Links()
    links.feed(html)
    assert all(url.startswith("#") for url in links.urls)
    assert not {"script", "link", "iframe", "img", "object"} & set(links.tags)
    assert not re.search(r"@import|url\((?!#)", html)


def test_the_page_can_be_read_aloud(html):
    links = Links()
    links.feed(html)
    assert links.tags.count("h1") == 1
    assert links.tags.count("svg") >= 4
    assert links.unnamed == 0
    assert links.tags.count("caption") == links.tags.count("table")
    assert len(set(links.ids)) == len(links.ids)
    assert 'lang="en"' in html
    assert "prefers-color-scheme: dark" in html
    assert "width=device-width" in html


def test_titles_are_text_and_never_markup(html):
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_the_page_says_what_is_simulated(html, secure):
    for words in ("Simulated:", "Real:", "seed 4", "30 % dropout and 10 % collusion", secure.adjacency):
        assert words.replace("'", "&#39;") in html
    open_sum = dataclasses.replace(secure, engine="aggregate")
    assert "Not run:" in page(open_sum)


def test_the_movielens_people_are_acknowledged(html, secure):
    assert "GroupLens" in page(dataclasses.replace(secure, source="MovieLens-100K"))
    assert "GroupLens" not in html


def test_the_folder_holds_page_figures_and_picture(secure, tmp_path):
    folder = tmp_path / "a" / "b"
    written = [write_report(secure, folder) for _ in range(2)]
    assert written[0] == folder / "report.html"
    assert sorted(path.name for path in folder.iterdir()) == [
        "accuracy.png",
        "accuracy.svg",
        "report.html",
        "report.json",
    ]
    assert json.loads((folder / "report.json").read_text("utf-8")) == json.loads(json.dumps(secure.to_json()))


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "taken" / "report.html").mkdir(parents=True)
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "taken"):
        with pytest.raises(DataError):
            prepare_folder(folder)
