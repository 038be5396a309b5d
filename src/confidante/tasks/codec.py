"""A task, its plan and its catalogue as bytes: what a coordinator shows a device before the device agrees.

A task names its catalogue by digest, since entries of a vector are counted in the order of its items.
Features do not travel: both ends work them out from the catalogue. Nor do models: a task names them by the
sha256 of their bytes, as the public log does, and who computes fetches them first. Anybody may hand a device
such bytes: whatever is malformed, out of bounds or of another catalogue is a WireError. The same task gives
the same bytes.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import astuple
from typing import Annotated, Any, final

import msgspec
import numpy as np
from numpy.typing import NDArray

from confidante.core.errors import DataError, PlanError, WireError
from confidante.core.values import Catalogue
from confidante.models.features import feature_basis
from confidante.models.scoring import ModelName, PublishedScores, Scores
from confidante.privacy.mechanisms.skellam import SKELLAM
from confidante.privacy.plan import Cohort, SumPlan
from confidante.tasks.base import Task
from confidante.tasks.cohorts import MAX_TREE_BYTES, CohortTask, CohortTree
from confidante.tasks.contributors import ContributorTask
from confidante.tasks.feature_pairs import FeaturePairTask
from confidante.tasks.item_pairs import ItemPairTask
from confidante.tasks.likes import LikesTask
from confidante.tasks.popularity import PopularityTask
from confidante.tasks.quality import CompareTask, QualityTask

MAX_BYTES = 1 << 27
"""Size of the largest catalogue or task."""

MOST_SLATE = 512
"""Items of the longest slate."""

_Digest = Annotated[bytes, msgspec.Meta(min_length=32, max_length=32)]
_Events = Annotated[int, msgspec.Meta(ge=1, le=1 << 20)]
_MOST_ENTRIES = 1 << 26
_Size = Annotated[int, msgspec.Meta(ge=1, le=_MOST_ENTRIES)]
_Positive = Annotated[float, msgspec.Meta(gt=0, le=1e100)]


class _Popularity(
    msgspec.Struct, tag="popularity 1", array_like=True, forbid_unknown_fields=True, frozen=True
):
    catalogue: _Digest


class _FeaturePairs(
    msgspec.Struct, tag="feature pairs 1", array_like=True, forbid_unknown_fields=True, frozen=True
):
    catalogue: _Digest
    features: _Size
    window: _Events
    half_life: _Positive
    history: _Events


class _ItemPairs(
    msgspec.Struct, tag="item pairs 1", array_like=True, forbid_unknown_fields=True, frozen=True
):
    """basis: little-endian u32 each; pair_weights: little-endian float64 each."""

    catalogue: _Digest
    basis: bytes
    pair_weights: bytes
    window: _Events
    half_life: _Positive
    history: _Events


class _Contributors(
    msgspec.Struct, tag="contributors 1", array_like=True, forbid_unknown_fields=True, frozen=True
):
    catalogue: _Digest
    most_items: _Events


class _Quality(msgspec.Struct, tag="quality 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    catalogue: _Digest
    model: _Digest
    k: _Events


class _Compare(msgspec.Struct, tag="compare 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    catalogue: _Digest
    a: _Digest
    b: _Digest
    k: _Events


class _Cohorts(msgspec.Struct, tag="cohorts 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    """tree: as `CohortTree.encode` writes it; columns: little-endian u32 each, nothing for all items."""

    catalogue: _Digest
    tree: Annotated[bytes, msgspec.Meta(max_length=MAX_TREE_BYTES)]
    columns: bytes


class _Picks(msgspec.Struct, tag="picks 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    """slate, columns: little-endian u32 each; no columns for all items."""

    catalogue: _Digest
    slate: bytes
    columns: bytes


_Form = _Popularity | _FeaturePairs | _ItemPairs | _Contributors | _Quality | _Compare | _Cohorts | _Picks
Models = Callable[[bytes], Scores]


class _Plan(msgspec.Struct, tag="plan 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    """The fields of `SumPlan`, then those of its cohort."""

    task: Annotated[str, msgspec.Meta(max_length=200)]
    length: _Size
    l2_bound: float
    linf_bound: float
    scale: float
    bits: int
    noise_multiplier: float
    devices: Annotated[int, msgspec.Meta(ge=2, le=1 << 16)]
    max_dropout: float
    max_collusion: float


class _Catalogue(msgspec.Struct, tag="catalogue 1", array_like=True, forbid_unknown_fields=True, frozen=True):
    ids: tuple[str, ...]
    titles: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]


@final
class CatalogueWire:
    """A catalogue and its bytes: tasks are encoded and decoded against it.

    data: the canonical bytes; digest: their SHA-256, 32 bytes, the catalogue's name in a task.
    Raises DataError for text that is no Unicode.
    """

    __slots__ = ("_features", "catalogue", "data", "digest")

    def __init__(self, catalogue: Catalogue) -> None:
        """Encode `catalogue` once."""
        self.catalogue = catalogue
        try:
            self.data = msgspec.msgpack.encode(_Catalogue(catalogue.ids, catalogue.titles, catalogue.labels))
        except UnicodeEncodeError:
            raise DataError("the catalogue has text that is no Unicode: mend its titles and labels") from None
        self.digest = hashlib.sha256(self.data).digest()
        self._features: Any = None

    @classmethod
    def decode(cls, data: bytes) -> "CatalogueWire":
        """Return the catalogue in canonical bytes; WireError when they are not."""
        found = _read(data, _Catalogue, "a catalogue")
        try:
            wire = cls(Catalogue(found.ids, found.titles, found.labels))
        except DataError as error:
            raise WireError(f"a catalogue cannot be used: {error}") from None
        _require(wire.data == bytes(data), "a catalogue is not in its one form: make it anew")
        return wire

    def encode_task(self, task: Task) -> bytes:
        """Return the bytes of a task over this catalogue.

        DataError when the task is of another catalogue, of a kind that does not travel, or has bounds other
        than its kind's.
        """
        match task:
            case PopularityTask():
                form: msgspec.Struct = _Popularity(self.digest)
            case FeaturePairTask():
                form = _FeaturePairs(
                    self.digest, int(task.features.shape[1]), task.window, task.half_life, task.history
                )
            case ItemPairTask():
                form = _ItemPairs(
                    self.digest,
                    task.basis.astype("<u4").tobytes(),
                    task.pair_weights.astype("<f8").tobytes(),
                    task.window,
                    task.half_life,
                    task.history,
                )
            case ContributorTask():
                form = _Contributors(self.digest, task.most_items)
            case QualityTask():
                form = _Quality(self.digest, _named(task.model), task.k)
            case CompareTask():
                form = _Compare(self.digest, _named(task.a), _named(task.b), task.k)
            case CohortTask():
                form = _Cohorts(self.digest, task.tree.encode(), _rows_out(task.columns))
            case LikesTask():
                form = _Picks(self.digest, _rows_out(task.slate), _rows_out(task.columns))
            case _:
                raise DataError(f"{task.name}: a task of this kind cannot be sent to devices")
        data = msgspec.msgpack.encode(form)
        try:
            back = self.decode_task(data)
        except WireError as error:
            raise DataError(f"{task.name}: the task cannot be sent to devices: {error}") from None
        if _outside(back) != _outside(task):
            raise DataError(f"{task.name}: length or bounds are not those of its kind over this catalogue")
        return data

    def names(self, task: bytes) -> bool:
        """Whether a task in bytes is of this catalogue; WireError when it is malformed."""
        form = _read(task, _Form, "a task")
        return bool(form.catalogue == self.digest)

    def decode_task(self, data: bytes, models: Models = ModelName) -> Task:
        """Return the task in `data`; WireError when it is malformed or of another catalogue.

        models: gives the model of a digest (`models_named`), ready to score this catalogue. Without it a task
        that grades lists can be looked at and not computed; nor can one over cohorts before it is `placed`.
        """
        form = _read(data, _Form, "a task")
        _require(
            form.catalogue == self.digest,
            "a task is of another catalogue than the one at hand: fetch the catalogue that it names",
        )
        match form:
            case _Popularity():
                return PopularityTask(len(self.catalogue))
            case _FeaturePairs():
                matrix = self._feature_matrix()
                _require(
                    matrix.shape[1] == form.features,
                    f"a task counts {form.features} features, the catalogue has {matrix.shape[1]}: "
                    "device and coordinator run different versions",
                )
                return FeaturePairTask(matrix, form.window, form.half_life, form.history)
            case _Contributors():
                return ContributorTask(len(self.catalogue), form.most_items)
            case _Quality():
                return QualityTask(models(form.model), form.k)
            case _Compare():
                return CompareTask(models(form.a), models(form.b), form.k)
            case _Cohorts():
                return self._cohorts(form)
            case _Picks():
                return self._picks(form)
        return self._item_pairs(form)

    def _cohorts(self, form: _Cohorts) -> CohortTask:
        tree, columns = CohortTree.decode(form.tree), self._rows_in(form.columns)
        task = CohortTask(tree, len(self.catalogue), columns)
        _require(0 < task.length <= _MOST_ENTRIES, f"a task over cohorts has {task.length} entries: too many")
        return task

    def _picks(self, form: _Picks) -> LikesTask:
        slate = self._rows_in(form.slate)
        _require(
            slate is not None and len(slate) <= MOST_SLATE, "a task over picks has a slate out of bounds"
        )
        assert slate is not None  # noqa: S101  (just required)
        task = LikesTask(slate, len(self.catalogue), self._rows_in(form.columns))
        _require(0 < task.length <= _MOST_ENTRIES, f"a task over picks has {task.length} entries: too many")
        return task

    def _rows_in(self, rows: bytes) -> NDArray[np.int64] | None:
        """Return different items of the catalogue, None for no bytes."""
        if not rows:
            return None
        _require(len(rows) % 4 == 0, "a task counts items that there are not")
        found = np.frombuffer(rows, dtype="<u4").astype(np.int64)
        _require(int(found.max()) < len(self.catalogue), "a task names an item that there is not")
        _require(len(np.unique(found)) == len(found), "a task names an item twice")
        return found

    def _item_pairs(self, form: _ItemPairs) -> ItemPairTask:
        size, odd = divmod(len(form.basis), 4)
        _require(
            not odd and 2 <= size <= len(self.catalogue) and len(form.pair_weights) == 8 * size,
            "a task over item pairs has a basis of the wrong size",
        )
        basis = np.frombuffer(form.basis, dtype="<u4").astype(np.int64)
        weights = np.frombuffer(form.pair_weights, dtype="<f8").astype(np.float64)
        _require(int(basis.max()) < len(self.catalogue), "a task names an item that there is not")
        _require(len(np.unique(basis)) == size, "a task names an item twice")
        sound = np.isfinite(weights) & (weights > 0) & (weights <= 1e100)
        _require(bool(sound.all()), "a task weighs an item by a number that is no finite one above 0")
        return ItemPairTask(basis, weights, len(self.catalogue), form.window, form.half_life, form.history)

    def _feature_matrix(self) -> Any:
        if self._features is None:
            self._features = feature_basis(self.catalogue).matrix
        return self._features


def kind_of(task: bytes) -> str:
    """Return the kind of a task in bytes, as "item pairs" or "quality"; WireError when malformed."""
    form = _read(task, _Form, "a task")
    return str(form.__struct_config__.tag).rpartition(" ")[0]


def models_named(task: bytes) -> tuple[bytes, ...]:
    """Return the models, by sha256 of their bytes, that a task in bytes needs; WireError when malformed."""
    match _read(task, _Form, "a task"):
        case _Quality(model=model):
            return (model,)
        case _Compare(a=a, b=b):
            return (a, b) if a != b else (a,)
    return ()


def encode_plan(plan: SumPlan) -> bytes:
    """Return the bytes of a plan; floats travel exactly. PlanError for noise other than Skellam's."""
    *fields, _cohort, mechanism = (getattr(plan, name) for name in SumPlan.__dataclass_fields__)
    if mechanism != SKELLAM:
        raise PlanError(f"{plan.task}: {mechanism.name} noise is for simulations: devices know Skellam noise")
    return msgspec.msgpack.encode(_Plan(*fields, *astuple(plan.cohort)))


