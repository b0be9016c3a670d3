import json
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.dataset import Dataset, build_dataset, gather, list_events
from siaga.errors import DataError
from siaga.features.text import normalised
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import EventSplit, GivenSplit, GroupedSplit, RandomSplit, SplitSpec, TimeSplit
from tests.made import made_posts, picture

START = datetime(2024, 1, 1, tzinfo=UTC)


def numbered(count: int, *, start: int = 0, labels: str = "ab", **fields: str) -> list[Post]:
    """Posts with distinct texts, a day apart, labelled in turn."""
    return [
        Post(
            f"p{i}",
            f"post number {i} tells of something that happened {i * i} steps away",
            label=labels[i % len(labels)] if labels else None,
            time=START + timedelta(days=i),
            event=fields.get("event"),
            fields={name: value for name, value in fields.items() if name != "event"},
        )
        for i in range(start, start + count)
    ]


def build(
    posts: Mapping[str, Sequence[Post]] | Sequence[Post],
    split: SplitSpec | None = None,
    *,
    classes: Sequence[str] = (),
    seed: int = 0,
    quarantine: Quarantine | None = None,
) -> Dataset:
    source = posts if isinstance(posts, Mapping) else {"posts": posts}
    pool = gather(source, Quarantine() if quarantine is None else quarantine)  # An empty one is false.
    return build_dataset(pool, split=split or RandomSplit(), classes=classes, seed=seed)


def ids(posts: Sequence[Post]) -> set[str]:
    return {post.id for post in posts}


def refusal(work: Callable[[], object]) -> str:
    with pytest.raises(DataError) as caught:
        work()
    return str(caught.value)


def test_a_random_split_keeps_the_shares_of_each_class() -> None:
    dataset = build(numbered(200, labels="aaab"), RandomSplit(test=0.2, validation=0.1))
    assert {name: Counter(post.label for post in posts) for name, posts in dataset.splits().items()} == {
        "train": {"a": 105, "b": 35},
        "validation": {"a": 15, "b": 5},
        "test": {"a": 30, "b": 10},
        "unlabelled": {},
    }
    assert dataset.classes == ["a", "b"]


def test_every_post_is_in_one_split() -> None:
    posts = numbered(101, labels="abc")
    found = [post.id for part in build(posts).splits().values() for post in part]
    assert sorted(found) == sorted(ids(posts))


def test_another_seed_gives_another_split_and_the_same_seed_the_same() -> None:
    posts = numbered(60)
    assert build(posts, seed=1).test == build(posts, seed=1).test
    assert ids(build(posts, seed=1).test) != ids(build(posts, seed=2).test)


@given(st.randoms(use_true_random=False), st.sampled_from(["random", "grouped", "time", "event", "given"]))
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_posts_changes_nothing(rng: random.Random, kind: str) -> None:
    posts = {"posts": _mixed(range(60)), "unlabelled": _mixed(range(50, 75), prefix="u")}
    splits: dict[str, SplitSpec] = {
        "random": RandomSplit(),
        "grouped": GroupedSplit(column="author"),
        "time": TimeSplit(),
        "event": EventSplit(held_out="flood"),
        "given": GivenSplit(),
    }
    if kind == "given":
        posts = {"train": posts["posts"][:45], "test": posts["posts"][45:], "unlabelled": posts["unlabelled"]}
    shuffled = {name: rng.sample(part, len(part)) for name, part in posts.items()}
    assert build(shuffled, splits[kind]) == build(posts, splits[kind])


