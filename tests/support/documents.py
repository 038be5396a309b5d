"""The documents as tests read them: pages, fenced blocks, and what each runnable block needs before it.

A block of `python` or `console` runs, unless `<!-- not run: WHY -->` stands before it. `<!-- given: NAME -->`
before a block names one of `GIVEN`, which begins a new folder and new names for it and the blocks after it.
"""

import contextlib
import doctest
import io
import re
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from device_world import open_device, snapshot, watch

from confidante.cli.app import run

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "deploy/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCE = re.compile(
    r"(?:<!-- (given|not run): ([^>]*?) -->\n+)?^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE
)


@dataclass(frozen=True)
class Block:
    """A fenced block. mark: `given`, `not run` or empty; word: what the mark says; line: where it begins."""

    page: Path
    line: int
    language: str
    text: str
    mark: str = ""
    word: str = ""

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page, in order."""
    text = page.read_text()
    return [
        Block(
            page, text.count("\n", 0, found.start(3)) + 1, found[3], found[4], found[1] or "", found[2] or ""
        )
        for found in _FENCE.finditer(text)
    ]


def runnable(page: Path) -> list[Block]:
    """Return the blocks of a page that run."""
    return [one for one in blocks(page) if one.language in ("python", "console") and one.mark != "not run"]


# --- what a block may be given


@contextlib.contextmanager
def _nothing(_: Path) -> Iterator[dict[str, Any]]:
    yield {}


@contextlib.contextmanager
def _device(folder: Path) -> Iterator[dict[str, Any]]:
    """Give `device`, which knows a model of films and a short history, and the file films.model."""
    (folder / "films.model").write_bytes(snapshot())
    with open_device(folder / "my-profile", clock=time.time) as device:
        watch(device, ["m0", "m5", "m10", "m1"])
        yield {"device": device}
        for one in device.federation.backgrounds:
            one.close()


@contextlib.contextmanager
def _interactions(folder: Path) -> Iterator[dict[str, Any]]:
    """Give train.csv and items.csv of sixty people."""
    rng = np.random.default_rng(0)
    events = [f"u{u},i{i},{t}" for u in range(60) for t, i in enumerate(rng.choice(40, 12, replace=False))]
    (folder / "train.csv").write_text("user,item,timestamp\n" + "\n".join(events) + "\n")
    titles = "".join(f"i{i},Title {i},kind {i % 3}\n" for i in range(40))
    (folder / "items.csv").write_text("item,title,labels\n" + titles)
    yield {}


Given = Callable[[Path], contextlib.AbstractContextManager[dict[str, Any]]]
GIVEN: dict[str, Given] = {"nothing": _nothing, "a device": _device, "interactions": _interactions}


# --- running


def run_block(block: Block, names: dict[str, Any]) -> None:
    """Run one block in the current folder; AssertionError where it prints other than it says."""
    if block.language == "python":
        source = "\n" * block.line + block.text  # so that a traceback names the line of the page
        exec(compile(source, str(block.page), "exec"), names)  # the page's own code is the thing under test
        return
    for command, wanted in _commands(block.text):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            if command.startswith("cat > "):
                Path(command.removeprefix("cat > ")).write_text(wanted)
                continue
            code = run(shlex.split(command)[1:])
        assert code == 0, f"{block.where}: {command}\n{out.getvalue()}"
        got = "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        assert not wanted or doctest.OutputChecker().check_output(wanted, got, options), (
            f"{block.where}:\n{got}"
        )


def _commands(text: str) -> Iterator[tuple[str, str]]:
    """Give each command after `$` with what is printed below it; `$ cat > FILE` is followed by the file."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, rest = part.partition("\n")
        yield command.strip(), rest
