"""What a person states of themselves on the page, and whose popularity follows from it."""

from typing import TYPE_CHECKING, Any

from confidante.core.errors import DataError
from confidante.device.web.forms import Fields

if TYPE_CHECKING:
    from confidante.device.device import Device


def stated(device: "Device") -> dict[str, Any]:
    """Return what the template shows: what is stated, what may be, and the group that is used."""
    return {
        "attributes": dict(sorted(device.settings.attributes.items())),
        "asked": device.cohorts.attributes,
        "cohort": device.cohorts.current,
    }


def state(device: "Device", fields: Fields) -> str:
    """State or remove one attribute, and return what was done, in words."""
    name = fields.text("name")
    now = dict(device.settings.attributes)
    if fields.text("do") == "remove":
        if now.pop(name, None) is None:
            raise DataError("that statement no longer exists")
        device.settings.attributes = now
        return f"“{name}” is stated no more."
    value = fields.text("value")
    if not value:
        return "Nothing was stated: choose or write something first."
    device.settings.attributes = now | {name: value}
    return f"Stated, on this device: {name} {value}."
