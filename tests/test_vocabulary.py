"""Known words: chosen by the posts they stand in, blind to the order of posts, and the same for one text as for all."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.features import learned_words
from siaga.features.learned_words import learn_vocabulary, npmi
from siaga.features.spelling import Speller, Spelt, recode
from siaga.features.vocabulary import Vocabulary
from siaga.schema import Words

LETTERS = "abcdef"
TEXTS = st.lists(st.lists(st.sampled_from(LETTERS), max_size=8), max_size=10)
PAIRS = st.lists(st.tuples(st.sampled_from(LETTERS), st.sampled_from(LETTERS)), unique=True, max_size=8)


def spelt_of(texts: Sequence[Sequence[str]]) -> Spelt:
    speller = Speller()
    for text in texts:
        speller.add(text)
    return speller.spelt()


def spec(**choices: object) -> Words:
    return Words.model_validate({"min_posts": 1, "max_share": 1.0, "phrases": False, **choices})


def learned(texts: Sequence[str], **choices: object) -> Vocabulary:
    return learn_vocabulary(spelt_of([text.split() for text in texts]), range(len(texts)), spec(**choices))[0]


def test_words_come_by_posts_and_then_by_the_alphabet() -> None:
    assert learned(["c b c c", "b a d", "b d", ""]).words == ("b", "d", "a", "c")


def test_words_in_too_few_or_too_many_posts_and_beyond_the_most_are_left_out_and_counted() -> None:
    texts = [["a", "b", "c", "x"], ["a", "b", "c"], ["a", "b"], ["a", "d"], ["d", "d"]]
    words = spec(min_posts=2, max_share=0.6, most=2)
    vocabulary, facts = learn_vocabulary(spelt_of(texts), range(5), words)
    assert vocabulary == Vocabulary(("b", "c"))
    left_out = {"in too few posts": 1, "in too many posts": 1, "beyond the most": 1}
    assert facts == {"words": 2, "phrases": 0, "posts": 5, "tokens": 5, "left_out": left_out}


def test_other_rows_have_no_say() -> None:
    texts = [["new", "york", "oil"]] * 3 + [["oil", "price"]] * 3
    others = [["york", "new", "gas"], ["price", "oil"], ["zebra"]] * 4
    words = spec(min_posts=2, phrases=0.3)
    alone, facts = learn_vocabulary(spelt_of(texts), range(6), words)
    mixed = spelt_of([row for pair in zip(others, [*texts, *texts], strict=True) for row in pair])
    assert learn_vocabulary(mixed, range(1, 12, 2), words) == (alone, facts)
    assert alone.phrases == (("new", "york"), ("oil", "price"))


@given(TEXTS, st.randoms(use_true_random=False), st.floats(0.01, 1.0))
@settings(max_examples=60, deadline=None)
def test_the_order_of_posts_changes_nothing(texts: list[list[str]], rng: random.Random, least: float) -> None:
    words = spec(min_posts=2, phrases=least, max_share=0.9)
    shuffled = list(texts)
    rng.shuffle(shuffled)
    assert learn_vocabulary(spelt_of(shuffled), range(len(texts)), words) == learn_vocabulary(
        spelt_of(texts), range(len(texts)), words
    )


@given(TEXTS, st.lists(st.sampled_from([*LETTERS, "a_b", "b_a", "a_a"]), unique=True), PAIRS)
@settings(max_examples=200, deadline=None)
def test_all_texts_at_once_are_numbered_as_each_alone(
    texts: list[list[str]], words: list[str], pairs: list[tuple[str, str]]
) -> None:
    vocabulary = Vocabulary(tuple(words), tuple(pairs))
    found = recode(spelt_of(texts), vocabulary)
    each = [found.tokens[a:b].tolist() for a, b in pairwise(found.offsets)]
    assert each == [vocabulary.encode(text) for text in texts]
    assert found.tokens.dtype == np.int32


def test_pairs_are_read_from_the_left_and_no_word_twice() -> None:
    vocabulary = Vocabulary(("a", "b", "c", "a_b", "b_c", "a_a"), (("a", "b"), ("b", "c"), ("a", "a")))
    for text, read in {
        "a b c": "a_b c",
        "b c b": "b_c b",
        "a a a b": "a_a a_b",
        "a a a": "a_a a",
        "c a x b": "c a b",
        "b a": "b a",
        "": "",
    }.items():
        assert [vocabulary.words[number] for number in vocabulary.encode(text.split())] == read.split()


def plain_phrases(texts: list[list[str]], words: Words) -> set[tuple[str, str]]:
    """Return the neighbours that are close, by the definition."""
    counts = Counter(word for text in texts for word in text)
    both = Counter(pair for text in texts for pair in pairwise(text))
    posts = Counter(pair for text in texts for pair in set(pairwise(text)))
    n, m = counts.total(), both.total()
    close = set()
    for (a, b), count in both.items():
        p = count / m
        score = 1.0 if p == 1 else math.log(p / (counts[a] / n * counts[b] / n)) / -math.log(p)
        if posts[a, b] >= words.min_posts and min(1.0, score) >= float(words.phrases) - 1e-12:
            close.add((a, b))
    return close


@given(TEXTS, st.integers(1, 3), st.floats(0.01, 0.9))
@settings(max_examples=100, deadline=None)
def test_phrases_are_close_neighbours_that_are_known_as_one_word(
    texts: list[list[str]], least: int, near: float
) -> None:
    words = spec(min_posts=least, phrases=near)
    vocabulary, facts = learn_vocabulary(spelt_of(texts), range(len(texts)), words)
    assert set(vocabulary.phrases) <= plain_phrases(texts, words)
    assert {f"{a}_{b}" for a, b in vocabulary.phrases} == {word for word in vocabulary.words if "_" in word}
    read = [vocabulary.encode(text) for text in texts]
    posts = Counter(number for text in read for number in set(text))
    assert all(posts[number] >= least for number in range(len(vocabulary)))
    order = [(-posts[number], word) for number, word in enumerate(vocabulary.words)]
    assert order == sorted(order)
    assert (facts["tokens"], facts["phrases"]) == (sum(map(len, read)), len(vocabulary.phrases))


def test_all_close_neighbours_become_phrases_where_nothing_stands_against_it() -> None:
    texts = [text.split() for text in ["new york a", "new york b", "new york c d", "x e f", "f a x", "d e b x"]]
    words = spec(min_posts=2, phrases=0.5)
    assert plain_phrases(texts, words) == {("new", "york")}
    vocabulary, _ = learn_vocabulary(spelt_of(texts), range(6), words)
    assert vocabulary == Vocabulary(("new_york", "x", "a", "b", "d", "e", "f"), (("new", "york"),))


def test_neighbours_whose_pair_is_not_known_stay_two_words() -> None:
    texts = ["a b c", "a b c", "b c", "b c", "a b"]
    close = {("a", "b"), ("b", "c")}
    assert plain_phrases([text.split() for text in texts], spec(min_posts=3, phrases=0.1)) == close
    # Read from the left, b pairs with a before it pairs with c: as one word, "b c" stands in two posts.
    assert learned(texts, min_posts=3, phrases=0.1) == Vocabulary(("c", "a_b"), (("a", "b"),))
    assert learned(texts, min_posts=2, phrases=0.1) == Vocabulary(("a_b", "b_c", "c"), (("a", "b"), ("b", "c")))


@pytest.mark.parametrize(("buckets", "slots"), [(1, 2), (1 << 22, 2), (2, 1 << 16)])
def test_the_size_of_the_tables_changes_nothing(buckets: int, slots: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    texts = [[f"w{min(99, number)}" for number in rng.zipf(1.3, 30)] for _ in range(200)]
    words = spec(min_posts=2, phrases=0.1)
    expected = learn_vocabulary(spelt_of(texts), range(200), words)
    monkeypatch.setattr(learned_words, "_BUCKETS", buckets)
    monkeypatch.setattr(learned_words, "_SLOTS", slots)
    assert learn_vocabulary(spelt_of(texts), range(200), words) == expected
    assert len(expected[0].phrases) > 20


def test_npmi_is_one_for_words_that_only_stand_together_and_none_for_chance() -> None:
    both, first, second = np.array([[5, 10, 1], [5, 100, 1], [5, 10, 100]])
    found = npmi(both, first, second, n_words=100, n_pairs=100)
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0], atol=1e-12)
    assert npmi(np.array([7]), np.array([7]), np.array([7]), n_words=14, n_pairs=7).tolist() == [1.0]


def test_known_words_and_phrases_keep_their_numbers_and_new_ones_come_after_them() -> None:
    start = Vocabulary(("zoo", "new_york", "oil"), (("new", "york"),))
    texts = [text.split() for text in ["new york gas", "the new york field", "the gas field", "the field", "rare zoo"]]
    vocabulary, facts = learn_vocabulary(spelt_of(texts), range(5), spec(min_posts=2, most=5), start)
    assert vocabulary == Vocabulary(("zoo", "new_york", "oil", "field", "the"), (("new", "york"),))
    assert facts["left_out"] == {"in too few posts": 1, "in too many posts": 0, "beyond the most": 1}
    assert (facts["words"], facts["tokens"]) == (5, 2 + 1 + 3 + 3)


def test_new_phrases_join_those_of_the_start() -> None:
    start = Vocabulary(("new_york", "a"), (("new", "york"),))
    texts = [text.split() for text in ["new york white house", "a white house", "white house york", "a b c d"]]
    vocabulary, _ = learn_vocabulary(spelt_of(texts), range(4), spec(min_posts=2, phrases=0.4), start)
    assert vocabulary == Vocabulary(("new_york", "a", "white_house"), (("new", "york"), ("white", "house")))


def test_a_start_larger_than_the_most_stays_whole() -> None:
    start = Vocabulary(("a", "b", "c"))
    vocabulary, facts = learn_vocabulary(spelt_of([["d", "a"]]), [0], spec(most=2), start)
    assert (vocabulary, facts["left_out"]["beyond the most"]) == (start, 1)


def test_nothing_to_learn_from_is_an_empty_vocabulary() -> None:
    facts = {"words": 0, "phrases": 0, "posts": 0, "tokens": 0}
    left_out = {"in too few posts": 0, "in too many posts": 0, "beyond the most": 0}
    for texts, rows in (([], []), ([["a"]], []), ([[], []], [0, 1])):
        found = learn_vocabulary(spelt_of(texts), rows, spec(phrases=0.5))
        assert found == (Vocabulary(()), {**facts, "posts": len(rows), "left_out": left_out})


def test_a_vocabulary_comes_back_from_json() -> None:
    vocabulary = Vocabulary(("a", "new_york", "é"), (("new", "york"),))
    assert vocabulary.to_dict() == {"words": ["a", "new_york", "é"], "phrases": [["new", "york"]]}
    assert Vocabulary.from_dict(vocabulary.to_dict()) == vocabulary
    assert Vocabulary.from_dict(Vocabulary(()).to_dict()) == Vocabulary(())


@pytest.mark.parametrize(
    "found",
    [
        None,
        [],
        {},
        {"words": ["a"]},
        {"words": "ab", "phrases": []},
        {"words": ["a", "a"], "phrases": []},
        {"words": ["a", ""], "phrases": []},
        {"words": ["a", 1], "phrases": []},
        {"words": [["a"]], "phrases": []},
        {"words": ["a_b"], "phrases": [["a"]]},
        {"words": ["a_b"], "phrases": ["ab"]},
        {"words": ["a_b"], "phrases": [["a", "c"]]},
        {"words": ["a_b"], "phrases": [["a", "b"], ["a", "b"]]},
        {"words": ["a"], "phrases": [], "more": 1},
    ],
)
def test_what_is_no_vocabulary_is_refused(found: object) -> None:
    with pytest.raises(ValueError, match=r"words|phrases"):
        Vocabulary.from_dict(found)
