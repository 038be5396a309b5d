"""The reference has everything: each public name, command, option, endpoint, key and message."""

import importlib
import inspect
import re

import make_docs
import pytest
import typer
from rich.markup import render

import confidante


def test_every_public_name_is_in_the_reference_and_has_a_docstring() -> None:
    page = make_docs.python_page()
    named = dict(make_docs.public_names())
    assert set(named) == set(confidante.__all__)
    assert not [
        name for name, path in named.items() if f"::: {path}\n" not in page and f"## `{name}`" not in page
    ]
    values = [getattr(confidante, name) for name in confidante.__all__]
    assert not [value for value in values if callable(value) and not inspect.getdoc(value)]


def test_every_command_and_option_is_in_the_reference_and_explained() -> None:
    page = make_docs.cli_page()
    sections = dict(re.findall(r"^## `([^`]+)`\n(.*?)(?=^## |\Z)", page, flags=re.DOTALL | re.MULTILINE))
    missing, mute = [], []
    for name, command in make_docs.commands():
        if not (command.help or "").strip():
            mute.append(name)
        for one in command.params:
            shown = [*one.opts, *one.get_usage_pieces(typer.Context(command, info_name=name))]
            if not any(word in sections[name] for word in shown):
                missing.append(f"{name} {one.opts[0]}")
    assert not missing
    assert not mute
    rows = re.findall(r"^\| `([^`]+)` \| *(.*?) *\|$", page, flags=re.MULTILINE)
    assert len(rows) > 100
    assert not [option for option, meaning in rows if not meaning and option.startswith("--")]


def test_no_word_in_brackets_is_lost_from_a_help_text() -> None:
    texts = [text for _, command in make_docs.commands() for text in (command.help, command.epilog)]
    texts += [getattr(one, "help", None) for _, command in make_docs.commands() for one in command.params]
    styles = {str(span.style) for text in texts if text for span in render(text).spans}
    assert styles <= {"bold", "dim"}


def test_every_endpoint_is_in_the_reference_and_explained() -> None:
    page = make_docs.local_api_page()
    for path, methods in make_docs.local_api()["paths"].items():
        for method, call in methods.items():
            assert f"## `{method.upper()} {path}`" in page
            assert call.get("description"), f"{method} {path}"
    page = make_docs.coordinator_page()
    routes = make_docs.coordinator_routes() + make_docs.relay_routes()
    assert len(routes) > 20
    for method, path, text in routes:
        assert f"### `{method} {path}`\n\n{text}" in page
        assert text, f"{method} {path}"


def test_every_key_of_a_population_is_in_the_reference_and_has_a_meaning() -> None:
    page = make_docs.population_page()
    for _, shape in make_docs.population_tables():
        assert all(f"\n| `{key}` |" in page for key in shape.__struct_fields__)
    rows = re.findall(r"^\| `(\w+)` \| (.*)\|(.*?)\|$", page, flags=re.MULTILINE)
    assert len(rows) > 60
    assert not [key for key, kind, meaning in rows if not meaning.strip() and "table" not in kind]


@pytest.mark.parametrize("shape", make_docs.wire_shapes(), ids=lambda shape: shape.__name__)
def test_every_message_is_in_the_reference(shape: type) -> None:
    page = make_docs.wire_page()
    assert f"## `{shape.__name__}`" in page
    assert inspect.getdoc(shape)


def test_staging_writes_each_page_once_and_a_menu_of_all(tmp_path) -> None:
    make_docs.stage(tmp_path)
    menu = make_docs.navigation(tmp_path)
    pages = {str(page.relative_to(tmp_path)) for page in tmp_path.rglob("*.md")}
    assert {page for page in pages if f'"{page}"' not in menu} == set()


def test_every_component_of_a_device_is_in_the_reference_and_explained() -> None:
    page = make_docs.python_page()
    parts = make_docs.components()
    assert len(parts) > 8
    mute = []
    for name, path in parts:
        assert f"### `device.{name}`\n\n::: {path}\n" in page
        module, _, cls = path.rpartition(".")
        of = getattr(importlib.import_module(module), cls)
        public = {key: value for key, value in vars(of).items() if not key.startswith("_")}
        said = inspect.getdoc(of) or ""  # which names the fields of a value
        mute += [
            f"{path}.{key}"
            for key, value in public.items()
            if not (f"{key}:" in said if inspect.ismemberdescriptor(value) else inspect.getdoc(value))
        ]
    assert not mute
