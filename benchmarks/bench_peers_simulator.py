"""Client updates a second: our simulator doing real work beside pfl 0.6.0 doing none, in the same run.

Theirs is pfl's `SimulatedBackend` with numpy arrays (its default operations; torch is neither installed nor
imported). Each user's update is the same ready-made float32 vector of zeros, added up by pfl's
`SumAggregator`; the users' data set is one empty object made beforehand, there are no postprocessors, no
metrics and no model. Two ways to choose the users:

- `sampler`: pfl's own `FederatedDataset` with its cheapest sampler, what every user of pfl runs;
- `no sampler`: a data set of ours that hands the same user over and over, so that pfl's reseeding of numpy
  for each user, two thirds of its time here, is not counted. Nobody runs pfl like that; it favours pfl.

Ours is `bench_simulator.py`'s popularity case (about 30 numbers of the vector, clipped, quantised, summed,
noise at the end), its `empty` case, which is the same work as theirs, and its dense worst case.

pfl runs in an environment of its own (`.venv-peers`, requirements/peers.txt), started by this program.
"""

import json
from typing import Any

import numpy as np

from _timing import in_child, in_peers, parser, peak_mib, rates, seconds_of

LENGTHS = (1_000, 100_000)
USERS, REPEATS = 5_000, 7
OURS = ("popularity", "empty", "dense")
THEIRS = ("sampler", "no sampler")


def theirs(kind: str, length: int) -> dict[str, Any]:
    """Run in the peers' environment."""
    from pfl.aggregate.simulate import SimulatedBackend
    from pfl.algorithm.base import FederatedAlgorithm
    from pfl.common_types import Population
    from pfl.context import CentralContext
    from pfl.data.dataset import Dataset
    from pfl.data.federated_dataset import FederatedDataset, FederatedDatasetBase
    from pfl.data.sampling import get_user_sampler
    from pfl.hyperparam.base import AlgorithmHyperParams, ModelHyperParams
    from pfl.metrics import Metrics
    from pfl.model.base import Model
    from pfl.stats import MappedVectorStatistics

    vector = np.zeros(length, dtype=np.float32)
    user = Dataset([np.zeros(1)])

    class Nothing(FederatedAlgorithm):
        def simulate_one_user(self, *_: object) -> tuple[MappedVectorStatistics, Metrics]:
            return MappedVectorStatistics({"vector": vector}), Metrics()

        def get_next_central_contexts(self, *_: object) -> None: ...
        def process_aggregated_statistics(self, *_: object) -> None: ...

    class SameUser(FederatedDatasetBase):
        def __next__(self) -> tuple[Dataset, int]:
            return user, 0

        def get_cohort(self, cohort_size: int) -> list[tuple[Dataset, int]]:
            return [(user, 0)] * cohort_size

    if kind == "sampler":
        data = FederatedDataset(lambda _id: user, get_user_sampler("minimize_reuse", list(range(USERS))))
    else:
        data = SameUser()
    backend = SimulatedBackend(data, data)
    context = CentralContext(
        current_central_iteration=0,
        do_evaluation=False,
        cohort_size=USERS,
        population=Population.TRAIN,
        algorithm_params=AlgorithmHyperParams(),
        model_train_params=ModelHyperParams(),
    )
    model, algorithm = Model(), Nothing()

    def gather() -> None:
        total, _ = backend.gather_results(model=model, training_algorithm=algorithm, central_context=context)
        if total.weight != USERS or total["vector"].shape != (length,):
            raise RuntimeError("pfl did not add up every user: this benchmark no longer uses it rightly")

    return {
        "kind": kind,
        "length": length,
        "users": USERS,
        "updates_per_second": rates(USERS, seconds_of(gather, REPEATS)),
        "peak_mib": peak_mib(),
    }


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--peer", nargs=2, metavar=("KIND", "LENGTH"), help="the part run with pfl")
    given = options.parse_args()
    if given.peer:
        print(json.dumps(theirs(given.peer[0], int(given.peer[1]))))
        return
    from bench_simulator import __file__ as simulator

    out = []
    for length in LENGTHS:
        peers = [in_peers(__file__, "--peer", kind, length) for kind in THEIRS]
        for kind in OURS:
            case = in_child(simulator, "--case", kind, length)
            for peer in peers:
                case[f"ratio_to_pfl_{peer['kind'].replace(' ', '_')}"] = (
                    case["updates_per_second"]["median"] / peer["updates_per_second"]["median"]
                )
            out.append({"who": "ours", **case})
        out += [{"who": "pfl", **peer} for peer in peers]
    if given.json:
        print(json.dumps({"cases": out}))
        return
    for case in out:
        rate = case["updates_per_second"]
        ratio = (
            f"; {case['ratio_to_pfl_sampler']:.2f} times pfl, {case['ratio_to_pfl_no_sampler']:.2f} times "
            "pfl without its sampler"
            if case["who"] == "ours"
            else ""
        )
        print(
            f"{case['who']:4} {case['kind']:10} {case['length']:>7,} numbers: {rate['median']:>9,.0f} "
            f"updates/s [{rate['minimum']:,.0f} to {rate['maximum']:,.0f}], "
            f"peak {case['peak_mib']:,.0f} MiB{ratio}"
        )


if __name__ == "__main__":
    main()
