"""Every error that bad input can cause. A bug raises something else.

Each message says what is wrong, where, and what to do; `confidante` prints it as one line.
"""

from enum import StrEnum
from pathlib import Path
from typing import final


class ConfidanteError(Exception):
    """Something given to us is wrong. The text is meant for the person who gave it."""


@final
class DataError(ConfidanteError):
    """A file or table cannot be used.

    `path` and `line` (1-based, the header counts) say where, when they are known.
    """

    def __init__(self, problem: str, *, path: Path | str | None = None, line: int | None = None) -> None:
        self.problem = problem
        self.path = path
        self.line = line
        where = "" if path is None else f"{path}: " if line is None else f"{path}, line {line}: "
        super().__init__(where + problem)


@final
class PlanError(ConfidanteError):
    """A plan cannot be kept: an impossible epsilon, a sum that could wrap, a cohort too small."""


@final
class WireError(ConfidanteError):
    """Bytes are not a well-formed message of the expected type and version."""


@final
class VaultError(ConfidanteError):
    """The vault cannot be opened or written: wrong passphrase, damage, no room, or someone else has it."""


@final
class StoreError(ConfidanteError):
    """The coordinator's database or body store refuses: unreachable, full, damaged, or given what cannot be.

    `retry` says whether the same call may succeed later; every call of the store may be repeated.
    """

    def __init__(self, problem: str, *, retry: bool = False) -> None:
        self.retry = retry
        super().__init__(problem)


@final
class WorkerError(ConfidanteError):
    """A worker of a run that is spread over processes cannot be had, or was lost."""


@final
class ConsentError(ConfidanteError):
    """A switch is off that this would need, or a budget is spent."""


@final
class EgressError(ConfidanteError):
    """Something was about to be sent that the ledger does not hold, or could not be sent."""


@final
class ForkedLogError(ConfidanteError):
    """A coordinator shows this device something else than it did before, or than its public log names.

    An alarm with the evidence was kept; nothing is done with that coordinator until a person dismisses it.
    """


class Reject(StrEnum):
    """Why a protocol message was refused. Stable names: they are counted and stand in test vectors."""

    WRONG_PHASE = "wrong_phase"
    FOREIGN = "foreign"
    REPEATED = "repeated"
    DROPPED = "dropped"
    WRONG_ROUND = "wrong_round"
    WRONG_LENGTH = "wrong_length"
    BAD_SIGNATURE = "bad_signature"
    BAD_SHARE = "bad_share"
    BAD_KEY = "bad_key"
    BAD_GRAPH = "bad_graph"
    BOTH_SECRETS = "both_secrets"
    INCONSISTENT = "inconsistent"
    TOO_FEW = "too_few"
    OUT_OF_RANGE = "out_of_range"
    BAD_PROOF = "bad_proof"


@final
class ProtocolError(ConfidanteError):
    """A message that the protocol refuses, or a round that must end without a sum."""

    def __init__(self, reason: Reject, detail: str) -> None:
        self.reason = reason
        super().__init__(f"{reason.value}: {detail}")
