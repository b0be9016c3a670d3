"""Made messages of a stream, and what a store must hold once they were read: counted here from the messages alone."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from siaga.serving.store import open_store
from siaga.serving.store.rows import MinuteRow

START_MS = 1_562_135_340_000
_EXTRA_TEXT = 10_000_000


class Post(NamedTuple):
    """A made post: how often it says good (or, below zero, bad), and when."""

    id: str
    words: int
    language: str
    time_ms: int

    @property
    def score(self) -> int:
        return 3 * self.words if self.language == "en" else 0

    def line(self, width: int = 0, text: str = "") -> bytes:
        said = text or " ".join(["good" if self.words > 0 else "bad"] * abs(self.words) or ["table"])
        tweet = {"id_str": self.id, "text": said, "lang": self.language, "timestamp_ms": str(self.time_ms)}
        return json.dumps(tweet | ({"source": "x" * width} if width else {})).encode()


class Made(NamedTuple):
    """Messages in their order; the posts and the dead letters that must come of them."""

    lines: list[bytes]
    posts: list[Post]
    dead: list[bytes]


def made(count: int, *, seed: int = 0, dirt: int = 40, has_long: bool = False, width: int = 0) -> Made:
    """Return so many posts; some come twice, some are deleted later, and between them stands what is no post."""
    dice = random.Random(seed)
    posts = [made_post(number, dice) for number in range(count)]
    lines: list[tuple[float, bytes]] = [(number, post.line(width)) for number, post in enumerate(posts)]
    for number in dice.sample(range(count), count // 40):
        lines.append((number + dice.uniform(1, 300), posts[number].line(width)))
        lines.append((number + dice.uniform(1, 300), deletion(posts[dice.randrange(count)].id)))
        lines.append((number + 0.5, deletion(f"unseen{number}")))
    dead = [broken(number) for number in range(dirt)]
    if has_long:
        dead.append(Post("long", 0, "en", START_MS).line(text="a" * _EXTRA_TEXT))
    lines += [(dice.uniform(0, count), line) for line in dead]
    return Made([line for _, line in sorted(lines)], posts, dead)


def made_post(number: int, dice: random.Random) -> Post:
    return Post(f"p{number}", dice.randrange(-2, 3), dice.choice(["en", "en", "id"]), START_MS + number * 37)


def deletion(id_: str) -> bytes:
    return json.dumps({"delete": {"status": {"id_str": id_}}}).encode()


def broken(number: int) -> bytes:
    """Return one of all sorts of messages that are no post; no two are the same."""
    head = b'{"id_str":"broken%d","timestamp_ms":"1562135340000","lang":"en",' % number
    sorts = [
        head,
        head + b'"text":5}',
        head + b'"text":"a \\u0000 within"}',
        head + b'"text":"half \\ud83d a face"}',
        head + b'"text":"half \xf0\x9f a face"}',
        b'{"text":"nobody","number":"%d"}' % number,
        b"<html>502 Bad Gateway %d</html>" % number,
        b"[%d]" % number,
        head + b'"deep":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ]
    return sorts[number % len(sorts)]


def check(store: str, expected: Made, *, poison: Sequence[bytes] = ()) -> None:
    """See that a store holds what it should: nothing is lost, doubled, or miscounted."""
    with open_store(store, must_exist=True) as opened:
        predictions, letters = list(opened.predictions()), list(opened.dead_letters())
        minutes, counts = list(opened.minutes()), opened.counts()
    assert Counter(row.post_id for row in predictions) == Counter(post.id for post in expected.posts)
    assert {row.post_id: row.score for row in predictions} == {post.id: post.score for post in expected.posts}
    assert Counter(letter.raw for letter in letters) == Counter([*expected.dead, *poison])
    assert {letter.raw for letter in letters if letter.reason.startswith("Poison")} == set(poison)
    assert not {letter.post_id for letter in letters} & {row.post_id for row in predictions}
    assert minutes == minutes_of(expected.posts, minutes[0].model)
    assert counts["posts"] == len(expected.posts)


def minutes_of(posts: Sequence[Post], model: str) -> list[MinuteRow]:
    """Count posts by their minutes."""
    by_key: dict[tuple[int, str, str], list[Post]] = {}
    for post in posts:
        label = "neutral" if not post.score else "positive" if post.score > 0 else "negative"
        by_key.setdefault((post.time_ms // 60_000 * 60_000, post.language, label), []).append(post)
    return [_minute(model, key, by_key[key]) for key in sorted(by_key)]


def _minute(model: str, key: tuple[int, str, str], posts: Sequence[Post]) -> MinuteRow:
    minute_ms, language, label = key
    errors = sum(post.language != "en" or not post.words for post in posts)
    scores, times = [post.score for post in posts], [post.time_ms for post in posts]
    sums = (len(posts), errors, sum(scores), sum(score**2 for score in scores))
    return MinuteRow(model, minute_ms, language, "", "", label, *sums, min(times), max(times))
