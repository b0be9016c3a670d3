"""Made streams: seeded, in order of time, as dirty as real ones, and with a mood that can be learned."""

import os
import re
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from hashlib import sha256
from itertools import islice

import msgspec
import numpy as np
import pytest

from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import SyntheticSource
from siaga.sources import chatter, read_source
from siaga.sources.items import ItemReader
from siaga.sources.raw_stream import Dirt, made_lines
from siaga.sources.stream import CITIES, START


def posts_of(count: int, part: str = "posts", **changed: float) -> list[Post]:
    spec = SyntheticSource.model_validate({"looks_like": "stream-sentiment", "posts": count, **changed})
    return list(read_source(spec, quarantine=Quarantine())[part])


def digest() -> str:
    posts = posts_of(40, noise=0.2, missing_text=0.1)
    return sha256(repr([posts, *made_lines(200, dirt=Dirt(broken=0.1))]).encode()).hexdigest()


def test_made_streams_are_the_same_in_every_process_and_differ_by_seed() -> None:
    program = "from tests.test_made_stream import digest; print(digest())"
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()
    assert not {post.text for post in posts_of(30)} & {post.text for post in posts_of(30, seed=8)}
    assert not set(made_lines(30)) & set(made_lines(30, seed=8))


def test_posts_and_lines_are_made_when_they_are_asked_for() -> None:
    many = SyntheticSource(looks_like="stream-sentiment", posts=50_000)
    assert len(list(islice(read_source(many, quarantine=Quarantine())["posts"], 3))) == 3
    assert len(list(islice(made_lines(10**9), 3))) == 3


def test_posts_have_moods_languages_times_and_places() -> None:
    posts = posts_of(600)
    moods = Counter(post.label for post in posts)
    assert set(moods) == {"negative", "neutral", "positive"}
    assert min(moods.values()) > 120
    assert {post.language for post in posts} == {"en", "id", "es", "ja"}
    times = [post.time for post in posts if post.time is not None]
    assert times == sorted(times)
    assert times[0] == START
    assert START + timedelta(minutes=9, seconds=50) < times[-1] < START + timedelta(minutes=10)
    methods = Counter(post.place.method if post.place is not None else None for post in posts)
    assert set(methods) == {"coordinates", "box", "profile", None}
    assert methods["profile"] > methods["box"] > methods["coordinates"] > 0
    assert all("user" in post.fields for post in posts)


def test_the_mood_swings_with_the_minutes() -> None:
    labels = [post.label for post in posts_of(2000)]
    early, late = labels[300:700], labels[1300:1700]
    assert early.count("positive") > 1.5 * late.count("positive")
    assert late.count("negative") > 1.5 * early.count("negative")


def test_noise_and_missing_text_are_the_shares_that_were_asked_for() -> None:
    pairs = zip(posts_of(100), posts_of(100, noise=0.3, missing_text=0.1), strict=True)
    changed = [(right, other) for right, other in pairs if right.label != other.label]
    assert 25 <= len(changed) <= 100
    assert sum(post.text is None for post in posts_of(100, missing_text=0.1)) == 10
    assert {post.label for post in posts_of(20, "unlabelled", unlabelled=30)} == {None}
    assert all("user" in post.fields for post in posts_of(20, "unlabelled", unlabelled=30))


def test_moods_can_be_learned_but_not_wholly_from_words() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    posts = posts_of(1500)
    labels = np.array([post.label for post in posts])
    features = TfidfVectorizer(min_df=2).fit_transform([post.text or "" for post in posts])
    model = LogisticRegression(C=3, max_iter=2000).fit(features[:1000], labels[:1000])
    assert 0.6 < model.score(features[1000:], labels[1000:]) < 0.93


@pytest.mark.parametrize("language", chatter.LANGUAGES)
def test_every_slot_of_the_grammar_is_filled_and_every_phrase_is_used(language: chatter.Language) -> None:
    templates, phrases = vars(chatter)["_TEMPLATES"][language], vars(chatter)["_PHRASES"][language]
    written = [text for group in (*templates.values(), *phrases.values()) for text in group]
    assert set(re.findall(r"\{(\w+)\}", " ".join(written))) == {*phrases, "number"}


def test_lines_hold_all_that_a_stream_does() -> None:
    lines = list(made_lines(4000))
    items, notices, faults = ItemReader("twitter").read_all(lines)
    tweets = [tweet for line in lines if "id_str" in (tweet := msgspec.json.decode(line))]
    assert faults == []
    assert notices.counts == {"delete": len(lines) - len(items)}
    assert 0.37 < len(notices) / len(lines) < 0.43
    assert not {id_ for _, id_ in notices.deleted} & {item.id for item in items}
    assert len({item.id for item in items}) == len(items)
    assert {tweet["lang"] for tweet in tweets} == {"en", "in", "es", "ja", None, "und", "qme"}
    assert {item.language for item in items} == {"en", "id", "es", "ja", None}
    assert 5 < sum(item.text is None for item in items) < 60
    assert 100 < sum("extended_tweet" in tweet for tweet in tweets) < 400
    assert 20 < sum("extended_tweet" in tweet.get("retweeted_status", {}) for tweet in tweets) < 200
    assert not any(len(item.text) == 140 and item.text.endswith("…") for item in items if item.text)
    assert {item.place.name for item in items if item.place and item.place.method == "box"} == {c.name for c in CITIES}
    kinds = {m["type"] for tweet in tweets for m in tweet.get("extended_entities", {"media": []})["media"]}
    assert kinds == {"photo", "video"}
    assert any("&amp;" in tweet.get("text", "") for tweet in tweets)
    assert not any("&amp;" in (item.text or "") for item in items)


def test_lines_are_spread_over_the_minutes() -> None:
    items, _, _ = ItemReader().read_all(list(made_lines(1000, minutes=2, start=START + timedelta(days=1))))
    times = [item.time for item in items if item.time is not None]
    assert times == sorted(times)
    assert START + timedelta(days=1) <= times[0]
    assert START + timedelta(days=1, seconds=115) < times[-1] < START + timedelta(days=1, minutes=2)


@pytest.mark.parametrize("form", ["twitter", "auto"])
def test_exactly_the_broken_lines_cannot_be_read(form: str) -> None:
    whole, dirty = (list(made_lines(1500, dirt=Dirt(deletes=0.2, broken=broken))) for broken in (0.0, 0.3))
    items, notices, faults = ItemReader("twitter" if form == "twitter" else "auto").read_all(dirty)
    assert len(items) + len(notices) + len(faults) == len(whole) == 1500
    assert 0.27 < len(faults) / 1500 < 0.33
    kinds = {reason.split(":")[0] for _, reason in faults}
    missing = "No id" if form == "twitter" else "Unknown message"
    assert kinds == {"Not JSON", "Wrong type", "NUL", "Lone surrogate", "Not UTF-8", missing}


def test_deletes_may_take_back_tweets_of_the_stream() -> None:
    items, notices, _ = ItemReader().read_all(list(made_lines(600, dirt=Dirt(recalled=1.0))))
    ids = {item.id for item in items}
    recalled = [id_ for _, id_ in notices.deleted if id_ in ids]
    assert len(recalled) > 0.98 * len(notices)
