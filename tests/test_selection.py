"""Which labelled posts are used: the most confident, as many of each class, and never by the order they come in."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.dataset import Dataset, build_dataset, gather
from siaga.errors import DataError, RecipeError
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.recipe import load_recipe
from siaga.schema import GivenSplit, RandomSplit, Selection, SplitSpec, SyntheticSource
from siaga.sources import read_source
from siaga.training_run import prepare

NO_SPLIT = RandomSplit(test=0.1, validation=0.0)
BY_CONFIDENCE = Selection(confidence="sure", per_class=10)


def judged(label: str, sure: Sequence[object], *, name: str = "") -> list[Post]:
    """Posts of one class, numbered, as sure as the list says; None has no such field."""
    return [
        Post(
            f"{name or label}{i}",
            f"post number {i} of the class {name or label}, unlike any other",
            label=label,
            fields={"sure": str(value), "by": "ann"} if value is not None else {"by": "ann"},
        )
        for i, value in enumerate(sure)
    ]


def percents(count: int, *, start: int = 0) -> list[float]:
    return [(start + i) / 100 for i in range(count)]


def build(
    posts: Mapping[str, Sequence[Post]] | Sequence[Post],
    selection: Selection,
    *,
    split: SplitSpec = NO_SPLIT,
    seed: int = 0,
) -> Dataset:
    source = posts if isinstance(posts, Mapping) else {"posts": posts}
    return build_dataset(gather(source, Quarantine()), split=split, selection=selection, seed=seed)


def kept(dataset: Dataset) -> set[str]:
    return {post.id for post in [*dataset.train, *dataset.validation, *dataset.test]}


def counts(dataset: Dataset) -> Counter[str | None]:
    return Counter(post.label for post in [*dataset.train, *dataset.validation, *dataset.test])


def test_without_a_selection_every_post_is_used() -> None:
    posts = [*judged("a", percents(30)), *judged("b", percents(20))]
    assert kept(build(posts, Selection())) == {post.id for post in posts}
    assert build(posts, Selection()).facts["changes"] == []


def test_the_most_confident_posts_of_each_class_are_kept() -> None:
    posts = [*judged("a", percents(30)), *judged("b", percents(40, start=50))]
    expected = {f"a{i}" for i in range(20, 30)} | {f"b{i}" for i in range(30, 40)}
    assert kept(build(posts, BY_CONFIDENCE)) == expected


def test_numbers_are_compared_as_numbers_not_as_text() -> None:
    posts = [*judged("a", ["1e-3"] * 5 + ["0.5"] * 5 + [".75"] * 5 + ["10"] * 5), *judged("b", percents(10))]
    assert kept(build(posts, BY_CONFIDENCE)) >= {f"a{i}" for i in range(10, 20)}


def test_a_class_with_fewer_posts_keeps_them_all_unless_classes_are_balanced() -> None:
    posts = [*judged("a", percents(30)), *judged("b", percents(6)), *judged("c", percents(20))]
    assert counts(build(posts, BY_CONFIDENCE)) == {"a": 10, "b": 6, "c": 10}
    balanced = Selection(confidence="sure", per_class=10, balance=True)
    assert counts(build(posts, balanced)) == {"a": 6, "b": 6, "c": 6}
    assert kept(build(posts, balanced)) >= {f"a{i}" for i in range(24, 30)}
    assert counts(build(posts, Selection(balance=True))) == {"a": 6, "b": 6, "c": 6}
    assert counts(build(posts, Selection(per_class=5, balance=True))) == {"a": 5, "b": 5, "c": 5}


def test_without_a_confidence_the_choice_is_random_and_seeded() -> None:
    posts = [*judged("a", percents(40)), *judged("b", percents(40))]
    choices = [kept(build(posts, Selection(per_class=10), seed=seed)) for seed in (1, 1, 2)]
    assert choices[0] == choices[1] != choices[2]
    assert all(len(choice) == 20 for choice in choices)


def test_equally_confident_posts_are_chosen_by_seed_and_never_before_surer_ones() -> None:
    posts = [*judged("a", [0.9] * 4 + [0.5] * 30), *judged("b", percents(10))]
    choices = [kept(build(posts, BY_CONFIDENCE, seed=seed)) for seed in (1, 2)]
    assert choices[0] != choices[1]
    assert all({"a0", "a1", "a2", "a3"} <= choice for choice in choices)


@given(st.randoms(use_true_random=False), st.sampled_from(["sure", None]), st.booleans())
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_posts_changes_nothing(rng: random.Random, confidence: str | None, balance: bool) -> None:
    selection = Selection(confidence=confidence, per_class=12, balance=balance)
    posts = [*judged("a", [0.5, 0.6, None, "?"] * 8), *judged("b", [0.7] * 18), *judged("c", [0.1] * 7)]
    assert build(rng.sample(posts, len(posts)), selection) == build(posts, selection)


def test_ties_are_broken_by_content_so_that_row_numbers_as_ids_do_not_matter() -> None:
    posts = [*judged("a", [0.5] * 30), *judged("b", [0.5] * 30)]
    renamed = [
        Post(f"row:{i}", post.text, label=post.label, fields=post.fields) for i, post in enumerate(reversed(posts))
    ]
    texts = [{p.text for p in [*d.train, *d.test]} for d in (build(x, BY_CONFIDENCE) for x in (posts, renamed))]
    assert texts[0] == texts[1]


def test_what_is_left_out_is_counted_and_said() -> None:
    posts = [*judged("a", percents(30)), *judged("b", percents(15))]
    facts = build(posts, BY_CONFIDENCE).facts
    what = "are left out, for the selection keeps at most 10 of a class, the most confident first"
    [change] = facts["changes"]
    assert change == {"split": "posts", "what": what, "posts": 25, "ids": change["ids"]}
    assert set(change["ids"]) == {f"a{i}" for i in range(20)} | {f"b{i}" for i in range(5)}
    assert f"25 posts {what}." in facts["notes"]
    balanced = build(posts, Selection(balance=True)).facts["notes"]
    assert "15 posts are left out, for the selection keeps 15 of each class." in balanced


@pytest.mark.parametrize("value", [None, "", "high", "nan", "inf", "0,9"])
def test_a_post_whose_confidence_is_no_number_counts_as_the_least_confident(value: str | None) -> None:
    posts = [*judged("a", [value, value, *percents(12)]), *judged("b", [-5.0, *percents(12)])]
    dataset = build(posts, BY_CONFIDENCE)
    assert not {"a0", "a1", "b0"} & kept(dataset)
    assert "2 posts have no number as sure and count as the least confident." in dataset.facts["notes"]
    less = build(posts, Selection(confidence="sure", per_class=13))
    assert len({"a0", "a1"} & kept(less)) == 1
    assert "b0" in kept(less)


def test_a_confidence_that_no_post_has_is_refused_with_the_fields_there_are() -> None:
    posts = [*judged("a", percents(20)), *judged("b", percents(20))]
    with pytest.raises(DataError) as caught:
        build(posts, Selection(confidence="sur", per_class=10))
    assert "No labelled post has a number in the field 'sur'" in str(caught.value)
    assert "Did you mean 'sure'? The posts have: by, sure. Name it in source.columns.fields" in str(caught.value)
    with pytest.raises(DataError, match=r"a number in the field 'by'.*The posts have: by, sure"):
        build(posts, Selection(confidence="by", per_class=10))
    bare = [Post(post.id, post.text, label=post.label) for post in posts]
    with pytest.raises(DataError, match="The posts have no fields"):
        build(bare, BY_CONFIDENCE)


def test_given_test_and_validation_posts_stay_as_they_are() -> None:
    parts = {
        "train": [*judged("a", percents(30)), *judged("b", percents(20))],
        "validation": [*judged("a", [0.0] * 12, name="va"), *judged("b", [None] * 3, name="vb")],
        "test": [*judged("a", [0.0] * 15, name="ta"), *judged("b", ["?"] * 4, name="tb")],
    }
    for split in (GivenSplit(), RandomSplit()):
        dataset = build(parts, Selection(confidence="sure", per_class=10, balance=True), split=split)
        assert {post.id for post in dataset.test} == {post.id for post in parts["test"]}
        assert {post.id for post in dataset.validation} == {post.id for post in parts["validation"]}
        assert Counter(post.label for post in dataset.train) == {"a": 10, "b": 10}
        assert [(change["split"], change["posts"]) for change in dataset.facts["changes"]] == [("train", 30)]


def test_posts_without_a_label_are_not_selected() -> None:
    posts = [*judged("a", percents(20)), *judged("b", percents(20))]
    unlabelled = [Post(f"u{i}", f"unlabelled post number {i}, unlike any other") for i in range(40)]
    dataset = build({"posts": [*posts, *unlabelled[:10]], "unlabelled": unlabelled[10:]}, BY_CONFIDENCE)
    assert {post.id for post in dataset.unlabelled} == {post.id for post in unlabelled}


def test_a_post_that_cannot_be_used_takes_nobodys_place() -> None:
    broken = [Post(f"x{i}", image=b"no picture", label="a", fields={"sure": "1"}) for i in range(10)]
    posts = [*judged("a", percents(20)), *judged("b", percents(20)), *broken]
    assert counts(build(posts, BY_CONFIDENCE)) == {"a": 10, "b": 10}


def test_the_reference_shares_hold_for_each_class() -> None:
    posts = [*judged("a", percents(150)), *judged("b", percents(110)), *judged("c", percents(300))]
    selection = Selection(confidence="sure", per_class=100, balance=True)
    dataset = build(posts, selection, split=RandomSplit(validation=0.15, test=0.05))
    assert {name: Counter(post.label for post in part) for name, part in dataset.splits().items()} == {
        "train": {"a": 80, "b": 80, "c": 80},
        "validation": {"a": 15, "b": 15, "c": 15},
        "test": {"a": 5, "b": 5, "c": 5},
        "unlabelled": {},
    }


def test_the_most_confident_of_the_made_moods_carry_fewer_wrong_labels() -> None:
    spec = SyntheticSource(looks_like="image-sentiment", posts=400, noise=0.2)
    parts = {noise: list(_posts(spec.model_copy(update={"noise": noise}))) for noise in (0.0, 0.2)}
    truth = {post.id: post.label for post in parts[0.0]}
    dataset = build(parts[0.2], Selection(confidence="confidence", per_class=30))
    chosen = [post for post in parts[0.2] if post.id in kept(dataset)]
    assert sum(post.label != truth[post.id] for post in parts[0.2]) == 80
    assert sum(post.label != truth[post.id] for post in chosen) < 0.1 * len(chosen)


def _posts(spec: SyntheticSource) -> Sequence[Post]:
    return list(read_source(spec, quarantine=Quarantine())["posts"])


def test_a_recipe_selects_before_it_splits() -> None:
    overrides = ["source.posts=200", "selection.per_class=16"]
    dataset = prepare(load_recipe("image-sentiment", overrides=overrides), quarantine=Quarantine())
    assert set(counts(dataset).values()) == {16}
    assert len(dataset.classes) == 5


def test_a_confidence_that_chooses_nothing_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"selection: confidence chooses nothing by itself. Set per_class or balance"):
        load_recipe("flood-triage", overrides=["selection.confidence=sure"])
