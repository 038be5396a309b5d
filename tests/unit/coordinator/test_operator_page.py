"""Everybody may look at the operator's page; only the key may change anything, and only from our own page."""

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from operator_world import KEY, desk_of, shown
from run_world import defined

from confidante.coordinator.config.population_file import read_population
from confidante.coordinator.operator.charts import ChartPoint, bars, curve
from confidante.coordinator.operator.pages import page
from confidante.coordinator.operator.sessions import COOKIE, LIFETIME, LoginThrottle, Sessions
from confidante.coordinator.operator.view import PageSettings, Viewer, moment
from confidante.coordinator.reports.results import CurvePoint
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Store]]:
    with shown(tmp_path_factory.mktemp("page")) as found:
        yield found


@pytest.fixture
def http(world: tuple[str, Store]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=world[0], timeout=60, trust_env=False) as client:
        yield client


def log_in(http: httpx.Client, key: str = KEY) -> httpx.Response:
    return http.post("/operator/login", data={"key": key})


def token(http: httpx.Client) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{64})"', http.get("/").text)
    assert found is not None
    return found[1]


def test_the_page_shows_rounds_budget_dropouts_and_log_to_everybody(http: httpx.Client) -> None:
    answer = http.get("/")
    assert answer.status_code == 200
    text = answer.text
    assert "3 of 5 devices were heard" in text
    assert "too_few: 2 of 5 devices are left" in text
    assert re.search(r"6 rounds used up epsilon [0-9.]+ of 20", text)
    assert re.search(r'mask</th><td class="num">3<', text)
    assert "holds together: 14 entries" in text
    assert '<svg class="chart"' in text
    assert "<form" not in text
    assert http.get("/operator").status_code == 200
    assert "<html" not in http.get("/operator/now").text


def test_nothing_on_the_page_names_a_device(http: httpx.Client, world: tuple[str, Store]) -> None:
    text = http.get("/").text
    for one in world[1].rounds.newest("films"):
        for who, seat in zip(one.row.roster, one.row.seats, strict=True):
            assert who.hex()[:16] not in text
            assert seat.hex()[:16] not in text


def test_every_page_has_headers_that_let_nothing_foreign_in(http: httpx.Client) -> None:
    for path in ("/", "/operator/now", "/operator/login", "/operator/static/operator.css"):
        headers = http.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
    text = http.get("/").text
    assert not re.search(r"<script(?! src=)|\son[a-z]+=|\sstyle=|https?://", text)
    assert http.get("/operator/static/..%2f..%2fserve.py").status_code == 404


@pytest.mark.parametrize("path", ["/", "/operator", "/operator/now", "/operator/login"])
def test_a_name_that_anybody_may_point_here_is_shown_nothing(http: httpx.Client, path: str) -> None:
    for host in ("evil.example", "evil.example:8470", "127.0.0.1.evil.example", "localhost.evil.example", ""):
        answer = http.get(path, headers={"host": host})
        assert answer.status_code in (400, 421), host
        assert "films" not in answer.text
    for host in ("localhost:8470", "127.0.0.1:8470", "[::1]:8470", "192.0.2.7"):
        assert http.get(path, headers={"host": host}).status_code == 200, host
    login = {"headers": {"host": "evil.example"}, "data": {"key": KEY}}
    assert http.post("/operator/login", **login).status_code == 421  # type: ignore[arg-type]


def test_without_scripts_a_link_loads_the_page_again_and_again(http: httpx.Client) -> None:
    assert 'content="15"' in http.get("/", params={"again": "15"}).text
    for odd in ("0", "-1", "x", "99999999", "5;url=http://elsewhere"):
        assert "elsewhere" not in http.get("/", params={"again": odd}).text


def test_the_key_opens_and_pauses_and_ends_rounds(tmp_path: Path) -> None:
    with shown(tmp_path) as (url, store), httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        answer = log_in(http)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        said = answer.headers["set-cookie"]
        assert "HttpOnly" in said
        assert "SameSite=strict" in said
        assert KEY not in said
        form = {"token": token(http), "population": "films"}
        assert http.post("/operator/pause", data={**form, "paused": "yes"}).status_code == 303
        assert store.operator.paused("films")
        assert "paused" in http.get("/", params={"told": "paused"}).text
        assert http.post("/operator/pause", data={**form, "paused": "no"}).status_code == 303
        assert not store.operator.paused("films")
        assert http.post("/operator/pause", data={**form, "population": "books"}).status_code == 404

        running = next(one for one in store.rounds.newest("films") if not one.outcome)
        ended = http.post("/operator/abort", data={**form, "round": running.row.id.hex()})
        assert ended.headers["location"] == "/?told=aborted"
        state = store.rounds.get(running.row.id)
        assert state is not None
        assert (state.outcome, state.reason) == ("aborted", "its operator ended it")
        assert len(store.payments.all("films")) == 6
        again = http.post("/operator/abort", data={**form, "round": running.row.id.hex()})
        assert again.headers["location"] == "/?told=over"

        copied = http.cookies[COOKIE]
        http.post("/operator/logout", data=form)
        http.cookies.clear()
        assert "<form" not in http.get("/").text
        http.cookies.set(COOKIE, copied)
        assert http.post("/operator/pause", data={**form, "paused": "yes"}).status_code == 401
        http.cookies.clear()
        assert log_in(http).status_code == 303
        assert "<form" in http.get("/").text


