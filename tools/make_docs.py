"""Put the documents together for the site generator: docs/, and a reference made from the code.

Nothing that this writes is committed. `make docs` runs it, then the generator, which refuses a broken link.
"""

import argparse
import dataclasses
import importlib
import inspect
import json
import os
import pkgutil
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
OUTSIDE = ("CONTRIBUTING.md", "CHANGELOG.md")
"""Pages that lie beside `docs/` and are part of the site."""

SECTIONS = {
    "Tutorials": "tutorials",
    "How to": "how-to",
    "Reference": "reference",
    "Explanation": "explanation",
    "Decisions": "adr",
}
LAST = {
    "Glossary": "glossary.md",
    "What is promised": "claims.md",
    "Figures": "benchmarks.md",
    "Contributing": "CONTRIBUTING.md",
    "Changes": "CHANGELOG.md",
}

CONFIG = """\
[project]
site_name = "Confidante"
site_description = "A recommender that learns from people without collecting anything about them."
docs_dir = "docs"
site_dir = "site"
use_directory_urls = false
nav = {nav}

[project.theme]
variant = "modern"
font = false
features = ["navigation.sections", "navigation.indexes", "content.code.copy", "search.highlight"]

[project.plugins.search]

[project.plugins.mkdocstrings.handlers.python]
paths = [{src}]

[project.plugins.mkdocstrings.handlers.python.options]
docstring_style = "google"
docstring_section_style = "list"
heading_level = 2
show_root_heading = true
show_root_toc_entry = true
show_source = false
show_signature_annotations = true
separate_signature = true
merge_init_into_class = true
members_order = "source"
show_if_no_docstring = true

[project.markdown_extensions.admonition]
[project.markdown_extensions.attr_list]
[project.markdown_extensions.tables]
[project.markdown_extensions.toc]
permalink = true
[project.markdown_extensions.pymdownx.highlight]
[project.markdown_extensions.pymdownx.superfences]
"""


# --- the Python API


def public_names() -> list[tuple[str, str]]:
    """Return each public name and where it is defined, as a dotted path."""
    package = importlib.import_module("confidante")
    found = []
    for name in package.__all__:
        value = getattr(package, name)
        module = getattr(value, "__module__", None)
        found.append((name, f"{module}.{value.__qualname__}" if module else f"confidante.{name}"))
    return found


def components() -> list[tuple[str, str]]:
    """Return each component of a device, as `device.NAME`, and where its class is defined."""
    with _some_device() as device:
        parts = {name: getattr(device, name) for name in dir(device) if not name.startswith("_")}
    parts["history.seen"] = parts["history"].seen
    classes = {name: type(part) for name, part in parts.items() if not callable(part)}
    return [
        (name, f"{of.__module__}.{of.__qualname__}")
        for name, of in classes.items()
        if of.__module__.startswith("confidante.")
    ]


@contextmanager
def _some_device() -> Iterator[Any]:
    from confidante import Device, InsecurePlaintextKey

    with (
        tempfile.TemporaryDirectory() as folder,
        Device(Path(folder) / "p", InsecurePlaintextKey()) as device,
    ):
        yield device


def python_page() -> str:
    """Return the page of everything that `confidante` exports, and of the components of a device."""
    lines = [
        "# Python",
        "",
        "Everything that an app imports is in `confidante`. What is not on this page may change.",
        "",
    ]
    package = importlib.import_module("confidante")
    for name, path in public_names():
        if callable(getattr(package, name)):
            lines += [f"::: {path}", ""]
        else:
            lines += [f"## `{name}`", "", f"`{getattr(package, name)!r}` in this version.", ""]
    lines += ["## Components of a device", "", "What is used less often than the methods of `Device`.", ""]
    for name, path in components():
        lines += [f"### `device.{name}`", "", f"::: {path}", "    options:", "      heading_level: 4", ""]
    return "\n".join(lines)


# --- the command line


