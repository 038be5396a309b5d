"""Who can open a vault and who cannot: passphrase, key ring, nothing; and hostile key files."""

from pathlib import Path

import keyring
import msgspec
import pytest
from key_rings import InMemoryKeyring, key_ring
from keyring.backends import fail

from confidante.core.errors import DataError, VaultError
from confidante.device.storage import keyfile
from confidante.device.storage.keyfile import Keys
from confidante.device.storage.keys import InsecurePlaintextKey, Keyring, KeySource, Passphrase, new_keys
from confidante.device.storage.vault import Vault

CHEAP = {"memory_kib": 8, "iterations": 1}


@pytest.fixture
def backend():
    with key_ring() as mine:
        yield mine


def made(folder: Path, key: KeySource) -> None:
    Vault.open(folder, key, create=True).close()


def key_file(source: KeySource) -> tuple[Keys, bytes]:
    keys = new_keys(source)
    return keys, keys.encode()


def forged(data: bytes, **changes: object) -> bytes:
    """A key file with other fields and a checksum that fits them."""
    read = msgspec.structs.replace(keyfile.decode(data), **changes)
    return msgspec.json.encode(keyfile._with_checksum(read))


def test_the_same_passphrase_opens_and_another_does_not(tmp_path: Path) -> None:
    made(tmp_path, Passphrase("correct horse"))
    with Vault.open(tmp_path, Passphrase("correct horse")) as vault:
        assert vault.protection == "passphrase"
    with pytest.raises(VaultError, match="wrong passphrase"):
        Vault.open(tmp_path, Passphrase("correct house"))


def test_a_passphrase_is_the_same_however_its_accents_are_typed(tmp_path: Path) -> None:
    made(tmp_path, Passphrase("caf\u00e9", **CHEAP))
    Vault.open(tmp_path, Passphrase("cafe\u0301")).close()


@pytest.mark.parametrize("text", ["", "x" * 1025, "half a pair \ud800"])
def test_a_passphrase_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(VaultError, match="choose another"):
        Passphrase(text)


def test_a_new_vault_keeps_its_argon2_costs_in_the_key_file() -> None:
    guard = keyfile.decode(key_file(Passphrase("x"))[1]).guard
    assert isinstance(guard, keyfile.ByPassphrase)
    assert (guard.memory_kib, guard.iterations) == (19 * 1024, 2)


def test_every_flipped_bit_of_a_key_file_is_noticed_as_damage() -> None:
    for source in (Passphrase("x", **CHEAP), InsecurePlaintextKey()):
        _, data = key_file(source)
        for bit in range(8 * len(data)):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(VaultError, match=r"damaged|newer version"):
                keyfile.decode(bytes(flipped))


def test_every_truncated_key_file_is_noticed() -> None:
    _, data = key_file(Passphrase("x", **CHEAP))
    for length in range(len(data)):
        with pytest.raises(VaultError, match="cut short"):
            keyfile.decode(data[:length])


def test_no_field_can_be_changed_even_with_a_checksum_that_fits() -> None:
    keys, data = key_file(InsecurePlaintextKey())
    assert keyfile.unwrap(keyfile.decode(forged(data)), keys.wrapping) == keys
    for change in (
        {"generation": 2},
        {"vault": "0" * 32},
        {"nonce": bytes(12)},
        {"wrapped": bytes(48)},
        {"guard": keyfile.ByKeyring("elsewhere")},
    ):
        with pytest.raises(VaultError, match="not this vault's"):
            keyfile.unwrap(keyfile.decode(forged(data, **change)), keys.wrapping)


@pytest.mark.parametrize(
    "costs", [{"memory_kib": 1 << 30}, {"memory_kib": 257 * 1024}, {"iterations": 10**9}, {"iterations": 0}]
)
def test_a_hostile_key_file_cannot_ask_for_all_memory_or_time(costs: dict[str, int]) -> None:
    _, data = key_file(Passphrase("x", **CHEAP))
    guard = keyfile.decode(data).guard
    with pytest.raises(VaultError, match="damaged"):
        keyfile.decode(forged(data, guard=msgspec.structs.replace(guard, **costs)))


def test_a_key_file_of_a_newer_version_says_so() -> None:
    _, data = key_file(InsecurePlaintextKey())
    with pytest.raises(VaultError, match="newer version"):
        keyfile.decode(forged(data, version=2))


def test_a_huge_key_file_is_not_read(tmp_path: Path) -> None:
    made(tmp_path, InsecurePlaintextKey())
    (tmp_path / "vault.key").write_bytes(bytes(1 << 20))
    with pytest.raises(VaultError, match="not a key file"):
        Vault.open(tmp_path, InsecurePlaintextKey())


def test_a_key_ring_opens_what_it_made(tmp_path: Path, backend: InMemoryKeyring) -> None:
    made(tmp_path, Keyring("my app"))
    with Vault.open(tmp_path, Keyring()) as vault:
        assert vault.protection == "keyring"
    ((service, _),) = backend.kept
    assert service == "my app"


def test_erasing_deletes_the_entry_of_the_key_ring(tmp_path: Path, backend: InMemoryKeyring) -> None:
    made(tmp_path, Keyring("my app"))
    Vault.open(tmp_path, Keyring()).erase()
    assert not backend.kept


