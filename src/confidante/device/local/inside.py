"""What this room needs of a device that an app does not: the one place that looks behind its front door."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from confidante.device.device import Device
    from confidante.device.vault.store import Vault


def vault_of(device: "Device") -> "Vault":
    """Return the vault, for the setting that holds the digest of the API key."""
    return device._vault


def folder_of(device: "Device") -> Path:
    """Return the profile's folder."""
    return device._vault.folder


def now_of(device: "Device") -> float:
    """Return the vault's clock, in seconds since 1970."""
    return device._vault.now()


def has_model(device: "Device") -> bool:
    """Return whether a published model is installed."""
    return bool(device._vault.rows("SELECT 1 FROM snapshot WHERE name = 'model'"))


def erase_due(device: "Device") -> None:
    """Erase what was forgotten and whose time to undo has passed."""
    with device._vault.lock:
        if not device._vault.closed:
            device._person.purge_when_due()
