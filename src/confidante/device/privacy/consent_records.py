"""What one change of a switch is recorded as: a consent record of ISO/IEC TS 27560:2023 in W3C DPV terms.

Names and nesting of header, processing, personal data, parties and events are those of the specification,
as the DPV community group's guide maps them to the Data Privacy Vocabulary (final report of 2024-08-01,
profile `dpv-27560:record`). The person holds the record, as the guide allows.

The profile is narrower than the specification in what a device cannot know. Left out or given as "not known
to the device": name, address and contact of whoever runs the app and its coordinator, their jurisdiction,
privacy notice page, codes of conduct, impact assessment and supervisory authority. An operator who needs a
conforming record adds them to a copy. One event a record, one purpose a record: a withdrawal is a new
record, chained after the old one. `extension` holds what is ours: who turned the switch, and whether the
browser had said Sec-GPC (Global Privacy Control).
"""

import hashlib
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from confidante.device.values import Purpose

SCHEMA = "https://w3id.org/dpv/schema/dpv-27560#record"
UNKNOWN = "not known to the device"


_EVENT_STATE = MappingProxyType({True: "dpv:ConsentGiven", False: "dpv:ConsentWithdrawn"})


def build_record(
    purpose: Purpose,
    *,
    granted: bool,
    at: float,
    how: str,
    explicit: bool,
    gpc: bool,
    number: int,
    record_id: str,
    principal: str,
    deeds: str,
) -> dict[str, Any]:
    """Return the record of one change as a value that JSON can hold.

    at: seconds since 1970, UTC. how: who turned the switch, "person", "app" or "browser". record_id,
    principal: random UUIDs, of this record and of the person in this vault; neither is ever sent. explicit:
    the person confirmed just this change; the type of consent says so, and says no more than "consent" of a
    switch that an app or the browser turned, as the device cannot know what the person was asked. deeds: what
    people do in the vault's domain, as its pack says.
    """
    entry, text = purpose.entry, purpose.entry.told(deeds)
    recipients = ["coordinator"] if purpose.sends else []
    storage = {
        "storage_locations": ["dpv:WithinDevice"],
        "retention_period": "dpv:UntilEventDuration: until forgotten, or older than the retention that "
        "is set; that an item was had: until forgotten, unless the retention is set to take it along",
    }
    return {
        "schema_version": SCHEMA,
        "record_id": record_id,
        "pii_principal_id": principal,
        "pii_processing": {
            "privacy_notice": {
                "text": text,
                "sha256": hashlib.sha256(text.encode()).hexdigest(),
            },
            "language": "en",
            "purposes": [
                {
                    "purpose": entry.title,
                    "purpose_type": entry.dpv_purpose,
                    "lawful_basis": "dpv:Consent",
                    "pii_information": [
                        {"pii_type": "pd:ServiceConsumptionBehaviour", "pii_optional": True},
                        {"pii_type": "pd:Interest", "pii_optional": True},
                    ],
                    "pii_controllers": ["operator"],
                    "collection_method": "dpv:Record, by the app on this device",
                    "processing_method": list(entry.operations),
                    "technical_measures": list(entry.measures),
                    **storage,
                    "processing_locations": ["dpv:WithinDevice", *recipients],
                    "jurisdiction": UNKNOWN,
                    "recipient_third_parties": recipients,
                    "withdrawal_method": entry.withdrawal,
                    "privacy_rights": ["see, export, correct, forget and erase, on this device"],
                }
            ],
        },
        "party_identification": [
            _party("operator", "dpv:DataController"),
            *(_party(name, "dpv:Recipient") for name in recipients),
        ],
        "event": [
            {
                "event_time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
                "validity_duration": "dpv:UntilEventDuration: until changed",
                "entity_id": principal if how == "person" else how,
                "event_type": _event_type(how, explicit=explicit),
                "event_state": _EVENT_STATE[granted],
            }
        ],
        "extension": {"number": number, "switch": purpose.value, "at": at, "how": how, "gpc": gpc},
    }


def _event_type(how: str, *, explicit: bool) -> str:
    if explicit:
        return "dpv:ExplicitlyExpressedConsent"
    return "dpv:ExpressedConsent" if how == "person" else "dpv:Consent"


def _party(name: str, role: str) -> dict[str, str]:
    return {
        "party_id": name,
        "party_name": UNKNOWN,
        "party_address": UNKNOWN,
        "party_contact": UNKNOWN,
        "party_role": role,
        "party_type": "whoever runs the app" if name == "operator" else "server that adds the sums",
    }
