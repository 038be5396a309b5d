"""Switches.

What sends is off until switched on, each change leaves a receipt, and receipts cannot be bent.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outward_world import START, home

from confidante.core.errors import ConsentError, DataError, VaultError
from confidante.device.privacy.chain import GENESIS, link
from confidante.device.privacy.consent import APP, PERSON, Consents
from confidante.device.storage import settings
from confidante.device.values import Purpose

SENDING = [purpose for purpose in Purpose if purpose.sends]


def test_a_new_vault_learns_here_and_sends_nothing(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        assert at.consents.state() == {purpose: purpose is Purpose.LEARN for purpose in Purpose}
        at.consents.require(Purpose.LEARN)
        for purpose in SENDING:
            with pytest.raises(ConsentError, match=purpose.entry.title):
                at.consents.require(purpose)
        assert at.consents.records() == ()
        at.consents.verify()


def test_one_switch_turns_one_purpose_and_nothing_else(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        for purpose in Purpose:
            before = at.consents.state()
            at.consents.switch(purpose, not before[purpose], how=PERSON)
            assert at.consents.state() == {**before, purpose: not before[purpose]}


def test_switches_and_receipts_are_there_after_reopening(tmp_path: Path) -> None:
    with home(tmp_path / "new", Purpose.TRAIN) as at:
        records = at.consents.records()
    with home(tmp_path / "new", create=False) as again:
        assert again.consents.allowed(Purpose.TRAIN)
        assert again.consents.records() == records
        again.consents.verify()


def test_a_change_leaves_one_receipt_and_no_change_leaves_none(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        assert at.consents.switch(Purpose.LEARN, True, how=PERSON) is None
        given_ = at.consents.switch(Purpose.TRAIN, True, how=PERSON)
        assert at.consents.switch(Purpose.TRAIN, True, how=APP) is None
        taken = at.consents.switch(Purpose.TRAIN, False, how=APP)
        assert given_ is not None
        assert taken is not None
        assert at.consents.records() == (given_, taken)
        assert (given_.previous, taken.previous) == (GENESIS, given_.hash)
        assert taken.hash == link(given_.hash, taken.record)
        assert at.consents.head == (2, taken.hash)


def test_a_receipt_says_what_people_do_in_the_words_of_the_pack(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        at.consents.switch(Purpose.LEARN, False, how=PERSON)
        settings.set_pack(at.vault, "none")
        at.consents.switch(Purpose.LEARN, True, how=PERSON)
        films, items = (json.loads(one.record) for one in at.consents.records())
        at.consents.verify()  # a receipt repeats its own text: another wording later leaves it as it is
    told = [one["pii_processing"]["privacy_notice"]["text"] for one in (films, items)]
    assert told[0].startswith("What you open, rate or save is remembered in an encrypted file")
    assert told[1].startswith("What you do is remembered in an encrypted file")


def test_a_receipt_says_what_was_agreed_to_in_terms_others_know(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        at.consents.switch(Purpose.TRAIN, True, how=PERSON)
        at.consents.switch(Purpose.TRAIN, False, how=APP, explicit=False)
        first, second = (json.loads(one.record) for one in at.consents.records())
    assert first["schema_version"].endswith("dpv-27560#record")
    assert first["pii_principal_id"] == second["pii_principal_id"] == first["event"][0]["entity_id"]
    assert first["record_id"] != second["record_id"]
    [purpose] = first["pii_processing"]["purposes"]
    assert purpose["purpose_type"] == "dpv:ImproveExistingProductsAndServices"
    assert purpose["storage_locations"] == ["dpv:WithinDevice"]
    assert purpose["recipient_third_parties"] == ["coordinator"]
    assert first["pii_processing"]["privacy_notice"]["text"] == Purpose.TRAIN.entry.text
    assert first["event"][0]["event_state"] == "dpv:ConsentGiven"
    assert first["event"][0]["event_type"] == "dpv:ExplicitlyExpressedConsent"
    assert second["event"][0]["event_state"] == "dpv:ConsentWithdrawn"
    assert second["event"][0]["entity_id"] == "app"
    when = datetime.fromisoformat(first["event"][0]["event_time"])
    assert when.tzinfo == UTC
    assert when.timestamp() == pytest.approx(START, abs=1000)
    named = {party["party_id"] for party in first["party_identification"]}
    assert named == {*purpose["pii_controllers"], *purpose["recipient_third_parties"]}


def test_only_the_person_is_recorded_as_having_consented_explicitly(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        at.consents.switch(Purpose.TRAIN, True, how=APP)
        at.consents.switch(Purpose.COHORT, True, how=PERSON)
        at.consents.switch(Purpose.REFINE, True, how=PERSON, explicit=False)
        at.consents.note_gpc(True)
        types = [json.loads(one.record)["event"][0]["event_type"] for one in at.consents.records()]
    assert types == [
        "dpv:Consent",
        "dpv:ExplicitlyExpressedConsent",
        "dpv:ExpressedConsent",
        "dpv:Consent",  # the browser's signal switched the app's off
    ]


def test_no_receipt_of_learning_names_a_recipient(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        at.consents.switch(Purpose.LEARN, False, how=PERSON)
        [record] = at.consents.records()
    assert json.loads(record.record)["pii_processing"]["purposes"][0]["recipient_third_parties"] == []


def test_two_vaults_have_nothing_in_common(tmp_path: Path) -> None:
    principals = set()
    for name in ("one", "two"):
        with home(tmp_path / name, Purpose.TRAIN) as at:
            principals.add(json.loads(at.consents.records()[0].record)["pii_principal_id"])
    assert len(principals) == 2


def test_sec_gpc_leaves_what_sends_to_the_person_alone(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        at.consents.note_gpc(True)
        for purpose in SENDING:
            for how, explicit in ((APP, True), (APP, False), (PERSON, False)):
                with pytest.raises(ConsentError, match="Sec-GPC"):
                    at.consents.switch(purpose, True, how=how, explicit=explicit)
        assert at.consents.records() == ()
        record = at.consents.switch(Purpose.TRAIN, True, how=PERSON, explicit=True)
        assert record is not None
        assert record.gpc
        assert at.consents.switch(Purpose.TRAIN, False, how=APP) is not None  # off is always allowed
        assert at.consents.switch(Purpose.LEARN, False, how=APP) is not None


def test_sec_gpc_switches_off_what_an_app_had_switched_on(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at:
        at.consents.switch(Purpose.COHORT, True, how=APP)
        at.consents.switch(Purpose.TRAIN, True, how=PERSON)
        at.consents.note_gpc(True)
        assert at.consents.gpc
        assert not at.consents.allowed(Purpose.COHORT)
        assert at.consents.allowed(Purpose.TRAIN)
        assert at.consents.records()[-1].how == "browser"
        at.consents.note_gpc(False)
        assert not at.consents.gpc
        assert at.consents.switch(Purpose.COHORT, True, how=APP) is not None
        at.consents.verify()


def test_a_stranger_turns_no_switch(tmp_path: Path) -> None:
    with home(tmp_path / "new") as at, pytest.raises(DataError, match="browser"):
        at.consents.switch(Purpose.TRAIN, True, how="browser")


TAMPERINGS = {
    "edited": "UPDATE consent SET record = replace(record, 'dpv:ConsentGiven', 'dpv:ConsentWithdrawn') "
    "WHERE number = 1",
    "flipped": "UPDATE consent SET granted = 1 - granted WHERE number = 2",
    "repurposed": "UPDATE consent SET purpose = 'train' WHERE number = 2",
    "redated": "UPDATE consent SET at = at + 1 WHERE number = 3",
    "middle removed": "DELETE FROM consent WHERE number = 2",
    "newest removed": "DELETE FROM consent WHERE number = 4",
    "all removed": "DELETE FROM consent",
    "swapped": "UPDATE consent SET number = CASE number WHEN 1 THEN -2 ELSE -1 END WHERE number IN (1, 2);"
    "UPDATE consent SET number = -number WHERE number < 0",
    "middle closed up": "DELETE FROM consent WHERE number = 2;"
    "UPDATE consent SET number = number - 1 WHERE number > 2",
    "not JSON": "UPDATE consent SET record = 'x' WHERE number = 1",
    "other JSON": "UPDATE consent SET record = '[]' WHERE number = 1",
    "head undone": "DELETE FROM setting WHERE name = 'consent.head'",
    "head bent": "UPDATE setting SET value = x'00' WHERE name = 'consent.head'",
}


@pytest.mark.parametrize("statements", TAMPERINGS.values(), ids=TAMPERINGS.keys())
def test_no_receipt_can_be_changed_moved_or_removed_unnoticed(tmp_path: Path, statements: str) -> None:
    with home(tmp_path / "new", *SENDING) as at:
        at.consents.verify()
        with at.vault.write() as sql:
            for statement in statements.split(";"):
                sql(statement, ())
        with pytest.raises(VaultError):
            at.consents.verify()


@given(
    turns=st.lists(st.tuples(st.sampled_from(list(Purpose)), st.booleans(), st.sampled_from([PERSON, APP])))
)
def test_any_turns_end_where_the_last_says_and_verify(
    tmp_path_factory: pytest.TempPathFactory, turns: list[tuple[Purpose, bool, str]]
) -> None:
    with home(tmp_path_factory.mktemp("turns") / "new") as at:
        expected = at.consents.state()
        changes = 0
        for purpose, on, how in turns:
            changes += expected[purpose] != on
            expected[purpose] = on
            at.consents.switch(purpose, on, how=how)
        assert Consents(at.vault).state() == expected
        assert len(at.consents.records()) == changes
        at.consents.verify()
