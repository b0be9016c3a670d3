"""A few texts before and after their cleaning, as each member of the model reads them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from pydantic import BaseModel

from siaga.features.fields import field_of
from siaga.features.text import clean_text
from siaga.post import Post
from siaga.schema import Cleaning, Linear, Recipe

SHOWN, LONGEST = 5, 400
_MOST_TRIED = 2000
Row = dict[str, Any]  # Any: the value of a JSON object.


def cleaned_texts(posts: Sequence[Post], recipe: Recipe) -> list[Row]:
    """Return five texts for each way of reading them: `id`, `member`, `before`, `after`, and further `fields` read.

    They are drawn by chance (by the recipe's seed) from the posts whose text changes, in more than case and white
    space if there are such. Members that read alike are named together, `model` is the model itself.
    """
    texts = [post for post in posts if post.text]
    order = np.random.default_rng(recipe.seed).permutation(len(texts))[:_MOST_TRIED].tolist()
    readers: dict[str, tuple[list[str], Any]] = {}  # Any: a spec that reads texts.
    for name, spec in _readers(recipe.model, ()):
        readers.setdefault(_manner(spec), ([], spec))[0].append(".".join(name) or "model")
    rows = []
    for names, spec in readers.values():
        tried = [texts[i] for i in order]
        far = list(islice((post for post in tried if _change(post, spec) == "far"), SHOWN))
        near = islice((post for post in tried if _change(post, spec) == "near"), SHOWN - len(far))
        rows += [_row(post, spec, ", ".join(names)) for post in [*far, *near]]
    return rows


def _readers(spec: object, name: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:  # Any: a spec.
    """Yield each part of a model that reads texts, with the names of the members that lead to it."""
    if isinstance(spec, Mapping):
        for key, part in spec.items():
            yield from _readers(part, (*name, str(key)))
    elif isinstance(spec, BaseModel) and isinstance(getattr(spec, "cleaning", None), Cleaning):
        if getattr(spec, "modality", "text") != "image":
            yield name, spec
    elif isinstance(spec, BaseModel):
        for key in type(spec).model_fields:
            yield from _readers(getattr(spec, key), (*name, key) if key == "agree_with" else name)


def _manner(spec: Any) -> str:  # Any: a spec that reads texts.
    return str(spec.model_dump_json(include={"cleaning", "fields", "fill"}))


def _change(post: Post, spec: Any) -> str:  # Any: a spec that reads texts.
    before, after = str(post.text), clean_text(str(post.text), spec.cleaning)
    if before == after:
        return "none"
    return "near" if before.casefold().split() == after.casefold().split() else "far"


def _row(post: Post, spec: Any, member: str) -> Row:  # Any: a spec that reads texts.
    others = [name for name in spec.fields if name != "text"] if isinstance(spec, Linear) else []
    return {
        "id": post.id,
        "member": member,
        "before": _short(str(post.text)),
        "after": _short(clean_text(str(post.text), spec.cleaning)),
        "fields": {name: _short(field_of(post, name, spec)) for name in others},
    }


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST].rstrip() + "…"
