"""What is deployed is pinned as what is tested, and nothing has a password by default."""

import json
import re
import stat
import subprocess
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import typer
import typer.core
import typer.main
import yaml  # type: ignore[import-untyped]

from confidante.cli.app import app

DEPLOY = Path(__file__).parents[3] / "deploy"


def pins(path: Path) -> dict[str, set[str]]:
    """Each pinned distribution with its hashes, by name and version."""
    found: dict[str, set[str]] = {}
    name = ""
    for line in path.read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            name = line.split(" ", 1)[0]
            found[name] = set()
        found.setdefault(name, set()).update(re.findall(r"sha256:([0-9a-f]{64})", line))
    return found


def test_pins_are_those_of_the_development_environment_each_with_hashes() -> None:
    tested, deployed = pins(DEPLOY.parent / "requirements" / "dev.txt"), pins(DEPLOY / "requirements.txt")
    assert len(deployed) > 30
    for name, hashes in deployed.items():
        assert hashes, name
        assert hashes == tested[name], f"{name}: run python deploy/pins.py"
    assert "://" not in (DEPLOY / "requirements.txt").read_text()


def test_secrets_are_made_at_random_for_their_owner_and_kept(tmp_path: Path) -> None:
    script = tmp_path / "secrets.sh"
    script.write_bytes((DEPLOY / "secrets.sh").read_bytes())
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    assert set(made) == {"database", "operator_key", "postgres_password"}
    assert re.fullmatch("[0-9a-f]{64}", made["operator_key"])
    assert made["postgres_password"] in made["database"]
    assert made["postgres_password"] != made["operator_key"]
    for path in (tmp_path / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    subprocess.run(["sh", str(script)], check=True, capture_output=True)
    assert made == {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}


def test_nothing_that_is_deployed_holds_a_secret() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    assert "POSTGRES_PASSWORD_FILE" in text
    assert not re.search(r"(?m)PASSWORD: |postgresql://\S+:\S+@", text)


def test_the_operators_page_shows_nothing_without_a_login() -> None:
    """What the proxy lets through is seen in tests/system/coordinator/test_proxy.py."""
    assert "- --no-public-page\n" in (DEPLOY / "compose.yaml").read_text()


@pytest.mark.parametrize("file", [path.name for path in DEPLOY.glob("*.yaml")])
def test_no_container_is_ever_given_the_address_of_the_proxy(file: str) -> None:
    """Who has it is believed where a device comes from."""
    made = yaml.safe_load((DEPLOY / file).read_text())
    (pool,) = made["networks"]["inside"]["ipam"]["config"]
    given, inside = ip_network(pool["ip_range"]), ip_network(pool["subnet"])
    assert given.subnet_of(inside)
    fixed = [
        ip_address(net["ipv4_address"])
        for service in made["services"].values()
        if isinstance(nets := service.get("networks"), dict)
        for net in nets.values()
        if net
    ]
    assert len(set(fixed)) == len(fixed) == 1
    words = [word for service in made["services"].values() for word in service.get("command") or ()]
    assert {word for word in words if word.startswith("--proxies")} == {f"--proxies={fixed[0]}"}
    for one in fixed:
        assert one in inside
        assert one not in given


def started(file: str) -> list[list[str]]:
    """What each container of ours runs in a compose file, as words after `confidante`."""
    image = re.search(r"(?m)^ENTRYPOINT (.+)$", (DEPLOY / "Containerfile").read_text())
    assert image
    services = yaml.safe_load((DEPLOY / file).read_text())["services"].values()
    ours = [one for one in services if one["image"] == "confidante-coordinator"]
    words = [one.get("entrypoint", json.loads(image[1])) + one["command"] for one in ours]
    return [rest for program, *rest in words if program == "confidante"]


@pytest.mark.parametrize(("file", "containers"), [("compose.yaml", 2), ("relay.yaml", 1)])
def test_the_command_line_reads_what_each_container_is_started_with(file: str, containers: int) -> None:
    runs = started(file)
    assert len(runs) == containers
    for words in runs:
        command = typer.main.get_command(app)
        while isinstance(command, typer.core.TyperGroup):
            command = command.commands[words.pop(0)]
        asked = command.make_context(command.name, words).params  # an unknown option raises
        assert (asked["host"], asked["proxies"][:7]) == ("0.0.0.0", "172.30.")


def test_the_unit_gives_the_coordinator_no_more_than_it_needs() -> None:
    unit = (DEPLOY / "confidante-coordinator.service").read_text().splitlines()
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes", "CapabilityBoundingSet="):
        assert line in unit