def commands() -> Iterator[tuple[str, Any]]:
    """Give each command with its full name, groups before what is in them."""
    import typer

    from confidante.cli.app import app

    def walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for word, inner in getattr(command, "commands", {}).items():
            if not inner.hidden:
                yield from walk(f"{name} {word}", inner)

    yield from walk("confidante", typer.main.get_command(app))


def cli_page() -> str:
    """Return the page of all commands and options."""
    import typer

    lines = ["# Command line", "", "Every command says the same with `--help`.", ""]
    for name, command in commands():
        context = typer.Context(command, info_name=name)
        lines += [f"## `{name}`", "", _plain(command.help), ""]
        usage = " ".join(word for one in command.params for word in one.get_usage_pieces(context))
        if not hasattr(command, "commands"):
            lines += ["```text", f"{name} [OPTIONS] {usage}".rstrip(), "```", ""]
        rows = [one.get_help_record(context) for one in command.params if not getattr(one, "hidden", False)]
        rows = [row for row in rows if row is not None]
        if rows:
            lines += ["| option | meaning |", "|---|---|"]
            lines += [f"| `{_cell(option)}` | {_cell(_plain(text))} |" for option, text in rows] + [""]
        if command.epilog:
            examples = [line for line in _plain(command.epilog).splitlines() if line.strip()]
            lines += ["```text", *(line for line in examples if line.strip() != "Examples"), "```", ""]
    return "\n".join(lines)


def _plain(text: str | None) -> str:
    """Return a help text without the marks that colour it in a terminal."""
    text = inspect.cleandoc(text or "").replace("\f", "")
    text = re.sub(r"(?<!\\)\[/?(?:bold|dim|italic|red|green|cyan|yellow)\]", "", text)
    return text.replace("\\\\[", "[").replace("\\[", "[")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", r"\|").split())


# --- HTTP


def local_api() -> dict[str, Any]:
    """Return the OpenAPI document of the local API."""
    from confidante.device.device import Device
    from confidante.device.storage.keys import InsecurePlaintextKey
    from confidante.device.web.app import make_api
    from confidante.device.web.gorse import GorseConfig

    with (
        tempfile.TemporaryDirectory() as folder,
        Device(Path(folder) / "p", InsecurePlaintextKey()) as device,
    ):
        found: dict[str, Any] = make_api(device, gorse=GorseConfig()).openapi()
        return found


def local_api_page() -> str:
    """Return the page of the API that `confidante open --api` serves on the person's own machine."""
    spec = local_api()
    lines = ["# Local API", "", spec["info"]["description"], ""]
    for path, methods in spec["paths"].items():
        for method, call in methods.items():
            lines += [
                f"## `{method.upper()} {path}`",
                "",
                call.get("description", call.get("summary", "")),
                "",
            ]
            parameters = call.get("parameters", ())
            if parameters:
                lines += ["| parameter | in | type | meaning |", "|---|---|---|---|"]
                for one in parameters:
                    kind, meaning = _type(spec, one["schema"]), one.get("description", "")
                    name = one["name"] + ("" if one.get("required") else " (optional)")
                    lines.append(f"| `{name}` | {one['in']} | {_cell(kind)} | {_cell(meaning)} |")
                lines.append("")
            for title, part in (("Body", call.get("requestBody")), ("Answer", call["responses"].get("200"))):
                schema = (part or {}).get("content", {}).get("application/json", {}).get("schema")
                if schema:
                    shown = json.dumps(_outline(spec, schema), indent=2, ensure_ascii=False)
                    lines += [f"{title}:", "", "```json", shown, "```", ""]
    return "\n".join(lines)


