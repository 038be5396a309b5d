"""An older copy of a profile that is put back is noticed, and gives nothing back."""

import math
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from key_rings import InMemoryKeyring, key_ring
from local_world import page_client, post

from confidante import Device, InsecurePlaintextKey, Item, Keyring, Passphrase, Purpose
from confidante.core.errors import ConfidanteError
from confidante.device.storage import files
from confidante.device.values import Retention

PAGE = 4096


@pytest.fixture
def ring() -> Iterator[InMemoryKeyring]:
    with key_ring() as mine:
        yield mine


def opened(folder: Path) -> Device:
    return Device(folder, Keyring())


def spend(device: Device, name: int, epsilon: float) -> None:
    """Give away epsilon, by an entry of the ledger, as a question for a bucket does."""
    device.consents.switch(Purpose.REFINE, True, how="person")
    device.ledger.rounds.set_aside(bytes([name]) * 32, "a bucket", epsilon)
    device.ledger.write(
        Purpose.REFINE,
        "a bucket",
        "https://example.org",
        b"x",
        {},
        "",
        round=bytes([name]) * 32,
        epsilon=epsilon,
    )


def put_back(copy: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


def test_an_older_folder_gives_no_budget_back_and_turns_off_what_sends(tmp_path: Path, ring) -> None:
    folder = tmp_path / "p"
    with opened(folder) as device:
        device.items.add([Item("a", "A")])
        spend(device, 1, 0.5)
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder) as device:
        spend(device, 2, 1.0)
        device.consents.switch(Purpose.REFINE, False, how="person")
        before = device.ledger.budget().epsilon_spent
        assert device.rollback is None
    put_back(tmp_path / "older", folder)
    with opened(folder) as device:
        found = device.rollback
        assert found is not None
        assert (found.departures, found.receipts, found.renewals, found.readable) == (1, 1, 0, True)
        assert device.ledger.budget().epsilon_spent >= before > 1.4
        assert not device.consents.allowed(Purpose.REFINE)
        assert "charged to your privacy budget again" in found.sentence
        device.consents.verify()
        device.ledger.verify()
    with opened(folder) as device:  # told until the person knows, and charged once
        assert device.rollback == found
        spent = device.ledger.budget().epsilon_spent
        device.accept_rollback()
        assert device.rollback is None
    with opened(folder) as device:
        assert (device.rollback, device.ledger.budget().epsilon_spent) == (None, spent)


def test_what_was_given_to_a_sum_without_noise_is_not_given_back(tmp_path: Path, ring) -> None:
    folder = tmp_path / "p"
    opened(folder).close()
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder) as device:
        device.ledger.rounds.carry_over(b"r" * 32, "elsewhere", b"", 1.0, 1e300, 1e-5)
        assert math.isinf(device.ledger.budget().epsilon_spent)
    put_back(tmp_path / "older", folder)
    with opened(folder) as device:
        assert math.isinf(device.ledger.budget().epsilon_spent)


def test_an_older_copy_says_that_forgotten_things_may_be_back(tmp_path: Path, ring) -> None:
    folder = tmp_path / "p"
    with opened(folder) as device:
        device.items.add([Item("a", "A")])
        device.record("a")
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder) as device:
        device.forget(item="a")
    put_back(tmp_path / "older", folder)
    with opened(folder) as device:
        found = device.rollback
        assert found is not None
        assert (found.departures, found.receipts, found.epsilon) == (0, 0, 0.0)
        assert found.renewals >= 1
        assert "what you forgot since may be here again" in found.sentence
        text = page_client(device).get("/").text
        assert found.sentence in text
        assert found.sentence not in post(page_client(device), "/restored", back="/")


def test_ordinary_use_is_no_rollback(tmp_path: Path, ring) -> None:
    folder, times = tmp_path / "p", 3
    for number in range(1, times + 1):
        with opened(folder) as device:
            device.items.add([Item("a", "A")])
            device.record("a")
            spend(device, number, 0.1)
            device.consents.switch(Purpose.REFINE, False, how="person")
            device.forget(everything=True)
            assert device.rollback is None
    with opened(folder) as device:
        device.change_key(Passphrase("long enough", memory_kib=8, iterations=1))
        spend(device, 8, 0.1)
        device.change_key(Keyring())
        spend(device, 9, 0.1)
    with opened(folder) as device:
        assert device.rollback is None
        device.erase()
    assert ring.kept == {}