def test_a_wrong_key_a_forged_cookie_and_a_foreign_form_change_nothing(
    http: httpx.Client, world: tuple[str, Store]
) -> None:
    assert log_in(http, "wrong").status_code == 401
    form = {"population": "films", "paused": "yes", "token": "0" * 64}
    assert http.post("/operator/pause", data=form).status_code == 401
    forged = Sessions("another key").begin("another key", time.time())
    assert forged is not None
    http.cookies.set(COOKIE, forged)
    assert http.post("/operator/pause", data=form).status_code == 401
    http.cookies.clear()
    assert log_in(http).status_code == 303
    assert http.post("/operator/pause", data=form).status_code == 403
    good = {**form, "token": token(http)}
    for site in ("cross-site", "same-site"):
        answer = http.post("/operator/pause", data=good, headers={"sec-fetch-site": site})
        assert answer.status_code == 403
    assert http.post("/operator/pause", json=good).status_code == 415
    huge = http.post("/operator/pause", data={**good, "x": "x" * 10_000})
    assert huge.status_code == 413
    assert not world[1].operator.paused("films")


def test_too_many_wrong_keys_have_to_wait(tmp_path: Path) -> None:
    with shown(tmp_path) as (url, _), httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        assert [log_in(http, f"wrong {i}").status_code for i in range(6)] == [401] * 5 + [429]
        assert log_in(http).status_code == 429


def test_patience_is_by_address_and_comes_back() -> None:
    patience = LoginThrottle(tries=2, seconds=10.0)
    for _ in range(2):
        patience.wrong("a", 1.0)
    assert patience.out_of("a", 5.0)
    assert not patience.out_of("b", 5.0)
    assert not patience.out_of("a", 11.5)
    for i in range(10_000):
        patience.wrong(f"address {i}", 5.0)
    assert not patience.out_of("a", 5.0)  # the oldest are forgotten: memory is bounded


def test_many_who_look_at_once_are_one_look(world: tuple[str, Store], tmp_path: Path) -> None:
    looks, inside, go_on = [], threading.Event(), threading.Event()

    def says() -> dict[str, str]:
        looks.append(1)
        if len(looks) == 2:
            inside.set()
            assert go_on.wait(120)
        return {}

    viewer = Viewer(world[1], Bodies(f"file://{tmp_path / 'bodies'}"), PageSettings((), says=says))
    first = viewer.view(1.0)
    with ThreadPoolExecutor(1) as others:
        second = others.submit(viewer.view, 1000.0)
        assert inside.wait(120)
        assert [viewer.view(1000.0) for _ in range(50)] == [first] * 50
        go_on.set()
        newer = second.result(120)
    assert viewer.view(1000.0) is newer is not first
    assert len(looks) == 2


def test_sessions_end_in_time_and_with_the_key() -> None:
    sessions = Sessions(KEY)
    cookie = sessions.begin(KEY, 1000.0)
    assert cookie is not None
    assert sessions.knows(cookie, 1000.0 + LIFETIME - 1)
    assert not sessions.knows(cookie, 1000.0 + LIFETIME)
    assert not Sessions(KEY + "x").knows(cookie, 1000.0)
    for odd in ("", ".", "a.b.c", cookie[:-1], "9" + cookie, cookie + "é"):
        assert not sessions.knows(odd, 1000.0)
    assert Sessions("").begin("", 0.0) is None


def test_a_closed_page_shows_nothing_without_a_login(tmp_path: Path) -> None:
    with (
        shown(tmp_path, public=False) as (url, _),
        httpx.Client(base_url=url, timeout=60, trust_env=False) as http,
    ):
        assert http.get("/").headers["location"] == "/operator/login"
        assert http.get("/operator/now").status_code == 401
        assert log_in(http).status_code == 303
        assert "devices were heard" in http.get("/").text


def test_pictures_escape_what_they_say_and_stay_inside() -> None:
    points = [ChartPoint(float(i), value, f"<{i}>") for i, value in enumerate((0.0, 5.0, -2.0))]
    for drawn in (curve(points, 'a "title"'), bars(points, "b", [5.0, 5.0, 5.0]), curve(points[:1], "one")):
        assert "<0>" not in drawn
        assert "&lt;0&gt;" in drawn
        assert "nan" not in drawn
    assert curve([], "none") == bars([], "none", []) == ""


def test_what_cannot_be_compared_is_on_lines_of_its_own_and_errors_are_drawn() -> None:
    points = [ChartPoint(float(i), 0.1, "then", 0.02, ("newest", "previous")[i % 2]) for i in range(6)]
    drawn = curve(points, "Hit rate")
    assert drawn.count("<polyline") == 2
    assert drawn.count("stroke-dasharray") == 1
    assert all(f">{name}</text>" in drawn for name in ("newest", "previous"))
    assert drawn.count("± 0.02") == 6
    assert "polyline" in curve(points[:1], "one")


def test_quality_is_drawn_and_stands_in_a_table(world: tuple[str, Store], tmp_path: Path) -> None:
    population = read_population(defined(tmp_path))
    view = Viewer(world[1], Bodies(f"file://{tmp_path / 'bodies'}"), desk_of(population, tmp_path)).view(1.0)
    grades = tuple(CurvePoint(86_400.0 * day, "ab" * 32, 0.1 + day / 100, 0.05, 0.01) for day in range(3))
    drawn = curve([ChartPoint(one.at, one.hit_rate, moment(one.at)) for one in grades], "Hit rate")
    seen = replace(view.populations[0], quality=grades, quality_curve=drawn)
    answer = page("now.html", view=replace(view, populations=(seen,)), inside=False, token="")
    text = bytes(answer.body).decode()
    assert "<polyline" in text
    assert '<td class="num">0.1200</td><td class="num">0.0100</td><td class="num">0.0500</td>' in text
    assert "<code>abababababab</code>" in text
