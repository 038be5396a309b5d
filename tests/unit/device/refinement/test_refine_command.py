"""`confidante profile refine ...` and `recommend --refine`: what they say, for people and for programs."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("seal")
pytest.importorskip("pyhpke")

from faulty_gateway import Manner
from refine_world import person, server

from confidante.cli.app import run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def calling(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["profile", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return calling


def test_from_setting_up_to_turning_off(tmp_path: Path, call: Call) -> None:
    with person(tmp_path, None, allowed=False):
        pass
    mine = ("--profile", tmp_path / "profile")
    with server(tmp_path) as here:
        code, out, _ = call("refine", "status", *mine)
        assert (code, "there is no server for it" in out) == (0, True)
        code, _, err = call("refine", "setup", here.url, "films", *mine)
        assert (code, "name a relay" in err) == (2, True)
        code, out, _ = call(
            "refine",
            "setup",
            here.url,
            "films",
            "--relay",
            here.relay.url,
            "--policy",
            "ask",
            "--at-once",
            *mine,
        )
        assert (code, "Nothing is fetched yet" in out, "WARNING Relay and server" in out) == (0, True, True)
        code, _, err = call("refine", "refresh", *mine)
        assert (code, "switch it on first" in err) == (2, True)
        assert call("switch", "refine", "on", *mine)[0] == 0
        code, out, _ = call("refine", "refresh", *mine)
        assert (code, "70 items, 16 columns" in out) == (0, True)
        assert "policy: ask." in out
        code, out, _ = call("recommend", "-n", 40, "--refine", *mine)
        local, refined = out.split("Refined by what the server knows:\n")
        assert (code, local.count("["), refined.count("[")) == (0, 40, 40)
        assert "what the server knows" in refined
        code, out, _ = call("recommend", "-n", 4, "--refine", "--json", *mine)
        said = json.loads(out)
        assert (code, said["refined"], said["reason"]) == (0, True, None)
        assert [len(said["suggestions"]), len(said["local"]["suggestions"])] == [4, 4]
        here.relay.manner = Manner.HTML
        code, out, _ = call("recommend", "-n", 4, "--refine", *mine)
        assert (code, "Not refined (relay): " in out) == (0, True)
        said = json.loads(call("recommend", "--refine", "--json", *mine)[1])
        assert (said["refined"], said["reason"], bool(said["said"])) == (False, "relay", True)
        assert said["suggestions"] == said["local"]["suggestions"]
        said = json.loads(call("refine", "status", "--json", *mine)[1])
        assert (said["set_up"], said["asked"], said["last"]["reason"]) == (True, 4, "relay")
        assert said["decision"]["way"] == "ask"
        code, out, _ = call("refine", "off", *mine)
        assert (code, "there is no server for it" in out) == (0, True)
