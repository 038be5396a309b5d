"""Real devices and a real coordinator that asks for tokens: a round is held among those who have some."""

from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from run_world import called, running
from sqlalchemy import create_engine, select
from test_end_to_end import DEVICES, TERMS, all_take_part, coordinator, person

from confidante.coordinator.store import tables
from confidante.core.errors import EgressError
from confidante.crypto.identity import Identity
from confidante.device.federation.wallet import Evidence
from confidante.wire.rounds import MSGPACK, Refusal, check_in, decode

CODE = Evidence("invitation", b"ABCDE-FGHIJ")
BY_ADDRESS = '\n[enrolment]\nverifier = "address"\ntokens = {tokens}\n'


def test_devices_get_tokens_by_their_address_and_hold_a_round(tmp_path: Path) -> None:
    with (
        ExitStack() as stack,
        coordinator(tmp_path / "coordinator", DEVICES, more=BY_ADDRESS.format(tokens=4)) as running,
    ):
        devices = [stack.enter_context(person(tmp_path, index)) for index in range(3)]
        with httpx.Client(base_url=running.url, trust_env=False) as http:
            stranger = check_in(Identity.from_seed(bytes(32)), "films", bytes(32))
            answer = http.post("/v1/check-in", content=stranger, headers={"content-type": MSGPACK})
        assert decode(answer.content, Refusal).reason == "no_token"
        # Four for one network, two a batch: two devices are let in, the third is told why not.
        ended = all_take_part(devices, running.url, patience=10)
        refused = [one for one in ended if isinstance(one, EgressError)]
        assert len(refused) == 1, ended
        assert "too_many" in str(refused[0])
        with running.store() as store:
            assert len(store.pool.all("films")) == 2
            assert store.rounds.newest("films") == []


def test_a_round_costs_each_device_one_token(tmp_path: Path) -> None:
    with (
        ExitStack() as stack,
        coordinator(tmp_path / "coordinator", DEVICES, more=BY_ADDRESS.format(tokens=8 * DEVICES)) as running,
    ):
        devices = [stack.enter_context(person(tmp_path, index)) for index in range(DEVICES)]
        ended = all_take_part(devices, running.url, patience=120)
        assert [getattr(one, "state", one) for one in ended] == ["published"] * DEVICES, ended
        for device in devices:
            asked = [one for one in device.ledger.departures() if "tokens" in one.content]
            assert [one.content["tokens"] for one in asked] == [2, 2], "and more once a round has cost one"
        engine = create_engine(f"sqlite:///{running.folder / 'films.db'}")
        with engine.connect() as sql:
            spent = list(sql.execute(select(tables.token_spent)))
        engine.dispose()
        assert [row.seated for row in spent] == [True] * DEVICES


@pytest.mark.parametrize("code", [b"", b"ABCDE-FGHIJ"], ids=["none", "guessed"])
def test_without_an_invitation_nobody_is_let_in(tmp_path: Path, code: bytes) -> None:
    more = '\n[enrolment]\nverifier = "invitation"\n'
    with coordinator(tmp_path / "coordinator", DEVICES, more=more) as running, person(tmp_path, 0) as device:
        evidence = Evidence("invitation", code) if code else Evidence()
        with pytest.raises(EgressError, match="invitation"):
            device.federation.participate(running.url, "films", TERMS, patience=10, evidence=evidence)


def test_a_verifier_that_was_changed_is_told_to_the_operator_and_rightly_to_devices(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    with coordinator(folder, more=BY_ADDRESS.format(tokens=8)):
        pass
    file = folder / "films.toml"
    file.write_text(file.read_text().replace('"address"', '"invitation"'))
    with running(file) as now, person(tmp_path, 0) as device:
        [said] = [one["says"] for one in now.logged("enrolment")]
        assert "its file says: by invitation" in said
        for evidence, told in ((Evidence(), "was changed to: invitation"), (CODE, "try again in an hour")):
            with pytest.raises(EgressError, match=told):
                device.federation.participate(now.url, "films", TERMS, patience=10, evidence=evidence)


def test_who_had_to_show_something_is_let_in_where_nothing_is_asked_for_any_more(tmp_path: Path) -> None:
    folder = tmp_path / "films"
    with coordinator(folder, more=BY_ADDRESS.format(tokens=8)):
        pass
    with coordinator(folder) as now, person(tmp_path, 0) as device:
        assert device.federation.participate(now.url, "films", TERMS, patience=3).state == "not chosen"


def test_a_code_that_the_command_wrote_lets_one_in(tmp_path: Path) -> None:
    more = '\n[enrolment]\nverifier = "invitation"\n'
    with coordinator(tmp_path / "coordinator", more=more) as running, person(tmp_path, 0) as device:
        said = called("invite", running.folder / "films.toml", "--count", "2")
        codes = said.stdout.split()
        assert len(codes) == len(set(codes)) == 2, said.stderr
        evidence = Evidence("invitation", codes[1].encode())
        ended = device.federation.participate(running.url, "films", TERMS, patience=10, evidence=evidence)
        assert ended.state == "not chosen"
        with running.store() as store:
            assert len(store.pool.all("films")) == 1
