"""What a foreign title means: the same work however it is written, never another that looks like it."""

# ruff: noqa: RUF001  # letters of other scripts that look like Latin ones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from confidante.core.spelling import marks_agree, spelled
from confidante.core.values import Item
from confidante.device.importing import ForeignEvent, TitleIndex
from confidante.packs.media import MEDIA
from confidante.packs.media.titles import shared_beginnings, show_of


def found(library: list[Item], title: str, **more: object) -> str | None:
    """Return the title of the item that is found."""
    event = ForeignEvent(title, 1e9, "view", **more)  # type: ignore[arg-type]
    known = TitleIndex(enumerate(library), MEDIA).find(event)
    return None if known is None else library[known[0]].title


def items(*titles: str, **more: object) -> list[Item]:
    return [Item(f"i{k}", title, **more) for k, title in enumerate(titles)]  # type: ignore[arg-type]


SONG, FILM, BOOK, SHOW = ({"medium": medium} for medium in ("song", "film", "book", "show"))


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("パリの灯", "バリの灯"),
        ("はは", "ばば"),
        ("दिल", "दाल"),
        ("Мой дом", "Мои дом"),
        ("น้ำตา", "นำตา"),
        ("கலா", "கல"),
        ("বান", "বন"),
        ("كتاب", "كُتّاب"),
        ("שלום", "שלוֹם"),
        ("감사", "감시"),
        ("Їжак", "Іжак"),
        ("bá", "bà"),
        ("Bạn", "Ban"),
        ("C", "C#"),
        ("C", "C++"),
        ("C#", "C++"),
        ("Disney", "Disney+"),
        ("9.99", "$9.99"),
        ("Hack", ".hack"),
        ("1", "+1"),
        ("1", "-1"),
        ("???", "?"),
        ("÷", "+"),
        ("Romeo + Juliet", "Romeo and Juliet"),
        ("Ocean's 11", "Ocean's Eleven"),
        ("Steel Rider", "Steel Rider: Chapter 2"),
        ("Steel Rider", "Steel Rider 2"),
        ("Steel Rider", "Steel Rider II"),
        ("Steel Rider", "Steel Rider (Part 2)"),
        ("Steel Rider (2014)", "Steel Rider (Part 2) (2014)"),
        ("Red Vow: Vol. 1", "Red Vow: Vol. 2"),
        ("Red Vow", "Red Vow: A Colder Oath"),
        ("Saga", "Saga (Saga, #3)"),
        ("Night Guard", "Night Guard (Night Guard, #1-3)"),
        ("Glow", "Glow (Live)"),
        ("Glow", "Glow - Acoustic"),
        ("Glow", "Glow (Q Remix)"),
        ("Glow", "Glow (Karaoke Version)"),
        ("Glow", "Glow - Instrumental"),
        ("Glow", "Glow (Ada's Version)"),
        ("Stay", "Stay (With Me)"),
        ("Sorry", "Sorry (I Came Too Late)"),
        ("Dunes (1984)", "Dunes (2021)"),
        ("The Star", "A Star"),
        ("Hard", "Die Hard"),
    ],
)
def test_another_title_is_another_work(here: str, there: str) -> None:
    assert found(items(here), there) is None
    assert found(items(there), here) is None
    assert found(items(here, there), there) == there


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("Alien 3", "Alien³"),
        ("MASH", "M*A*S*H"),
        ("E.T.", "ET"),
        ("9 1/2 Weeks", "9½ Weeks"),
        ("WALL·E", "WALL-E"),
        ("C♯", "C#"),
        ("Amélie", "AMELIE"),
        ("Ёлки", "Елки"),
        ("パリ", "ﾊﾟﾘ"),
        ("Ζορμπάς", "ΖΟΡΜΠΑΣ"),
        ("Røyk", "Royk"),
        ("???", " ??? "),
        ("÷", "÷ (Deluxe Edition)"),
        ("The A-Team", "A-Team"),
        ("L'Avventura", "Avventura, L'"),
        ("Das Boot", "Boot, Das"),
        ("Max & Moritz", "Max und Moritz"),
        ("Rock 'n' Roll", "Rock and Roll"),
        ("Red Vow: Vol. 1", "Red Vow Volume One"),
        ("Steel Rider II", "Steel Rider 2"),
        ("Guard, The: Part II (1974)", "The Guard: Part Two"),
        ("Night Guard", "Night Guard (Night Guard, #1)"),
        ("Night Guard", "Night Guard (City Watch #8; Guards, #1)"),
        ("Night Guard", "Night Guard: A Novel"),
        ("Glow", "Glow - Remastered 2011"),
        ("Glow", "Glow (2011 Remaster)"),
        ("Glow", "Glow - 2011 Digital Remaster"),
        ("Glow", "Glow - Mono"),
        ("Glow", "Glow (feat. Singer Q)"),
        ("Glow", "Glow ft. Singer Q"),
        ("Glow", "Glow (with Singer Q)"),
        ("Glow", "Glow (Official Video)"),
        ("Glow (Live)", "Glow - Live"),
        ("Rec", "Rec (Deluxe Edition)"),
        ("Seven (a.k.a. Se7en) (1995)", "Se7en"),
        ("Seven (a.k.a. Se7en) (1995)", "Seven (1995)"),
        ("City of Lost Ones, The (Cité perdue, La) (1995)", "La Cité perdue"),
        ("City of Lost Ones, The (Cité perdue, La) (1995)", "The City of Lost Ones"),
        ("Dunes (2008)", "Dunes (2009)"),
        ("Far Tide (2005-2013)", "Far Tide (2005)"),
        ("Iron Oath (1998)", "Iron Oath (1998/II)"),
        ("Leo Old's The Oath", "Leo Old's (TM) The Oath"),
        ("Leo Old's The Oath", "Leo Old's\u2122 The Oath"),
        ("Soil Science", "Soil Science (2nd ed.)"),
        ("Soil Science", "Soil Science (Second Edition)"),
        ("Tide: Hawai'i", "Tide: Hawaiʻi"),
        ("Tide: Hawai'i", "Tide Hawaii"),
        ("Pokémon: I Choose You!", "Pokemon I Choose You"),
        ("Far Tide! Now?", "Far Tide！ Now？"),
        ("The Break-Up", "The Break Up"),
        ("The Drop: Part 2", "The Drop Part 2"),
        ("Bob's Tide", "Bobs Tide"),
        ("Far Tide (TV Series)", "Far Tide"),
    ],
)
def test_the_same_work_is_found_however_it_is_written(here: str, there: str) -> None:
    assert found(items(here), there) == here
    assert found(items(there), here) == there


