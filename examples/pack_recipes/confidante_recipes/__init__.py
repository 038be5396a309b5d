"""Recipes: a pack from outside. Items have minutes and servings, a kind of event is "cooked"."""

import msgspec

from confidante.core.values import Item
from confidante.packs.base import Pack
from confidante.packs.signals import EventKind, Signal, ValueOf


class RecipeFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a recipe has besides: minutes it takes, and for how many people it is."""

    minutes: int = 0
    servings: int = 0


def features(item: Item) -> tuple[str, ...]:
    """Return what the models may read of a recipe: what kind of dish its title names first."""
    word = item.title.partition(" ")[0].lower()
    return (f"kind: {word}",) if word in {"soup", "salad", "cake", "stew"} else ()


RECIPES = Pack(
    name="recipes",
    fields=RecipeFields,
    events={
        "cooked": EventKind(value=ValueOf.RATING, unit="stars"),
        "thrown-away": EventKind(Signal.AGAINST),
    },
    features=features,
    wording={"deeds": "cook, rate or save", "done": "cook or rate", "histories": "a CSV file"},
    measures=("ndcg",),
    demo=(
        Item("r1", "Soup of the day", ("Vegan",), creator="M. Lund", more={"minutes": 40, "servings": 4}),
        Item("r2", "Cake with plums", ("Sweet",), creator="M. Lund", more={"minutes": 75}),
        Item("r3", "Stew of beans", ("Vegan",), more={"minutes": 90, "servings": 6}),
    ),
)
