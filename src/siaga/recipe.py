"""Recipes: found by name or path, overridden by key, checked whole, and every fault explained at once."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from siaga.errors import RecipeError, did_you_mean
from siaga.schema import Files, Recipe

Table = dict[str, Any]  # Any: a TOML table, before it is checked.
_PATHS = ("path", "train", "validation", "test", "unlabelled", "image_root")


def list_recipes() -> list[str]:
    """Return the names of the recipes that come with Siaga."""
    return sorted(path.name.removesuffix(".toml") for path in files("siaga.recipes").iterdir() if _is_toml(path.name))


def load_recipe(name: str | Path, *, overrides: Sequence[str] = (), variant: str | None = None) -> Recipe:
    """Return the checked recipe of that name or path.

    `overrides` are `key.path=value` in TOML's notation (a bare word is a string); `variant` is one of the tables
    under `[variants]` in the recipe, laid over it, or several with commas between, one over the other. A relative
    path in a recipe's file is relative to that file, one in an override to the working folder. A `kind` among the
    overrides goes before what belongs to it. A space to be searched goes with the kind of model that it was written
    for. Raises RecipeError naming every fault.
    """
    table, where = _read(name)
    if isinstance(name, Path) or _is_toml(str(name)):
        _anchor(table, Path(name).resolve().parent)
    variants = table.pop("variants", {})
    written = table
    for each in variant.split(",") if variant is not None else []:
        if each not in variants:
            known = ", ".join(sorted(variants)) or "none"
            raise RecipeError(f"{where} has no variant {each!r}.{did_you_mean(each, variants)} It has: {known}.")
        table = _overlay(table, variants[each])
    for override in sorted(overrides, key=_sets_no_kind):
        table = _overlay(table, _parse_override(override))
    if _kind_of_model(table) != _kind_of_model(written) and table.get("search") == written.get("search"):
        table = {key: value for key, value in table.items() if key != "search"}
    return check_recipe(table, where=where)


def variants_of(name: str | Path) -> list[str]:
    """Return the names of a recipe's variants."""
    return sorted(_read(name)[0].get("variants", {}))


def check_recipe(table: Table, *, where: str) -> Recipe:
    """Return the recipe that a table describes, or raise RecipeError with all of its faults, one a line."""
    table = _with_usual_kinds(table)
    recipe, faults = _validated(table)
    if recipe is not None:
        faults = _faults_of_search(recipe, table)
    if recipe is None or faults:
        count = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
        raise RecipeError(f"{where} has {count}:\n" + "\n".join(f"  - {fault}" for fault in faults))
    return recipe


def _with_usual_kinds(table: Table) -> Table:
    """Return the table with the kinds of `split` and `evaluation` where they are not set; topics are told as such."""
    evaluation = "topics" if _kind_of_model(table) == "topics" else "classification"
    usual = {"split": Recipe.model_fields["split"].default.kind, "evaluation": evaluation}
    told = {name: table.get(name, {}) for name in usual if name in table or name == "evaluation"}
    filled = {name: {"kind": usual[name], **part} for name, part in told.items() if isinstance(part, dict)}
    return {**table, **filled}


def with_settings(recipe: Recipe, settings: Mapping[str, object], *, where: str) -> Recipe:
    """Return the recipe, with nothing to search, and with values laid over it by dotted key.

    Raises RecipeError naming every fault.
    """
    table = {key: value for key, value in to_table(recipe).items() if key != "search"}
    for key in sorted(settings, key=_sets_no_kind):
        table = _overlay(table, _at(key, settings[key]))
    return check_recipe(table, where=where)


def _validated(table: Table) -> tuple[Recipe | None, list[str]]:
    """Return the recipe, or None and its faults."""
    try:
        return Recipe.model_validate(table), []
    except ValidationError as error:
        return None, sorted({_explain(fault, table) for fault in error.errors()})


def _faults_of_search(recipe: Recipe, table: Table) -> list[str]:
    """Return what the space of a search holds that the recipe could not; each value is tried on its own."""
    without = {key: value for key, value in table.items() if key != "search"}
    faults = []
    for key, searched in recipe.search.space.items():
        if not key.startswith("model."):
            faults.append(f"search.space: {key!r} is no setting of the model. Write for example 'model.C'.")
            continue
        for value in searched.extremes():
            _, found = _validated(_overlay(without, _at(key, value)))
            faults += [f"search.space: with {key} = {value!r}, {fault}" for fault in found]
    return sorted(set(faults))


def to_table(spec: BaseModel) -> Table:
    """Return a spec as plain values with every default written out; what is not set is left out."""
    table: Table = spec.model_dump(mode="json", exclude_none=True)
    return table


def to_toml(recipe: Recipe) -> str:
    """Return the whole recipe as TOML, every default written out."""
    import tomli_w

    return tomli_w.dumps(to_table(recipe))


def _kind_of_model(table: Table) -> object:
    model = table.get("model")
    return model.get("kind") if isinstance(model, dict) else None


def _read(name: str | Path) -> tuple[Table, str]:
    known = list_recipes()
    if isinstance(name, str) and name in known:
        return tomllib.loads((files("siaga.recipes") / f"{name}.toml").read_text(encoding="utf-8")), f"recipe {name}"
    path = Path(name)
    if not path.is_file():
        hint = did_you_mean(str(name), known)
        raise RecipeError(f"There is no recipe {str(name)!r}.{hint} Known: {', '.join(known)}; or give a .toml file.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), str(path)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}. Mend that line.") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None


