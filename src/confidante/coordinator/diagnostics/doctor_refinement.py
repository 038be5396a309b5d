"""What refining lists takes, for `confidante coordinator doctor`."""

from collections.abc import Iterator

from confidante.coordinator.config.population import Population
from confidante.coordinator.config.refinement import RefinementTerms, read_offer
from confidante.coordinator.diagnostics.check import Check
from confidante.coordinator.refinement.schemes import missing, scheme_of
from confidante.coordinator.refinement.scorer import HANDS
from confidante.core.durations import spoken
from confidante.core.errors import DataError

_NAME = "refinement"
_BLOCK, _ROOM = 2048, 1.25  # items of a block of BFV; how much fuller than even a bucket may be
_COLUMN_BYTES = 8 * _BLOCK


def check_refinement(population: Population) -> Iterator[Check]:
    """Look at what lists are refined with; nothing where they are not."""
    terms = population.refinement
    if terms is None:
        return
    lacking = missing()
    if lacking:
        yield Check(_NAME, good=False, said=f"{population.name}: what it needs is not installed: {lacking}")
    try:
        names = ", ".join(scheme_of(place).name for place in terms.schemes)
        offer = read_offer(terms.items, terms.vectors)
    except DataError as error:
        yield Check(_NAME, good=False, said=f"{population.name}: {error}")
        return
    items = len(offer.catalogue)
    yield Check(
        _NAME,
        good=True,
        said=f"{population.name}: {items:,} items of {terms.dimensions} dimensions, of which "
        f"{int(offer.there.sum()):,} can be had, by {names}; about "
        f"{_table_bytes(terms, items) / 1e6:,.0f} MB for each worker, and as much again for an hour after "
        "they changed",
    )
    yield from _check_limits(population, terms)


def _check_limits(population: Population, terms: RefinementTerms) -> Iterator[Check]:
    """Say where questions give the vectors away."""
    name, limit = population.name, f"{terms.most} questions in {spoken(terms.seconds)}"
    if not terms.secret:
        each = "nothing limits questions" if population.enrolment.verifier == "open" else f"{limit} each"
        yield Check(_NAME, good=True, said=f"{name}: the vectors are public; {each}")
    elif population.enrolment.verifier == "open":
        yield Check(
            _NAME,
            good=True,
            warns=True,
            said=f"{name}: the vectors are secret, and nothing limits questions: {terms.dimensions} give "
            "them away; set enrolment.verifier to address or invitation",
        )
    elif terms.most >= terms.dimensions:
        yield Check(
            _NAME,
            good=True,
            warns=True,
            said=f"{name}: the vectors are secret, and {limit} are given to one subject: "
            f"{terms.dimensions}, the number of dimensions, give them away; lower refinement.tokens",
        )
    else:
        days = -(-terms.dimensions // terms.most) * terms.seconds
        yield Check(
            _NAME,
            good=True,
            said=f"{name}: {limit} for each subject; one alone has the secret vectors after {spoken(days)}",
        )


def _table_bytes(terms: RefinementTerms, items: int) -> int:
    """Return the bytes of a table of all items and one of each bucket, in all processes that score."""
    blocks = -(-items // _BLOCK)
    if terms.buckets:
        blocks += terms.buckets * -(-int(_ROOM * items / terms.buckets + 1) // _BLOCK)
    return blocks * terms.dimensions * _COLUMN_BYTES * HANDS
