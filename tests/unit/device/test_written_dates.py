# ruff: noqa: RUF001 - other scripts are the point here
"""Dates as exporters write them, in the languages of their users."""

from datetime import UTC, datetime

import pytest

from confidante.formats.timestamps import DateOrder
from confidante.formats.written_dates import habits_of, parse_words


def iso(text: str, *others: str) -> str | None:
    habits, _ = habits_of((text, *others))
    found = parse_words(text, habits)
    return None if found is None else datetime.fromtimestamp(found[0], UTC).isoformat()[:19] + found[1]


@pytest.mark.parametrize(
    "text",
    [
        "Mar 2, 2024, 3:04:05\u202fPM UTC",
        "2 paź 2024, 15:04:05 UTC",
        "2 октября 2024 г., 15:04:05 UTC",
        "2 жовт. 2024 р., 15:04:05 UTC",
        "2024. 3. 2. 오후 3:04:05 UTC",
        "2024년 3월 2일 오후 3시 4분 5초 UTC",
        "2024年3月2日 下午3:04:05 [UTC]",
        "2024年3月2日 15時04分05秒 UTC",
        "2. mar. 2024 15.04.05 UTC",
        "2.3.2024 klo 15.04.05 UTC",
        "2. 3. 2024 15:04:05 UTC",
        "2024. 03. 02. 15:04:05 UTC",
        "2 Eki 2024 15:04:05 UTC",
        "15:04:05 2 thg 3, 2024 UTC",
        "2024 оны 3-р сарын 2 15:04:05 UTC",
        "2024(e)ko martxoaren 2(a) (15:04:05 UTC)",
        "2 במרץ 2024, 15:04:05 UTC",
        "٠٢‏/٠٣‏/٢٠٢٤، ٣:٠٤:٠٥ م UTC",
        "۱۲ اسفند ۱۴۰۲، ۱۵:۰۴:۰۵ UTC",
        "2 มี.ค. 2567 15:04:05 UTC",
        "2 मार्च 2024, 3:04:05 pm UTC",
        "২ মার্চ, ২০২৪, ৩:০৪:০৫ PM UTC",
        "2 de mar. de 2024, 15:04:05 UTC",
        "2 de marzo de 2024 a las 3:04:05 p. m. UTC",
        "2. März 2024 um 15:04:05 UTC",
        "2024. gada 2. marts 15:04:05 UTC",
    ],
)
def test_one_moment_in_many_languages(text: str) -> None:
    month = 10 if any(word in text for word in ("paź", "октября", "жовт", "Eki")) else 3
    assert iso(text) == f"2024-{month:02}-02T15:04:05"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2. 3. 2024 15:04:05 SEČ", "14:04:05"),
        ("02.03.2024, 15:04:05 MEZ", "14:04:05"),
        ("2 Mar 2024 15:04:05 TRT", "12:04:05"),
        ("2 Mar 2024 15:04:05 AWST", "07:04:05"),  # and not August, which is Awst in Welsh
        ("2024年3月2日 15:04:05 CST", "07:04:05"),
        ("Mar 2, 2024, 3:04:05 PM CST", "21:04:05"),
        ("Mar 2, 2024, 3:04:05 PM GMT+05:30", "09:34:05"),
        ("2 mars 2024, 15:04:05 UTC−5", "20:04:05"),
        ("2 במרץ 2024, 15:04:05 IST", "13:04:05"),
    ],
)
def test_zones_are_those_of_the_language(text: str, utc: str) -> None:
    assert iso(text) == f"2024-03-02T{utc}"


def test_the_time_zone_ist_is_told_from_the_other_dates_or_said() -> None:
    winter, summer = "2 Jan 2024, 15:04:05 IST", "2 Jul 2024, 15:04:05 IST"
    assert iso(summer, "2 Jan 2024, 15:04:05 GMT") == "2024-07-02T14:04:05"  # Ireland
    assert iso(winter, "2 Jul 2024, 15:04:05 IDT") == "2024-01-02T13:04:05"  # Israel
    assert habits_of([winter, summer])[1] == ()  # only India has it all the year
    habits, (note,) = habits_of([winter])
    assert (parse_words(winter, habits), note) == (
        (datetime(2024, 1, 2, 9, 34, 5, tzinfo=UTC).timestamp(), ""),
        "the time zone IST is India's, Israel's or Ireland's: taken as India's",
    )


def test_a_word_of_two_months_is_decided_by_the_language_of_the_file() -> None:
    assert iso("2. lis 2024 15:04:05 UTC") is None
    assert iso("2. lis 2024 15:04:05 UTC", "3. svi 2024 15:04:05 UTC") == "2024-10-02T15:04:05"
    assert iso("2 lis 2024 15:04:05 UTC", "3 maj 2024 15:04:05 UTC") == "2024-11-02T15:04:05"


@pytest.mark.parametrize(
    "text",
    [
        "2 Mar 2024 at noon",
        "2 Mar 2024 3",
        "Mar 2, 2024, 3:04:05 zz",
        "Mar 2, 2024, zz 3:04:05",
        "2 Mar 2024 25:00",
        "2.3.2024 klo 15",
        "31 Feb 2024",
        "noon",
    ],
)
def test_a_time_that_is_there_and_not_understood_is_no_midnight(text: str) -> None:
    assert iso(text) is None


def test_an_unknown_word_beside_hours_of_a_whole_day_says_nothing() -> None:
    assert iso("Mar 2, 2024, zz 3:04:05", "Mar 2, 2024, zz 15:04:05") == "2024-03-02T03:04:05"


def test_the_order_of_numbers_is_that_of_the_language_or_what_the_person_says() -> None:
    arabic, english = "3/4/2024, 3:04 م", "3/4/2024, 3:04 PM"
    assert habits_of([arabic])[0].order is DateOrder.DAY_FIRST
    assert (habits_of([english])[0].order, habits_of([english])[0].doubt) == (None, "3/4/2024")
    assert habits_of([english], DateOrder.DAY_FIRST)[0].order is DateOrder.DAY_FIRST
    assert habits_of([english, "3/14/2024, 3:04 PM"])[0].order is DateOrder.MONTH_FIRST


@pytest.mark.parametrize(
    ("dates", "order"),
    [
        (("24. 12. 28.", "24. 3. 4."), DateOrder.YEAR_FIRST),  # Korean
        (("24/12/28", "24/12/17", "24/11/30"), DateOrder.YEAR_FIRST),  # only so steadily through time
        (("28/12/24", "17/12/24", "30/11/24"), DateOrder.DAY_FIRST),
        (("24/12/20", "3/1/21", "24/12/21"), DateOrder.DAY_FIRST),
    ],
)
def test_a_year_of_two_digits_may_stand_first(dates: tuple[str, ...], order: DateOrder) -> None:
    habits, _ = habits_of(dates)
    assert habits.order is order
    year = 2024 if order is DateOrder.YEAR_FIRST or dates[0].endswith("24") else 2020
    assert iso(*dates) == f"{year}-12-{28 if year == 2024 else 24}T00:00:00"