def decode_plan(data: bytes) -> SumPlan:
    """Return the plan in `data`; WireError when malformed, PlanError when it cannot be kept."""
    form = _read(data, _Plan, "a plan")
    numbers = (form.l2_bound, form.linf_bound, form.scale, form.noise_multiplier)
    parts = (form.max_dropout, form.max_collusion)
    _require(all(map(math.isfinite, numbers + parts)), "a plan has a number that is not finite")
    try:
        return SumPlan(
            form.task,
            form.length,
            form.l2_bound,
            form.linf_bound,
            form.scale,
            form.bits,
            form.noise_multiplier,
            Cohort(form.devices, form.max_dropout, form.max_collusion),
        )
    except OverflowError:
        raise PlanError(f"{form.task}: its bounds are out of all proportion") from None


def _rows_out(rows: NDArray[np.int64] | None) -> bytes:
    return b"" if rows is None else rows.astype("<u4").tobytes()


def _named(model: Scores) -> bytes:
    if not isinstance(model, PublishedScores | ModelName):
        raise DataError("a model that was not published has no name: publish it first")
    return model.digest


def _outside(task: Task) -> tuple[str, int, float, float]:
    return task.name, task.length, task.l2_bound, task.linf_bound


def _read(data: bytes, kind: Any, what: str) -> Any:
    _require(len(data) <= MAX_BYTES, f"{what} has {len(data)} bytes, at most {MAX_BYTES} are read")
    decode: Callable[..., Any] = msgspec.msgpack.decode
    try:
        return decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(f"{what} cannot be read: it is malformed ({error})") from None


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise WireError(problem)
