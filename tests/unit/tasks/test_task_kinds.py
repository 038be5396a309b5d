"""Every kind of task that is registered keeps the contract, and its bytes are those of version 0.1."""

import numpy as np
import pytest
from model_worlds import catalogue_of, random_people

from confidante.core.errors import DataError
from confidante.core.values import Catalogue, Histories
from confidante.models.features import feature_basis
from confidante.models.scoring import ModelName
from confidante.tasks import registry
from confidante.tasks.base import Task, TaskConfig
from confidante.tasks.cohorts.config import CohortConfig
from confidante.tasks.cohorts.task import CohortTask
from confidante.tasks.cohorts.tree import CohortTree, Group, everyone_by
from confidante.tasks.compare import CompareConfig, CompareTask
from confidante.tasks.contributors import ContributorConfig, ContributorTask
from confidante.tasks.feature_pairs import FeaturePairTask
from confidante.tasks.item_pairs import ItemPairTask
from confidante.tasks.likes import LikesTask
from confidante.tasks.popularity import PopularityConfig, PopularityTask
from confidante.tasks.quality import QualityConfig, QualityTask
from confidante.tasks.registry import decode_task, encode_task, kind_of, kinds
from confidante.testing.task_contract import check_kind
from confidante.wire.catalogue import CatalogueWire

ITEMS = 30
WIRE = CatalogueWire(catalogue_of(ITEMS))
PEOPLE = random_people(12, ITEMS, 25, seed=1)
A, B = ModelName(bytes(32)), ModelName(bytes(range(32)))
AGES = {"age": ("young", "old")}
KNOWN: dict[str, tuple[Task, TaskConfig | None]] = {
    "popularity": (PopularityTask(ITEMS), PopularityConfig(epsilon=1.0)),
    "contributors": (ContributorTask(ITEMS, 9), ContributorConfig(epsilon=1.0, most_items=9)),
    "quality": (QualityTask(B, 5), QualityConfig(epsilon=1.0, k=5)),
    "compare": (CompareTask(A, B, 5), CompareConfig(epsilon=1.0, k=5)),
    "cohorts": (CohortTask(everyone_by(AGES), ITEMS), CohortConfig(epsilon=1.0, by=AGES)),
    "feature pairs": (FeaturePairTask(feature_basis(WIRE.catalogue).matrix, 8, 3.0, 500), None),
    "item pairs": (ItemPairTask(np.arange(9), np.ones(9), ITEMS, 8, 3.0, 500), None),
    "picks": (LikesTask(np.array([2, 11, 5]), ITEMS), None),
}


class Named:
    """A model that was published, and here prefers items by their number."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest

    def score(self, histories: Histories) -> np.ndarray:
        return np.tile(np.arange(float(ITEMS)), (histories.people, 1))


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_every_registered_task_keeps_the_contract(kind):
    task, config = KNOWN[kind.name]
    check_kind(kind, task, PEOPLE, WIRE, config, Named)


# Written by version 0.1: devices and coordinators in the field read and compare these bytes.
OLD = Catalogue(("a", "b", "c"), ("Alien (1979)", "Brazil", ""), (("horror",), (), ("horror", "ü")))
OLD_BYTES = (
    "94ab636174616c6f677565203193a161a162a16393ac416c69656e20283139373929a64272617a696ca0"
    "9391a6686f72726f729092a6686f72726f72a2c3bc"
)
DIGEST = "3ee99c245dcd2324f85a36a50a1d4c8e65ca4602efb7d503cbf173090bcd6f46"
TREE = CohortTree(
    (
        Group("everyone", -1),
        Group("young", 0, "age", ("18-24",)),
        Group("sad", 1, labels=("horror",), items=("b",)),
    )
)
# The task, its bytes before the digest of the catalogue, and those after it.
GOLDEN = [
    (
        PopularityTask(3),
        "92ac706f70756c61726974792031c420",
        "",
    ),
    (
        FeaturePairTask(feature_basis(OLD).matrix, 8, 3.0, 500),
        "96af666561747572652070616972732031c420",
        "0108cb4008000000000000cd01f4",
    ),
    (
        ItemPairTask(np.array([2, 0]), np.array([0.5, 2.0]), 3, 8, 3.0, 500),
        "97ac6974656d2070616972732031c420",
        "c4080200000000000000c410000000000000e03f000000000000004008cb4008000000000000cd01f4",
    ),
    (
        ContributorTask(3, 50),
        "93ae636f6e7472696275746f72732031c420",
        "32",
    ),
    (
        QualityTask(B, 10),
        "94a97175616c6974792031c420",
        "c420000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0a",
    ),
    (
        CompareTask(A, B, 10),
        "95a9636f6d706172652031c420",
        "c4200000000000000000000000000000000000000000000000000000000000000000c420000102030405"
        "060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0a",
    ),
    (
        CohortTask(TREE, 3),
        "94a9636f686f7274732031c420",
        "c44792ad636f686f7274207472656520319396a865766572796f6e65ffa090909096a5796f756e6700a3"
        "61676591a531382d3234909096a373616401a09091a6686f72726f7291a162c400",
    ),
    (
        CohortTask(TREE, 3, np.array([2, 1])),
        "94a9636f686f7274732031c420",
        "c44792ad636f686f7274207472656520319396a865766572796f6e65ffa090909096a5796f756e6700a3"
        "61676591a531382d3234909096a373616401a09091a6686f72726f7291a162c4080200000001000000",
    ),
    (
        LikesTask(np.array([2, 0]), 3),
        "94a77069636b732031c420",
        "c4080200000000000000c400",
    ),
    (
        LikesTask(np.array([1]), 3, np.array([0, 2])),
        "94a77069636b732031c420",
        "c40401000000c4080000000002000000",
    ),
]


@pytest.mark.parametrize(("task", "before", "after"), GOLDEN, ids=[one[0].name for one in GOLDEN])
def test_the_bytes_of_a_task_are_what_they_were(task, before, after):
    wire = CatalogueWire(OLD)
    assert wire.data.hex() == OLD_BYTES
    assert encode_task(task, wire).hex() == before + DIGEST + after
    back = decode_task(bytes.fromhex(before + DIGEST + after), wire)
    assert (back.name, back.length, back.l2_bound, back.linf_bound) == (
        task.name,
        task.length,
        task.l2_bound,
        task.linf_bound,
    )
    assert encode_task(back, wire).hex() == before + DIGEST + after


def test_every_kind_has_golden_bytes():
    assert {kind_of(task) for task, _, _ in GOLDEN} == {*kinds()}


class Point:
    """An entry point of another package."""

    name, value = "mine", "mine:KIND"

    def __init__(self, kind):
        self.kind = kind

    def load(self):
        return self.kind


@pytest.mark.parametrize(
    ("kind", "said"),
    [(kind_of(PopularityTask(3)), "are both the task 'popularity'"), ("?", "is not a TaskKind")],
)
def test_what_another_package_cannot_register_is_refused(monkeypatch, kind, said):
    monkeypatch.setattr(registry, "entry_points", lambda group: [Point(kind)])
    with pytest.raises(DataError, match=said):
        kinds.__wrapped__()