def test_of_two_that_fit_the_likelier_is_taken_and_nothing_is_guessed() -> None:
    assert found(items("Dunes (2008)", "Dunes (2009)"), "Dunes (2009)") == "Dunes (2009)"
    assert found(items("Dunes (2008)", "Dunes (2010)"), "Dunes (2009)") is None
    assert found(items("Все", "Всё"), "всё") == "Всё"
    assert found(items("bá", "bà"), "ba") is None
    assert found(items("Glow", "Glow (2011 Remaster)"), "Glow - Remastered 2012") is None


def test_a_song_is_no_book_and_a_show_is_no_film() -> None:
    library = [Item("a", "Red Vow", ("Film",)), Item("b", "Far Tide", more=SHOW)]
    assert found(library, "Red Vow", more=SONG) is None
    assert found(library, "Red Vow", more=FILM) == "Red Vow"
    assert found(library, "Far Tide", more=FILM) is None
    assert found(library, "Far Tide") == "Far Tide"
    assert found(library, "Red Vow: Season 1: Pilot", whole="Red Vow", more=SHOW) is None
    both = [
        Item("a", "Red Vow", ("Novel",)),
        Item("b", "Red Vow", ("Film",)),
        Item("c", "Red Vow (TV Series)"),
    ]
    index = TitleIndex(enumerate(both), MEDIA)
    for key, more in enumerate((BOOK, FILM, SHOW)):
        known = index.find(ForeignEvent("Red Vow", 1e9, "view", more=more))
        assert known is not None
        assert known[0] == key


@pytest.mark.parametrize(
    ("here", "there", "same"),
    [
        ("Leo Old", "Ada New", False),
        ("Ada New", "Ada New - Topic", True),
        ("Ada New", "AdaNewVEVO", True),
        ("Ada New", "Ada New feat. Singer Q", True),
        ("Ada New", "Ada New, Singer Q", True),
        ("Ada New", "New, Ada", True),
        ("Ada New", "Ada   New", True),
        ("Leo & Ada", "Leo and Ada", True),
        ("J. R. R. Old", "J.R.R. Old", True),
        ("Ursula K. Old", "Ursula Old", True),
        ("The Waves", "Waves", True),
        ("Sigur Rós", "Sigur Ros", True),
        ("Band A", "Band B", False),
        ("宇多田", "中島", False),
    ],
)
def test_another_creator_is_no_match(here: str, there: str, *, same: bool) -> None:
    for item in (Item("a", "Good Morning", creator=here), Item("a", "Good Morning", (here,))):
        assert (found([item], "Good Morning", creator=there, more=SONG) is not None) == same


