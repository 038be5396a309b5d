"""What a person agreed to give a term of, and how a coordinator's offer is held against it."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import final

from confidante.core.errors import PlanError
from confidante.crypto.identity import PublicIdentity
from confidante.device.privacy.chain import canonical
from confidante.device.values import Purpose
from confidante.privacy.plan import SumPlan
from confidante.secagg.config import RoundConfig
from confidante.tasks.base import Task
from confidante.tasks.registry import kind_of


@final
@dataclass(frozen=True, slots=True)
class Offer:
    """What a coordinator says of a round. config: `RoundConfig.encode`; roster: who takes part, in order."""

    config: bytes
    roster: tuple[PublicIdentity, ...]


@final
@dataclass(frozen=True, slots=True)
class Agreement:
    """What the person agreed to give a term of, apart from any round.

    plan: bounds, noise and cohort; task: what is computed; items: ids of the items, in the order that the
    task counts them; purpose: the switch it needs; counts: what an entry of the vector counts, in words;
    name_of: what to call entry i when the person reads their own. Raises PlanError when task and plan do
    not fit, or the task is none of that switch.
    """

    plan: SumPlan
    task: Task
    items: tuple[str, ...]
    purpose: Purpose
    counts: str
    name_of: Callable[[int], str] = "entry {}".format

    def __post_init__(self) -> None:
        """Refuse a plan that is not of this task, and a purpose for which nothing is sent."""
        plan, task = self.plan, self.task
        if not self.purpose.sends:
            raise PlanError(
                f"{plan.task}: nothing is sent for the purpose {self.purpose.value}: name another"
            )
        if self.purpose not in kind_of(task).purposes:
            raise PlanError(f"{plan.task}: is announced for the purpose {self.purpose.value}: not joined")
        planned = (plan.task, plan.length, plan.l2_bound, plan.linf_bound)
        if planned != (task.name, task.length, task.l2_bound, task.linf_bound):
            raise PlanError(f"{plan.task}: name, length or bounds differ from those of the task {task.name}")

    @property
    def digest(self) -> bytes:
        """sha256 of the plan, the purpose and the items."""
        plan = asdict(self.plan)
        del plan["mechanism"]  # what travels as a plan has Skellam noise
        return hashlib.sha256(canonical([plan, self.purpose.value, list(self.items)]).encode()).digest()


def agreed_config(plan: SumPlan, offer: Offer) -> RoundConfig:
    """Return the configuration of the agreed plan for the offered round; PlanError when the offer differs."""
    offered = RoundConfig.decode(offer.config)
    ours = RoundConfig.of_plan(plan, offered.round_id, offered.graph_seed)
    if ours != offered:
        mine, theirs = asdict(ours), asdict(offered)
        differing = ", ".join(
            f"{name} {theirs[name]}, not {mine[name]}" for name in mine if mine[name] != theirs[name]
        )
        raise PlanError(
            f"{plan.task}: the coordinator offers a round with {differing}, other than in the agreed plan"
        )
    return ours
