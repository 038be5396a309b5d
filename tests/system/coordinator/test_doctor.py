"""The doctor finds each thing that is wrong before a run does, and says in one sentence what to do."""

import json
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from run_world import defined
from sqlalchemy import text
from store_world import ROUND, claimed, filled, opened
from typer.testing import CliRunner

from confidante.cli.coordinator.app import coordinator
from confidante.coordinator.config.population import Population
from confidante.coordinator.config.population_file import read_population
from confidante.coordinator.diagnostics.check import Check
from confidante.coordinator.diagnostics.doctor import (
    check_bodies,
    check_budget,
    check_certificate,
    check_clock,
    check_database,
    check_key,
    check_port,
    check_strays,
)
from confidante.coordinator.diagnostics.doctor_population import (
    check_announced,
    check_population,
    check_privacy,
    check_tokens,
)
from confidante.coordinator.enrolment.enrolment import enrolment_of
from confidante.coordinator.store import COLLECTING, Payment, Store
from confidante.coordinator.store.database import Database
from confidante.core.errors import StoreError

NOW = datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def by_name(found: list[Check]) -> dict[str, Check]:
    return {one.name: one for one in found}


def certificate(folder: Path, days: float) -> tuple[Path, Path]:
    """A self-signed certificate that is valid until so many days after NOW."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    until = datetime.fromtimestamp(NOW, UTC) + timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(until - timedelta(days=400))
        .not_valid_after(until)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "full.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def test_a_fresh_folder_is_well_and_the_doctor_makes_no_database(tmp_path: Path) -> None:
    file = defined(tmp_path)
    answer = CliRunner().invoke(coordinator, ["doctor", str(file), "--port", "0", "--json"])
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.output)
    assert all(one["good"] for one in found)
    assert [one["name"] for one in found if one["warns"]] == ["terms", "privacy", "tokens"]
    looked_at = [
        "population",
        "uploads",
        "terms",
        "privacy",
        "tokens",
        "database",
        "bodies",
        "disk",
        "TLS",
        "port",
    ]
    assert {*looked_at, "operator key"} == {one["name"] for one in found}
    assert not (tmp_path / "films.db").exists()


def test_uploads_are_stated_in_bytes_for_each_task(tmp_path: Path) -> None:
    said = [one.said for one in check_population(read_population(defined(tmp_path))) if one.name == "uploads"]
    for task in ("popularity", "feature pairs", "item pairs"):
        assert any(one.startswith(f"{task}: at most ") and " bytes a device" in one for one in said), task


def test_a_file_as_it_is_written_at_first_gives_nothing_to_mind(tmp_path: Path) -> None:
    file = tmp_path / "films.toml"
    assert CliRunner().invoke(coordinator, ["init", str(file)]).exit_code == 0
    found = check_population(read_population(file))
    assert not any(one.warns for one in found)
    [tokens] = [one.said for one in found if one.name == "tokens"]
    assert tokens == (
        "films: at most 32 devices of one network a day are given any (64 in 1 day, 2 at once; a round costs "
        "one)"
    )


def changed(file: Path, *changes: tuple[str, str]) -> Population:
    for old, new in changes:
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
    return read_population(file)


def test_what_devices_refuse_by_their_usual_terms_is_said(tmp_path: Path) -> None:
    CliRunner().invoke(coordinator, ["init", str(tmp_path / "films.toml")])
    few = changed(tmp_path / "films.toml", ("devices = 200", "devices = 15"))
    [said] = [one.said for one in check_population(few) if one.name == "terms"]
    refuse = "films: devices whose terms nobody loosened refuse "
    assert said == refuse + "a round of 15 devices (least_devices is 16)"
    loud = changed(
        tmp_path / "films.toml",
        ("devices = 15", "devices = 16"),
        ("epsilon = 8.0 ", "epsilon = 99.0 "),
        ("epsilon = 4.0 ", "epsilon = 20.0 "),
    )
    [said] = [one.said for one in check_population(loud) if one.name == "terms"]
    assert said.startswith(refuse + "a noise multiplier of 0.")
    assert "(least_noise is 1) for " in said
    answer = CliRunner().invoke(coordinator, ["doctor", str(tmp_path / "films.toml"), "--port", "0"])
    assert answer.exit_code == 0, "it may be meant so"
    assert f"! terms         {said}" in answer.output


def test_more_than_devices_give_by_default_and_no_noise_at_all_are_to_be_minded(tmp_path: Path) -> None:
    CliRunner().invoke(coordinator, ["init", str(tmp_path / "films.toml")])
    assert list(check_privacy(read_population(tmp_path / "films.toml"))) == []
    more = changed(tmp_path / "films.toml", ("epsilon = 8.0 ", "epsilon = 12.0 "))
    [found] = check_privacy(more)
    assert (found.good, found.warns) == (True, True)
    assert "12 at delta 1e-05 is 12 as devices count it" in found.said
    assert "they give 8 in a lifetime" in found.said
    [coarse] = check_privacy(replace(more, epsilon=7.9, delta=1e-3))
    assert "epsilon 7.9 at delta 0.001 is 10.4 as" in coarse.said
    [off] = check_privacy(replace(more, noise=False))
    assert off.warns
    assert "AUC 1.00 measured" in off.said


def test_bodies_in_memory_are_to_be_minded() -> None:
    [found] = check_bodies("memory://doctor", ())
    assert (found.good, found.warns) == (True, True)
    assert "gone when it ends" in found.said


def test_tokens_are_said_by_whom_they_are_counted(tmp_path: Path) -> None:
    CliRunner().invoke(coordinator, ["init", str(tmp_path / "films.toml")])
    invited = changed(tmp_path / "films.toml", ('"address"', '"invitation"'), ("tokens = 64 ", "tokens = 3 "))
    assert (
        "at most 3 devices of one invitation a day are given any (3 in 1 day, 1 at"
        in check_tokens(invited).said
    )
    free = changed(tmp_path / "films.toml", ('"invitation"', '"open"'))
    assert check_tokens(free).warns


def test_a_verifier_that_devices_do_not_know_of_yet_or_that_is_none(tmp_path: Path) -> None:
    CliRunner().invoke(coordinator, ["init", str(tmp_path / "films.toml")])
    asked = read_population(tmp_path / "films.toml")
    with Store.open(f"sqlite:///{tmp_path}/films.db") as store:
        store.migrate()
        enrolment_of(store, "films", asked.enrolment, now=lambda: NOW)
        assert list(check_announced(store, asked, NOW)) == []
        invited = changed(tmp_path / "films.toml", ('"address"', '"invitation"'))
        [found] = check_announced(store, invited, NOW + 60)
        assert found.good
        assert found.warns
        assert "`run` announces that in 59 minutes" in found.said
        none = changed(tmp_path / "films.toml", ('"invitation"', '"faces:Smile"'))
        [found] = check_announced(store, none, NOW)
        assert not found.good
        assert "faces:Smile" in found.said


def test_a_file_that_is_not_there_leaves_no_folder(tmp_path: Path) -> None:
    answer = CliRunner().invoke(coordinator, ["doctor", str(tmp_path / "film.toml"), "--port", "0"])
    assert answer.exit_code == 1
    assert "name a TOML file" in answer.output
    assert list(tmp_path.iterdir()) == []


def test_what_is_wrong_gets_a_cross_and_ends_with_one(tmp_path: Path) -> None:
    file = defined(tmp_path)
    file.write_text(file.read_text().replace("devices = 5", "devices = 1"))
    answer = CliRunner().invoke(coordinator, ["doctor", str(file), "--port", "0"])
    assert answer.exit_code == 1
    [wrong] = [line for line in answer.output.splitlines() if line.startswith("✗")]
    assert "cohort.devices" in wrong


def test_the_database(url: str, tmp_path: Path) -> None:
    population = read_population(defined(tmp_path))
    with Store.open(url) as store:
        first = by_name(list(check_database(url, (population,), NOW)))["database"]
        assert first.good
        assert "the first run" in first.said
        store.migrate()
        store.log.append("round", b"\x80", NOW - 5)
        filled(store)
        found = by_name(list(check_database(url, (population,), NOW)))
        assert all(one.good for one in found.values())
        assert found["public log"].said == "holds together: 1 entries"
        assert not check_clock(store, NOW - 3600).good
        database = Database(url)
        with database.writing() as sql:
            sql.execute(text("UPDATE log SET kind = 'other'"))
        database.close()
        damaged = by_name(list(check_database(url, (population,), NOW)))["public log"]
        assert not damaged.good
        assert "restore a backup" in damaged.said


def test_tables_of_another_version_are_not_touched(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/films.db"
    with Store.open(address) as store:
        store.migrate()
    database = Database(address)
    with database.writing() as sql:
        sql.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    database.close()
    [found] = check_database(address, (), NOW)
    assert not found.good
    assert "make a backup" in found.said


def test_a_database_that_does_not_answer_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the database refused"):
        list(check_database(f"postgresql://nobody@/x?host={tmp_path}", (), NOW))


def test_a_spent_budget(tmp_path: Path) -> None:
    population = read_population(defined(tmp_path))
    with Store.open(f"sqlite:///{tmp_path}/films.db") as store:
        store.migrate()
        filled(store)
        assert "more whole training" in check_budget(store, population).said
        assert store.rounds.open(ROUND, 10.0, Payment(0.05, 1.0), 2.0)
        assert check_budget(store, population).good
        for phase, following in pairwise(COLLECTING[:3]):
            claimed(store, 10.0)
            assert store.rounds.advance(ROUND.id, phase, following, 10.0, {}, 10.0)
        found = check_budget(store, population)
        assert not found.good
        assert "the budget is spent" in found.said


def test_bodies_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    [found] = check_bodies(f"file://{tmp_path}/file", ())
    assert not found.good
    kept, room = check_bodies(f"file://{tmp_path}/new", ())
    assert kept.good
    assert room.good
    assert list((tmp_path / "new").iterdir()) == []


def test_certificates_that_expire_or_belong_to_another_key(tmp_path: Path) -> None:
    none = check_certificate(None, None, NOW)
    assert none.good
    assert "--proxies" in none.said
    assert "60 more days" in check_certificate(*certificate(tmp_path, 60.01), NOW).said
    assert "expires in 3 days" in check_certificate(*certificate(tmp_path, 3.01), NOW).said
    assert "has expired" in check_certificate(*certificate(tmp_path, -1), NOW).said
    (tmp_path / "b").mkdir()
    crossed = check_certificate(certificate(tmp_path, 60)[0], certificate(tmp_path / "b", 60)[1], NOW)
    assert not crossed.good
    assert not check_certificate(tmp_path / "none.pem", tmp_path / "none.key", NOW).good


def test_a_key_that_others_can_read_or_that_is_none(tmp_path: Path) -> None:
    key = tmp_path / "operator.key"
    assert check_key(key).good
    key.write_text("k" * 40)
    key.chmod(0o644)
    assert f"chmod 600 {key}" in check_key(key).said
    key.chmod(0o600)
    assert check_key(key).good
    key.write_text("short")
    assert not check_key(key).good


def test_a_key_of_another_account(tmp_path: Path) -> None:
    key = tmp_path / "operator.key"
    key.mkdir(0o700)  # cannot be read by root either
    found = check_key(key)
    assert not found.good
    assert "run as its owner" in found.said


def test_files_that_others_may_look_into(tmp_path: Path) -> None:
    address, bodies = f"sqlite:///{tmp_path}/films.db", f"file://{tmp_path}/bodies"
    with Store.open(address) as store:
        store.migrate()
        assert all(one.good for one in check_database(address, (), NOW))
        assert all(one.good for one in check_bodies(bodies, ()))
        (tmp_path / "films.db-wal").chmod(0o644)
        (tmp_path / "bodies").chmod(0o750)
        [wide] = [one for one in check_database(address, (), NOW) if not one.good]
        assert f"chmod go= {tmp_path}/films.db-wal" in wide.said
        [wide] = [one for one in check_bodies(bodies, ()) if not one.good]
        assert f"chmod go= {tmp_path}/bodies" in wide.said


def test_a_population_that_was_renamed_is_missed(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/s.db") as store:
        store.migrate()
        opened(store)
        assert list(check_strays(store, {"books"})) == []
        for phase, following in pairwise(COLLECTING[:3]):
            claimed(store, 10.0)
            assert store.rounds.advance(ROUND.id, phase, following, 10.0, {0: "to 0"}, 10.0)
        assert list(check_strays(store, {"films", "books"})) == []
        [found] = check_strays(store, {"films2"})
        assert not found.good
        assert found.said.startswith("films: 1 rounds were paid for, and no file given here names it")


def test_a_port_that_somebody_else_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        other.close()
        assert check_port("127.0.0.1", port).good
    with socket.create_server(("127.0.0.1", 0)) as other:
        found = check_port("127.0.0.1", other.getsockname()[1])
        assert not found.good
        assert "take another --port" in found.said
