"""What it takes to have lists refined, fetched from a coordinator: never right before a question.

the public log      names all of it, the same for everybody
the query side      what events say, the server's items
the item side       its vectors, when the policy is to download them; with it, what is fresh
tokens              when the policy is to ask, and the server wants them
"""

import hashlib
import time
from typing import final

import msgspec
import numpy as np

from confidante.core.errors import DataError, EgressError, WireError
from confidante.core.values import Item
from confidante.device.catalog.serving import Serving
from confidante.device.federation import downloads
from confidante.device.federation.coordinator_client import CoordinatorClient, RefusedError
from confidante.device.federation.verified_log import VerifiedLog
from confidante.device.federation.wallet import Evidence
from confidante.device.refinement import vault_state
from confidante.device.refinement.announcement_delay import settled
from confidante.device.refinement.download_policy import Way, days_between
from confidante.device.refinement.scoring_tokens import STOCK, wallet
from confidante.device.refinement.status import decision
from confidante.device.refinement.vault_state import Prepared, Setup
from confidante.device.storage import items
from confidante.device.storage.vault import Vault
from confidante.device.values import Purpose
from confidante.models.refinement.codec import MAX_BYTES, decode_items, decode_query
from confidante.models.refinement.model import QuerySide
from confidante.wire.refinement import FRESH_PATH, LOG_KIND, Fresh, RefinementOffer
from confidante.wire.rounds import decode

_PURPOSE = Purpose.REFINE
_ITEMS_AT_ONCE = 256
_BETWEEN = 0.002  # seconds in which whoever waits for the vault gets it