def test_a_creator_may_stand_in_the_title() -> None:
    library = items("Ada New - Good Morning", labels=("Pop",))
    assert found(library, "Good Morning (feat. Q)", creator="AdaNewVEVO") == "Ada New - Good Morning"
    assert found(library, "Good Morning", creator="Leo Old", more=SONG) is None


def test_genres_are_no_creators_and_unknown_creators_decide_nothing() -> None:
    library = [Item("a", "Night Guard", ("Fantasy", "Young Adult")), Item("b", "Glow", ("Sci-Fi", "Ambient"))]
    assert found(library, "Night Guard", creator="Ann Lee", more=BOOK) == "Night Guard"
    assert found(library, "Glow", creator="Ada New", more=SONG) == "Glow"
    assert found(items("Glow", labels=("Prince",)), "Glow", creator="Ada New", more=SONG) is None
    assert found(items("Glow", creator="Ada New"), "Glow") == "Glow"


def test_a_title_that_begins_with_its_creator_finds_the_creators_work_only() -> None:
    library = [Item("a", "Glow", creator="Ada New")]
    assert found(library, "Ada New - Glow (Official Video)", creator="AdaNewVEVO") == "Glow"
    assert found(library, "Ada New - Glow (Official Video)", creator="Some Fan") == "Glow"
    assert found(library, "Leo Old - Glow", creator="Leo Old") is None


def test_an_episode_knows_its_show_and_a_part_of_a_film_does_not() -> None:
    for title in (
        "Steel Rider: Chapter 2",
        "Red Vow: Vol. 2",
        "Sand World: Part Two",
        "Moon: Season of Light",
    ):
        assert show_of(title) == ""
    for title in (
        "Odd Town: Season 2: Home",
        "Odd Town: Staffel 2: Heim",
        "Odd Town: Saison 2: Chez nous",
        "Odd Town: Temporada 2: Casa",
        "Odd Town: Limited Series: Home",
        "Odd Town: Miniserie: Heim",
        "Odd Town: Part 2: Home",
        "Odd Town: Odd Town 2: Chapter One: The Arcade",
        "Odd Town: Season 2",
        "Odd Town: 시즌 2: 집",
    ):
        assert show_of(title) == "Odd Town"
    told = shared_beginnings(["Tales: The Rise: Home", "Tales: The Rise: Away", "Moon: The Return: Uncut"])
    assert show_of("Tales: The Rise: Home", told) == "Tales: The Rise"
    assert show_of("Moon: The Return: Uncut", told) == ""


TITLES = st.one_of(
    st.text(max_size=30),
    st.text("パバはばのんー감사กขนำ้ा िदलМойиёебàáạa ()[]-:.,#+*'&IVX12", max_size=20),
    st.sampled_from(
        ["Glow", "Glow (Live)", "The Glow", "Glow, The (1999)", "Glow: Part II", "Glow 2", "C#", "C"]
    ),
)


@given(TITLES, TITLES)
def test_matching_goes_both_ways_and_a_title_finds_itself(one: str, other: str) -> None:
    assert bool(found(items(one), other)) == bool(found(items(other), one)) or not one.strip()
    if one.strip() and one == one.strip():
        assert found(items(one), one) == one


@given(st.lists(TITLES, max_size=6), TITLES)
def test_the_order_of_the_library_decides_nothing(library: list[str], title: str) -> None:
    there = list(dict.fromkeys(library))
    assert found(items(*there), title) == found(items(*reversed(there)), title)


@given(st.text(max_size=40))
def test_spelling_again_changes_nothing(text: str) -> None:
    assert spelled(spelled(text)) == spelled(text)
    assert spelled(spelled(text, marks=True)) == spelled(text)
    assert marks_agree(text, text)


@given(
    st.text("ァアィイゥウカガキギハバパヒビピㄱ감강กขฃนณาำิีऀकखािीुूאבגاأإبتйиіїыьъ", min_size=1, max_size=6),
    st.data(),
)
def test_words_of_other_scripts_that_differ_stay_different(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(word) - 1))
    letter = data.draw(st.sampled_from("アカガハバパ감강ขนาิीखािीुאבاأتйиії"))
    other = word[:place] + letter + word[place + 1 :]
    assert (spelled(word) == spelled(other)) == (word == other)
