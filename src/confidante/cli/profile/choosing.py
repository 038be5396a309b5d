"""Choosing items in a terminal, by numbers."""

import re
from collections.abc import Callable
from typing import final

from confidante.cli.terminal import say
from confidante.core.values import Item
from confidante.device.device import Device
from confidante.device.recommend.onboarding import MOST_PICKS

_FOUND = 15  # titles that a search shows


@final
class Choice:
    """A choice in a terminal: titles have numbers, and an answer is numbers, `o`, `/words` or nothing."""

    def __init__(self, device: Device, first: tuple[Item, ...], size: int, before: list[str]) -> None:
        self._device = device
        self._size = size
        self._before = before
        self._items: list[Item] = []
        self._picked: list[Item] = []
        self._list(first)
        self._before += [item.id for item in first]

    def ask(self, read: Callable[[str], str]) -> tuple[str, ...]:
        """Return the ids of what was picked. read: shows a line and returns what was typed."""
        while len(self._items) > 0:
            said = read(
                f"{len(self._picked)} picked. Numbers of what you love (-3 takes back), o: others, "
                "/words: search, Enter: done: "
            ).strip()
            if not said:
                break
            if said.startswith("/"):
                self._search(said[1:].strip())
            elif said == "o":
                self._others()
            elif re.fullmatch(r"-?\d{1,6}([\s,]+-?\d{1,6})*", said):
                for number in re.findall(r"-?\d+", said):
                    self._take(int(number))
            else:
                say("give numbers of the list, like 3 8 21")
        return tuple(item.id for item in self._picked)

    def _take(self, number: int) -> None:
        if not 1 <= abs(number) <= len(self._items):
            say(f"there is no number {abs(number)}")
            return
        item = self._items[abs(number) - 1]
        if number < 0:
            self._picked = [one for one in self._picked if one.id != item.id]
            say(f"  not {item.title}")
        elif len(self._picked) < MOST_PICKS and item.id not in {one.id for one in self._picked}:
            self._picked.append(item)
            say(f"  {item.title}")

    def _others(self) -> None:
        others = self._device.onboarding.slate(self._size, after=self._before)
        if not others:
            say("there are no others")
        self._before += [item.id for item in others]
        self._list(others)

    def _search(self, words: str) -> None:
        found = self._device.items.find(words, _FOUND) if words else ()
        if not found:
            say("no title has these words")
        self._list(found)

    def _list(self, items: tuple[Item, ...]) -> None:
        for item in items:
            self._items.append(item)
            say(f"{len(self._items):4}. {named(item)}")


def named(item: Item) -> str:
    """Return an item's title and its first labels as one line."""
    return f"{item.title}  ({', '.join(item.labels[:4])})" if item.labels else item.title


def typed(line: str) -> str:
    """Show a line and return what the person typed; nothing at the end of the input."""
    try:
        return input(line)
    except EOFError:
        say("")
        return ""
