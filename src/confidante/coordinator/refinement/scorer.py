"""The coordinator's side of the processes that score: started, watched over, replaced with their tables."""

import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.coordinator.refinement import scorer_link
from confidante.coordinator.refinement.scoring_process import Loading
from confidante.core.errors import ConfidanteError, WireError
from confidante.core.event_log import log
from confidante.wire.refinement import MOST_QUESTION_BYTES

HANDS = 2
"""Processes that score; each holds all tables."""

_NOT_YET = "the vectors are being made ready"
_LOAD_SECONDS = 600.0
_ANSWER_SECONDS = 20.0
_END_SECONDS = 5.0


@final
class NoScorerError(ConfidanteError):
    """Nobody can score just now: tables are being made, or the process died of a question."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """A table to be asked. scheme: place of its class; rows: int8 [items, columns]."""

    scheme: str
    rows: NDArray[np.int8]


@final
class ScoringPool:
    """Scores in processes of its own. May be used from many threads, by `HANDS` at a time without waiting."""

    def __init__(self) -> None:
        self._wanted: Mapping[str, Vectors] = {}
        self._team: _Team | None = None
        self._largest = MOST_QUESTION_BYTES
        self._lock = threading.Lock()

    def hold(self, tables: Mapping[str, Vectors]) -> None:
        """Answer from these tables, by name, from now on. Those that were held answer until these are made.

        Raises NoScorerError when they cannot be made.
        """
        with self._lock:
            self._wanted = tables
        fresh = _Team(tables) if tables else None
        with self._lock:
            old, self._team = self._team, fresh
        if old is not None:
            old.end()

    def keep_up(self) -> None:
        """Start processes anew if one died, or none could be started. Raises NoScorerError."""
        with self._lock:
            wanted = self._wanted
            well = not wanted if self._team is None else self._team.tables is wanted
        if not well:
            self.hold(wanted)

    def answer(self, name: str, request: bytes) -> bytes:
        """Return the encrypted products of a question with a table.

        Raises WireError for a question that is none, and NoScorerError.
        """
        while True:
            with self._lock:
                team = self._team
            if team is None or name not in team.tables:
                raise NoScorerError(_NOT_YET)
            try:
                return team.answer(name, request)
            except _EndedError:  # no more than once a team: another was there, or none, before this one ended
                continue
            except OSError as error:
                log("scoring process lost", level="error", problem=type(error).__name__)
                with self._lock:
                    lost = self._team is team
                    self._team = None if lost else self._team
                if lost:
                    team.end()
                raise NoScorerError(_NOT_YET) from None

    @property
    def question_bytes(self) -> int:
        """Bytes of the largest question about what is held; the most there are while that is not known."""
        with self._lock:
            if self._team is not None:
                self._largest = self._team.question_bytes
            return self._largest if self._wanted else 0

    @property
    def pids(self) -> list[int]:
        """Return the numbers of the processes."""
        with self._lock:
            return [] if self._team is None else self._team.pids

    def close(self) -> None:
        """End the processes."""
        with self._lock:
            team, self._team, self._wanted = self._team, None, {}
        if team is not None:
            team.end()


class _EndedError(Exception):
    """Another team is there by now."""


class _Team:
    """Processes with the same tables. Each answers one question at a time."""

    def __init__(self, tables: Mapping[str, Vectors]) -> None:
        self.tables = tables
        self._all: list[_Process] = []
        self._turn = threading.Condition()
        self._free: list[_Process] = []
        self._at_work = 0
        self._ended = False
        try:
            for _ in range(HANDS):
                self._all.append(_Process(tables))
        except NoScorerError:
            self.end()
            raise
        self.question_bytes = max(one.question_bytes for one in self._all)
        self._free = list(self._all)

    @property
    def pids(self) -> list[int]:
        return [one.pid for one in self._all]

    def answer(self, name: str, request: bytes) -> bytes:
        """Raises WireError, OSError for a lost process, NoScorerError when none is free, _EndedError."""
        with self._turn:
            if not self._turn.wait_for(lambda: self._free or self._ended, _ANSWER_SECONDS):
                raise NoScorerError(_NOT_YET)
            if self._ended:
                raise _EndedError
            one = self._free.pop()
            self._at_work += 1
        lost = True
        try:
            answer, lost = one.answer(name, request), False
        except WireError:
            lost = False
            raise
        finally:
            with self._turn:
                self._at_work -= 1
                if not lost:
                    self._free.append(one)
                self._turn.notify_all()
        return answer

    def end(self) -> None:
        """End them, those that are at work after their answer. Who waits for one is told."""
        with self._turn:
            self._ended = True
            self._turn.notify_all()
            self._turn.wait_for(lambda: not self._at_work, _END_SECONDS)
        for one in self._all:
            one.end()


class _Process:
    def __init__(self, tables: Mapping[str, Vectors]) -> None:
        """Start it, and have it make the tables."""
        self.tables = tables
        self._link, theirs = socket.socketpair()
        for end in (self._link, theirs):
            for side in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, side, scorer_link.BUFFER_BYTES)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  (this program, with nobody's words)
                [
                    sys.executable,
                    "-m",
                    "confidante.coordinator.refinement.scoring_process",
                    str(theirs.fileno()),
                ],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        sizes = [0]
        try:
            self._link.settimeout(_LOAD_SECONDS)
            for name, one in tables.items():
                loading = Loading(one.scheme, one.rows.shape[1], np.ascontiguousarray(one.rows).tobytes())
                scorer_link.send(self._link, scorer_link.LOAD, name, msgspec.msgpack.encode(loading))
                sizes.append(scorer_link.size_in(scorer_link.receive(self._link)))
            self.question_bytes = max(sizes)
            self._link.settimeout(_ANSWER_SECONDS)
        except OSError as error:
            self.end()
            raise NoScorerError(f"the tables cannot be made ({error}): is there memory for them?") from None

    @property
    def pid(self) -> int:
        return self._process.pid

    def answer(self, name: str, request: bytes) -> bytes:
        scorer_link.send(self._link, scorer_link.ASK, name, request)
        kind, _, data = scorer_link.receive(self._link)
        if kind == scorer_link.REFUSED:
            raise WireError(data.decode("utf-8", "replace"))
        return data

    def end(self) -> None:
        self._link.close()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
