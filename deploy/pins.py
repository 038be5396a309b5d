"""Write deploy/requirements.txt: what the extras `server` and `he` need, as requirements/dev.txt pins it.

Run in the project's environment, whenever requirements/dev.txt changes: python deploy/pins.py
"""

import re
import tomllib
from collections import defaultdict
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
PROJECT = HERE.parent / "pyproject.toml"
PINNED = HERE.parent / "requirements" / "dev.txt"


def needed(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> set[str]:
    """Return the names of everything that a distribution needs with these extras, on Linux."""
    if (name, extras) in seen:
        return set()
    seen.add((name, extras))
    found = set[str]()
    for text in distribution(name).requires or ():
        one = Requirement(text)
        wanted = {"", *extras}
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in wanted):
            found.add(canonicalize_name(one.name))
            found |= needed(canonicalize_name(one.name), frozenset(one.extras), seen)
    return found


def pins(text: str) -> dict[str, str]:
    """Return each pinned distribution's lines and hashes; there may be a pin for each version of Python."""
    blocks = re.split(r"(?m)^(?=[A-Za-z0-9])", text)
    found = defaultdict[str, str](str)
    for block in blocks:
        match = re.match(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?==", block)
        if match:
            lines = [line for line in block.rstrip().splitlines() if not line.lstrip().startswith("#")]
            found[canonicalize_name(match[1])] += "\n".join(lines) + "\n"
    return dict(found)


def wanted() -> set[str]:
    """Return the names of all that a coordinator needs."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    found = set[str]()
    seen = set[tuple[str, frozenset[str]]]()
    extras = project["optional-dependencies"]
    for text in (*project["dependencies"], *extras["server"], *extras["he"]):
        one = Requirement(text)
        name = canonicalize_name(one.name)
        found |= {name} | needed(name, frozenset(one.extras), seen)
    return found


def main() -> None:
    """Write the file."""
    known = pins(PINNED.read_text(encoding="utf-8"))
    text = "".join(known[name] for name in sorted(wanted()))
    (HERE / "requirements.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
