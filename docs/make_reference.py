"""Writes docs/reference.md: every setting, from the schema; every command, from the CLI; and the files.

python docs/make_reference.py
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE / "reference.md"
FILES = HERE / "reference_files.md"
HEAD = """# Reference

Made by `python docs/make_reference.py` from the schema and the command line; edit those, or `reference_files.md`.

- [Settings](#settings): what a recipe can say
- [Commands](#commands): what `siaga` can do, and with which options
- [Files](#files): what it writes
"""
SETTINGS = """## Settings

A key is written with its tables, as in `--set split.test=0.3`. A setting whose default is – has to be set; of the
kinds of a part, one is chosen with `kind`. Unknown keys are errors.
"""
COMMANDS = """## Commands

Results go to stdout, progress to stderr. Exit codes: 0, 1 (a fault in data or recipe), 2 (wrong usage), 130
(interrupted). `-h` explains every command.
"""
BAR = "\\|"
WORDS = {"string": "text", "path": "path", "integer": "whole number", "number": "number", "boolean": "true or false"}
Schema = Mapping[str, Any]  # Any: JSON Schema.


def reference() -> str:
    """Return the page."""
    return "\n".join([HEAD, SETTINGS, *_settings(), COMMANDS, *_commands(), FILES.read_text(encoding="utf-8")])


def _settings() -> Iterable[str]:
    """Yield a section for the recipe and one for each of its parts, in the order in which they are met."""
    from siaga.schema import Recipe

    whole = Recipe.model_json_schema()
    specs = whole["$defs"]
    yield _section("The recipe", whole, specs)
    seen: set[str] = set()
    waiting = [("", whole)]
    while waiting:
        place, spec = waiting.pop(0)
        for key, value in spec["properties"].items():
            for name in _specs_in(value):
                if name not in seen:
                    seen.add(name)
                    yield _section(_heading(f"{place}{key}", specs[name]), specs[name], specs)
                    waiting.append((f"{place}{key}.", specs[name]))


def _heading(place: str, spec: Schema) -> str:
    kind = spec["properties"].get("kind", {}).get("const")
    return f"{place}: {kind}" if kind else place


def _section(heading: str, spec: Schema, specs: Mapping[str, Schema]) -> str:
    rows = [
        (
            f"`{key}`",
            _type(value),
            _default(value, key in spec.get("required", ()), specs),
            value.get("description", ""),
        )
        for key, value in spec["properties"].items()
        if key != "kind"
    ]
    return _titled(heading, spec["description"], _table(("setting", "type", "default", "meaning"), rows))


def _type(value: Schema) -> str:
    """Return a JSON Schema's type in words."""
    match value:
        case {"anyOf": list(options)}:
            words = " or ".join(_type(option) for option in options if option.get("type") != "null")
        case {"oneOf": _}:
            words = "one of the kinds"
        case {"$ref": _}:
            words = "table"
        case {"const": const}:
            words = f"`{json.dumps(const)}`"
        case {"enum": list(options)}:
            words = ", ".join(f"`{json.dumps(option)}`" for option in options)
        case {"type": "array", "prefixItems": list(items)}:
            words = f"list of {len(items)}: {_type(items[0])}"
        case {"type": "array", "items": dict(item)}:
            words = f"list of {_type(item)}"
        case {"type": "object", "additionalProperties": dict(item)}:
            words = f"table of {_type(item)}"
        case _:
            words = " ".join([WORDS[value.get("format", value["type"])], *_bounds(value)])
    return words


def _bounds(value: Schema) -> list[str]:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    bounds = ", ".join(f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value)
    return [bounds] if bounds else []


def _default(value: Schema, is_required: bool, specs: Mapping[str, Schema]) -> str:
    if is_required:
        return "–"
    default = value.get("default")
    if default is None:
        return "not set"
    for name in _specs_in(value):
        own = {key: each.get("default") for key, each in specs[name]["properties"].items()}
        if isinstance(default, dict) and default.get("kind") in (None, own.get("kind")):
            default = {key: each for key, each in default.items() if key == "kind" or each != own[key]}
    return f"`{_toml(default)}`"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        inside = ", ".join(f"{key} = {_toml(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    return json.dumps(value, ensure_ascii=False)


def _specs_in(value: object) -> Iterable[str]:
    """Yield the names of the specs that a setting may hold, in order."""
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"].rpartition("/")[2]
        value = [each for key, each in value.items() if key != "discriminator"]
    for each in value if isinstance(value, list) else ():
        yield from _specs_in(each)


def _commands() -> Iterable[str]:
    from typer.main import get_command

    from siaga.cli.main import app

    commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # Any: click's, as typer has it.
    for name, command in commands.items():
        usage = " ".join(["siaga", name, *(_usage(each) for each in command.params if _is_argument(each))])
        rows = [(f"`{_written(each)}`", each.help or "", _given(each.default)) for each in command.params]
        yield _titled(usage, command.help, _table(("argument or option", "meaning", "default"), rows))


def _is_argument(parameter: Any) -> bool:  # Any: click's Parameter, as typer has it; here and below.
    return bool(parameter.param_type_name == "argument")


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _written(parameter: Any) -> str:
    if _is_argument(parameter):
        return _usage(parameter)
    value = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
    return ", ".join(reversed(parameter.opts)) + value


def _given(default: object) -> str:
    return "" if default in (None, False, [], ()) else f"`{default}`"


def _titled(title: str, about: str, table: str) -> str:
    return f"### {title}\n\n{about}\n" + (f"\n{table}" if table else "")


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Return a table, or nothing for no rows."""
    lines = [head, ("---",) * len(head), *rows] if rows else []
    return "".join(f"| {' | '.join(cell.replace('|', BAR) for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
