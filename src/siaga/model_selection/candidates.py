"""What competes: the heads of a linear model, a recipe's variants, and values of its settings."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from siaga.errors import RecipeError, did_you_mean
from siaga.recipe import with_settings
from siaga.schema import Linear, Recipe, SelfTraining

FREE = frozenset({"model", "decision", "name", "summary", "search", "submission"})  # What candidates may differ in.


MAJORITY, TFIDF = "majority", "tfidf"  # The baselines.


@dataclass(frozen=True)
class Candidate:
    """A recipe under the name that people read; `arguments` are those of `siaga train` that make it of the first."""

    name: str
    recipe: Recipe
    arguments: tuple[str, ...] = ()


def candidates_of(recipe: Recipe, *, heads: Sequence[str] | None = None, vary: Sequence[str] = ()) -> list[Candidate]:
    """Return the recipe with each head, and with each value of `vary`, which are `KEY=V1,V2,…` in TOML's notation.

    `heads` are those of a linear model, all that there are when not given; the recipe as it is competes where no head
    of it does. Raises RecipeError for a head or a setting that there is not, or that others must share.
    """
    key = _key_of_head(recipe)
    if heads is None:
        named = list(_heads()) if key else []
    else:
        named = list(heads)
        _check_heads(named, key, recipe)
    found = [_with(recipe, str(key), head, name=head) for head in named]
    if heads is None and not any(_is_same(each.recipe, recipe) for each in found):
        found.insert(0, as_it_is(recipe))
    return found + [_with(recipe, setting, value) for part in vary for setting, value in _values(part)]


def as_it_is(recipe: Recipe) -> Candidate:
    """Return the recipe itself as a candidate."""
    return Candidate("as it is", recipe)


def trial_of(number: int, recipe: Recipe, settings: Mapping[str, object]) -> Candidate:
    """Return the recipe of a trial of a search as a candidate."""
    arguments = [part for key, value in settings.items() for part in ("--set", f"{key}={_toml(value)}")]
    return Candidate(f"trial {number}", recipe, tuple(arguments))


def tfidf_baseline(recipe: Recipe) -> Candidate:
    """Return the baseline of texts, as a report has it, on the recipe's posts."""
    return Candidate(TFIDF, with_settings(recipe, {"model": {"kind": "linear"}}, where=TFIDF))


def distinct(candidates: Sequence[Candidate], recipe: Recipe) -> tuple[list[Candidate], dict[str, str]]:
    """Return the candidates that differ from all before them, and why the others do not compete, by name.

    Raises RecipeError for one that would be fitted on other posts than the recipe, and for two of one name.
    """
    kept: list[Candidate] = []
    skipped = {}
    for each in candidates:
        _check_comparable(each, recipe)
        same = next((other.name for other in kept if _is_same(other.recipe, each.recipe)), None)
        if same is not None:
            skipped[each.name] = f"it is the same as {same!r}."
        elif each.name in (MAJORITY, TFIDF, *(other.name for other in kept)):
            raise RecipeError(f"Two candidates are called {each.name!r}. Name each once.")
        else:
            kept.append(each)
    return kept, skipped


def differs_in(candidate: Candidate, recipe: Recipe) -> str | None:
    """Return what keeps a candidate from answering the same posts as the recipe's others, if anything."""
    own = [key for key in Recipe.model_fields if getattr(candidate.recipe, key) != getattr(recipe, key)]
    return next((key for key in own if key not in FREE), None)


def _check_comparable(candidate: Candidate, recipe: Recipe) -> None:
    if (own := differs_in(candidate, recipe)) is not None:
        what = f"The candidate {candidate.name!r} has a {own!r} of its own, so it would answer other posts"
        hint = " To compare on the posts of a variant, start from it: --base VARIANT." * (own == "source")
        raise RecipeError(f"{what}, or be measured otherwise. Candidates differ in model and decision alone.{hint}")


def _heads() -> tuple[str, ...]:
    return get_args(Linear.model_fields["head"].annotation)


def _key_of_head(recipe: Recipe) -> str | None:
    match recipe.model:
        case Linear():
            return "model.head"
        case SelfTraining(model=Linear()):
            return "model.model.head"
        case _:
            return None


def _check_heads(heads: Sequence[str], key: str | None, recipe: Recipe) -> None:
    if heads and key is None:
        what = f"The model of {recipe.name} is {recipe.model.kind!r}, which has no heads to compare"
        raise RecipeError(f"{what}. Leave --heads out, and vary another setting: --vary KEY=V1,V2.")
    for head in heads:
        if head not in _heads():
            raise RecipeError(f"There is no head {head!r}.{did_you_mean(head, _heads())} Known: {', '.join(_heads())}.")


def _with(recipe: Recipe, key: str, value: object, *, name: str | None = None) -> Candidate:
    written = f"{key}={_toml(value)}"
    changed = with_settings(recipe, {key: value}, where=f"recipe {recipe.name} with {written}")
    return Candidate(name or written, changed, ("--set", written))


def _values(part: str) -> list[tuple[str, object]]:
    """Return the key with each of its values; a value that is not TOML is a word."""
    key, equals, text = part.partition("=")
    if not equals or not key.strip() or not text.strip():
        raise RecipeError(f"--vary {part!r} is not KEY=V1,V2,…. Write for example --vary model.C=1,4.")
    try:
        values = tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        values = [_value(word.strip()) for word in text.split(",")]
    return [(key.strip(), value) for value in values]


def _value(word: str) -> object:
    try:
        value: object = tomllib.loads(f"value = {word}")["value"]
    except tomllib.TOMLDecodeError:
        return word
    return value


def _toml(value: object) -> str:
    """Return a value as --set takes it: a word as it is, where it cannot be taken for anything else."""
    is_plain = isinstance(value, str) and _value(value) == value
    return str(value) if is_plain else json.dumps(value, ensure_ascii=False)


def _is_same(a: Recipe, b: Recipe) -> bool:
    return (a.model, a.decision) == (b.model, b.decision)
