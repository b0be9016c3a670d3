"""Topics are found again where they were put, on every run, and what cannot be learned from is said."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from siaga.errors import BundleError, DataError
from siaga.features.documents import Documents
from siaga.models.arrays import write_arrays
from siaga.models.classifier import Progress
from siaga.models.topics.agreement import matched_cosine
from siaga.models.topics.choice import Tried, scored
from siaga.models.topics.classifier import NO_WORD, TopicsClassifier
from siaga.models.topics.gibbs import Sampling, learn
from siaga.post import Post
from siaga.schema import SyntheticSource, Topics, Words
from siaga.sources.news import news_truth
from siaga.sources.synthetic import make_posts

SOURCE = SyntheticSource(looks_like="news-topics", posts=1200, classes=5, length=80)
SPEC = Topics(fields=("title", "text"), topics=5, words=Words(left_out_fields=("publication",)))


def made(**changed: int) -> list[Post]:
    return list(make_posts(SOURCE.model_copy(update=changed))["posts"])


POSTS = made()


def fitted(posts: Sequence[Post] = POSTS, spec: Topics = SPEC, seed: int = 0, **known: object) -> TopicsClassifier:
    start = known.get("start")
    assert start is None or isinstance(start, TopicsClassifier)
    return TopicsClassifier(spec, seed=seed, start=start).fit(posts)


@pytest.fixture(scope="module")
def topics() -> TopicsClassifier:
    return fitted()


def true_topics(classifier: TopicsClassifier) -> NDArray[np.float64]:
    """Return the topics the posts were made from, over the words that the classifier knows."""
    words, phi = news_truth(SOURCE)
    places = {word: place for place, word in enumerate(words)}
    known = [places.get(word) for word in classifier.vocabulary_.words]
    return np.stack([phi[:, place] if place is not None else np.zeros(len(phi)) for place in known], axis=1)


@pytest.mark.parametrize("seed", [0, 1])
def test_known_topics_are_found_again(seed: int) -> None:
    found = fitted(seed=seed)
    pairs, cosines = matched_cosine(found.phi_, true_topics(found).astype(np.float32))
    assert sorted(pairs[:, 1].tolist()) == list(range(5))
    assert cosines.min() >= 0.95


def test_the_shares_of_a_text_are_those_it_was_made_of(topics: TopicsClassifier) -> None:
    asked = made(seed=11, posts=300)
    labels = [post.label for post in asked]
    best = topics.predict_proba(asked).argmax(axis=1)
    rows = [[label == name for label in labels] for name in sorted({str(label) for label in labels})]
    largest = [np.bincount(best[row]).argmax() for row in rows]
    assert len(set(largest)) == 5
    assert np.mean([best[i] == largest[k] for k, row in enumerate(rows) for i in np.flatnonzero(row)]) > 0.9


def test_the_largest_topic_is_the_first(topics: TopicsClassifier) -> None:
    sizes = topics.learned_.counts.sum(axis=1)
    assert sizes.tolist() == sorted(sizes.tolist(), reverse=True)
    assert topics.classes_ == ["topic 1", "topic 2", "topic 3", "topic 4", "topic 5"]


@pytest.mark.parametrize("workers", [1, 2])
def test_equal_seeds_give_equal_topics_and_other_seeds_others(workers: int) -> None:
    spec = SPEC.model_copy(update={"workers": workers, "iterations": 20})
    one, again, other = (fitted(POSTS[:400], spec, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.learned_.counts, again.learned_.counts)
    np.testing.assert_array_equal(one.learned_.alpha, again.learned_.alpha)
    assert not np.array_equal(one.learned_.counts, other.learned_.counts)


def test_labels_are_not_read(topics: TopicsClassifier) -> None:
    bare = TopicsClassifier(SPEC).fit([post.with_label(None) for post in POSTS])
    np.testing.assert_array_equal(bare.learned_.counts, topics.learned_.counts)


def test_unlabelled_posts_are_learned_from_and_validation_posts_are_not() -> None:
    spec = SPEC.model_copy(update={"iterations": 10})
    whole = TopicsClassifier(spec).fit(POSTS[:400])
    parted = TopicsClassifier(spec).fit(POSTS[:200], unlabelled=POSTS[200:400], validation=POSTS[400:600])
    assert parted.vocabulary_ == whole.vocabulary_
    np.testing.assert_array_equal(parted.learned_.counts, whole.learned_.counts)


def test_a_text_without_a_known_word_gets_the_usual_shares_and_says_why(topics: TopicsClassifier) -> None:
    asked = [Post("1", text="zzyqx"), Post("2", text="- the of 12"), Post("3"), Post("4", text="zzyqx oil")]
    answer = topics.answer(asked)
    usual = topics.learned_.alpha / topics.learned_.alpha.sum()
    np.testing.assert_allclose(answer.probabilities[:3], np.tile(usual, (3, 1)), atol=1e-6)
    assert answer.used == [(), (), (), ("text",)]
    assert answer.faults == {0: NO_WORD, 1: NO_WORD}
    assert topics.answer_documents(topics.documents(asked[:2])).faults == answer.faults


def test_all_fields_are_read_and_the_outlet_is_not(topics: TopicsClassifier) -> None:
    post = Post("1", text="Oil fell, The Daily Oil rose", fields={"title": "Wheat", "publication": "The Daily Oil"})
    assert topics.words(post) == ["wheat", "oil", "fell", "rose"]
    assert topics.answer([Post("1", fields={"title": "Match"})]).used == [("text",)]


@pytest.mark.parametrize(
    ("posts", "said"),
    [
        ([], "0 posts with a known word, too few for 5 topics"),
        (POSTS[:3], "too few for 5 topics. Lower model.topics or model.words.min_posts"),
        ([Post("1", text="oil wheat bank court storm flood")] * 4, "4 posts with a known word, too few for 5 topics"),
    ],
)
def test_too_few_posts_are_a_reason(posts: list[Post], said: str) -> None:
    spec = SPEC.model_copy(update={"words": Words(min_posts=1 if len(posts) == 4 else 5, max_share=1.0)})
    with pytest.raises(DataError, match=said):
        TopicsClassifier(spec).fit(posts)


def test_what_was_not_fitted_says_so() -> None:
    with pytest.raises(DataError, match="not learned yet"):
        _ = TopicsClassifier(SPEC).classes_


def test_the_sampler_stops_when_it_gains_no_more_and_tells_every_step() -> None:
    told: list[tuple[object, object]] = []
    progress = Progress(
        lambda event: told.append((event["done"], event["total"])) if event["step"] == "sweep" else None
    )
    spec = SPEC.model_copy(update={"iterations": 35, "tolerance": 0.0})
    TopicsClassifier(spec).fit(POSTS[:300], progress=progress)
    assert told == [(10, 35), (20, 35), (30, 35), (35, 35)]
    told.clear()
    TopicsClassifier(spec.model_copy(update={"tolerance": 100.0})).fit(POSTS[:300], progress=progress)
    assert told == [(10, 35), (20, 35), (30, 30)]


def test_without_a_tolerance_every_sweep_is_made_though_nothing_is_gained() -> None:
    done: list[object] = []
    progress = Progress(lambda event: done.append(event["done"]) if event["step"] == "sweep" else None)
    learn(Documents.of([[0, 1], [1, 0], [0, 1]]), 2, Sampling(2, 200, 0.0, 1, 0.01, 0), progress=progress)
    assert done == list(range(10, 201, 10))


def test_auto_finds_how_many_topics_there_are() -> None:
    spec = SPEC.model_copy(update={"topics": "auto", "choices": (12, 2, 5)})
    found = TopicsClassifier(spec).fit(POSTS, validation=made(seed=8, posts=400))
    tried = found.learning_.tried
    assert [each.topics for each in tried] == [2, 5, 12]
    assert [each.chosen for each in tried] == [False, True, False]
    assert len(found.classes_) == 5


def test_auto_without_validation_posts_says_what_to_do() -> None:
    for held_out in ([], [Post("1", text="oil", fields={"title": "-"})]):  # Of one word, none can be hidden.
        with pytest.raises(DataError, match=r"none has two known words. Raise split\.validation"):
            TopicsClassifier(SPEC.model_copy(update={"topics": "auto"})).fit(POSTS[:200], validation=held_out)


def test_perplexity_and_coherence_choose_together_and_ties_go_to_fewer_topics() -> None:
    tried = [
        Tried(5, 200.0, 0.1, 1.0),
        Tried(10, 100.0, 0.2, 1.0),
        Tried(20, 100.0, 0.2, 1.0),
        Tried(40, 90.0, 0.1, 1.0),
    ]
    found = scored(tried)
    assert [each.chosen for each in found] == [False, True, False, False]
    assert found[0].score == 0.0
    assert found[3].score == pytest.approx(0.5)
    assert [each.chosen for each in scored([tried[1], tried[2]])] == [True, False]


def test_going_on_keeps_the_numbers_of_topics_and_learns_new_words(topics: TopicsClassifier) -> None:
    new = [
        Post(f"new {i}", text=f"{post.text} {'quasar' * (i % 3 == 0)}", fields=post.fields)
        for i, post in enumerate(made(seed=9, posts=200))
    ]
    later = fitted(new, start=topics, seed=5)
    words = len(topics.vocabulary_.words)
    assert later.vocabulary_.words[:words] == topics.vocabulary_.words
    assert "quasar" in later.vocabulary_.words[words:]
    before = np.pad(topics.phi_, ((0, 0), (0, later.phi_.shape[1] - words)))
    pairs, cosines = matched_cosine(later.phi_, before)
    assert pairs[:, 0].tolist() == pairs[:, 1].tolist()
    assert cosines.min() > 0.95
    assert (later.learned_.counts[:, :words] >= topics.learned_.counts).all()
    assert later.learned_.counts.sum() == topics.learned_.counts.sum() + len(later.documents(new).tokens)


def test_with_next_to_no_memory_topics_keep_their_numbers_and_what_was_learned_hardly_counts(
    topics: TopicsClassifier,
) -> None:
    new = made(seed=9, posts=300)
    later = fitted(new, SPEC.model_copy(update={"memory": 0.001}), start=topics)
    total = len(later.documents(new).tokens) + 0.001 * topics.learned_.counts.sum()
    assert later.learned_.counts.sum() == pytest.approx(total, rel=1e-5)
    before = np.pad(topics.phi_, ((0, 0), (0, later.phi_.shape[1] - topics.phi_.shape[1])))
    assert matched_cosine(later.phi_, before)[0].tolist() == [[k, k] for k in range(5)]


def test_topics_that_forget_all_are_refused_since_they_would_lose_their_numbers() -> None:
    with pytest.raises(ValidationError, match="greater than 0"):
        Topics(memory=0.0)


def test_going_on_with_words_that_are_read_otherwise_is_told(
    topics: TopicsClassifier, caplog: pytest.LogCaptureFixture
) -> None:
    other = SPEC.model_copy(update={"words": Words(accents="keep"), "iterations": 1})
    fitted(POSTS[:50], other, start=topics)
    assert [record.message for record in caplog.records if "not read as those" in record.message]
    caplog.clear()
    fitted(POSTS[:50], SPEC.model_copy(update={"iterations": 1}), start=topics)
    assert caplog.records == []


def test_going_on_with_another_number_of_topics_is_refused(topics: TopicsClassifier) -> None:
    with pytest.raises(DataError, match=r"model.start has 5 topics, and model.topics is 7. Set model.topics = 5"):
        fitted(POSTS[:200], SPEC.model_copy(update={"topics": 7}), start=topics)


def bare_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    return stream.getvalue()


def lying_arrays() -> bytes:
    """An archive whose first array says that it needs petabytes."""
    header, stream = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**15,)})
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("counts.npy", header.getvalue())
    return stream.getvalue()


@pytest.mark.parametrize("name", ["vocabulary.json", "topics.npz"])
def test_files_that_hold_something_else_are_refused(topics: TopicsClassifier, name: str, tmp_path: Path) -> None:
    topics.save(tmp_path)
    for content in (b"", b"[]", b"{}", b'{"words": [1]}', b"[" * 100_000, lying_arrays(), bare_array()):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BundleError, match=r"Train (or copy )?it again"):
            TopicsClassifier(SPEC).load(tmp_path)


def test_arrays_that_do_not_fit_the_vocabulary_are_refused(topics: TopicsClassifier, tmp_path: Path) -> None:
    topics.save(tmp_path)
    counts = topics.learned_.counts
    alpha = topics.learned_.alpha
    wrong: list[dict[str, NDArray[Any]]] = [
        {"counts": counts[:, :-1]},
        {"counts": -counts - 1},
        {"alpha": alpha[:-1]},
        {"alpha": alpha + np.inf},
        {"alpha": alpha * 0 + 1e-300},
        {"alpha": alpha * 0 + 1e300},
        {"doubt": np.array(["x"])},
        {"doubt": np.array([np.inf])},
        {"counts": counts[:0], "alpha": alpha[:0]},
    ]
    for changed in wrong:
        arrays: dict[str, NDArray[Any]] = {
            "counts": counts,
            "alpha": alpha,
            "doubt": np.array([0.01]),
            **changed,
        }
        write_arrays(tmp_path / "topics.npz", arrays)
        with pytest.raises(BundleError, match="does not hold topics of"):
            TopicsClassifier(SPEC).load(tmp_path)
