"""The one object that an app talks to: a person's history, what it recommends from it, and every switch.

Nothing here sends anything, but for `participate`, `update_model`, `refresh_refinement` and `recommend` with
`refine`. All methods may be called from any thread; each is done when it returns, and what it changed is on
disk.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from confidante.core.errors import DataError, VaultError
from confidante.core.values import NO_CONTEXT, Event, Item
from confidante.device.base import one_at_a_time
from confidante.device.catalog.serving import Serving
from confidante.device.federation.facade import TakingPart
from confidante.device.federation.journal import keep_what_can_go_on
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.ledger import Ledger
from confidante.device.recommend.onboarding import Onboarding
from confidante.device.recommend.person import Person
from confidante.device.recommend.query import ask
from confidante.device.recommend.recommender import Recommender
from confidante.device.refinement.facade import Refining, Wish
from confidante.device.steering import Steering
from confidante.device.storage import history, items
from confidante.device.storage.keys import Keyring, KeySource, Passphrase
from confidante.device.storage.vault import Vault
from confidante.device.values import Answer, Explanation, Forgotten, Purpose

if TYPE_CHECKING:  # file formats are loaded when they are first used, so that a start is quick
    from confidante.device.federation.background import Background
    from confidante.device.federation.coordinator_client import CoordinatorClient
    from confidante.device.federation.wallet import Evidence
    from confidante.device.importing import ImportReport

_APP = "app: "


@final
class Device(TakingPart, Refining, Steering, Onboarding):
    """One person's recommender, in one folder.

        with Device("my-profile", "a passphrase") as device:
            device.add_items([Item("m1", "Alien (1979)", ("Horror", "Sci-Fi")), ...])
            device.record("m1")
            for suggestion in device.recommend(5).suggestions:
                print(suggestion.item.title, [r.subject for r in suggestion.reasons[:2]])

    Raises `VaultError` when the folder cannot be opened, and `DataError` for what the caller can mend.
    """

    def __init__(
        self,
        folder: Path | str,
        key: KeySource | str | None = None,
        *,
        create: bool = True,
        clock: Callable[[], float] = time.time,
        graph_bytes: int | None = None,
    ) -> None:
        """Open the profile in `folder`, or make one.

        key: a passphrase; `Keyring()`, the system's key ring, when left out; or `InsecurePlaintextKey()`,
        which protects nothing, for data that needs no protection. clock: seconds since 1970. graph_bytes:
        memory that an approximate index may take beside the model, where the library is so large that it
        would be quicker (200,000 items; needs `confidante[ann]`); None: any, 0: the exact scan always.
        """
        source = Passphrase(key) if isinstance(key, str) else Keyring() if key is None else key
        self._vault = Vault.open(Path(folder), source, create=create, clock=clock)
        try:
            self._consents = Consents(self._vault)
            self._ledger = Ledger(self._vault, self._consents)
            going_on = keep_what_can_go_on(self._vault, self._consents.allowed)
            self._ledger.rounds.give_up_unfinished(going_on)
            self._serving = Serving(self._vault, graph_bytes)
            self._person = Person(self._vault)
            self._answers = Recommender(self._vault, self._serving)
            self._backgrounds: list[Background] = []
            self._refiner = None
        except BaseException:
            self._vault.close()
            raise

    def __enter__(self) -> Self:
        """Return the device."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Show where, and nothing personal."""
        return f"<Device in {str(self._vault.folder)!r}>"

    def close(self) -> None:
        """Write what was derived, so that the next start is quick, and let go of the folder.

        Whatever takes part in the background stops first; a round it is in goes on at the next start. Lists
        that are being refined stay as they are.
        """
        self._stop_backgrounds()
        self._stop_refining()
        with self._vault.lock:
            if not self._vault.closed:
                with suppress(VaultError):  # they are derived, and made again at the next start
                    self._serving.save()
                self._vault.close()

    # --- what can be recommended

    @one_at_a_time
    def add_items(self, new: Iterable[Item], *, personal: bool = False) -> int:
        """Add items, or replace those with the same ids; return how many there were.

        personal: they are known from what this person did, and from nothing else. They are erased when no
        event and no wish names them any more, and nobody-in-particular is never shown them (no profiling).
        """
        return self._serving.add(new, personal=personal)

    @one_at_a_time
    def remove_items(self, ids: Collection[str]) -> int:
        """Recommend these no more; return how many were known. Their events stay until forgotten."""
        return self._serving.remove(ids)

    @one_at_a_time
    def item(self, item_id: str) -> Item:
        """Return an item; `DataError` when it is unknown."""
        return items.items_of(self._vault, [self._key(item_id)])[0]

    @one_at_a_time
    def find_items(self, text: str, limit: int = 20) -> tuple[Item, ...]:
        """Return items whose title contains `text`."""
        return items.find(self._vault, text, limit)

    @one_at_a_time
    def list_items(self, limit: int = 50, after: str = "") -> tuple[Item, ...]:
        """Return items in the order in which they came, those that come after the item `after`."""
        return items.listed(self._vault, limit, self._key(after) if after else 0)

    @property
    def has_model(self) -> bool:
        """Whether a published model is installed."""
        return self._serving.has_model

    @property
    def items(self) -> int:
        """Number of items."""
        return items.count(self._vault)

    # --- history

    @one_at_a_time
    def record(
        self,
        item_id: str,
        kind: str = "view",
        *,
        at: float | None = None,
        value: float | None = None,
        context: Mapping[str, str] | None = None,
    ) -> Event | None:
        """Remember an event; None when learning is paused or switched off, and nothing was kept.

        kind: a short word; "dislike" counts against similar items, any other for them. value: kept and shown,
        and no more: a rating of one star counts like one of five. at: seconds since 1970, now when left
        out.
        """
        when = self._vault.now() if at is None else at
        kept = NO_CONTEXT if context is None else context
        recorded = self.record_many([Event(0, item_id, kind, when, value, kept)])
        return recorded[0] if recorded else None

    @one_at_a_time
    def record_many(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """Remember events, all or none, and return them with the numbers they were given.

        Their own numbers do not matter. Nothing is kept, and nothing returned, while learning is paused or
        switched off.
        """
        given = list(events)
        keys = [self._key(event.item) for event in given]
        if not self._learning():
            return ()
        with self._vault.write():
            numbers = history.add_events(
                self._vault,
                [
                    history.NewEvent(key, event.kind, event.at, event.value, event.context)
                    for key, event in zip(keys, given, strict=True)
                ],
            )
            history.expire(self._vault, self.retention)
        self._serving.drop_forgotten()
        self._person.changed()
        return tuple(replace(event, number=n) for event, n in zip(given, numbers, strict=True))

    @one_at_a_time
    def history(
        self,
        *,
        search: str = "",
        since: float | None = None,
        until: float | None = None,
        limit: int = 50,
        before: int | None = None,
    ) -> tuple[Event, ...]:
        """Return events, newest first. search: part of a title. before: number of the last event seen."""
        return history.events(
            self._vault,
            search=search,
            since=since,
            until=until,
            limit=limit,
            before=None if before is None else max(before, 0),
        )

    @property
    def event_count(self) -> int:
        """Number of remembered events."""
        return history.count(self._vault)

    @one_at_a_time
    def forget(
        self,
        *,
        event: int | None = None,
        events: Collection[int] | None = None,
        item: str | None = None,
        since: float | None = None,
        until: float | None = None,
        everything: bool = False,
        undo_seconds: float = 0.0,
    ) -> Forgotten:
        """Forget one event, several (those that there still are), all of an item or a time range, or all.

        With all events go all wishes, edited tastes and what the person stated of themselves.
        From the next answer on they count for nothing. They are erased at once, keys first; with
        `undo_seconds` they are hidden at once, and erased when that time has passed.
        """
        ranged = since is not None or until is not None
        if sum((event is not None, events is not None, item is not None, ranged, everything)) != 1:
            raise DataError("forget what? name one event, several, one item, a time range, or everything")
        chosen: Collection[int]
        if events is not None:
            chosen = [number for number in events if 0 <= number < 1 << 63]
        else:
            chosen = history.select(
                self._vault,
                number=None if event is None else max(event, 0),
                item=None if item is None else self._key(item),
                since=since,
                until=until,
            )
        if event is not None and not chosen:
            raise DataError(f"there is no event {event} to forget")
        forgotten = history.forget(self._vault, chosen, undo_seconds=undo_seconds, everything=everything)
        self._serving.drop_forgotten()
        self._person.changed()
        return forgotten

    @one_at_a_time
    def undo(self, token: str) -> int:
        """Take back a forgetting that can still be undone; return how many events came back."""
        events = history.undo(self._vault, token.encode(errors="replace").decode())
        self._person.changed()
        return events

    # --- answers

    @one_at_a_time
    def recommend(
        self,
        n: int = 10,
        *,
        filter: Callable[[Item], bool] | None = None,  # noqa: A002  # the word that users expect
        labels: Collection[str] = (),
        exclude: Collection[str] = (),
        context: Mapping[str, str] | None = None,
        diversity: float = 0.0,
        repeats: bool = False,
        refine: bool = False,
    ) -> Answer:
        """Return the `n` best items, each with its exact reasons.

        filter: keeps items it returns True for. labels: only items with one of these. exclude: ids. context:
        events of the same context count more. diversity: 0.0 (best scores) to 1.0 (least alike). repeats:
        items of the history may come again. refine: have the list refined as well (`refine_with`); this
        answer is the local one all the same, at once, and its `refined()` waits for the other. `filter` is
        then called again, from another thread.
        """
        wish = Wish(
            n,
            filter,
            tuple(labels),
            tuple(exclude),
            None if context is None else dict(context),
            diversity,
            repeats,
        )
        question = self._question(wish)
        answer = self._answers.best(
            question, n, diversity=diversity, keep=filter, personal=not self.no_profiling
        )
        return self._refining(answer, question, wish) if refine else answer

    @one_at_a_time
    def session(self, item_ids: Sequence[str], n: int = 10) -> Answer:
        """Return what suits these items, oldest first, and nothing else: the history is not read."""
        return self._answers.of_session(item_ids, n)

    @one_at_a_time
    def what_if(self, *, without: Collection[int] = (), n: int = 10) -> Answer:
        """Return the answer as if these events had never happened; their items stay out of the list."""
        whole = self._profile()
        question = ask(self._serving.library, whole.without(without), exclude=whole.rows)
        return self._answers.best(question, n, personal=not self.no_profiling)

    @one_at_a_time
    def explain(self, item_id: str, *, n: int = 5) -> Explanation:
        """Return why an item scores what it scores, and the fewest events that keep it in the top `n`."""
        return self._answers.explained(self._profile(), item_id, n)

    @one_at_a_time
    def similar_items(self, item_id: str, n: int = 10) -> tuple[tuple[Item, float], ...]:
        """Return the items most like one, with their likeness in [-1, 1]. The history is not read."""
        return self._answers.alike(item_id, n)

    @one_at_a_time
    def import_history(
        self,
        path: Path | str,
        format: str | None = None,  # noqa: A002  # the word that users expect
        *,
        dry_run: bool = False,
        add_missing: bool | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> "ImportReport":
        """Read a history that the person has elsewhere; the report says what matched and what did not.

        format: recognised by name and content when left out. dry_run: only report. add_missing: make items of
        titles that the library lacks; when left out, only if the library is empty. Importing the same file
        twice adds nothing. Raises `DataError` for a file that cannot be read, and keeps nothing of it, and
        `ConsentError` when learning is switched off.
        """
        if not dry_run:
            self._consents.require(Purpose.LEARN)
        from confidante.device.importing.transfer import import_file

        report = import_file(
            self._vault,
            self._serving,
            Path(path),
            format,
            dry_run=dry_run,
            add_missing=add_missing,
            progress=progress,
        )
        self._serving.drop_forgotten()
        self._person.changed()
        return report

    @one_at_a_time
    def export(self, path: Path | str) -> int:
        """Write everything known of the person as JSON lines, not encrypted; return the number of lines.

        Written whole or not at all. `import_history` reads it back.
        """
        from confidante.device.importing.transfer import export_vault

        return export_vault(self._vault, Path(path))

    @one_at_a_time
    def backup(self, folder: Path | str) -> None:
        """Copy the vault, encrypted, to another folder; the same key opens it.

        What can still be undone is in the copy, hidden, and is erased there when the copy is used after its
        time.
        """
        self._serving.save()
        self._vault.backup(Path(folder))

    def erase_due(self) -> None:
        """Erase what is too old, or too long forgotten to be undone; every other call does so as well."""
        with self._vault.lock:
            if not self._vault.closed and self._person.tidy():
                self._serving.drop_forgotten()

    def setting(self, name: str) -> bytes | None:
        """Return a small value that the app keeps in the vault, None when it is not set."""
        return self._vault.setting(_APP + name)

    def set_setting(self, name: str, value: bytes | None) -> None:
        """Keep a small value for the app, or with None remove it."""
        self._vault.set_setting(_APP + name, value)

    def purge(self) -> int:
        """Erase now what waits for its undo time to pass; return how many events that were."""
        with self._vault.lock:
            gone = history.purge(self._vault, even_if_undoable=True)
            self._serving.drop_forgotten()
            self._person.changed()
            return gone

    def erase(self) -> None:
        """Destroy the keys, then the vault, and close. Nothing can be taken back."""
        self._stop_backgrounds()
        self._stop_refining()
        with self._vault.lock:
            self._vault.erase()

    # --- within

    def _refresh(self, line: "CoordinatorClient", population: str, evidence: "Evidence | None") -> None:
        super()._refresh(line, population, evidence)
        self._refresh_refinement_behind(line, evidence)