def _is_toml(name: str) -> bool:
    return name.endswith(".toml")


def _anchor(table: Table, folder: Path) -> None:
    """Make the relative paths of sources relative to `folder`, and weights and words of models if they stand there."""
    for part in tables_in(table):
        source = part.get("source")
        if isinstance(source, dict):
            source.update({key: str(folder / source[key]) for key in _PATHS if isinstance(source.get(key), str)})
        for name, stands in (("weights", Path.is_dir), ("words", Path.is_file), ("start", Path.is_dir)):
            if isinstance(part.get(name), str) and stands(folder / part[name]):
                part[name] = str((folder / part[name]).resolve())


def tables_in(table: Table) -> Iterable[Table]:
    """Yield a table and every table inside it."""
    yield table
    for value in table.values():
        if isinstance(value, dict):
            yield from tables_in(value)


def _parse_override(override: str) -> Table:
    key, equals, text = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f"--set {override!r} is not key=value. Write for example --set model.folds=3.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    return _at(key, value)


def _at(key: str, value: object) -> Table:
    """Return the table that holds a value at a dotted key."""
    first, dot, rest = key.strip().partition(".")
    return {first: _at(rest, value) if dot else value}


def _sets_no_kind(override: str) -> bool:
    return override.partition("=")[0].strip().rpartition(".")[2] != "kind"


def _overlay(below: Table, above: Mapping[str, Any]) -> Table:  # Any: TOML values.
    """Lay `above` over `below`, table by table; a table of another kind starts anew, and an empty one empties."""
    if "kind" in above and above["kind"] != below.get("kind"):
        return dict(above)
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        is_laid_over = isinstance(value, dict) and value
        merged[key] = _overlay(old if isinstance(old, dict) else {}, value) if is_laid_over else value
    return merged


def _explain(fault: Mapping[str, Any], table: Table) -> str:  # Any: pydantic's ErrorDetails.
    keys = _keys(fault["loc"], table)
    place = ".".join(keys) or "the recipe"
    match fault["type"]:
        case "extra_forbidden":
            return f"{place}: unknown key.{_hint(keys, table)}"
        case "missing":
            return f"{place}: missing. Set it."
        case "union_tag_invalid":
            tags = fault["ctx"]["expected_tags"]
            hint = did_you_mean(fault["ctx"]["tag"], tags.replace("'", "").split(", "))
            return f"{place}.kind: {fault['ctx']['tag']!r} is not one of {tags}.{hint}"
        case "union_tag_not_found":
            return f"{place}.kind: missing. Set it."
        case "value_error":
            return f"{place}: {fault['ctx']['error']}"
        case _:
            return f"{place}: {fault['msg'][0].lower()}{fault['msg'][1:]}, found {fault['input']!r}{_word_meant(fault)}"


def _word_meant(fault: Mapping[str, Any]) -> str:  # Any: as above.
    """Suggest the word that was meant, where only some words will do."""
    known = re.findall(r"'([^']*)'", fault["ctx"]["expected"]) if fault["type"] == "literal_error" else []
    hint = did_you_mean(str(fault["input"]), known)
    return f".{hint}" if hint else ""


def _keys(location: Sequence[str | int], table: Table) -> list[str]:
    """Return the keys of a location in the table, without the tags that pydantic puts between them."""
    keys: list[str] = []
    here: object = table
    for part in location:
        inside = isinstance(here, dict) and part in here
        if part == "[key]" or (isinstance(here, dict) and not inside and here.get("kind") == part):
            continue
        keys.append(str(part))
        here = here[part] if isinstance(here, dict) and inside else None
    return keys


def _hint(keys: Sequence[str], table: Table) -> str:
    """Suggest the key that was meant, or the kind that has such a key."""
    specs = _specs_at(keys[:-1], table)
    known = [name for spec in specs[:1] for name in spec.model_fields]
    if hint := did_you_mean(keys[-1], known):
        return hint
    others = [spec.model_fields["kind"].default for spec in specs[1:] if keys[-1] in spec.model_fields]
    if others:
        return f" It belongs to kind {' or '.join(map(repr, others))}: set {'.'.join([*keys[:-1], 'kind'])} as well."
    return f" Known: {', '.join(known)}." if known else ""


def _specs_at(keys: Sequence[str], table: Table) -> list[type[BaseModel]]:
    """Return the spec that stands at `keys` of the table, followed by the other kinds that could."""
    specs: list[type[BaseModel]] = [Recipe]
    here: object = table
    for key in keys:
        here = here.get(key) if isinstance(here, dict) else None
        field = specs[0].model_fields.get(key) if specs else None
        if field is not None:
            specs = list(_specs_in(field.annotation))
        kind = here.get("kind") if isinstance(here, dict) else None
        specs.sort(key=lambda spec: "kind" in spec.model_fields and spec.model_fields["kind"].default != kind)
    return specs


def _specs_in(annotation: object) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _specs_in(part)


def source_files(recipe: Recipe) -> list[Path]:
    """Return the files and folders that a recipe's source names."""
    if not isinstance(recipe.source, Files):
        return []
    named = [getattr(recipe.source, key) for key in _PATHS[:-1]]
    return [path for path in named if path is not None]
