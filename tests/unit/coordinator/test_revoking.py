"""A revoked invitation gets no more tokens, on any host; others go on."""

from pathlib import Path

import pytest
from run_world import defined
from typer.testing import CliRunner

from confidante.cli.coordinator.app import coordinator
from confidante.coordinator.enrolment.verifiers import Subject, invitation_secret, invite, verifier_of
from confidante.coordinator.store import Store
from confidante.core.entropy import SystemEntropy
from confidante.core.errors import DataError
from confidante.wire.rounds import Refusal, Refused


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = defined(tmp_path / "p")
    found.write_text(found.read_text().replace('"open"', '"invitation"'))
    with Store.open(f"sqlite:///{found.with_suffix('.db')}") as store:
        store.migrate()
    return found


def revoke(file: Path, *codes: str) -> str:
    found = CliRunner().invoke(coordinator, ["revoke", *codes, "--file", str(file)], catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_revoked_codes_are_refused_and_others_are_not(file: Path) -> None:
    with Store.open(f"sqlite:///{file.with_suffix('.db')}") as store:
        secret = invitation_secret(store, "films", SystemEntropy())
        first, second, third = (invite(secret, SystemEntropy()) for _ in range(3))
        verifier = verifier_of("invitation", store, "films")
        assert isinstance(verifier.check(first.encode(), ""), Subject)
        assert revoke(file, first, second.lower().replace("-", "")) == "revoked 2; revoked before: 0\n"
        assert revoke(file, second) == "revoked 0; revoked before: 1\n"
        for code in (first, second):
            found = verifier.check(code.encode(), "")
            assert isinstance(found, Refusal)
            assert found.reason == Refused.BAD_EVIDENCE
            assert "revoked" in found.detail
        assert isinstance(verifier.check(third.encode(), ""), Subject)


def test_a_mistyped_code_revokes_nothing(file: Path) -> None:
    with Store.open(f"sqlite:///{file.with_suffix('.db')}") as store:
        code = invite(invitation_secret(store, "films", SystemEntropy()), SystemEntropy())
        with pytest.raises(DataError, match="check it"):
            revoke(file, code, "A" + code[1:] if code[0] != "A" else "B" + code[1:])
        verifier = verifier_of("invitation", store, "films")
        assert isinstance(verifier.check(code.encode(), ""), Subject)