@final
class RefinementSync:
    """Fetches for one setting."""

    def __init__(self, vault: Vault, serving: Serving, client: CoordinatorClient, setup: Setup) -> None:
        """client: to the coordinator of `setup`."""
        self._vault, self._serving, self._client, self._setup = vault, serving, client, setup

    def prepare(self, evidence: Evidence | None = None) -> None:
        """Fetch what is new, and ask nothing for a few minutes from then on (`vault_state.rest`).

        evidence: what to show where tokens for questions are given for something.

        EgressError when the coordinator cannot be reached or refines nothing, WireError when it talks
        nonsense, ForkedLogError when it shows another log or other vectors than it announces.
        """
        vault_state.rest(self._vault)
        try:
            self._prepare(evidence)
        except RefusedError as error:
            raise EgressError(f"the server did not deliver its vectors: {error}") from None
        finally:
            vault_state.rest(self._vault)  # anew: it may have taken long

    def _prepare(self, evidence: Evidence | None) -> None:
        vault, setup = self._vault, self._setup
        log = VerifiedLog(vault, self._client.destination)
        log.catch_up(self._client, _PURPOSE)
        announced = log.refinements(setup.population)
        if not announced:
            raise EgressError(
                f"{setup.population}: the coordinator cannot refine lists yet (no [refinement] table, or "
                "no model so far): try again after its next training"
            )
        offered = self._settled(log)
        first = {said.table: at for at, said in reversed(announced)}  # a new key alone is no new vectors
        days = days_between(sorted(first.values()))
        query = self._body(vault_state.QUERY_BODY, offered.model, "query side")
        side = decode_query(query)
        if side.table != offered.table:
            raise WireError("the coordinator's query side does not belong to the vectors in its public log")
        kept = vault.read_body(vault_state.TABLE_BODY) or b""
        at_hand = hashlib.sha256(kept).digest() == offered.table
        found = Prepared(
            vault.now(),
            offered,
            days,
            side.items,
            side.dimensions,
            side.bucket_count,
            side.bucket_size,
            at_hand,
        )
        table, fresh = b"", None
        if decision(vault, setup, found).way is Way.DOWNLOAD:
            table, fresh = self._download(offered, side)
        found = msgspec.structs.replace(found, downloaded=bool(table))
        self._take_items(side)
        self._keep(found, query, table, fresh)
        if not table and offered.most:
            wallet(vault, self._client, setup.population, evidence).stock(
                min(STOCK, max(offered.most // 2, 1))
            )

    def _settled(self, log: VerifiedLog) -> RefinementOffer:
        """Return what to go by of what was announced; what was fetched before while nothing else counts."""
        vault, population = self._vault, self._setup.population
        whole = log.whole(LOG_KIND, population)
        found, before = (
            settled(log.refinements(population), vault.now(), whole=whole),
            vault_state.prepared(vault),
        )
        if found is not None:
            return found
        if before is None:
            raise EgressError(
                f"{population}: the server announced new vectors again and again within an hour, by which "
                "devices could be told apart, so they are not used: try again in an hour"
            )
        return before.offered

    def _body(self, name: str, digest: bytes, what: str) -> bytes:
        """Return a body that the log names: as it is kept, or fetched."""
        kept = self._vault.read_body(name) or b""
        if hashlib.sha256(kept).digest() == digest:
            return kept
        return downloads.fetch(
            self._vault, self._client, digest, what=what, purpose=_PURPOSE, most_bytes=MAX_BYTES, base=kept
        )

    def _download(self, offered: RefinementOffer, side: QuerySide) -> tuple[bytes, Fresh]:
        """Return the server's vectors, and what is fresh."""
        data = self._body(vault_state.TABLE_BODY, offered.table, "item side")
        if decode_items(data).vectors.shape != (side.items, side.dimensions):
            raise WireError("the server's vectors do not fit its query side")
        answer = self._client.ask(
            "GET",
            FRESH_PATH.format(population=self._setup.population),
            purpose=_PURPOSE,
            content={"question": "which items can be had, and the operator's rules"},
            visible="That a device that has the server's vectors asks which items can be had.",
            task="fetching what a server refines with",
        )
        fresh = decode(answer.body, Fresh)
        fresh.read(side.items)
        if fresh.about != offered.model:
            raise WireError("the fresh data is about other vectors than the public log names: try again")
        return data, fresh

    def _keep(self, found: Prepared, query: bytes, table: bytes, fresh: Fresh | None) -> None:
        """Write all of it, or nothing."""
        vault = self._vault
        with vault.write():
            self._require_chosen()
            vault.write_body(vault_state.QUERY_BODY, query)
            vault.write_body(vault_state.TABLE_BODY, table or None)
            if fresh is None:
                vault.write_body(vault_state.FRESH_BODY, None)
            else:
                vault_state.keep_fresh(vault, fresh)
            vault_state.keep_prepared(vault, found)

    def _take_items(self, side: QuerySide) -> None:
        """Add items that came with this catalogue, and take out those that came with an older one only.

        A few at a time, so that lists are recommended meanwhile.
        """
        vault, now = self._vault, side.catalogue
        brought, withdrawn = vault_state.brought(vault)
        known = set(items.known_ids(vault, now.ids))
        new = [
            Item(*row)
            for row in zip(now.ids, now.titles, now.labels, strict=True)
            if row[0] not in known or row[0] in withdrawn
        ]
        gone = brought - set(now.ids)
        for start in range(0, len(new), _ITEMS_AT_ONCE):
            self._take(new[start : start + _ITEMS_AT_ONCE], frozenset())
            time.sleep(_BETWEEN)
        if gone:
            self._take([], gone)

    def _take(self, new: list[Item], gone: frozenset[str]) -> None:
        """Add some items and take others out, and remember that they came and went with this server."""
        vault = self._vault
        try:
            with vault.lock, self._serving.as_before_if_it_fails(), vault.write():
                self._require_chosen()
                came, went = vault_state.brought(vault)
                self._serving.add(new)
                taken_out = self._offered_here(gone)
                if taken_out:
                    self._serving.remove(taken_out)
                ids = {item.id for item in new}
                vault_state.keep_brought(vault, (came - gone) | ids, (went - ids) | taken_out)
        except DataError as error:
            raise WireError(f"the server's items cannot be used: {error}") from None

    def _offered_here(self, ids: frozenset[str]) -> frozenset[str]:
        """Return those items that can be recommended here: others were taken out by the person or the app."""
        library, keys = self._serving.library, items.keys_of(self._vault, ids)
        rows = library.rows_of(np.array(list(keys.values()), dtype=np.int64))
        return frozenset(
            item for item, row in zip(keys, rows.tolist(), strict=True) if row >= 0 and library.live[row]
        )

    def _require_chosen(self) -> None:
        if vault_state.setup(self._vault) != self._setup:
            raise EgressError("another server was chosen in the meantime: fetch again")
