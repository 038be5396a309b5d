"""Confidante: a recommender that learns from people without collecting anything about them.

All that an app needs is here, and is imported when it is first asked for: `import confidante` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from confidante.core.errors import ConfidanteError as ConfidanteError
    from confidante.core.errors import ConsentError as ConsentError
    from confidante.core.errors import DataError as DataError
    from confidante.core.errors import EgressError as EgressError
    from confidante.core.errors import ForkedLogError as ForkedLogError
    from confidante.core.errors import PlanError as PlanError
    from confidante.core.errors import ProtocolError as ProtocolError
    from confidante.core.errors import StoreError as StoreError
    from confidante.core.errors import VaultError as VaultError
    from confidante.core.errors import WireError as WireError
    from confidante.core.errors import WorkerError as WorkerError
    from confidante.core.values import Event as Event
    from confidante.core.values import Item as Item
    from confidante.device.device import Device as Device
    from confidante.device.storage.keys import InsecurePlaintextKey as InsecurePlaintextKey
    from confidante.device.storage.keys import Keyring as Keyring
    from confidante.device.storage.keys import Passphrase as Passphrase
    from confidante.device.values import Answer as Answer
    from confidante.device.values import Explanation as Explanation
    from confidante.device.values import Forgotten as Forgotten
    from confidante.device.values import NotRefined as NotRefined
    from confidante.device.values import Reason as Reason
    from confidante.device.values import ReasonKind as ReasonKind
    from confidante.device.values import Retention as Retention
    from confidante.device.values import Rollback as Rollback
    from confidante.device.values import SeenItem as SeenItem
    from confidante.device.values import Suggestion as Suggestion
    from confidante.device.values import Taste as Taste
    from confidante.privacy.purposes import Purpose as Purpose

    __version__: str

_NAMES = {
    "core.errors": "ConfidanteError ConsentError DataError EgressError ForkedLogError PlanError "
    "ProtocolError StoreError VaultError WireError WorkerError",
    "core.values": "Event Item",
    "device.device": "Device",
    "device.storage.keys": "InsecurePlaintextKey Keyring Passphrase",
    "device.values": "Answer Explanation Forgotten NotRefined Reason ReasonKind Retention Rollback "
    "SeenItem Suggestion Taste",
    "privacy.purposes": "Purpose",
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = ["__version__", *_MODULE_OF]  # names, each one


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("confidante")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"confidante.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
