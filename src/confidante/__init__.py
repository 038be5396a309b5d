"""Confidante: a recommender that learns from people without collecting anything about them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from confidante.core.values import Item as Item
    from confidante.device.device import Device as Device

__all__ = ["Device", "Item"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, when it is asked for: `import confidante` itself costs nothing."""
    if name == "Device":
        from confidante.device.device import Device

        return Device
    if name == "Item":
        from confidante.core.values import Item

        return Item
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
