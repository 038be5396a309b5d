"""Where the plain `apsw` has replaced `apsw-sqlite3mc`, a vault is neither made nor touched.

Both packages install a module named `apsw`; only the second encrypts.

The plain package is installed into a folder that only these tests' own processes look into first.
CONFIDANTE_REQUIRE_PLAIN_APSW=1 makes it a failure that it cannot be downloaded.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from confidante.device.storage.keys import Passphrase
from confidante.device.storage.vault import Vault

MAKE = """
import sys
from pathlib import Path
from confidante import Device
Device(Path(sys.argv[1]), "correct horse").close()
"""
OPEN = """
import sys
from pathlib import Path
from confidante.device.storage.keys import Passphrase
from confidante.device.storage.vault import Vault
Vault.open(Path(sys.argv[1]), Passphrase("correct horse")).close()
"""
COPY = """
import sys, apsw
from pathlib import Path
from confidante.device.storage import database
database.copy(apsw.Connection(":memory:"), Path(sys.argv[1]) / "copy.db", bytes(32))
"""


@pytest.fixture(scope="module")
def plain_apsw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plain package alone."""
    folder = tmp_path_factory.mktemp("plain-apsw")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    pins = ["--require-hashes", "--only-binary", ":all:", "-r", ROOT / "requirements" / "plain-apsw.txt"]
    ran = subprocess.run([*pip, "--target", folder, *pins], capture_output=True, text=True)
    if ran.returncode and os.environ.get("CONFIDANTE_REQUIRE_PLAIN_APSW") != "1":
        pytest.skip(
            f"NOT TESTED that plain SQLite is refused: apsw cannot be downloaded: {ran.stderr[-300:]}"
        )
    assert not ran.returncode, ran.stderr
    return folder


def run_beside(plain_apsw: Path, code: str, folder: Path) -> str:
    """Run code where `import apsw` finds the plain package. Returns what it wrote to stderr."""
    looked_into = os.pathsep.join([str(plain_apsw), *sys.path])
    begin = f"import apsw; assert apsw.__file__.startswith({str(plain_apsw)!r}), apsw.__file__\n"
    ran = subprocess.run(
        [sys.executable, "-c", begin + code, folder],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": looked_into},
    )
    assert ran.returncode == 1, ran.stderr
    return ran.stderr


def assert_names_the_remedy(said: str) -> None:
    assert "VaultError: the installed SQLite cannot encrypt" in said
    assert "pip uninstall --yes apsw; then: pip install --force-reinstall apsw-sqlite3mc" in said
    assert "Nothing was written or changed" in said
    assert "damaged" not in said


@pytest.mark.parametrize("code", [MAKE, COPY])
def test_nothing_is_made_or_copied_in_plain_text(tmp_path: Path, plain_apsw: Path, code: str) -> None:
    assert_names_the_remedy(run_beside(plain_apsw, code, tmp_path))
    assert not list(tmp_path.iterdir())
    assert_names_the_remedy(run_beside(plain_apsw, MAKE, tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("code", [MAKE, OPEN])
def test_an_existing_vault_is_left_as_it_is_and_opens_later(
    tmp_path: Path, plain_apsw: Path, code: str
) -> None:
    with Vault.open(tmp_path, Passphrase("correct horse"), create=True) as vault:
        vault.set_setting("a", b"1")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert_names_the_remedy(run_beside(plain_apsw, code, tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with Vault.open(tmp_path, Passphrase("correct horse")) as vault:
        assert vault.setting("a") == b"1"
