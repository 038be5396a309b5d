"""Populations for tests and benchmarks: few devices, a generous budget, and every device is let in."""

from collections.abc import Mapping
from pathlib import Path

from confidante.core.values import Catalogue
from confidante.secagg.phases import PHASES

OPEN = '\n[enrolment]\nverifier = "open"\n'
"""Lets every device in."""

_DEFINITION = """\
name = "{name}"
catalogue = "items.csv"
[cohort]
devices = {devices}
max_dropout = {dropout}
max_collusion = 0.0
[privacy]
noise = {noise}
epsilon = {epsilon}
[training]
epsilon = 40.0
every_hours = {every_hours}
[upload]
bits = 32
max_bytes = 4000000
[seconds]
{phases}
rest = {rest}
"""


def catalogue_of(items: int) -> Catalogue:
    """Return `items` made-up items, every second of which has one label more."""
    return Catalogue(
        tuple(f"item-{index}" for index in range(items)),
        tuple(f"Title {index}" for index in range(items)),
        tuple(("a", "b")[index % 2 :] for index in range(items)),
    )


def write_population(
    folder: Path,
    *,
    name: str = "films",
    items: int = 60,
    devices: int = 8,
    dropout: float = 0.3,
    noise: bool = True,
    epsilon: float = 50.0,
    every_hours: float = 168.0,
    seconds: float | Mapping[str, float] = 60.0,
    rest: float = 600.0,
    more: str = OPEN,
) -> Path:
    """Write a population and its catalogue (`catalogue_of`) into `folder`; return its file.

    epsilon: of all rounds together. seconds: of each phase, or of some by name, others 60. more: further
    tables of the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    phases = [phase.word for phase in PHASES]
    given = seconds if isinstance(seconds, Mapping) else dict.fromkeys(phases, seconds)
    made = catalogue_of(items)
    rows = (f"{i},{t},{'|'.join(ls)}" for i, t, ls in zip(made.ids, made.titles, made.labels, strict=True))
    (folder / "items.csv").write_text("item,title,labels\n" + "\n".join(rows) + "\n", encoding="utf-8")
    definition = _DEFINITION.format(
        name=name,
        devices=devices,
        dropout=dropout,
        noise=str(noise).lower(),
        epsilon=epsilon,
        every_hours=every_hours,
        phases="\n".join(f"{phase} = {given.get(phase, 60.0)}" for phase in phases),
        rest=rest,
    )
    path = folder / f"{name}.toml"
    path.write_text(definition + more, encoding="utf-8")
    return path
