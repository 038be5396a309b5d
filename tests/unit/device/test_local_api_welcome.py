"""Endpoints for a new person, and for refined lists where no server is chosen."""

from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest
from cohort_world import WIRE, release
from device_world import open_device
from local_world import api_client, small_device
from starlette.testclient import TestClient

from confidante.device.device import Device
from confidante.device.recommend import cohorts


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    with small_device(tmp_path / "profile", events=False) as made:
        yield made


@pytest.fixture
def client(device: Device) -> TestClient:
    return api_client(device)


def test_a_slate_is_shown_and_others_after_it(device: Device, client: TestClient) -> None:
    first = client.get("/api/v1/welcome", params={"n": 8}).json()
    assert [item["id"] for item in first] == [item.id for item in device.onboarding.slate(8)]
    shown = [item["id"] for item in first]
    others = client.get("/api/v1/welcome", params={"n": 8, "after": shown}).json()
    assert len(others) == 8
    assert not {item["id"] for item in others} & set(shown)
    for n in (0, 101):
        assert client.get("/api/v1/welcome", params={"n": n}).status_code == HTTPStatus.BAD_REQUEST


def test_picks_are_noted_and_taken_back(device: Device, client: TestClient) -> None:
    events = client.post("/api/v1/picks", json={"items": ["sp1", "co2", "sp1"]}).json()["events"]
    assert len(events) == 2
    assert {one["item"] for one in client.get("/api/v1/picks").json()} == {"sp1", "co2"}
    client.post("/api/v1/forget", json={"event": events[0]})
    assert [one["item"] for one in client.get("/api/v1/picks").json()] == ["co2"]
    answer = client.post("/api/v1/picks", json={"items": ["mu1", "nothing"]})
    assert answer.status_code == HTTPStatus.NOT_FOUND
    too_many = client.post("/api/v1/picks", json={"items": ["mu1"] * 101})
    assert too_many.status_code == HTTPStatus.BAD_REQUEST
    assert device.history.count == 1
    device.settings.pause()
    assert client.post("/api/v1/picks", json={"items": ["mu1"]}).json() == {"events": []}


def test_what_is_stated_is_kept_and_removed(device: Device, client: TestClient) -> None:
    assert client.get("/api/v1/about").json() == {"attributes": {}, "asked": {}, "cohort": None}
    put = client.put("/api/v1/about", json={"attributes": {"age": "25-34"}})
    assert put.json()["attributes"] == {"age": "25-34"}
    for wrong in ({"age": ""}, {"age": "x" * 101}, {"": "x"}, {"age": "a\nb"}, {"age": 3}):
        answer = client.put("/api/v1/about", json={"attributes": wrong})
        assert answer.status_code == HTTPStatus.BAD_REQUEST
    assert device.settings.attributes == {"age": "25-34"}
    assert client.put("/api/v1/about", json={"attributes": {}}).json()["attributes"] == {}


def test_the_group_that_is_used_is_told_with_why(tmp_path: Path) -> None:
    with open_device(tmp_path / "person") as device:
        cohorts.keep(device._vault, "https://films.example", "films", release().encode(), WIRE.catalogue.ids)
        device.cohorts._installed()
        client = api_client(device)
        about = client.put("/api/v1/about", json={"attributes": {"age": "18-24"}}).json()
        assert about["asked"] == {"age": ["18-24", "25-34"]}
        assert about["cohort"]["name"] == "age 18-24"
        assert about["cohort"]["why"] == "you said age 18-24"


def test_without_a_server_the_local_list_is_given_and_why(device: Device, client: TestClient) -> None:
    device.record("sp1")
    found = client.get("/api/v1/recommend/refined", params={"n": 3}).json()
    assert not found["refined"]
    assert found["reason"] == "no_server"
    assert found["said"]
    assert found["answer"] == client.get("/api/v1/recommend", params={"n": 3}).json()
    status = client.get("/api/v1/refinement").json()
    assert (status["set_up"], status["allowed"], status["asked"]) == (False, False, 0)