def _outline(spec: dict[str, Any], schema: dict[str, Any]) -> Any:
    if "$ref" in schema:
        return _outline(spec, spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if schema.get("type") == "array":
        return [_outline(spec, schema.get("items", {}))]
    if "properties" in schema:
        return {name: _outline(spec, one) for name, one in schema["properties"].items()}
    return _type(spec, schema)


def _type(spec: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        target = spec.get("components", {}).get("schemas", {}).get(name, {})
        return _type(spec, target) if "properties" not in target else name
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type(spec, one) for one in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(json.dumps(one) for one in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if schema.get("type") == "array":
        return f"list of {_type(spec, schema.get('items', {}))}"
    kind = "bytes" if schema.get("contentEncoding") == "base64" else str(schema.get("type", "anything"))
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
        "minLength": "{} characters or more",
        "maxLength": "{} characters at most",
        "minItems": "{} or more",
        "maxItems": "{} at most",
        "pattern": "`{}`",
    }
    bounds = [words[key].format(schema[key]) for key in words if key in schema]
    return ", ".join([kind, *bounds])


def coordinator_routes() -> list[tuple[str, str, str]]:
    """Return method, path and description of all that a coordinator answers over HTTP."""
    from confidante.coordinator.http import Coordinator, HttpSettings
    from confidante.coordinator.refinement.refinements import Refinements
    from confidante.coordinator.store import Store
    from confidante.coordinator.store.bodies import Bodies

    with tempfile.TemporaryDirectory() as folder:
        bodies = Bodies(f"file://{folder}/bodies")
        with Store.open(f"sqlite:///{folder}/rounds.db") as store:
            made = Coordinator(
                store, bodies, HttpSettings(("films",)), refinements=Refinements(store, bodies, ())
            )
            return _routes(made.app.routes)


def relay_routes() -> list[tuple[str, str, str]]:
    """Return method, path and description of what a relay answers."""
    from confidante.relay.app import Relay

    return _routes(Relay("http://127.0.0.1:1/v1/oblivious").app.routes)


def _routes(routes: Any) -> list[tuple[str, str, str]]:
    return [
        (method, one.path, inspect.getdoc(one.endpoint) or "")
        for one in routes
        for method in sorted(one.methods - {"HEAD"})
    ]


def coordinator_page() -> str:
    """Return the page of what coordinator and relay answer over HTTP."""
    lines = [
        "# Coordinator and relay over HTTP",
        "",
        "Devices speak to a coordinator in msgpack; [wire](wire.md) has the shapes. An app never needs",
        "these endpoints: `device.federation.participate` and its like speak to them.",
        "",
        "## Coordinator",
        "",
    ]
    for title, routes in (("", coordinator_routes()), ("Relay", relay_routes())):
        lines += [f"## {title}", ""] if title else []
        for method, path, text in routes:
            lines += [f"### `{method} {path}`", "", text, ""]
    return "\n".join(lines)


# --- shapes


def wire_shapes() -> list[type]:
    """Return every shape that two machines exchange."""
    package = importlib.import_module("confidante.wire")
    found: dict[type, None] = {}
    for part in pkgutil.iter_modules(package.__path__, "confidante.wire."):
        module = importlib.import_module(part.name)
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, msgspec.Struct) and value.__module__ == part.name:
                found[value] = None
    return list(found)


def wire_page() -> str:
    """Return the page of all messages, from the types that both ends read and write."""
    lines = [
        "# Wire",
        "",
        "What two machines exchange is msgpack, each message a map with these keys; a catalogue and a plan",
        "are arrays, of a tag and these fields in order. Anything else is refused, and so is a value outside",
        "its bounds. Messages in a round have a binary form of their own:",
        "[secure aggregation](../explanation/secure-sum.md).",
        "",
    ]
    for shape in wire_shapes():
        lines += [f"## `{shape.__name__}`", "", inspect.getdoc(shape) or "", "", *_table(shape, {}), ""]
    return "\n".join(lines)


def _table(shape: type, meanings: dict[str, str]) -> list[str]:
    """Return a table of the fields of a msgspec shape: name, type with bounds, default, and meaning."""
    _, components = msgspec.json.schema_components([shape], ref_template="#/components/schemas/{name}")
    spec = {"components": {"schemas": components}}
    [known] = [one for name, one in components.items() if one["title"] == shape.__name__]
    infos = {one.encode_name: one.type for one in msgspec.inspect.type_info(shape).fields}
    listed = known.get("prefixItems", [])  # of a message that is an array: its tag, then its fields
    fields = known.get("properties") or dict(zip(infos, listed[len(listed) - len(infos) :], strict=True))
    told = any(meanings.get(name) or "description" in one for name, one in fields.items())
    lines = ["| key | type | default |" + " meaning |" * told, "|---|---|---|" + "---|" * told]
    for name, one in fields.items():
        inner = list(_structs(infos[name])) if name in infos else []
        if inner and (meanings or shape.__name__.startswith("_")):
            kind, default = "table", "a table of defaults"
        else:
            kind = _bytes(infos.get(name)) or _type(spec, one)
            default = f"`{json.dumps(one.get('default', ''))}`"
        if name in known.get("required", ()):
            default = "needed"
        row = f"| `{name}` | {_cell(kind)} | {default} |"
        lines.append(row + f" {_cell(one.get('description', meanings.get(name, '')))} |" * told)
    return lines


def _bytes(info: Any) -> str:
    """Return the type of a field of bytes, whose bounds JSON cannot say; empty for any other field."""
    if not isinstance(info, msgspec.inspect.BytesType):
        return ""
    least, most = info.min_length, info.max_length
    if least is not None and least == most:
        return f"{least} bytes"
    bounds = [f"{least} or more" if least else "", f"{most} at most" if most else ""]
    return ", ".join(["bytes", *filter(None, bounds)])


# --- the population's file


def population_meanings() -> dict[str, dict[str, str]]:
    """Return what each key of each table means: the comments of the file that `coordinator init` writes."""
    from confidante.coordinator.config.population_file import EXAMPLE

    found: dict[str, dict[str, str]] = {}
    table, key = "", ""
    for raw in EXAMPLE.splitlines():
        line = raw.removeprefix("# ").rstrip()
        if header := re.match(r"\[+([a-z_.]+)\]+\s*(#.*)?$", line):
            table, key = header[1], ""
        elif match := re.match(r'([a-z_]+) = ("[^"]*"|\{.*\}|\[.*\]|[^#]*?)\s*(?:#\s*(.*))?$', line):
            key = match[1]
            if table == "task" and key == "kind":
                table = "task." + match[2].strip('" ')
            elif table.startswith("task") and key == "name":
                table = "task.group"
            found.setdefault(table, {})[key] = match[3] or ""
        elif (more := re.match(r"\s*#\s+(.*)$", line)) and key and raw.startswith((" ", "# ")):
            found[table][key] += " " + more[1]
        elif not line.strip():
            key = ""
            table = "task" if table.startswith("task") else table
    return found


def population_tables() -> list[tuple[str, type]]:
    """Return each table of the file with its shape: `""` for the top, `task.KIND` for a kind of task."""
    from confidante.coordinator.config import population_file

    return list(_tables("", population_file._File))


def _tables(name: str, shape: type) -> Iterator[tuple[str, type]]:
    yield name, shape
    for one in msgspec.structs.fields(shape):
        inner = list(_structs(msgspec.inspect.type_info(one.type)))
        for cls in inner:
            tag = cls.__struct_config__.tag
            yield from _tables(f"{name}.{one.name}".lstrip(".") + (f".{tag}" if tag else ""), cls)


def _structs(info: Any) -> Iterator[Any]:
    if isinstance(info, msgspec.inspect.StructType):
        yield info.cls
    elif dataclasses.is_dataclass(info) or isinstance(info, msgspec.Struct):
        for key in ("types", "item_type", "type", "value_type"):
            inner = getattr(info, key, None)
            for part in inner if isinstance(inner, tuple) else (inner,) if inner is not None else ():
                yield from _structs(part)


def population_page() -> str:
    """Return the page of the population's file, from the shape that reads it."""
    from confidante.coordinator.config.population_file import EXAMPLE

    meanings = population_meanings()
    lines = [
        "# The population's file",
        "",
        "A population is the people whose devices learn one model together. One TOML file describes it;",
        "`confidante coordinator init FILE` writes one, `confidante coordinator doctor FILE` checks it.",
        "",
    ]
    for name, shape in population_tables():
        head = f"[[{name}]]" if name.startswith("task") else f"[{name}]"
        if name.startswith("task.") and name.partition(".")[2] in dict(_kinds()):
            head = f'[[task]] kind = "{name.partition(".")[2]}"'
        lines += [
            f"## `{head}`" if name else "## At the top",
            "",
            *_table(shape, meanings_of(meanings, name)),
            "",
        ]
    return "\n".join([*lines, "## The file that `init` writes", "", "```toml", EXAMPLE.rstrip(), "```", ""])


def _kinds() -> Iterator[tuple[str, type]]:
    for _, shape in population_tables():
        tag = shape.__struct_config__.tag  # type: ignore[attr-defined]
        if tag:
            yield str(tag), shape


def meanings_of(meanings: dict[str, dict[str, str]], table: str) -> dict[str, str]:
    """Return the meanings of a table; what all tasks have is said once in the file."""
    every = {
        key: text
        for name, keys in meanings.items()
        if name.startswith("task")
        for key, text in keys.items()
        if text
    }
    if table.endswith(".group"):
        return meanings.get("task.group", {})
    return (every if table.startswith("task") else {}) | meanings.get(table, {})


# --- putting it together

REFERENCE = {
    "python.md": python_page,
    "command-line.md": cli_page,
    "local-api.md": local_api_page,
    "population-file.md": population_page,
    "coordinator-http.md": coordinator_page,
    "wire.md": wire_page,
}


def stage(target: Path) -> None:
    """Write all pages of the site below `target`."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(DOCS, target)
    for name in OUTSIDE:
        (target / name).write_text((ROOT / name).read_text().replace("](docs/", "]("))
    for page in DOCS.rglob("*.md"):
        copy = target / page.relative_to(DOCS)
        copy.write_text(_at_home(copy.read_text()))
    for name, make in REFERENCE.items():
        (target / "reference" / name).write_text(make())


def _at_home(text: str) -> str:
    """Point links to pages beside `docs/` to their copies on the site."""
    for name in OUTSIDE:
        text = re.sub(rf"\]\((?:\.\./)((?:\.\./)*){re.escape(name)}", rf"](\g<1>{name}", text)
    return text


def navigation(target: Path) -> str:
    """Return the menu as TOML: the sections, their pages by title, an index first."""
    parts = ['{ "Confidante" = "index.md" }']
    for title, folder in SECTIONS.items():
        pages = sorted((target / folder).glob("*.md"), key=lambda page: (page.name != "index.md", page.name))
        inner = [
            json.dumps(f"{folder}/{page.name}")
            if page.name == "index.md"
            else f"{{ {json.dumps(_title(page))} = {json.dumps(f'{folder}/{page.name}')} }}"
            for page in pages
        ]
        parts.append(f"{{ {json.dumps(title)} = [{', '.join(inner)}] }}")
    parts += [f"{{ {json.dumps(title)} = {json.dumps(page)} }}" for title, page in LAST.items()]
    return f"[{', '.join(parts)}]"


def _title(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ").replace("`", "")


def main() -> None:
    """Write the pages and the generator's configuration."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "out", help="folder that gets docs/ and docs.toml")
    out = parser.parse_args().out.resolve()
    stage(out / "docs")
    text = CONFIG.format(nav=navigation(out / "docs"), src=json.dumps(os.path.relpath(ROOT / "src", out)))
    (out / "docs.toml").write_text(text)
    sys.stdout.write(f"{out / 'docs'}: {len(list((out / 'docs').rglob('*.md')))} pages\n")


if __name__ == "__main__":
    main()