def test_without_its_entry_the_vault_stays_shut(tmp_path: Path, backend: InMemoryKeyring) -> None:
    made(tmp_path, Keyring())
    (entry,) = backend.kept
    backend.kept[entry] = "no key"
    with pytest.raises(VaultError, match="is not a key"):
        Vault.open(tmp_path, Keyring())
    backend.kept.clear()
    with pytest.raises(VaultError, match="has no key for this vault"):
        Vault.open(tmp_path, Keyring())


@pytest.mark.usefixtures("backend")
def test_a_system_without_a_key_ring_says_what_to_do(tmp_path: Path) -> None:
    keyring.set_keyring(fail.Keyring())
    with pytest.raises(VaultError, match="or use a passphrase"):
        made(tmp_path, Keyring())
    assert [path.name for path in tmp_path.iterdir()] == ["vault.lock"]


@pytest.mark.usefixtures("backend")
def test_the_wrong_kind_of_key_is_told_the_right_one(tmp_path: Path) -> None:
    sources: dict[str, KeySource] = {
        "passphrase": Passphrase("x", **CHEAP),
        "key ring": Keyring(),
        "InsecurePlaintextKey": InsecurePlaintextKey(),
    }
    for needed, source in sources.items():
        folder = tmp_path / needed
        made(folder, source)
        for other in sources.values():
            if other is not source:
                with pytest.raises(VaultError, match=f"protected by .*{needed}"):
                    Vault.open(folder, other)


def test_nothing_that_is_printed_shows_a_secret(tmp_path: Path) -> None:
    source = Passphrase("correct horse", **CHEAP)
    keys, _ = key_file(source)
    beside, _ = key_file(InsecurePlaintextKey())
    with Vault.open(tmp_path, source, create=True) as vault:
        shown = f"{source!r} {source} {keys!r} {beside!r} {vault!r}"
    for secret in (b"correct horse", keys.wrapping, keys.database, beside.wrapping):
        assert str(secret) not in shown
        assert secret.hex() not in shown
    assert "correct horse" not in shown


@pytest.mark.parametrize(
    "costs",
    [{"memory_kib": n} for n in (-1, 7, 256 * 1024 + 1, 10**30, 8.5)] + [{"iterations": n} for n in (0, 17)],
)
def test_costs_that_a_key_file_may_not_name_are_refused_before_a_vault_is_made(costs: dict[str, int]) -> None:
    with pytest.raises(DataError, match="could never be opened again"):
        Passphrase("x", **costs)


@pytest.mark.parametrize("service", ["", "x" * 257, "half a pair \ud800"])
def test_a_name_in_the_key_ring_that_a_key_file_may_not_hold_is_refused(service: str) -> None:
    with pytest.raises(DataError, match="could never be opened again"):
        Keyring(service)


def test_a_vault_opens_again_at_the_bounds(tmp_path: Path, backend: InMemoryKeyring) -> None:
    for name, key in (
        ("low", Passphrase("x", memory_kib=8, iterations=1)),
        ("long", Passphrase("x", memory_kib=8, iterations=16)),
        ("ring", Keyring("\u20ac" * 256)),
    ):
        made(tmp_path / name, key)
        Vault.open(tmp_path / name, key).close()


OTHER = Passphrase("another one", **CHEAP)
PAIRS = {
    "passphrase to passphrase": (Passphrase("one", **CHEAP), OTHER),
    "a first passphrase": (InsecurePlaintextKey(), OTHER),
    "passphrase to key ring": (OTHER, Keyring()),
    "key ring to passphrase": (Keyring(), OTHER),
    "key ring to key ring": (Keyring(), Keyring()),
    "passphrase to nothing": (OTHER, InsecurePlaintextKey()),
}


@pytest.mark.parametrize(("before", "after"), PAIRS.values(), ids=PAIRS)
def test_a_key_can_be_changed(tmp_path, backend, before: KeySource, after: KeySource) -> None:
    made(tmp_path / "p", before)
    earlier = (tmp_path / "p" / "vault.key").read_bytes()
    with Vault.open(tmp_path / "p", before) as vault:
        vault.set_setting("a", b"1")
        vault.backup(tmp_path / "backup")
        vault.change_key(after)
        assert vault.setting("a") == b"1"
        assert vault.is_opened_by(after)
        assert vault.is_opened_by(before) is (type(before) is type(after) is Keyring)
    with Vault.open(tmp_path / "p", after) as vault:
        assert vault.setting("a") == b"1"
    if type(before) is not type(after):
        with pytest.raises(VaultError):
            Vault.open(tmp_path / "p", before)
    (tmp_path / "p" / "vault.key").write_bytes(earlier)  # whoever kept the earlier key file has nothing
    with pytest.raises(VaultError):
        Vault.open(tmp_path / "p", before)
    with Vault.open(tmp_path / "backup", before) as vault:  # but for backups, which keep their key
        assert vault.setting("a") == b"1"


def test_a_key_that_is_refused_changes_nothing(tmp_path: Path, backend: InMemoryKeyring) -> None:
    made(tmp_path, OTHER)
    keyring.set_keyring(fail.Keyring())
    with Vault.open(tmp_path, OTHER) as vault, pytest.raises(VaultError, match="key ring cannot be used"):
        vault.change_key(Keyring())
    with Vault.open(tmp_path, OTHER) as vault:
        assert vault.protection == "passphrase"
