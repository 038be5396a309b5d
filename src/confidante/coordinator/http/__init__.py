"""What a coordinator answers over HTTP, a room for each kind of asker."""

from confidante.coordinator.http.app import Coordinator
from confidante.coordinator.http.app_state import HttpSettings

__all__ = ["Coordinator", "HttpSettings"]
