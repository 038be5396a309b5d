"""The one object that an app talks to: a person's history, what it recommends from it, and every switch.

Nothing here sends anything, but for `federation.participate`, `federation.update_model`, `refinement.refresh`
and `recommend` with `refine`. All methods may be called from any thread; each is done when it returns, and
what it changed is on disk.
"""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, final

from confidante.core.arguments import checked_arguments
from confidante.core.errors import DataError, VaultError
from confidante.core.values import NO_CONTEXT, Event, Item
from confidante.device.catalog.items import Items
from confidante.device.catalog.serving import Serving
from confidante.device.federation.federation import Federation
from confidante.device.federation.journal import keep_what_can_go_on
from confidante.device.privacy.consent import Consents
from confidante.device.privacy.ledger import Ledger
from confidante.device.privacy.rollback import RollbackGuard
from confidante.device.privacy.settings import Settings
from confidante.device.recommend.cohorts import Cohorts
from confidante.device.recommend.onboarding import Onboarding
from confidante.device.recommend.person import Person
from confidante.device.recommend.recommender import Recommender, Request
from confidante.device.recommend.tastes import Tastes
from confidante.device.refinement.refinement_client import RefinementClient
from confidante.device.storage import forgetting, items, marks
from confidante.device.storage import settings as storage_settings
from confidante.device.storage.access import VaultAccess, exclusive
from confidante.device.storage.history import History, select
from confidante.device.storage.keys import Keyring, KeySource, Passphrase
from confidante.device.storage.vault import Vault
from confidante.device.values import Answer, Explanation, Forgotten, Purpose, Rollback
from confidante.packs.base import Pack

if TYPE_CHECKING:  # file formats are loaded when they are first used, so that a start is quick
    from confidante.device.importing import ImportReport


