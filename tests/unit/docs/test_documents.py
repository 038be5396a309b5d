"""The documents are true: what they name exists, their commands are commands, and their examples run."""

import contextlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from documents import GIVEN, PAGES, ROOT, Block, blocks, run_block, runnable
from make_docs import OUTSIDE, REFERENCE, SECTIONS, commands

MOST_README = 8_000
GENERATED = {f"docs/reference/{name}" for name in REFERENCE}
BY_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def _prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def _anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts and the site make them."""
    heads = re.findall(r"^#+ (.*)$", _prose(page), flags=re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", head.lower())).strip("-") for head in heads}


@BY_PAGE
def test_every_link_leads_somewhere(page: Path) -> None:
    wrong = []
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", _prose(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        aim = (page.parent / target).resolve() if target else page
        if not aim.exists() or (anchor and aim.suffix == ".md" and anchor not in _anchors(aim)):
            wrong.append(f"{target}#{anchor}")
    assert not wrong


@BY_PAGE
def test_every_file_that_is_named_exists(page: Path) -> None:
    """A path in code marks is a path of this checkout, or of what is installed below `confidante/`."""
    named = re.findall(
        r"`(?:python )?((?:tests|benchmarks|docs|vectors|tools|deploy|examples|src|requirements)/[\w./-]*)",
        _prose(page),
    )
    named += [f"benchmarks/{name}" for name in re.findall(r"`(bench_\w+\.py)", _prose(page))]
    rooms = "|".join(path.name for path in (ROOT / "src/confidante").iterdir() if path.is_dir())
    named += [f"src/confidante/{name}" for name in re.findall(rf"`((?:{rooms})/[\w./-]*)", _prose(page))]
    if page.name == "CHANGELOG.md" or page.parent.name == "adr":
        return  # they speak of their own time
    assert not [
        name for name in named if not (ROOT / name).exists() and name not in GENERATED and "NAME" not in name
    ]


@BY_PAGE
def test_every_test_that_is_named_exists(page: Path) -> None:
    if page.name == "CHANGELOG.md" or page.parent.name == "adr":
        return
    files = {path.name: path for path in (ROOT / "tests").rglob("test_*.py")}
    named = re.findall(r"`(?:[\w/]+/)?(test_\w+\.py)(?:::(\w+))?", _prose(page))
    wrong = [
        f"{file}::{test}"
        for file, test in named
        if file not in files or (test and f"def {test}(" not in files[file].read_text())
    ]
    assert not wrong


def test_every_command_that_is_shown_is_a_command_with_these_options() -> None:
    known = dict(commands())
    wrong, seen = [], 0
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        for line in re.findall(
            r"(?:^|[\s`/$])(confidante (?!\[|\.|-)[a-z][^`\n]*)", page.read_text(), re.MULTILINE
        ):
            words = shlex.split(line.replace("'", "").replace('"', ""), comments=True)
            name = "confidante"
            for word in words[1:]:
                if f"{name} {word}" not in known:
                    break
                name = f"{name} {word}"
            if name == "confidante":  # a sentence that begins with the name
                continue
            seen += 1
            options = {
                one
                for parameter in known[name].params
                for one in (*parameter.opts, *parameter.secondary_opts)
            }
            asked = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
            wrong += [f"{page.name}: {name} {option}" for option in asked - options - {"--help"}]
    assert seen > 30
    assert not wrong


@BY_PAGE
def test_the_examples_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("CONFIDANTE_PASSPHRASE", "correct horse battery staple")
    with contextlib.ExitStack() as stack:
        names: dict[str, Any] = {}
        for number, block in enumerate(runnable(page)):
            if block.mark == "given" or number == 0:
                stack.close()
                folder = tmp_path / str(number)
                folder.mkdir()
                monkeypatch.chdir(folder)
                names = dict(stack.enter_context(GIVEN[block.word or "nothing"](folder)))
            capsys.readouterr()
            run_block(block, names)
            _check_printed(block, capsys.readouterr().out)


def _check_printed(block: Block, out: str) -> None:
    """Hold what Python printed against the `text` block that follows it, where one does."""
    if block.language != "python":
        return
    after = [one for one in blocks(block.page) if one.line > block.line]
    if after and after[0].language == "text" and after[0].mark == "":
        assert _folded(out) == _folded(after[0].text), block.where


def _folded(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def test_the_readme_is_read_in_a_minute() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text) <= MOST_README
    assert text.count("![") == 1


def test_the_readme_lists_the_extras_of_the_package() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    table = (ROOT / "README.md").read_text().partition("| extra |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE)) == set(extras)


def test_every_figure_of_the_readme_stands_in_the_benchmarks() -> None:
    """Tables of figures in the README are repeated, with command, date and machine, in docs/benchmarks.md."""
    readme, figures = (ROOT / "README.md").read_text(), (ROOT / "docs/benchmarks.md").read_text()
    numbers = set(re.findall(r"(?<![\d.])\.\d{4}\b|\b0\.\d{3}\b|\b\d+(?:\.\d+)? ms\b", readme))
    assert len(numbers) > 8
    assert not {one for one in numbers if one not in figures}


def test_every_section_has_an_index_that_names_all_of_its_pages() -> None:
    missing = []
    for folder in SECTIONS.values():
        if folder in ("adr", "reference"):
            continue
        index = (ROOT / "docs" / folder / "index.md").read_text()
        missing += [
            page.name
            for page in (ROOT / "docs" / folder).glob("*.md")
            if page.name != "index.md" and f"({page.name})" not in index
        ]
    assert not missing


def test_pages_beside_docs_exist() -> None:
    assert all((ROOT / name).is_file() for name in OUTSIDE)


def test_every_claim_names_a_test_in_its_tier() -> None:
    """`unit test_x.py` is a file below tests/unit."""
    text = (ROOT / "docs/claims.md").read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    assert len(sections) > 10
    wrong = []
    for section in sections:
        tier, found = "", 0
        for word in re.findall(r"\b(?:unit|contract|system|browser)(?= `test_)|test_\w+\.py", section):
            if not word.startswith("test_"):
                tier = word
            elif not list((ROOT / "tests" / tier).rglob(word)):
                wrong.append(f"{tier} {word}")
            else:
                found += 1
        if not found:
            wrong.append(section.partition("\n")[0])
    assert not wrong
