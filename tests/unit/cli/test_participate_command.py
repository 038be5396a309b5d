"""`confidante profile participate` and `rounds`: what they say, and the codes they end with."""

import json
import socket

import pytest

from confidante.device.device import Device
from confidante.device.storage.keys import InsecurePlaintextKey
from confidante.device.values import Purpose

ANY = ("--any-network", "--any-power", "--any-load")
NEVER = ("--hours", "5-5")


@pytest.fixture
def profile(tmp_path):
    with Device(tmp_path / "mine", InsecurePlaintextKey()) as device:
        device.consents.switch(Purpose.TRAIN, True, how="person")
    return tmp_path / "mine"


@pytest.fixture
def nobody():
    """The address of nobody."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return f"http://127.0.0.1:{door.getsockname()[1]}"


def test_at_a_bad_time_it_says_so_and_sends_nothing(call, profile, nobody):
    code, out, _err = call("profile", "participate", "-p", profile, nobody, "films", *ANY, *NEVER)
    assert code == 3
    assert out.startswith("Not now: it is not between 5 and 5 h")
    with Device(profile, InsecurePlaintextKey()) as device:
        assert device.ledger.departures() == ()


def test_as_json_it_says_what_each_probe_found(call, profile, nobody):
    code, out, _err = call("profile", "participate", "-p", profile, nobody, "films", *ANY, *NEVER, "--json")
    said = json.loads(out)
    assert (code, said["state"], said["round"]) == (3, "not now", None)
    assert set(said["probes"]) == {"room", "hours"}
    assert said["probes"]["hours"]["state"] == "not now"


def test_a_switch_that_is_off_is_told_as_what_to_mend(call, tmp_path, nobody):
    Device(tmp_path / "off", InsecurePlaintextKey()).close()
    code, _out, err = call("profile", "participate", "-p", tmp_path / "off", nobody, "films", *ANY)
    assert code == 2
    assert "switch it on first" in err


def test_an_address_that_nothing_is_sent_to_is_refused(call, profile):
    code, _out, err = call("profile", "participate", "-p", profile, "http://example.org", "films", *ANY)
    assert code == 2
    assert "by https only" in err


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (("--hours", "night"), "write it like 22-6"),
        (("--hours", "22-25"), "hours of a day are 0 to 24"),
        (("--certificate", "nowhere.pem"), "not a certificate that can be trusted"),
        (("--invitation", "nowhere.txt"), "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_told(call, profile, nobody, more, problem):
    code, _out, err = call("profile", "participate", "-p", profile, nobody, "films", *more)
    assert code == 2
    assert problem in err


def test_rounds_lists_each_with_its_cost(call, profile):
    code, out, _err = call("profile", "rounds", "-p", profile)
    assert (code, out.splitlines()[0]) == (0, "This device was in no private sum.")
    with Device(profile, InsecurePlaintextKey()) as device:
        device.ledger.set_budget(50)
        for number in (1, 2):
            device.ledger.rounds.join(bytes([number]) * 32, "popularity", b"plan", 3.0)
        device.ledger.rounds.spend(bytes([1]) * 32, "popularity", 1.0, 1e-6)
    code, out, _err = call("profile", "rounds", "-p", profile)
    assert code == 0
    assert "01010101" in out
    assert "your vector was given, epsilon" in out
    assert "left before anything was given, cost nothing" in out
    code, out, _err = call("profile", "rounds", "-p", profile, "--json")
    said = json.loads(out)
    assert sorted(one["state"] for one in said["rounds"]) == ["over", "spent"]
    assert sorted(one["epsilon"] > 0 for one in said["rounds"]) == [False, True]