def test_a_note_that_was_not_written_any_more_is_no_alarm(tmp_path: Path, ring) -> None:
    """What a kill between the two leaves: the vault is ahead of its note."""
    folder = tmp_path / "p"
    opened(folder).close()
    with opened(folder) as device:
        ring.refuses = True
        spend(device, 1, 0.5)
        device.forget(everything=True)
    ring.refuses = False
    with opened(folder) as device:
        assert device.rollback is None
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder) as device:
        spend(device, 2, 0.5)
    put_back(tmp_path / "older", folder)
    with opened(folder) as device:
        assert device.rollback is not None


def test_the_note_stands_before_anything_can_leave(tmp_path: Path, ring) -> None:
    with opened(tmp_path / "p") as device:
        spend(device, 1, 0.5)
        (note,) = [text for (_, name), text in ring.kept.items() if name.endswith(" anchor")]
        assert '"departures":1' in note
        assert '"epsilon":0.' in note


def test_two_copies_that_go_on_pay_for_both(tmp_path: Path, ring) -> None:
    with opened(tmp_path / "p") as device:
        device.backup(tmp_path / "q")
    with opened(tmp_path / "p") as device:
        spend(device, 1, 1.0)
    with opened(tmp_path / "q") as device:
        assert device.ledger.budget().epsilon_spent >= 1.0
        spend(device, 2, 1.0)
    with opened(tmp_path / "p") as device:
        assert device.rollback is not None
        assert device.ledger.budget().epsilon_spent >= 2.0


@pytest.mark.parametrize("note", ["", "{}", "[]", "\u00e9", '{"generation":-1}', "x" * 5000])
def test_a_note_that_cannot_be_read_is_told(tmp_path: Path, ring, note: str) -> None:
    opened(tmp_path / "p").close()
    (entry,) = [entry for entry in ring.kept if entry[1].endswith(" anchor")]
    ring.kept[entry] = note
    with opened(tmp_path / "p") as device:
        assert device.rollback is not None
        assert not device.rollback.readable


@pytest.mark.parametrize("undo_seconds", [0.0, 3600.0])
def test_what_was_forgotten_does_not_come_back_untold_though_it_could_be_undone(
    tmp_path: Path, ring, undo_seconds: float
) -> None:
    folder = tmp_path / "p"
    with opened(folder) as device:
        device.items.add([Item("a", "A")])
        device.record("a")
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder) as device:
        device.forget(item="a", undo_seconds=undo_seconds)
    for _ in range(2):  # the second time, the note is that of the older copy, but for what was told
        put_back(tmp_path / "older", folder)
        with opened(folder) as device:
            assert device.rollback is not None
            assert "what you forgot since may be here again" in device.rollback.sentence


@pytest.mark.parametrize(
    "choose",
    [
        lambda device: device.ledger.set_budget(1.0),
        lambda device: device.settings.pause(),
        lambda device: setattr(device.settings, "no_profiling", True),
        lambda device: setattr(device.settings, "retention", Retention(events=7)),
    ],
    ids=["budget", "pause", "no profiling", "retention"],
)
def test_a_choice_that_protects_is_not_taken_back_untold(tmp_path: Path, ring, choose) -> None:
    folder = tmp_path / "p"
    opened(folder).close()
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder) as device:
        choose(device)
    put_back(tmp_path / "older", folder)
    with opened(folder) as device:
        assert device.rollback is not None
        assert device.rollback.changes == 1
        device.accept_rollback()
    put_back(tmp_path / "older", folder)  # to know of it once is not to know of it again
    with opened(folder) as device:
        assert device.rollback is not None


