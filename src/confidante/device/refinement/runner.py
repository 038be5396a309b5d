"""Refinements in threads of their own, each with an end: whoever asked for a list has the local one already.

The vault is held for short steps only. Nothing outlives `stop`, but for the look-up of a host's name, which
is the operating system's.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import (
    ConfidanteError,
    ConsentError,
    EgressError,
    ForkedLogError,
    VaultError,
    WireError,
)
from confidante.device.catalog.library import Library
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.egress import Egress
from confidante.device.privacy.ledger import EgressState, Ledger
from confidante.device.recommend.query import Added, ScoringQuery
from confidante.device.refinement import vault_state
from confidante.device.refinement.client import MOST_BYTES, NotRefinedError, ScoringClient, Trip, trusted
from confidante.device.refinement.download_policy import Policy, Way
from confidante.device.refinement.handle import Refinement
from confidante.device.refinement.merging import Heard, added, event_weights
from confidante.device.refinement.status import decision
from confidante.device.refinement.vault_state import LastRefinement, Prepared, Setup
from confidante.device.storage import items
from confidante.device.storage.vault import Vault
from confidante.device.values import Answer, NotRefined, Purpose
from confidante.models.refinement.codec import decode_items, decode_query
from confidante.models.refinement.model import ItemSide, QuerySide
from confidante.wire.refinement import Fresh

MOST_AT_ONCE = 4
_LONGEST_JOIN = 3.0
_HEAD_START = 0.005  # seconds for the local list to get out, since threads share one interpreter

_SENTENCES = {
    NotRefined.NO_PROFILING: "In no-profiling mode nobody is asked on behalf of anybody.",
    NotRefined.SWITCHED_OFF: "Asking a server to refine a list is switched off.",
    NotRefined.NO_SERVER: "No server for refining was chosen: choose one.",
    NotRefined.NOT_PREPARED: "What refining takes was not fetched yet: refresh it.",
    NotRefined.STOPPED: "This device was closed meanwhile.",
    NotRefined.TOO_SLOW: "As many lists as can be are being refined already.",
}


class Merge(Protocol):
    """Makes the refined list, with the vault held."""

    def __call__(self, add: Callable[[ScoringQuery], Added], /) -> Answer:
        """Return the list. add: gives what is added to the rows of a library."""
        ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Material:
    """What was fetched, read. keys: int64 [m], the vault's number of each item, -1 for what is not here."""

    of: tuple[bytes, float]
    side: QuerySide
    table: ItemSide | None
    fresh: Fresh | None
    keys: NDArray[np.int64]

    def places(self, library: Library) -> NDArray[np.int64]:
        """Return the library's row of each of the server's items, int64 [m], -1 for none."""
        return np.where(self.keys >= 0, library.rows_of(self.keys), -1)


@final
@dataclass(slots=True, eq=False)
class _Job:
    handle: Refinement
    setup: Setup
    prepared: Prepared
    question: ScoringQuery
    merge: Merge
    trip: Trip
    thread: threading.Thread | None = field(default=None)


