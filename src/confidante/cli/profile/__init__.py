"""`confidante open` and `confidante profile ...`: one person's device on the command line."""

from confidante.cli.profile import cohort, participate, protect, refine, seen, update, welcome
from confidante.cli.profile.app import OPEN_EXAMPLES, open_page_command
from confidante.cli.profile.options import profile

__all__ = [
    "OPEN_EXAMPLES",
    "cohort",
    "open_page_command",
    "participate",
    "profile",
    "protect",
    "refine",
    "seen",
    "update",
    "welcome",
]
