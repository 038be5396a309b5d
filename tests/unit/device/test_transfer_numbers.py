"""Numbers, ratings and prices: what is read, in which way, and what is left unread."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.values import Price
from confidante.formats.numbers import Paid, Rating, decimal_mark, read_number, read_price, read_rating


@pytest.mark.parametrize(
    ("column", "mark", "first"),
    [
        (("1,234", "2,5"), ",", "1.234"),
        (("1,234", "2.50"), ".", "1234"),
        (("1,234", "999"), None, None),
        (("1,234", "2,5", "2.5"), None, None),
        (("1.234", "4,5"), ",", "1234"),
        (("3.125", "4.250"), None, "3.125"),
        (("1.234,50",), ",", "1234.50"),
        (("1'234.50",), ".", "1234.50"),
        (("12,34,567.00",), ".", "1234567.00"),
        (("1 234,5",), ",", "1234.5"),
        (("\u22125",), None, "-5"),
        (("1e-3",), None, "0.001"),
        (("0x10",), None, None),
        (("12,3456",), ",", "12.3456"),
        (("1,23,4",), None, None),
    ],
)
def test_a_column_decides_what_a_comma_is(
    column: tuple[str, ...], mark: str | None, first: str | None
) -> None:
    assert decimal_mark(column) == mark
    assert read_number(column[0], mark) == (None if first is None else Decimal(first))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4/5", Rating(4, 5)),
        ("8 out of 10", Rating(8, 10)),
        ("80%", Rating(80, 100)),
        ("★★★★½", Rating(4.5, 5)),
        ("★★★☆☆", Rating(3, 5)),
        ("4½", Rating(4.5)),
        ("4 stars", Rating(4)),
        ("4,5", Rating(4.5)),
        ("-2", Rating(-2)),
        ("7/5", None),
        ("4/0", None),
        ("good", None),
        ("inf", None),
        ("NaN", None),
    ],
)
def test_ratings_as_people_write_them(text: str, expected: Rating | None) -> None:
    assert read_rating(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("£20", Paid(Decimal(20), Price(Decimal(20), "GBP"))),
        ("EUR 4,50", Paid(Decimal("4.50"), Price(Decimal("4.50"), "EUR"))),
        ("$20", Paid(Decimal(20))),  # whose dollars nobody says
        ("2 x £3.00", Paid(Decimal("3.00"), Price(Decimal("3.00"), "GBP"), 2)),
        ("-5.00", Paid(Decimal("-5.00"))),
        ("1,234", None),
        ("a pound", None),
        ("3 apples", None),
    ],
)
def test_prices_as_people_write_them(text: str, expected: Paid | None) -> None:
    assert read_price(text) == expected


@given(st.text(max_size=60), st.sampled_from([None, ".", ","]))
def test_any_text_is_a_number_or_none(text: str, mark: str | None) -> None:
    decimal_mark([text])
    for read in (read_number, read_rating, read_price):
        read(text, mark)


@given(st.decimals(0, 10**9, places=2), st.sampled_from([("", "."), (",", "."), (".", ","), (" ", ",")]))
def test_money_is_read_back_exactly(amount: Decimal, marks: tuple[str, str]) -> None:
    group, mark = marks
    written = f"{amount:,.2f}".replace(",", "_").replace(".", mark).replace("_", group)
    assert read_number(written) == amount
