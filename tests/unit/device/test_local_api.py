"""Our own endpoints: they say what the device says, and change what it changes."""

import json
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from local_world import api_client, small_device
from opentelemetry import trace
from starlette.testclient import TestClient

from confidante.device.device import Device
from confidante.device.privacy.consent import PERSON
from confidante.device.values import Purpose
from confidante.device.web import server as open_module
from confidante.device.web.app import make_api
from confidante.device.web.security import new_api_key
from confidante.device.web.server import serve


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with small_device(tmp_path / "profile") as made:
        yield made


@pytest.fixture
def client(device: Device) -> TestClient:
    return api_client(device)


def test_suggestions_come_with_reasons_that_add_up(client: TestClient) -> None:
    answer = client.get("/api/v1/recommend", params={"n": 3, "label": ["Space"]}).json()
    assert answer["personal"]
    for one in answer["suggestions"]:
        assert "Space" in one["item"]["labels"]
        assert sum(reason["points"] for reason in one["reasons"]) == pytest.approx(one["score"], abs=1e-6)


def test_explain_says_what_the_device_says_also_for_ids_with_a_slash(
    device: Device, client: TestClient
) -> None:
    client.post("/api/items", json=[{"ItemId": "a/b c", "Comment": "The Comet again", "Labels": ["Space"]}])
    expected = device.explain("a/b c", n=3)
    answer = client.get("/api/v1/explain/a/b c", params={"n": 3}).json()
    assert answer["rank"] == expected.rank
    assert answer["counterfactual"]["sentence"] == expected.counterfactual.sentence
    assert client.get("/api/v1/explain/nothing").status_code == HTTPStatus.NOT_FOUND


def test_what_if_changes_nothing(device: Device, client: TestClient) -> None:
    numbers = [event.number for event in device.history.events()]
    answer = client.post("/api/v1/what-if", json={"without": numbers[:2], "n": 5}).json()
    expected = device.recommender.what_if(without=numbers[:2], n=5)
    assert [one["item"]["id"] for one in answer["suggestions"]] == [
        one.item.id for one in expected.suggestions
    ]
    assert device.history.count == len(numbers)


def test_forgetting_can_be_undone_while_there_is_time(device: Device, client: TestClient) -> None:
    forgotten = client.post("/api/v1/forget", json={"everything": True, "undo_seconds": 60}).json()
    assert (forgotten["events"], device.history.count) == (5, 0)
    assert client.post("/api/v1/undo", json={"undo": forgotten["undo"]}).json() == {"events": 5}
    assert device.history.count == 5
    assert client.post("/api/v1/undo", json={"undo": forgotten["undo"]}).status_code == HTTPStatus.BAD_REQUEST


@pytest.mark.parametrize(
    ("what", "left"),
    [({"item": "sp0"}, 4), ({"since": 1_780_000_000.0 + 86_400 * 2}, 2), ({"until": 1_780_000_001.0}, 4)],
)
def test_a_part_can_be_forgotten(
    device: Device, client: TestClient, what: dict[str, object], left: int
) -> None:
    assert client.post("/api/v1/forget", json=what).json()["undo"] is None
    assert device.history.count == left


@pytest.mark.parametrize("what", [{}, {"event": 1, "item": "sp0"}, {"event": 999}, {"all": True}])
def test_a_forgetting_that_says_nothing_clear_is_refused(client: TestClient, what: dict[str, object]) -> None:
    assert client.post("/api/v1/forget", json=what).status_code == HTTPStatus.BAD_REQUEST


def test_switches_are_turned_and_told(device: Device, client: TestClient) -> None:
    answer = client.put("/api/v1/consent", json={"purpose": "train", "on": True}).json()
    assert {"purpose": "train", "on": True} in answer["switches"]
    assert device.consents.allowed(Purpose.TRAIN)
    assert client.get("/api/v1/consent").json() == answer
    assert device.consents.records()[-1].how == "app"
    assert "Explicit" not in device.consents.records()[-1].record


def test_an_app_cannot_switch_on_what_sends_against_the_browsers_wish(
    device: Device, client: TestClient
) -> None:
    device.consents.note_gpc(True)
    refused = client.put("/api/v1/consent", json={"purpose": "train", "on": True})
    assert refused.status_code == HTTPStatus.FORBIDDEN
    assert "Sec-GPC" in refused.json()["error"]["what"]
    assert not device.consents.allowed(Purpose.TRAIN)