@final
@checked_arguments
class Device:
    """One person's recommender, in one folder.

        with Device("my-profile", "a passphrase") as device:
            device.items.add([Item("m1", "Alien (1979)", ("Horror", "Sci-Fi")), ...])
            device.record("m1")
            for suggestion in device.recommend(5).suggestions:
                print(suggestion.item.title, [r.subject for r in suggestion.reasons[:2]])

    What is used most is here; everything else is in one of its components.

    Attributes:
        items: What can be recommended.
        history: What the person did.
        taste: What the person likes, as they see and steer it.
        recommender: Other lists: of a session, without some events, of similar items.
        onboarding: What a new person is asked to choose from.
        cohorts: The group whose popularity is used.
        settings: Pauses, no-profiling mode, how long events are kept, what the person states.
        consents: One switch a purpose, and a receipt of every change.
        ledger: What left, byte for byte, and the privacy budget.
        federation: Rounds with a coordinator, and the models they make.
        refinement: Lists that a server refines without being able to read what it is asked.

    Stability: provisional
    """

    __slots__ = (  # so that a switch set by an old or misspelt name is an error, and not a stray attribute
        "__weakref__",
        "_access",
        "_rollback",
        "_serving",
        "_vault",
        "cohorts",
        "consents",
        "federation",
        "history",
        "items",
        "ledger",
        "onboarding",
        "recommender",
        "refinement",
        "settings",
        "taste",
    )

    def __init__(
        self,
        folder: Path | str,
        key: KeySource | str | None = None,
        *,
        create: bool = True,
        clock: Callable[[], float] = time.time,
        graph_bytes: int | None = None,
        pack: str | None = None,
    ) -> None:
        """Open the profile in a folder, or make one.

        Args:
            folder: Where the profile is.
            key: A passphrase; `Keyring()`, the system's key ring, when left out; or `InsecurePlaintextKey()`,
                which protects nothing, for data that needs no protection.
            create: Make a profile when there is none.
            clock: Returns seconds since 1970.
            graph_bytes: Memory that an approximate index may take beside the model, where the library is so
                large that it would be quicker (200,000 items; needs `confidante[ann]`); None: any, 0: the
                exact scan always.
            pack: Name of the pack whose domain the items are of (`confidante.packs`), such as "media"; it is
                remembered. "none": items with labels and nothing more.

        Raises:
            VaultError: The folder cannot be opened, or not by this key.
        """
        source = Passphrase(key) if isinstance(key, str) else Keyring() if key is None else key
        self._vault = Vault.open(Path(folder), source, create=create, clock=clock)
        try:
            if pack is not None:
                storage_settings.set_pack(self._vault, pack)
            self._access = access = VaultAccess(self._vault)
            self.consents = Consents(self._vault)
            self.ledger = Ledger(self._vault, self.consents)
            self._rollback = RollbackGuard(self._vault, self.ledger, self.consents)
            self._rollback.check()
            going_on = keep_what_can_go_on(self._vault, self.consents.allowed)
            self.ledger.rounds.give_up_unfinished(going_on)
            self.settings = Settings(access, self.consents)
            self.history = History(access, self._learning)
            self._serving = Serving(access, graph_bytes)
            self.items = Items(access, self._serving)
            self.cohorts = Cohorts(access)
            person = Person(access, self.cohorts)
            self.recommender = Recommender(access, self._serving, person)
            self.taste = Tastes(access, self._serving, person)
            self.onboarding = Onboarding(access, self._serving, self._learning)
            self.refinement = RefinementClient(
                access, self.consents, self.ledger, self._serving, self.recommender
            )
            self.federation = Federation(
                access,
                self.consents,
                self.ledger,
                self._serving,
                self.cohorts,
                self.refinement._refresh_with,
            )
            self.history.erase_due()
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

    @property
    def folder(self) -> Path:
        """The profile's folder."""
        return self._vault.folder

    @property
    def pack(self) -> Pack:
        """The pack of this profile: whose domain its items are of."""
        return storage_settings.pack(self._vault)

    @property
    def protection(self) -> str:
        """What guards the key: "passphrase", "keyring", or "beside" (nothing)."""
        return self._vault.protection

    @property
    def rollback(self) -> Rollback | None:
        """What was missing because an older copy of the profile was put back; None when nothing was.

        A whole older copy is found only where the system's key ring guards the profile (`protection`), and so
        also keeps how far the profile is; an older part of budget, ledger or receipts is found everywhere. A
        backup that the person restores is an older copy, too: `accept_rollback`.
        """
        return self._rollback.notice

    def accept_rollback(self) -> None:
        """Have `rollback` say nothing of what was found: the person knows. What was charged stays charged."""
        self._rollback.accept()

    def now(self) -> float:
        """Return seconds since 1970 as the vault counts them: never less than before."""
        return self._vault.now()

    def close(self) -> None:
        """Write what was derived, so that the next start is quick, and let go of the folder.

        Whatever takes part in the background stops first; a round it is in goes on at the next start. Lists
        that are being refined stay as they are.
        """
        self._stop()
        with self._vault.lock:
            if not self._vault.closed:
                with suppress(VaultError):  # they are derived, and made again at the next start
                    self._serving.save()
                self._vault.close()

    def record(
        self,
        item_id: str,
        kind: str = "view",
        *,
        at: float | None = None,
        value: float | None = None,
        context: Mapping[str, str] | None = None,
    ) -> Event | None:
        """Remember an event; for many at once there is `history.record_many`.

        Args:
            item_id: Id of the item.
            kind: What it says of the item, by the words of `confidante.packs.signals` and of the pack: view,
                like, dislike, skip, seen, rating and many others; any other is declared first
                (`history.declare`). A kind that means wanted also puts the item on the saved list.
            at: When, in seconds since 1970; now when left out.
            value: A rating counts on the person's own scale, below their mean less, clearly below against; a
                price or minutes are kept and shown, and no more.
            context: Short texts by name, such as {"place": "home"}; {"out of": "10"} names the best value of
                a rating's scale where that is not the kind's.

        Returns:
            The event, or None when nothing was kept: learning is paused or switched off, or the kind means
            private.

        Raises:
            DataError: The item is unknown, nobody declared the kind, or something of the event cannot be
                kept.
        """
        when = self._vault.now() if at is None else at
        kept = NO_CONTEXT if context is None else context
        recorded = self.history.record_many([Event(0, item_id, kind, when, value, kept)])
        return recorded[0] if recorded else None

    @exclusive
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
        """Forget events: from the next answer on they count for nothing.

        They are erased at once, keys first; with `undo_seconds` they are hidden at once, and erased when that
        time has passed. That the items were had (`history.seen`) is forgotten with them, unless another event
        is left that means so. Name one of these:

        Args:
            event: The number of one event.
            events: Numbers of several; those that there are not any more do no harm.
            item: An item's id, for all of its events, and that it was had.
            since: Start of a time range, in seconds since 1970. What was had last in that time is forgotten
                as such even where its events were too old to be kept.
            until: End of a time range, not in it, in seconds since 1970.
            everything: All events and all that was had, and with them all wishes, edited tastes and what the
                person stated.
            undo_seconds: How long it can be undone, 0 to 2,592,000 (30 days).

        Returns:
            How many events were forgotten, how many items no longer count as had, and how to take it back.

        Raises:
            DataError: Nothing or several of these were named, or there is no such event or item.
            VaultError: It is forgotten, but there is no room to destroy the old key now.
        """
        ranged = since is not None or until is not None
        if sum((event is not None, events is not None, item is not None, ranged, everything)) != 1:
            raise DataError(
                "nothing was named to forget: name one event, several, one item, a time range, or everything"
            )
        chosen: Collection[int]
        seen = list[int]()
        if events is not None:
            chosen = [number for number in events if 0 <= number < 1 << 63]
        else:
            chosen = select(
                self._vault,
                number=None if event is None else max(event, 0),
                item=None if item is None else items.require_key(self._vault, item),
                since=since,
                until=until,
            )
        if item is not None:
            seen = [items.require_key(self._vault, item)]
        elif ranged:
            seen = marks.within(self._vault, since, until)
        if event is not None and not chosen:
            raise DataError(f"event {event} does not exist: list the history first")
        try:
            return forgetting.forget(
                self._vault, chosen, seen=seen, undo_seconds=undo_seconds, everything=everything
            )
        finally:
            self._access.changed()

    @exclusive
    def undo(self, token: str) -> int:
        """Take back a forgetting that can still be undone.

        Args:
            token: What `forget` or `history.seen.unmark` returned as `undo`.

        Returns:
            How many events came back.

        Raises:
            DataError: Its time has passed.
        """
        events = forgetting.undo(self._vault, token.encode(errors="replace").decode())
        self._access.changed()
        return events

    @exclusive
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
        """Return the best items, each with its exact reasons.

        Args:
            n: The most items to return, 0 to 1,000.
            filter: Keeps the items it returns True for.
            labels: Only items with one of these.
            exclude: Ids of items to leave out; unknown ones do no harm.
            context: Events of the same context count more.
            diversity: From 0.0 (best scores) to 1.0 (least alike).
            repeats: What the person had may come again.
            refine: Have the list refined as well (`refinement.use`). This answer is the local one all the
                same, at once, and its `refined()` waits for the other. `filter` is then called again, from
                another thread.

        Returns:
            The list, and a note when it is not what the person may expect.

        Raises:
            DataError: A number is out of range.
        """
        context = None if context is None else dict(context)
        request = Request(n, filter, tuple(labels), tuple(exclude), context, diversity, repeats)
        query = self.recommender._query(request)
        answer = self.recommender._top_k(query, request)
        return self.refinement._begin(answer, query, request) if refine else answer

    def explain(self, item_id: str, *, n: int = 5) -> Explanation:
        """Return why an item scores what it scores, and what its place hangs on.

        Args:
            item_id: Id of the item, wherever it ranks.
            n: Length of the list that the counterfactual is about: the fewest events that keep the item in
                the top `n`.

        Returns:
            The score with all its reasons, the item's rank, and the counterfactual.

        Raises:
            DataError: The item is unknown, or `n` is out of range.
        """
        return self.recommender.explain(item_id, n)

    def import_history(
        self,
        path: Path | str,
        format: str | None = None,  # noqa: A002  # the word that users expect
        *,
        person: str | None = None,
        date_order: str | None = None,
        dry_run: bool = False,
        add_missing: bool | None = None,
        progress: Callable[[str, float], None] | None = None,
    ) -> "ImportReport":
        """Read a history that the person has elsewhere. Importing the same file twice adds nothing.

        Args:
            path: The file, or the folder, as the other service gave it; or what `export` wrote.
            format: Its format; recognised by name and content when left out.
            person: Whose rows to read, in a file of several people or profiles, as it is called there.
            date_order: "day/month", "month/day" or "year/month": what dates like 3/4/21 are, if the file does
                not show it.
            dry_run: Only report.
            add_missing: Make items of titles that the library lacks; when left out, only if it is empty.
            progress: Told what is done, and how far it is, 0 to 1.

        Returns:
            What matched, what did not, and why.

        Raises:
            DataError: The file cannot be read; nothing of it is kept.
            ConsentError: Learning is switched off.
        """
        if not dry_run:
            self.consents.require(Purpose.LEARN)
        from confidante.device.importing.transfer import import_file
        from confidante.formats.timestamps import DateOrder

        with self._access.importing:
            self.history.erase_due()
            report = import_file(
                self._vault,
                self._serving,
                self.pack,
                Path(path),
                format,
                person=person,
                date_order=None if date_order is None else DateOrder.named(date_order),
                dry_run=dry_run,
                add_missing=add_missing,
                progress=progress,
            )
            with self._vault.lock:
                self._access.changed()
        return report

    @exclusive
    def export(self, path: Path | str) -> int:
        """Write everything known of the person as JSON lines, not encrypted, whole or not at all.

        Args:
            path: The file to write; `import_history` reads it back.

        Returns:
            The number of lines.

        Raises:
            DataError: The file cannot be written.
        """
        from confidante.device.importing.transfer import export_vault

        return export_vault(self._vault, Path(path))

    @exclusive
    def backup(self, folder: Path | str) -> None:
        """Copy the vault, encrypted; the same key opens the copy.

        What can still be undone is in the copy, hidden, and is erased there when the copy is used after its
        time.

        Args:
            folder: A new folder for the copy.

        Raises:
            VaultError: The folder cannot be written, or is in use.
        """
        self._serving.save()
        self._vault.backup(Path(folder))

    def change_key(self, key: KeySource | str) -> None:
        """Guard the profile by another key from now on, and destroy the one it had.

        What the disk still holds of the profile under the earlier key can no longer be read. Backups keep the
        key that they were made under. A passphrase that is lost cannot be restored, by anyone.

        Args:
            key: A passphrase, `Keyring()`, or `InsecurePlaintextKey()`, which protects nothing.

        Raises:
            VaultError: There is no room for a copy, or the key ring refuses; the earlier key stays.
        """
        self._vault.change_key(Passphrase(key) if isinstance(key, str) else key)

    def is_opened_by(self, key: KeySource | str) -> bool:
        """Return whether a key opens this profile, as to ask for a passphrase once more.

        Args:
            key: A passphrase, or another key source.
        """
        return self._vault.is_opened_by(Passphrase(key) if isinstance(key, str) else key)

    def erase(self) -> None:
        """Destroy the keys, then the vault, and close. Nothing can be taken back."""
        self._stop()
        with self._vault.lock:
            self._vault.erase()

    # --- within

    def _learning(self) -> bool:
        return self.settings.learning

    def _stop(self) -> None:
        self.federation.stop()
        self.refinement._stop()
