"""What a population's file means to devices and their people, for `confidante coordinator doctor`."""

from collections.abc import Iterator

from confidante.coordinator.config.population import Population
from confidante.coordinator.config.upload_sizes import upload_sizes
from confidante.coordinator.diagnostics.check import Check
from confidante.coordinator.enrolment.enrolment import change_ahead
from confidante.coordinator.store import Store
from confidante.core.durations import spoken
from confidante.core.errors import DataError, PlanError
from confidante.privacy.accounting import epsilon_of, gaussian_mu
from confidante.privacy.limits import DELTA, EPSILON_LIMIT
from confidante.wire.rounds import Tier
from confidante.wire.tokens import batch_of

_DAY = 86_400.0
_ROUNDED = 1.001  # what the accountant's rounding may add


def check_population(population: Population) -> list[Check]:
    """Return what its definition means: cohort, bytes that a device uploads, who joins, and tokens."""
    cohort = population.cohort
    return [
        Check(
            "population",
            good=True,
            said=f"{population.name}: {len(population.catalogue):,} items, {cohort.devices} devices a round, "
            f"of which {cohort.devices - cohort.minimum_survivors} may vanish",
        ),
        *check_uploads(population),
        *check_privacy(population),
        check_tokens(population),
    ]


def check_privacy(population: Population) -> Iterator[Check]:
    """Warn where nothing is promised, and where more is asked for than devices give by default."""
    if not population.noise:
        yield Check(
            "privacy",
            good=True,
            said=f"{population.name}: noise is off, so nobody is promised anything against those who see "
            "a sum or a model: whoever knows a person's history can tell whether it is in there (membership "
            "AUC 1.00 measured; 0.50 is a guess). Devices take part only if their person lifted all limits",
            warns=True,
        )
        return
    mu = gaussian_mu(population.epsilon, population.delta)
    as_counted = epsilon_of((1 / mu,), DELTA)
    if as_counted > EPSILON_LIMIT * _ROUNDED:
        yield Check(
            "privacy",
            good=True,
            said=f"{population.name}: epsilon {population.epsilon:g} at delta {population.delta:g} is "
            f"{as_counted:.3g} as devices count it (at delta {DELTA:g}), and they give "
            f"{EPSILON_LIMIT:g} in a lifetime unless their person raises it: a device that was in every "
            "round refuses the rest",
            warns=True,
        )


def check_uploads(population: Population) -> Iterator[Check]:
    """Return the bytes that a device sends in a round, task by task; a cross where one does not fit.

    Warns where devices that keep to the usual terms refuse a task.
    """
    try:
        found = upload_sizes(population)
    except PlanError as error:
        yield Check("uploads", good=False, said=f"{population.name}: {error}")
        return
    refused = dict[str, list[str]]()
    for one in found:
        who = "all devices" if one.tier is Tier.SMALL else "large devices"
        said = (
            f"{one.task}: at most {one.bytes:,} bytes a device ({one.entries:,} entries of {one.bits} bits)"
        )
        yield Check("uploads", good=True, said=f"{said}, of {who}")
        for why in one.refused:
            refused.setdefault(why, []).append(one.task)
    if refused:
        whys = (
            f"{why}{'' if len(tasks) == len(found) else ' for ' + ', '.join(tasks)}"
            for why, tasks in refused.items()
        )
        yield Check(
            "terms",
            good=True,
            said=f"{population.name}: devices whose terms nobody loosened refuse {'; '.join(whys)}",
            warns=True,
        )


def check_tokens(population: Population) -> Check:
    """Return how many devices of one network, or of another subject, can get tokens."""
    enrolling = population.enrolment
    if enrolling.verifier == "open":
        return Check(
            "tokens",
            good=True,
            said=f"{population.name}: none are asked for, so one person can be any number of devices",
            warns=True,
        )
    whose = {"address": "network", "invitation": "invitation"}.get(enrolling.verifier, "subject")
    batch, daily = batch_of(enrolling.most), enrolling.most * _DAY / enrolling.seconds
    return Check(
        "tokens",
        good=True,
        said=f"{population.name}: at most {daily / batch:,.0f} devices of one {whose} a day are given any "
        f"({enrolling.most} in {spoken(enrolling.seconds)}, {batch} at once; a round costs one)",
    )


def check_announced(store: Store, population: Population, now: float) -> Iterator[Check]:
    """Warn while the public log does not say yet what the file does; a cross when its verifier is none."""
    try:
        ahead = change_ahead(store, population.name, population.enrolment, now)
    except DataError as error:
        yield Check("tokens", good=False, said=f"{population.name}: {error}")
        return
    if ahead:
        yield Check("tokens", good=True, said=ahead, warns=True)
