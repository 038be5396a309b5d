"""What one population refines lists with: made of its newest model and its offer, and announced.

All workers make the same of the same, so whichever comes first announces it, and the others take it from the
bodies. Announcements lie `LEAST_KEY_SECONDS` apart, so that none could be for a single device. A change of
stock or boosts makes nothing anew: it is said with every answer.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import final

import msgspec
import numpy as np

from confidante.coordinator.config.population import Population
from confidante.coordinator.config.refinement import OfferedItems, RefinementTerms
from confidante.coordinator.refinement.gateway_keys import config_of
from confidante.coordinator.refinement.offer_files import OfferFiles
from confidante.coordinator.refinement.schemes import scheme_of
from confidante.coordinator.refinement.scorer import Vectors
from confidante.coordinator.rounds.training_history import TrainingHistory
from confidante.coordinator.store import Store
from confidante.coordinator.store.bodies import Bodies
from confidante.coordinator.store.values import GatewayRow, RefinementRow
from confidante.core.durations import spoken
from confidante.core.errors import DataError, WireError
from confidante.models import snapshot
from confidante.models.refinement.build import build
from confidante.models.refinement.codec import decode_items, decode_query, encode_items, encode_query
from confidante.models.refinement.model import ItemSide, QuerySide
from confidante.packs.registry import pack_named
from confidante.tasks.base import NEWEST
from confidante.wire.catalogue import CatalogueWire
from confidante.wire.refinement import ALL, LOG_KIND, Fresh, RefinementOffer
from confidante.wire.rounds import decode, encode
from confidante.wire.tokens import LEAST_KEY_SECONDS

PREVIOUS_SECONDS = 86400.0
"""For which questions about the vectors before are answered, after newer ones were announced."""

_MADE_AS = b"confidante refinement 1\n"


@final
@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """Vectors that questions may be about. fresh: encoded, too; tag: names those bytes; offer: read when."""

    offered: RefinementOffer
    query: QuerySide
    items: ItemSide
    fresh: Fresh
    fresh_bytes: bytes
    tag: str
    offer: int

    def table(self, scheme: str, bucket: int) -> str:
        """Return the name of a table."""
        return f"{self.offered.model.hex()} {scheme} {bucket}"


@final
class Offering:
    """The refinement of one population in one process. `look` is for one thread, all else for any."""

    def __init__(
        self,
        store: Store,
        bodies: Bodies,
        population: Population,
        terms: RefinementTerms,
        config: Callable[[], bytes],
        *,
        tokens: bool,
        trainings: TrainingHistory | None = None,
        least: float = LEAST_KEY_SECONDS,
    ) -> None:
        """terms: how it refines; config: of the gateway's key; tokens: whether questions cost some.

        least: seconds from one announcement to the next; devices take nothing sooner than the default.
        """
        self._store, self._bodies, self._name, self._terms = store, bodies, population.name, terms
        self._config, self._tokens = config, tokens
        self._trainings = trainings or TrainingHistory(store, bodies, population)
        self._schemes = {scheme_of(place).name: place for place in terms.schemes}
        self._files, self._least = OfferFiles(terms), least
        self._tried = (b"", "")
        self._since = (b"", 0.0)
        self._agreed = False
        self.served: tuple[Served, ...] = ()

    def look(self, now: float) -> bool:
        """See whether anything changed, and follow; True when other tables are served than before.

        Raises StoreError; call it again.
        """
        self._files.look()
        problem, changed = self._files.problem, False
        row = self._store.refinement.standing(self._name)
        try:
            row, waits = self._announce(row, now)
            problem = problem or waits
        except (DataError, WireError) as error:
            problem = problem or str(error)
        try:
            changed = self._follow(row, now)
        except WireError as error:  # of another version of this program
            problem = problem or str(error)
        if problem != row.problem:
            self._store.refinement.note(self._name, problem)
        return changed

    def find(self, about: bytes) -> Served | None:
        """Return what a question is about, None when that is too old or was never there."""
        return next((one for one in self.served if one.offered.model == about), None)

    def tables(self) -> Mapping[str, Vectors]:
        """Return all tables that may be asked, by name."""
        found = {}
        for one in self.served:
            for scheme in one.offered.schemes:
                place = self._schemes[scheme]
                found[one.table(scheme, ALL)] = Vectors(place, one.items.vectors)
                for bucket in range(one.query.bucket_count):
                    rows = one.items.bucket(one.query, bucket)
                    found[one.table(scheme, bucket)] = Vectors(place, rows)
        return found

    # --- what it is made of

    def _announce(self, row: RefinementRow, now: float) -> tuple[RefinementRow, str]:
        """Make and announce what is to be refined with, if that is not what the log says.

        Returns how things stand then, and what is waited for, empty for nothing.
        """
        said, offered = decode(row.said, RefinementOffer) if row.said else None, None
        inputs, items, model, offer = row.inputs, row.items, "", self._files.offer
        if offer is not None:
            model = self._trainings.widest(next(self._trainings.models(NEWEST), ""))
            if not model:
                raise DataError("no model has been published yet")
            inputs, items = self._inputs(model, offer), len(offer.catalogue)
        if inputs == self._tried[0] != row.inputs:  # another host has other files: who changed last is right
            if self._tried[1]:
                raise DataError(self._tried[1])
            return row, ""
        if inputs == row.inputs:
            self._tried = (inputs, "")
            offered = None if said is None else self._still(said)
            if offered is None or offered == said:
                return row, ""
        if too_soon := self._too_soon(row, now):
            a_key = said and offered and msgspec.structs.replace(offered, key=said.key) == said
            return row, "" if a_key else too_soon
        if offered is None:
            assert offer is not None  # noqa: S101  (the inputs are others)
            offered = self._try(inputs, model, offer)
        if self._store.refinement.announce(
            self._name,
            LOG_KIND,
            partial(_encoded, offered),
            inputs,
            items,
            row.said,
            now,
            renewed=said is None or said.model != offered.model,
            least=self._least,
        ):
            self._tried, self._agreed = (inputs, ""), True
        return self._store.refinement.standing(self._name), ""

    def _too_soon(self, row: RefinementRow, now: float) -> str:
        """Return in words when the next announcement may be made; empty when it may be now."""
        if not row.said:
            return ""
        if self._since[0] != row.said:
            self._since = row.said, self._store.refinement.said_at(LOG_KIND, row.said)
        then = self._since[1] + self._least
        if now >= then:
            self._since = b"", 0.0  # it may have been said anew since: looked up again next time
            return ""
        return (
            f"what is newer is announced at {datetime.fromtimestamp(then, UTC):%H:%M:%S} UTC: "
            f"two announcements are {spoken(self._least)} apart"
        )

    def _try(self, inputs: bytes, model: str, offer: OfferedItems) -> RefinementOffer:
        """Make the vectors; what cannot be made is not tried again before something changes."""
        try:
            return self._make(model, offer)
        except (DataError, WireError) as error:
            self._tried = (inputs, str(error))
            raise

    def _inputs(self, model: str, offer: OfferedItems) -> bytes:
        """Return what names the model, the items and the terms that vectors are made of."""
        terms = f"{self._terms.dimensions} {self._terms.buckets}\n".encode()
        names = bytes.fromhex(model) + CatalogueWire(offer.catalogue).digest + offer.content_name
        return hashlib.sha256(_MADE_AS + terms + names).digest()

    def _make(self, model: str, offer: OfferedItems) -> RefinementOffer:
        published = snapshot.decode(self._bodies.get(model))
        pack = pack_named(self._trainings.population.catalogue.pack)
        query, items = build(
            published,
            pack.read(offer.catalogue),
            dimensions=self._terms.dimensions,
            content=offer.content,
            buckets=self._terms.buckets,
        )
        names = [bytes.fromhex(self._bodies.put(data)) for data in (encode_query(query), encode_items(items))]
        return self._said(RefinementOffer("none", names[0], names[1], False, ("none",), bytes(41)))

    def _said(self, offered: RefinementOffer) -> RefinementOffer:
        """Return what is to be announced of vectors that are made."""
        terms = self._terms
        return msgspec.structs.replace(
            offered,
            population=self._name,
            secret=terms.secret,
            schemes=tuple(self._schemes),
            key=self._config(),
            most=terms.most if self._tokens else 0,
            seconds=terms.seconds,
        )

    def _still(self, said: RefinementOffer) -> RefinementOffer:
        """Return what is to be announced of vectors that the log has.

        Terms that were these and are others now are of a host that changed them later: they stay.
        """
        wanted, same = self._said(said), msgspec.structs.replace(said, key=self._config())
        self._agreed = self._agreed or wanted == same
        return same if self._agreed else wanted

    # --- what is served

    def _follow(self, row: RefinementRow, now: float) -> bool:
        """Serve what the log says, and for a while what it said before."""
        wanted = [decode(row.said, RefinementOffer)] if row.said else []
        if row.previous and now < row.at + PREVIOUS_SECONDS:
            before = decode(row.previous, RefinementOffer)
            wanted += [before] if before.model != wanted[0].model else []
        old = {one.offered.model: one for one in self.served}
        self.served = tuple(self._serve(one, old.get(one.model)) for one in wanted)
        return {one.table(scheme, ALL) for one in self.served for scheme in one.offered.schemes} != {
            one.table(scheme, ALL) for one in old.values() for scheme in one.offered.schemes
        }

    def _serve(self, offered: RefinementOffer, old: Served | None) -> Served:
        # What the log says of schemes may be of another host's file: those that are known here are served.
        offered = msgspec.structs.replace(
            offered, schemes=tuple(name for name in offered.schemes if name in self._schemes)
        )
        query = old.query if old else decode_query(self._bodies.get(offered.model.hex()))
        items = old.items if old else decode_items(self._bodies.get(offered.table.hex()))
        if old is not None and old.offered == offered and old.offer == self._files.times:
            return old
        fresh = self._fresh(offered.model, query.catalogue.ids)
        data = encode(fresh)
        tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
        return Served(offered, query, items, fresh, data, tag, self._files.times)

    def _fresh(self, about: bytes, ids: tuple[str, ...]) -> Fresh:
        if self._files.offer is None:  # nothing is known of stock, so nothing is said
            return Fresh(about, self._files.changed, 0.0, np.zeros(len(ids), dtype=np.int8).tobytes())
        return self._files.offer.fresh(about, ids, self._files.changed)


def _encoded(offered: RefinementOffer, newest: GatewayRow) -> bytes:
    return encode(msgspec.structs.replace(offered, key=config_of(newest)))