def test_the_ledger_is_told_with_its_budget(device: Device, client: TestClient) -> None:
    empty = client.get("/api/v1/ledger").json()
    assert (empty["departures"], empty["intact"]) == ([], True)
    device.consents.switch(Purpose.REFINE, True, how=PERSON)
    device.ledger.write(
        Purpose.REFINE, "refine", "https://example.org", b"sealed", {"items": 3}, "that you asked"
    )
    (one,) = client.get("/api/v1/ledger").json()["departures"]
    assert (one["size"], one["content"], one["visible"]) == (6, {"items": 3}, "that you asked")
    assert empty["budget"]["epsilon_spent"] == 0


def test_tastes_are_told_and_edited(device: Device, client: TestClient) -> None:
    edited = client.put("/api/v1/tastes", json={"label": "Space", "removed": True}).json()
    assert edited["removed"]
    assert edited in client.get("/api/v1/tastes").json()
    assert not [one for one in device.recommend(40).suggestions if "Space" in one.item.labels]
    assert client.put("/api/v1/tastes", json={"label": "Nothing"}).status_code == HTTPStatus.BAD_REQUEST


def test_pausing_and_going_on(device: Device, client: TestClient) -> None:
    assert client.put("/api/v1/pause", json={"paused": True, "seconds": 60}).json()["paused"]
    assert client.get("/api/v1/pause").json()["paused_until"] == device.settings.paused_until
    forever = client.put("/api/v1/pause", json={"paused": True}).json()
    assert (forever["paused"], forever["paused_until"]) == (True, None)
    assert not client.put("/api/v1/pause", json={"paused": False}).json()["paused"]
    assert device.settings.paused_until is None


def test_health_counts(device: Device, client: TestClient) -> None:
    state = client.get("/api/v1/health").json()
    assert (state["items"], state["events"], state["has_model"]) == (device.items.count, 5, False)
    assert state["protection"] == "beside"


def test_export_is_lines_of_json_with_every_event(device: Device, client: TestClient) -> None:
    answer = client.get("/api/v1/export")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) > device.history.count
    assert answer.headers["content-type"].startswith("application/jsonl")


def test_unknown_addresses_and_methods_are_said_in_json(client: TestClient) -> None:
    for answer, status in (
        (client.get("/api/v1/nothing"), HTTPStatus.NOT_FOUND),
        (client.patch("/api/v1/undo"), HTTPStatus.METHOD_NOT_ALLOWED),
    ):
        assert answer.status_code == status
        assert answer.json()["error"]["what"]


def test_the_page_of_the_api_shows_every_call_and_needs_no_script(device: Device, client: TestClient) -> None:
    page = client.get("/api/docs", headers={"x-api-key": ""}).text
    assert "<script" not in page
    for path in make_api(device).openapi()["paths"]:
        assert path in page


def test_no_telemetry_learns_of_a_request(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []

    class Listening(trace.TracerProvider):
        def get_tracer(self, *args: object, **kwargs: object) -> trace.Tracer:
            told.append("asked for a tracer")
            return trace.NoOpTracer()

    monkeypatch.setattr(trace, "get_tracer_provider", Listening)
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    assert api_client(device).get("/api/recommend/me").status_code == HTTPStatus.OK
    assert told == []


def test_a_real_server_answers_on_loopback_names_no_software_and_stops(device: Device) -> None:
    key = new_api_key(device.settings)
    links: list[str] = []
    stops = []
    listening = threading.Event()

    def started(link: str) -> None:
        links.append(link)
        listening.set()

    server = threading.Thread(target=lambda: serve(device, started=started, stopper=stops.append))
    server.start()
    try:
        assert listening.wait(20)
        base = links[0].partition("/?")[0]
        with httpx.Client(headers={"x-api-key": key}, trust_env=False) as app:
            answer = app.get(f"{base}/api/v1/recommend")
            assert (
                app.get(f"{base}/api/recommend/me").status_code == HTTPStatus.NOT_FOUND
            )  # Gorse's is an extra
        assert answer.status_code == HTTPStatus.OK
        assert "server" not in answer.headers
        assert base.startswith("http://127.0.0.1:")
    finally:
        stops[0]()
        server.join(20)
    assert not server.is_alive()


def test_a_real_server_has_room_for_so_many_connections_only(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_module, "CONNECTIONS", 5)
    places: queue.Queue[str] = queue.Queue()
    stops: list[Callable[[], None]] = []
    server = threading.Thread(target=lambda: serve(device, started=places.put, stopper=stops.append))
    server.start()
    try:
        place = urlsplit(places.get(timeout=20))
        alive = f"http://{place.netloc}/api/health/live"
        with ExitStack() as opened:
            for _ in range(5):
                opened.enter_context(socket.create_connection((place.hostname, place.port)))
            assert httpx.get(alive, trust_env=False).status_code == HTTPStatus.SERVICE_UNAVAILABLE
    finally:
        stops[0]()
        server.join(20)
    assert not server.is_alive()