def test_a_restored_backup_is_told_until_the_person_knows(tmp_path: Path, ring) -> None:
    folder, backup = tmp_path / "p", tmp_path / "backup"
    with opened(folder) as device:
        device.backup(backup)
        spend(device, 1, 0.5)
    put_back(backup, folder)
    with opened(folder) as device:
        assert device.rollback is not None
        device.accept_rollback()
        spend(device, 2, 0.5)
        device.change_key(Keyring())
    for _ in range(2):
        with opened(folder) as device:
            assert device.rollback is None
            assert device.ledger.budget().epsilon_spent >= 1.0


def test_a_folder_from_before_a_passphrase_is_noticed_by_the_key_ring_that_opens_it(
    tmp_path: Path, ring
) -> None:
    folder = tmp_path / "p"
    opened(folder).close()
    shutil.copytree(folder, tmp_path / "older")
    with opened(folder) as device:
        device.change_key(Passphrase("long enough", memory_kib=8, iterations=1))
    put_back(tmp_path / "older", folder)
    with opened(folder) as device:
        assert device.rollback is not None
        assert device.rollback.renewals == 1


def pages_of(folder: Path) -> tuple[Path, list[bytes]]:
    (path,) = [files.database(folder, generation) for generation in files.generations(folder)]
    data = path.read_bytes()
    return path, [data[at : at + PAGE] for at in range(0, len(data), PAGE)]


@pytest.mark.parametrize("source", [Keyring, InsecurePlaintextKey])
@pytest.mark.parametrize("since", [0, 6], ids=["newest receipt", "receipt between others"])
def test_an_older_page_turns_no_switch_on_again(tmp_path: Path, ring, source, since: int) -> None:
    """Also without a key ring: head and receipts are on other pages, and must be of one time."""
    folder = tmp_path / "p"
    with Device(folder, source()) as device:
        device.items.add([Item(f"m{k}", f"Film {k}") for k in range(300)])
        for number in range(7):
            device.consents.switch(Purpose.REFINE, number % 2 == 0, how="person")
    _, older = pages_of(folder)
    with Device(folder, source()) as device:
        device.consents.switch(Purpose.REFINE, False, how="person")
        for number in range(since):
            device.consents.switch(Purpose.LEARN, number % 2 == 1, how="person")
    path, newer = pages_of(folder)
    kept = dict(ring.kept)
    told = 0
    for place, (old, new) in enumerate(zip(older, newer, strict=False)):
        if old == new:
            continue
        path.write_bytes(b"".join([*newer[:place], old, *newer[place + 1 :]]))
        ring.kept = dict(kept)
        with suppress(ConfidanteError), Device(folder, source()) as device:  # or it is refused
            told += device.rollback is not None
            assert not device.consents.allowed(Purpose.REFINE)
            device.consents.switch(Purpose.REFINE, True, how="person")
            device.accept_rollback()
        with suppress(ConfidanteError), Device(folder, source()) as device:
            assert device.rollback is None
        path.write_bytes(b"".join(newer))
    assert told >= 1


def test_an_older_page_of_the_budget_gives_nothing_back_even_without_a_key_ring(tmp_path: Path) -> None:
    folder = tmp_path / "p"

    with Device(folder, InsecurePlaintextKey()) as device:
        device.items.add([Item(f"m{k}", f"Film {k}") for k in range(300)])
        device.consents.switch(Purpose.REFINE, True, how="person")
        device.ledger.rounds.set_aside(bytes([9]) * 32, "a bucket", 0.1)
    _, older = pages_of(folder)
    with Device(folder, InsecurePlaintextKey()) as device:
        spend(device, 1, 0.5)
    path, newer = pages_of(folder)
    tried = lost = 0
    for place, (old, new) in enumerate(zip(older, newer, strict=False)):
        if old == new:
            continue
        tried += 1
        path.write_bytes(b"".join([*newer[:place], old, *newer[place + 1 :]]))
        with suppress(ConfidanteError), Device(folder, InsecurePlaintextKey()) as device:  # or it is refused
            device.ledger.verify()
            lost += device.ledger.budget().epsilon_spent < 0.5
        path.write_bytes(b"".join(newer))
    assert (tried > 2, lost) == (True, 0)