@final
class Refiner:
    """Refines the lists of one device."""

    def __init__(self, vault: Vault, consents: Consents, ledger: Ledger) -> None:
        self._vault, self._consents, self._ledger = vault, consents, ledger
        self._guard, self._loading = threading.Lock(), threading.Lock()
        self._jobs: set[_Job] = set()
        self._stopped = False
        self._material: _Material | None = None

    def begin(self, question: ScoringQuery, merge: Merge, *, nobody: bool) -> Refinement:
        """Begin to refine the answer to a question, and return at once. nobody: in no-profiling mode."""
        setup, prepared = vault_state.setup(self._vault), vault_state.prepared(self._vault)
        handle = Refinement(setup.seconds if setup is not None else 1.0)
        reason = self._why_not(setup, prepared, nobody=nobody)
        if reason is not None or setup is None or prepared is None:
            return self._refused(handle, reason or NotRefined.NOT_PREPARED)
        egress = Egress(
            self._ledger, timeout=setup.seconds, most_bytes=MOST_BYTES, tls=trusted(setup.certificates)
        )
        job = _Job(handle, setup, prepared, question, merge, Trip(egress))
        job.thread = threading.Thread(
            target=self._run, args=(job,), name="confidante refinement", daemon=True
        )
        with self._guard:
            begun = not self._stopped and len(self._jobs) < MOST_AT_ONCE
            if begun:
                self._jobs.add(job)
                job.thread.start()
        return handle if begun else self._refused(handle, NotRefined.TOO_SLOW)

    def stop(self) -> None:
        """End all that is under way, wait until it has ended, and begin nothing more."""
        with self._guard:
            self._stopped = True
            jobs = list(self._jobs)
        for job in jobs:
            job.handle.refuse(NotRefined.STOPPED, _SENTENCES[NotRefined.STOPPED])
            job.trip.egress.stop()
        end = time.monotonic() + _LONGEST_JOIN
        for job in jobs:
            if job.thread is not None and job.thread is not threading.current_thread():
                job.thread.join(max(end - time.monotonic(), 0.0))

    # --- within

    def _why_not(self, setup: Setup | None, prepared: Prepared | None, *, nobody: bool) -> NotRefined | None:
        if nobody:
            return NotRefined.NO_PROFILING
        if setup is None:
            return NotRefined.NO_SERVER
        if not self._consents.allowed(Purpose.REFINE):
            return NotRefined.SWITCHED_OFF
        return NotRefined.NOT_PREPARED if prepared is None else None

    def _run(self, job: _Job) -> None:
        handle = job.handle
        try:
            time.sleep(_HEAD_START)
            handle.refine(replace(self._refined(job), refinement=handle))
        except NotRefinedError as error:
            handle.refuse(error.reason, str(error))
        except ConfidanteError as error:
            handle.refuse(*self._reason(error))
        except ImportError as error:
            handle.refuse(NotRefined.NO_LIBRARY, f"A library is not installed: {error}.")
        finally:
            handle.refuse(NotRefined.STOPPED, "An error in this program ended it.")
            try:
                with suppress(VaultError):  # it was closed: what left is in the ledger, what came is not kept
                    self._note(job)
            finally:
                handle.tell()
                with self._guard:
                    self._jobs.discard(job)

    def _refined(self, job: _Job) -> Answer:
        """Return the refined list."""
        material, question = self._read(job.prepared), job.question
        side, library = material.side, question.library
        of_row = np.full(len(library), -1, dtype=np.int64)
        places = material.places(library)
        of_row[places[places >= 0]] = np.flatnonzero(places >= 0)
        events = of_row[question.profile.rows]
        met = events >= 0
        query = side.query(events[met], question.ages[met], event_weights(side, question)[met])
        heard = self._heard(job, material, query)

        def add(now: ScoringQuery) -> Added:
            return added(side, heard, now, places if now.library is library else material.places(now.library))

        with self._vault.lock:
            return job.merge(add)

    def _heard(self, job: _Job, material: _Material, query: NDArray[np.float64]) -> Heard:
        """Return what the server knows: worked out here from its vectors, or asked."""
        side, rounded = material.side, material.side.rounded(query)
        table, fresh = material.table, material.fresh
        if table is not None and fresh is not None and job.setup.policy is not Policy.ASK:
            rule, there = fresh.read(side.items)
            points = side.points(table.scores(rounded), rounded.scale)
            return Heard(np.arange(side.items), points, rule, there)
        if job.setup.policy is Policy.DOWNLOAD:
            why = decision(self._vault, job.setup, job.prepared)
            said = why.why if why.way is Way.NONE else _SENTENCES[NotRefined.NOT_PREPARED]
            raise NotRefinedError(NotRefined.NOT_PREPARED, said)
        return ScoringClient(self._vault, self._ledger, job.setup, job.prepared).ask(side, rounded, job.trip)

    def _read(self, prepared: Prepared) -> _Material:
        """Return what was fetched, from memory when it was read before."""
        of = prepared.offered.model, prepared.at
        with self._loading:
            if self._material is None or self._material.of != of:
                self._material = self._load(of)
            return self._material

    def _load(self, of: tuple[bytes, float]) -> _Material:
        vault = self._vault
        with vault.lock:
            query, table = vault.read_body(vault_state.QUERY_BODY), vault.read_body(vault_state.TABLE_BODY)
            fresh, prepared = vault_state.fresh(vault), vault_state.prepared(vault)
        if query is None or prepared is None or (prepared.offered.model, prepared.at) != of:
            raise NotRefinedError(
                NotRefined.STOPPED, "The server's vectors were fetched again in the meantime."
            )
        side = decode_query(query)
        known = items.keys_of(vault, side.catalogue.ids)
        keys = np.array([known.get(item, -1) for item in side.catalogue.ids], dtype=np.int64)
        return _Material(of, side, None if table is None else decode_items(table), fresh, keys)

    def _reason(self, error: ConfidanteError) -> tuple[NotRefined, str]:
        """Return what an error means for the person, and its text."""
        if self._stopped or (isinstance(error, VaultError) and self._vault.closed):
            return NotRefined.STOPPED, _SENTENCES[NotRefined.STOPPED]
        for kind, reason in (
            (ConsentError, NotRefined.SWITCHED_OFF),
            (ForkedLogError, NotRefined.ALARM),
            (EgressError, NotRefined.UNREACHABLE),
            (WireError, NotRefined.NONSENSE),
        ):
            if isinstance(error, kind):
                return reason, str(error)
        return NotRefined.STOPPED, str(error)

    def _note(self, job: _Job) -> None:
        """Write down what came of it, with the departure if there was one."""
        handle, trip = job.handle, job.trip
        seconds = time.monotonic() - handle.began
        with self._vault.write():
            sent = None if trip.departure is None else self._ledger.departure(trip.departure)
            # At most: it may have been cut off on its way.
            up = sent.size if sent is not None and sent.state is EgressState.SENT else 0
            last = LastRefinement(
                self._vault.now(), handle.reason, handle.said, seconds, up, trip.down, trip.departure
            )
            vault_state.note(self._vault, last, wanted=handle.reason is not NotRefined.TOO_SOON)
            if trip.departure is not None:
                self._ledger.attach_receipt(
                    trip.departure,
                    {
                        "refined": handle.reason is None,
                        "reason": "" if handle.reason is None else handle.reason.value,
                        "bytes sent": up,
                        "bytes received": trip.down,
                        "seconds": round(seconds, 3),
                    },
                )

    def _refused(self, handle: Refinement, reason: NotRefined) -> Refinement:
        """Decide what is never begun, and write it down unless it was what was written last."""
        handle.refuse(reason, _SENTENCES[reason])
        handle.tell()
        last = vault_state.use(self._vault).last
        if last is None or last.reason != reason.value:
            told = LastRefinement(self._vault.now(), reason, handle.said, 0.0, 0, 0, None)
            vault_state.note(self._vault, told, wanted=False)
        return handle
