"""What everybody in a round agrees on before it starts; one digest binds it into every key and signature."""

import hashlib
import struct
from dataclasses import astuple, dataclass
from functools import cached_property
from typing import final

from confidante.core.errors import PlanError, WireError
from confidante.core.proportions import whole_part
from confidante.crypto.identity import PublicIdentity, degenerate
from confidante.privacy.plan import SumPlan
from confidante.secagg.graph import (
    MIN_CLIENTS,
    Graph,
    graph_size,
    signatures_checked,
)
from confidante.secagg.packing import MAX_BITS, MIN_BITS

ROUND_ID_BYTES = 32
SEED_BYTES = 32
MAX_CLIENTS = 1 << 16
MAX_LENGTH = 1 << 26
_FORM = struct.Struct("<32s32sIIIIIIIIQQ")
_VERSION = b"confidante secure sum 3\n"


@final
@dataclass(frozen=True, slots=True)
class RoundConfig:
    """The public parameters of one round.

    round_id: 32 bytes never used before. graph_seed: 32 public bytes that nobody could foresee when the
    roster was fixed. n, k, t: clients, neighbours each, shares that give a secret back. spread:
    survivors that any two disjoint runs of k/2 places of the circle must keep. min_survivors: the
    round ends without a sum below so many. max_corrupt: clients that may work with the server. length, bits:
    entries of a vector, and of the ring Z_2^bits.

    max_abs_entry bounds every entry of one client's vector *before* noise; noise_headroom bounds the absolute
    value of the *whole* noise in an entry, summed over all clients. Only the caller knows the noise, so it
    owns the (negligible) chance that the noise exceeds its headroom; what is checked here is that the sum
    cannot wrap as long as both bounds hold: n * max_abs_entry + noise_headroom < 2^(bits - 1).

    Raises PlanError on anything impossible.
    """

    round_id: bytes
    graph_seed: bytes
    n: int
    k: int
    t: int
    spread: int
    min_survivors: int
    max_corrupt: int
    length: int
    bits: int
    max_abs_entry: int
    noise_headroom: int

    def __post_init__(self) -> None:
        """Refuse parameters that are impossible, unsafe, or could let the sum wrap."""
        _require(len(self.round_id) == ROUND_ID_BYTES, f"round_id has {ROUND_ID_BYTES} bytes")
        _require(len(self.graph_seed) == SEED_BYTES, f"graph_seed has {SEED_BYTES} bytes")
        _require(MIN_CLIENTS <= self.n <= MAX_CLIENTS, f"a round has {MIN_CLIENTS} to {MAX_CLIENTS} clients")
        _require(
            self.k == self.n - 1 or (2 <= self.k < self.n and self.k % 2 == 0),
            "the degree k is n - 1, or even and smaller",
        )
        _require(2 <= self.t <= self.k, "the threshold t is 2 to k")
        _require(1 <= self.spread <= self.k, "spread is 1 to k")
        _require(self.t < self.min_survivors <= self.n, "min_survivors is more than t and at most n")
        _require(0 <= self.max_corrupt < self.n, "max_corrupt is 0 to n - 1")
        _require(
            2 * self.min_survivors > self.n + self.max_corrupt,
            "2 * min_survivors must exceed n + max_corrupt, or two groups could be shown different survivors",
        )
        _require(1 <= self.length <= MAX_LENGTH, f"a vector has 1 to {MAX_LENGTH} entries")
        _require(MIN_BITS <= self.bits <= MAX_BITS, f"entries have {MIN_BITS} to {MAX_BITS} bits")
        _require(self.max_abs_entry >= 1 and self.noise_headroom >= 0, "bounds of entries are positive")
        worst = self.n * self.max_abs_entry + self.noise_headroom
        _require(
            worst < 1 << (self.bits - 1),
            f"the sum could wrap: {self.n} clients of at most {self.max_abs_entry} and noise of at most "
            f"{self.noise_headroom} reach {worst}, and {self.bits} bits hold less than "
            f"{1 << (self.bits - 1)}; use more bits, a coarser scale or fewer clients",
        )

    @classmethod
    def plan(
        cls,
        *,
        round_id: bytes,
        graph_seed: bytes,
        n: int,
        length: int,
        bits: int,
        max_abs_entry: int,
        noise_headroom: int = 0,
        max_dropout: float = 0.3,
        max_collusion: float = 0.1,
        security_bits: int = 40,
    ) -> "RoundConfig":
        """Return a configuration whose graph, threshold and minimum follow from dropout and collusion."""
        k, t, spread = graph_size(n, max_dropout, max_collusion, security_bits)
        survivors, corrupt = n - whole_part(n, max_dropout), whole_part(n, max_collusion)
        sizes = (n, k, t, spread, survivors, corrupt)
        return cls(round_id, graph_seed, *sizes, length, bits, max_abs_entry, noise_headroom)

    @classmethod
    def of_plan(cls, plan: SumPlan, round_id: bytes, graph_seed: bytes) -> "RoundConfig":
        """Return what follows from the plan of a sum: a coordinator and each device work out the same."""
        return cls.plan(
            round_id=round_id,
            graph_seed=graph_seed,
            n=plan.cohort.devices,
            length=plan.length,
            bits=plan.bits,
            max_abs_entry=plan.linf_int,
            noise_headroom=plan.headroom,
            max_dropout=plan.cohort.max_dropout,
            max_collusion=plan.cohort.max_collusion,
        )

    @property
    def signatures_checked(self) -> int:
        """How many confirmations a client checks: all in a small round, a secret sample in a large one."""
        return signatures_checked(self.n, self.min_survivors, self.max_corrupt)

    def encode(self) -> bytes:
        """Return the canonical bytes."""
        return _VERSION + _FORM.pack(*astuple(self))

    @classmethod
    def decode(cls, data: bytes) -> "RoundConfig":
        """Return the configuration in `data`; WireError when malformed, PlanError when impossible."""
        if data[: len(_VERSION)] != _VERSION or len(data) != len(_VERSION) + _FORM.size:
            raise WireError("not a round configuration of version 3")
        return cls(*_FORM.unpack_from(data, len(_VERSION)))


