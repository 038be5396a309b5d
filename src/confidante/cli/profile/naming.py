"""Items as a person names them on a command line: by id, or by title."""

from confidante.core.errors import DataError
from confidante.core.text import folded, shown
from confidante.core.values import Item
from confidante.device.device import Device

_NAMED = 5  # items that an error lists


def item_named(device: Device, said: str) -> Item:
    """Return the item of that id, of that title, or the only one whose title contains it.

    Case and accents do not matter. Raises DataError that lists what may be meant.
    """
    found = device.items.find(said, _NAMED + 1)
    exact = [item for item in found if item.id == said] or _known(device, said)
    exact = exact or [item for item in found if folded(item.title) == folded(said)]
    meant = exact or found
    if len(meant) == 1:
        return meant[0]
    if not meant:
        raise DataError(f"no item has the id or the title {shown(said)}: give its id, or a part of its title")
    listed = "; ".join(f"{item.title} [{item.id}]" for item in meant[:_NAMED])
    more = " and others" if len(meant) > _NAMED else ""
    raise DataError(f"several items may be meant by {shown(said)}: {listed}{more}: give the id of one")


def _known(device: Device, said: str) -> list[Item]:
    """Return the item of that id also when it was taken out of the library."""
    try:
        return [device.items.get(said)]
    except DataError:
        return []
