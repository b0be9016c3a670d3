"""Seeded look-alikes of the data that the recipes are for: the same spec gives the same posts, in every process."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import assert_never

import numpy as np

from siaga.post import Post
from siaga.schema import SyntheticSource


def make_posts(spec: SyntheticSource) -> dict[str, Iterator[Post]]:
    """Return "posts" and, where asked for, "unlabelled"; each post is made when its turn comes.

    What was said of a post together with its label (its fields, but those of tweets and news) is missing where the
    label is.
    """
    parts = {"posts": _make(spec, spec.posts, "post", np.random.default_rng([spec.seed, 0]))}
    if spec.unlabelled:
        posts = _make(spec, spec.unlabelled, "unlabelled", np.random.default_rng([spec.seed, 1]))
        said_without_label = spec.looks_like in ("disaster-tweets", "stream-sentiment", "news-topics")
        parts["unlabelled"] = (
            replace(post, label=None, fields=post.fields if said_without_label else {}) for post in posts
        )
    return parts


def _make(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    make: Callable[[SyntheticSource, int, str, np.random.Generator], Iterator[Post]]
    match spec.looks_like:
        case "flood-triage":
            from siaga.sources.floods import make_floods as make
        case "digits":
            from siaga.sources.digits import make_digits as make
        case "cifar100":
            from siaga.sources.things import make_things as make
        case "image-sentiment":
            from siaga.sources.moods import make_moods as make
        case "disaster-tweets":
            from siaga.sources.alerts import make_alerts as make
        case "hateful-memes":
            from siaga.sources.memes import make_memes as make
        case "stream-sentiment":
            from siaga.sources.stream import make_stream as make
        case "news-topics":
            from siaga.sources.news import make_news as make
        case _:
            assert_never(spec.looks_like)
    return make(spec, count, name, rng)