def _mixed(numbers: range, *, prefix: str = "p") -> list[Post]:
    """Posts of which every fourth repeats another's text, with pictures here and there."""
    return [
        Post(
            f"{prefix}{i}",
            f"a text that others repeat as well, number {i - i % 4 if i % 4 == 3 else i}",
            picture(blue=True, number=i // 18) if i % 9 == 0 else None,
            label="abc"[i % 3],
            time=START + timedelta(days=i),
            event=("flood", "fire", None)[i % 5 % 3],
            fields={"author": f"a{i // 12}"},
        )
        for i in numbers
    ]


@pytest.mark.parametrize(
    "split",
    [RandomSplit(), GroupedSplit(column="author"), TimeSplit(), EventSplit(held_out="flood")],
    ids=lambda split: split.kind,
)
def test_no_text_and_no_picture_stands_in_two_splits(split: SplitSpec) -> None:
    posts = [Post(p.id, p.text, p.image, p.label, p.time, event=p.event, fields=p.fields) for p in _mixed(range(150))]
    parts = build({"posts": posts, "unlabelled": _mixed(range(0, 150, 4), prefix="u")}, split).splits()
    for value in (lambda p: normalised(p.text), lambda p: p.image):
        found = {name: {value(post) for post in part} - {None} for name, part in parts.items()}
        names = [("train", "validation"), ("train", "test"), ("validation", "test")]
        names += [("unlabelled", "validation"), ("unlabelled", "test")]
        assert [found[a] & found[b] for a, b in names] == [set()] * len(names)
    assert all(parts[name] for name in ("train", "validation", "test"))


def test_posts_of_one_group_stay_together() -> None:
    posts = [
        Post(f"{i}", f"a text about matter number {i}", label="ab"[i % 2], fields={"author": f"a{i % 7}"})
        for i in range(70)
    ]
    parts = build(posts, GroupedSplit(column="author", test=0.3, validation=0.2)).splits()
    groups = {name: {post.get("author") for post in part} for name, part in parts.items()}
    assert {name: len(found) for name, found in groups.items()} == {
        "train": 4,
        "validation": 1,
        "test": 2,
        "unlabelled": 0,
    }
    assert not groups["train"] & groups["test"] | groups["train"] & groups["validation"]


def test_groups_that_share_a_duplicate_stay_together() -> None:
    posts = [
        Post(f"{i}", f"a text about matter number {i}", label="ab"[i % 2], fields={"author": f"a{i // 2}"})
        for i in range(12)
    ]
    posts += [Post(f"x{i}", "one text that six authors wrote", label="a", fields={"author": f"a{i}"}) for i in range(6)]
    message = refusal(lambda: build(posts, GroupedSplit(column="author")))
    assert "hang together" in message


def test_groups_larger_than_the_test_share_still_give_a_test_split() -> None:
    posts = [Post(f"{i}", f"a text about matter number {i}", label="ab"[i % 2], event=f"e{i % 3}") for i in range(30)]
    assert len(build(posts, GroupedSplit(column="event", test=0.1, validation=0)).test) == 10


def test_a_missing_group_column_is_named_with_a_suggestion() -> None:
    message = refusal(lambda: build(numbered(20, author="x"), GroupedSplit(column="authr")))
    assert "'authr'" in message
    assert "Did you mean 'author'?" in message


def test_the_newest_posts_are_the_test_and_the_next_newest_the_validation_split() -> None:
    dataset = build(numbered(100), TimeSplit(test=0.2, validation=0.1))
    assert ids(dataset.test) == {f"p{i}" for i in range(80, 100)}
    assert ids(dataset.validation) == {f"p{i}" for i in range(70, 80)}
    assert len(dataset.train) == 70


def test_unlabelled_posts_as_new_as_the_test_are_left_out() -> None:
    unlabelled = [
        Post(f"u{i}", f"unlabelled text, number {i}", time=START + timedelta(days=i)) for i in (3, 79, 80, 200)
    ]
    dataset = build({"posts": numbered(100), "unlabelled": unlabelled}, TimeSplit())
    assert ids(dataset.unlabelled) == {"u3", "u79"}
    assert dataset.facts["changes"][0]["ids"] == ["u200", "u80"]


def test_posts_without_a_time_are_counted_when_the_split_needs_it() -> None:
    posts = [*numbered(10), Post("x", "a text without a time", label="a"), Post("y", "another such text", label="b")]
    assert "2 of 12 labelled posts have no time" in refusal(lambda: build(posts, TimeSplit()))


def test_an_older_copy_of_a_test_post_leaves_training_and_is_counted() -> None:
    posts = [*numbered(50), Post("copy", numbered(50)[49].text, label="a", time=START)]
    dataset = build(posts, TimeSplit(test=0.2, validation=0))
    assert "p49" in ids(dataset.test)
    assert "copy" not in ids(dataset.train)
    change = {"split": "train", "what": "are left out, for they repeat a text or a picture of the test split"}
    assert {**change, "posts": 1, "ids": ["copy"]} in dataset.facts["changes"]


def test_one_event_is_held_out_whole_and_unlabelled_posts_of_it_too() -> None:
    posts = numbered(40, event="flood") + numbered(40, start=40, event="fire")
    unlabelled = [Post("u1", "unlabelled text one", event="fire"), Post("u2", "unlabelled text two", event="flood")]
    dataset = build({"posts": posts, "unlabelled": unlabelled}, EventSplit(held_out="fire", validation=0.25))
    assert {post.event for post in dataset.test} == {"fire"}
    assert {post.event for post in [*dataset.train, *dataset.validation]} == {"flood"}
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (30, 10, 40)
    assert ids(dataset.unlabelled) == {"u2"}


def test_unlabelled_posts_of_a_held_out_group_are_left_out() -> None:
    posts = [post for i in range(10) for post in numbered(4, start=4 * i, author=f"author {i}")]
    unlabelled = [Post(f"u{i}", f"unlabelled text {i}", fields={"author": f"author {i}"}) for i in range(10)]
    dataset = build(
        {"posts": posts, "unlabelled": [*unlabelled, Post("v", "by nobody")]}, GroupedSplit(column="author")
    )
    tested = {f"u{post.fields['author'].removeprefix('author ')}" for post in dataset.test}
    assert len(tested) == 2
    assert ids(dataset.unlabelled) == {post.id for post in unlabelled} - tested | {"v"}


def test_an_unknown_event_is_answered_with_the_known_ones() -> None:
    posts = numbered(20, event="flood") + numbered(20, start=20, event="fire")
    message = refusal(lambda: build(posts, EventSplit(held_out="flod")))
    assert "Did you mean 'flood'? The events are: fire, flood." in message
    assert "split.held_out is not set" in refusal(lambda: build(posts, EventSplit()))
    assert "No labelled post names its event" in refusal(lambda: build(numbered(20), EventSplit(held_out="x")))


def test_events_are_those_of_labelled_posts() -> None:
    unlabelled = [Post("u", "unlabelled", event="storm")]
    posts = [*numbered(2, event="flood"), *numbered(2, event="fire"), *numbered(2, labels="", event="quake")]
    assert list_events({"posts": iter(posts), "unlabelled": iter(unlabelled)}) == ["fire", "flood"]


def test_given_test_posts_stay_and_their_copies_leave_the_other_splits() -> None:
    test = numbered(20, start=100)
    copies = [Post(f"c{i}", f"{post.text}!", label="a") for i, post in enumerate(test[:3])]
    posts = {
        "train": [*numbered(40), copies[0]],
        "validation": [*numbered(10, start=60), copies[1]],
        "test": test,
        "unlabelled": [copies[2], Post("u", numbered(61)[60].text), Post("v", "a text of its own, unlabelled")],
    }
    dataset = build(posts, GivenSplit())
    assert ids(dataset.test) == ids(test)
    assert ids(dataset.train) == ids(numbered(40))
    assert ids(dataset.validation) == ids(numbered(10, start=60))
    assert ids(dataset.unlabelled) == {"v"}
    assert [(change["split"], change["ids"]) for change in dataset.facts["changes"]] == [
        ("train", ["c0"]),
        ("unlabelled", ["c2"]),
        ("unlabelled", ["u"]),
        ("unlabelled", ["c2"]),  # Its label is not read.
        ("validation", ["c1"]),
    ]


def test_validation_is_carved_from_training_when_it_is_not_given() -> None:
    posts = {"train": numbered(100), "test": numbered(20, start=100)}
    for split in (GivenSplit(validation=0.1), RandomSplit(test=0.4, validation=0.1)):
        dataset = build(posts, split)
        assert (len(dataset.train), len(dataset.validation)) == (90, 10)
        assert ids(dataset.test) == ids(posts["test"])


def test_a_given_split_without_test_posts_is_refused() -> None:
    assert "source.test" in refusal(lambda: build({"train": numbered(20)}, GivenSplit()))
    unlabelled_test = {"train": numbered(20), "test": numbered(5, start=20, labels="")}
    assert "no labelled test post" in refusal(lambda: build(unlabelled_test, GivenSplit()))


def test_a_split_that_chooses_its_test_refuses_given_ones() -> None:
    posts = {"train": numbered(20), "test": numbered(20, start=20)}
    assert "the source gives test" in refusal(lambda: build(posts, TimeSplit()))


def test_posts_without_a_label_join_the_unlabelled_and_unlabelled_ones_lose_theirs() -> None:
    posts = {"posts": numbered(40) + numbered(3, start=40, labels=""), "unlabelled": numbered(2, start=50)}
    dataset = build(posts)
    assert ids(dataset.unlabelled) == {"p40", "p41", "p42", "p50", "p51"}
    assert {post.label for post in dataset.unlabelled} == {None}
    assert {change["split"]: change["posts"] for change in dataset.facts["changes"]} == {"posts": 3, "unlabelled": 2}


def test_a_label_outside_the_classes_is_refused_with_a_suggestion() -> None:
    posts = [*numbered(10), Post("x", "a text with a slip of the pen", label="banjirr")]
    message = refusal(lambda: build(posts, classes=("a", "b", "banjir")))
    assert "'banjirr' (1 posts)" in message
    assert "Did you mean 'banjir'?" in message


def test_classes_keep_their_order_and_a_class_without_posts_is_said(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        dataset = build(numbered(40), classes=("c", "b", "a"))
    assert dataset.classes == ["c", "b", "a"]
    assert dataset.facts["missing_classes"] == {"train": ["c"], "validation": ["c"], "test": ["c"]}
    assert "The test split has no post of c." in caplog.text


def test_the_only_post_of_a_class_is_never_taken_from_training() -> None:
    rare = [Post(f"rare {label}", f"the only post of its class, {label}", label=label) for label in "cde"]
    for seed in range(5):
        dataset = build([*numbered(80), *rare], RandomSplit(test=0.4, validation=0.3), seed=seed)
        assert ids(rare) <= ids(dataset.train)
        assert dataset.facts["missing_classes"] == {"validation": ["c", "d", "e"], "test": ["c", "d", "e"]}


@pytest.mark.parametrize(
    ("posts", "reason"),
    [
        ([], "no usable post"),
        (numbered(5, labels=""), "None of the 5 posts has a label"),
        (numbered(5, labels="a"), "All 5 labelled posts carry the label 'a'"),
        (numbered(2), "No post is left to test on"),
        ([Post(str(i), "one text for every single post", label="ab"[i % 2]) for i in range(9)], "No post is left"),
    ],
)
def test_too_little_to_learn_from_is_a_reason(posts: list[Post], reason: str) -> None:
    assert reason in refusal(lambda: build(posts))


def test_shares_that_leave_nothing_to_train_on_are_refused() -> None:
    assert "leave nothing to train on" in refusal(lambda: build(numbered(20), RandomSplit(test=0.6, validation=0.5)))


def test_a_post_whose_image_is_no_image_is_kept_without_it(tmp_path: Path) -> None:
    posts = [*numbered(40), Post("bad", "a text with a broken picture", tmp_path / "gone.jpg", label="a")]
    quarantine = Quarantine()
    dataset = build(posts, quarantine=quarantine)
    kept = next(post for part in dataset.splits().values() for post in part if post.id == "bad")
    assert kept.modalities == ("text",)
    assert quarantine.counts == {"Kept without image": 1}
    assert "gone.jpg" in quarantine.rows[0].reason


def test_posts_with_neither_text_nor_image_are_set_aside() -> None:
    posts = [*numbered(40), Post("empty", "  ", label="a"), Post("broken", None, b"not an image", label="b")]
    quarantine = Quarantine()
    dataset = build(posts, quarantine=quarantine)
    assert not {"empty", "broken"} & ids([post for part in dataset.splits().values() for post in part])
    assert quarantine.counts == {"Kept without image": 1, "Neither text nor image": 2}


def test_the_second_post_of_an_id_is_set_aside_and_a_test_post_wins() -> None:
    train = [*numbered(40), Post("p0", "a second post with the same id", label="b")]
    test = [*numbered(20, start=100), Post("p1", "a test post whose id stands in train too", label="a")]
    quarantine = Quarantine()
    dataset = build({"train": train, "test": test}, GivenSplit(), quarantine=quarantine)
    assert quarantine.counts == {"Repeated id": 2}
    assert "p1" in ids(dataset.test)
    assert "p1" not in ids([*dataset.train, *dataset.validation])


def test_the_facts_are_json_and_count_what_is_there() -> None:
    posts = made_posts(60)
    facts = json.loads(json.dumps(build({"posts": posts, "unlabelled": made_posts(20, seed=1, labelled=False)}).facts))
    assert set(facts) == {"hash", "splits", "missing_classes", "duplicates", "changes", "notes"}
    assert sum(part["posts"] for part in facts["splits"].values()) == 80
    assert sum(part["modalities"]["image"] for part in facts["splits"].values()) == sum(
        post.image is not None for post in [*posts, *made_posts(20, seed=1, labelled=False)]
    )


def test_the_hash_changes_with_id_text_label_and_picture_only() -> None:
    posts = made_posts(40)
    whole = build(posts).facts["hash"]
    first = next(post for post in posts if post.text and post.image)
    rest = [post for post in posts if post is not first]
    changed = [
        Post("other", first.text, first.image, first.label),
        Post(first.id, "another text", first.image, first.label),
        Post(first.id, first.text, picture(blue=True, number=-1 % 977), first.label),
        Post(first.id, first.text, first.image, "NO_INFO" if first.label == "INFO" else "INFO"),
    ]
    hashes = {build([post, *rest]).facts["hash"] for post in changed}
    assert len(hashes | {whole}) == 5
    assert build([*rest, first], seed=5).facts["hash"] == whole


def test_contradictory_duplicates_are_listed_and_stay_together() -> None:
    pair = [
        Post("x", "Banjir besar di Kemang malam ini", label="a"),
        Post("y", "banjir besar di kemang MALAM ini!", label="b"),
    ]
    for seed in range(5):
        dataset = build([*numbered(40), *pair], seed=seed)
        assert any({"x", "y"} <= ids(part) for part in dataset.splits().values())
        found = dataset.facts["duplicates"]["contradictory"]
        assert [sorted(post["id"] for post in group["posts"]) for group in found["listed"]] == [["x", "y"]]
        assert "1 group of equal posts carry different labels; see `siaga describe`." in dataset.facts["notes"]


def test_20_000_texts_take_seconds() -> None:
    rng = random.Random(0)
    words = [f"{rng.randrange(10**6)}" for _ in range(3000)]
    posts = [Post(str(i), " ".join(rng.choices(words, k=16)), label="ab"[i % 2]) for i in range(20_000)]
    started = time.perf_counter()
    build(posts)
    assert time.perf_counter() - started < 10  # One to two seconds on a quiet core.