@final
class RoundSetup:
    """A configuration and its roster: who may take part, in the order that gives each client its index."""

    def __init__(self, config: RoundConfig, roster: tuple[PublicIdentity, ...]) -> None:
        """Bind both; PlanError when the roster has not n distinct identities, or a degenerate key."""
        _require(len(roster) == config.n, f"the roster names {len(roster)} clients, the round {config.n}")
        self._keys = [key for who in roster for key in (who.signing, who.channel)]
        _require(len(set(self._keys)) == 2 * config.n, "the roster repeats a key")
        for index, who in enumerate(roster):  # its neighbours would all leave the round
            _require(not degenerate(who.channel), f"number {index} of the roster has a degenerate key")
        self.config = config
        self.roster = roster
        self._verified: set[tuple[int, bytes, bytes]] = set()

    @cached_property
    def digest(self) -> bytes:
        """32 bytes that differ whenever any parameter or any identity differs."""
        return hashlib.sha256(b"".join((b"confidante setup\n", self.config.encode(), *self._keys))).digest()

    @cached_property
    def graph(self) -> Graph:
        """The graph that the public seed decides."""
        return Graph(self.config.graph_seed, self.config.n, self.config.k)

    def signed(self, client: int, signature: bytes, statement: bytes) -> bool:
        """Whether `client` signed `statement`; what was found genuine once is not computed again.

        That saves nothing to a device, which checks a signature once. It saves much where one process plays
        all devices with one setup (`run_round`).
        """
        known = (client, signature, statement)
        if known not in self._verified:
            if not self.roster[client].signed(signature, statement):
                return False
            self._verified.add(known)
        return True


def _require(condition: bool, rule: str) -> None:
    if not condition:
        raise PlanError(f"round configuration: {rule}")
