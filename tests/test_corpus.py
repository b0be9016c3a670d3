"""A corpus: every post read once, into rows that do not depend on their order, and splits that share no text."""

import gzip
import json
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.dataset.corpus import Corpus, excerpt, read_corpus, split_corpus
from siaga.errors import DataError, RecipeError, SiagaError
from siaga.features.learned_words import learn_vocabulary
from siaga.features.spelling import recode
from siaga.features.text import normalised
from siaga.features.words import WordReader
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.schema import EventSplit, GivenSplit, GroupedSplit, RandomSplit, SplitSpec, TimeSplit, Topics

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
START = datetime(2024, 1, 1, tzinfo=UTC)
NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def spoken(number: int) -> str:
    return " ".join(NAMES[int(digit)] for digit in str(number))


def posts_of(numbers: Iterable[int], *, prefix: str = "p", label: str | None = "a") -> list[Post]:
    """Posts a day apart, of which every fourth repeats the text of the one before it."""
    return [
        Post(
            f"{prefix}{i}",
            f"Flood number {spoken(i - 1 if i % 4 == 3 else i)}, of {prefix}!",
            label=label,
            time=START + timedelta(days=i),
            event=("storm", "fire", None)[i % 5 % 3],
            fields={"author": f"a{i // 12}", "outlet": "Daily Flood"},
        )
        for i in numbers
    ]


def read(
    posts: Mapping[str, Sequence[Post]] | Sequence[Post], *, quarantine: Quarantine | None = None, **choices: object
) -> Corpus:
    source = posts if isinstance(posts, Mapping) else {"posts": posts}
    spec = Topics.model_validate({"words": {"stop_words": ()}, **choices})
    return read_corpus(source, spec, quarantine=Quarantine() if quarantine is None else quarantine, keep=["author"])


def refusal(work: Callable[[], object], kind: type[SiagaError] = DataError) -> str:
    with pytest.raises(kind) as caught:
        work()
    return str(caught.value)


def texts_of(corpus: Corpus) -> dict[str, list[str]]:
    """Return the words of each post by its id."""
    tokens, offsets = corpus.spelt.documents.tokens, corpus.spelt.documents.offsets
    return {
        post.id: [corpus.spelt.words[number] for number in tokens[offsets[row] : offsets[row + 1]]]
        for row, post in enumerate(corpus.posts)
    }


def ids(corpus: Corpus, rows: Iterable[int]) -> set[str]:
    return {corpus.posts[row].id for row in rows}


def test_rows_hold_light_posts_and_their_words() -> None:
    long = Post("1", "Oil  rose.\n" * 100, label="energy", time=START, language="en", event="e", fields={"author": "x"})
    corpus = read([long, Post("2", "Gas fell", fields={"other": "y" * 1000})])
    by_id = {post.id: post for post in corpus.posts}
    assert by_id == {
        "1": Post("1", "Oil rose. " * 29 + "Oil…", None, "energy", START, "en", None, "e", {"author": "x"}),
        "2": Post("2", "Gas fell"),
    }
    assert texts_of(corpus) == {"1": ["oil", "rose"] * 100, "2": ["gas", "fell"]}
    assert len(corpus) == 2


def test_fields_are_read_in_order_and_names_of_outlets_are_left_out() -> None:
    post = Post(
        "1", "Daily Flood: the daily flood report of THE DAILY FLOOD", fields={"title": "Rain", "outlet": "Daily Flood"}
    )
    corpus = read([post], fields=("title", "text"), words={"left_out_fields": ("outlet",)})
    assert texts_of(corpus) == {"1": ["rain", "report"]}
    assert corpus.posts[0].text == "Rain Daily Flood: the daily flood report of THE DAILY FLOOD"


def test_a_post_without_a_text_and_a_repeated_id_are_put_aside_with_the_reason() -> None:
    quarantine = Quarantine()
    posts = [
        Post("a", "first"),
        Post("a", "second"),
        Post("b"),
        Post("b", "late"),
        Post("c", image=b"x"),
        Post("d", "-"),
    ]
    corpus = read(posts, quarantine=quarantine)
    assert texts_of(corpus) == {"a": ["first"], "d": []}
    assert [row.reason for row in quarantine.rows] == [
        "Repeated id: 'a' stands in posts already; the first post stays.",
        "No text: post 'b' has nothing in text.",
        "Repeated id: 'b' stands in posts already; the first post stays.",
        "No text: post 'c' has nothing in text.",
    ]
    assert [(row.file, row.line, row.raw) for row in quarantine.rows[:2]] == [("posts", 0, "second"), ("posts", 0, "")]


def test_of_two_roles_the_test_keeps_the_id() -> None:
    quarantine = Quarantine()
    corpus = read({"train": [Post("a", "trained")], "test": [Post("a", "tested")]}, quarantine=quarantine)
    assert (corpus.roles, texts_of(corpus)) == (["test"], {"a": ["tested"]})
    assert quarantine.counts == {"Repeated id": 1}


def test_a_post_in_which_no_word_is_left_is_an_empty_row() -> None:
    corpus = read([Post("1", "- 42 !"), Post("2", "flood"), Post("3", "the", label="x")], words={})
    assert texts_of(corpus) == {"1": [], "2": ["flood"], "3": []}
    vocabulary, _ = learn_vocabulary(corpus.spelt, range(3), Topics.model_validate({"words": {"min_posts": 1}}).words)
    assert sorted(recode(corpus.spelt, vocabulary).lengths().tolist()) == [0, 0, 1]


def test_a_field_that_no_post_has_is_refused_with_a_suggestion() -> None:
    message = refusal(lambda: read(posts_of(range(3)), fields=("autor", "text")), RecipeError)
    assert "'autor', which no post has. Did you mean 'author'?" in message
    outlet = {"left_out_fields": ("publication",)}
    assert "'publication'" in refusal(lambda: read(posts_of(range(3)), words=outlet), RecipeError)
    assert len(read([Post("1", "x", fields={"title": "y"}), Post("2", "z")], fields=("title", "text"))) == 2
    assert len(read([], fields=("title",))) == 0


def test_an_excerpt_is_short_and_on_one_line() -> None:
    assert excerpt("Title\nbody  of\ttext ") == "Title body of text"
    assert excerpt("word " * 1000) == "word " * 58 + "word…"
    assert excerpt("word" * 1000) == ("word" * 75)[:299] + "…"
    assert excerpt(("word " * 60).strip()) == ("word " * 60).strip()
    assert len(excerpt(" " * 10_000 + "a")) <= 1


@given(st.randoms(use_true_random=False), st.sampled_from(["random", "grouped", "time", "event", "given"]))
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_posts_changes_nothing(rng: random.Random, kind: str) -> None:
    posts = {"posts": posts_of(range(60)), "unlabelled": posts_of(range(50, 75), prefix="u", label=None)}
    if kind == "given":
        posts = {"train": posts["posts"][:45], "test": posts["posts"][45:], "unlabelled": posts["unlabelled"]}
    shuffled = {name: rng.sample(part, len(part)) for name, part in posts.items()}
    first, second = read(posts), read(shuffled)
    assert (first.posts, first.roles, first.prints, first.hash) == (
        second.posts,
        second.roles,
        second.prints,
        second.hash,
    )
    assert texts_of(first) == texts_of(second)
    assert split_corpus(first, SPLITS[kind], seed=1) == split_corpus(second, SPLITS[kind], seed=1)


SPLITS: dict[str, SplitSpec] = {
    "random": RandomSplit(test=0.3, validation=0.2),
    "grouped": GroupedSplit(column="author", test=0.3, validation=0.2),
    "time": TimeSplit(test=0.3, validation=0.2),
    "event": EventSplit(held_out="storm", validation=0.3),
    "given": GivenSplit(validation=0.3),
}


@pytest.mark.parametrize("kind", SPLITS)
def test_no_text_stands_in_two_splits_and_every_row_in_one_at_most(kind: str) -> None:
    own, others = posts_of(range(120)), posts_of(range(0, 160, 3), prefix="p", label=None)
    others = [Post(f"u{post.id}", post.text, None, None, post.time, fields=post.fields) for post in others]
    source = {"posts": own, "unlabelled": others}
    if kind == "given":
        source = {"train": own[:70], "test": own[65:], "unlabelled": others}
        source["train"][-1] = Post("copy", own[100].text)
    corpus = read(source)
    rows, facts = split_corpus(corpus, SPLITS[kind], seed=0)
    texts = {name: {normalised(corpus.posts[row].text or "") for row in part} for name, part in rows.items()}
    assert (
        not texts["train"] & texts["test"] | texts["train"] & texts["validation"] | texts["validation"] & texts["test"]
    )
    assert list(rows) == ["train", "validation", "test"]
    assert all(part == sorted(set(part)) and part for part in rows.values())
    assert sum(map(len, rows.values())) == len({row for part in rows.values() for row in part})
    assert facts["splits"] == {name: {"posts": len(part)} for name, part in rows.items()}


def test_a_random_split_keeps_its_shares_whatever_the_labels() -> None:
    def split(label: Callable[[int], str | None]) -> tuple[dict[str, set[str]], dict[str, int]]:
        posts = [Post(f"p{i}", f"text {spoken(i)}", label=label(i)) for i in range(200)]
        corpus = read(posts)
        rows, _ = split_corpus(corpus, RandomSplit(test=0.2, validation=0.1), seed=3)
        return {name: ids(corpus, part) for name, part in rows.items()}, {
            name: len(part) for name, part in rows.items()
        }

    plain, sizes = split(lambda i: None)
    assert sizes == {"train": 140, "validation": 20, "test": 40}
    assert split(lambda i: None if i % 3 else f"label {i % 2}")[0] == plain
    assert split(lambda i: "")[0] == plain


def test_another_seed_gives_another_split() -> None:
    corpus = read(posts_of(range(60)))
    assert split_corpus(corpus, RandomSplit(), seed=1)[0] != split_corpus(corpus, RandomSplit(), seed=2)[0]


def test_the_newest_posts_are_the_test_and_newer_unlabelled_ones_are_not_learned_from() -> None:
    posts = [Post(f"p{i}", f"text {spoken(i)}", time=START + timedelta(days=i)) for i in range(10)]
    late = [Post(f"u{i}", f"other {spoken(i)}", time=START + timedelta(days=i)) for i in (3, 9)]
    corpus = read({"posts": posts, "unlabelled": late})
    rows, facts = split_corpus(corpus, TimeSplit(test=0.2, validation=0.1), seed=0)
    assert {name: ids(corpus, part) for name, part in rows.items()} == {
        "train": {*(f"p{i}" for i in range(7)), "u3"},
        "validation": {"p7"},
        "test": {"p8", "p9"},
    }
    what = "are left out, for they are not older than the test posts"
    assert facts["changes"] == [{"split": "unlabelled", "what": what, "posts": 1, "ids": ["u9"]}]
    assert facts["notes"] == [f"1 posts of unlabelled {what}."]


def test_posts_of_one_group_or_event_stay_together() -> None:
    corpus = read(
        [Post(f"{i}", f"text {spoken(i)}", event=f"e{i % 3}", fields={"author": f"a{i % 7}"}) for i in range(70)]
    )
    rows, _ = split_corpus(corpus, GroupedSplit(column="author", test=0.3, validation=0.2), seed=0)
    authors = {name: {corpus.posts[row].fields["author"] for row in part} for name, part in rows.items()}
    assert {name: len(found) for name, found in authors.items()} == {"train": 4, "validation": 1, "test": 2}
    assert len(set.union(*authors.values())) == 7
    rows, _ = split_corpus(corpus, EventSplit(held_out="e1"), seed=0)
    assert {corpus.posts[row].event for row in rows["test"]} == {"e1"}
    assert {corpus.posts[row].event for row in rows["train"]} == {"e0", "e2"}


def test_given_test_posts_stay_and_need_no_label() -> None:
    source = {"train": posts_of(range(0, 40, 2)), "test": posts_of(range(100, 110, 2), label=None)}
    corpus = read(source)
    rows, facts = split_corpus(corpus, GivenSplit(validation=0.2), seed=0)
    assert ids(corpus, rows["test"]) == {post.id for post in source["test"]}
    assert (len(rows["train"]), len(rows["validation"]), facts["changes"]) == (16, 4, [])


def test_the_hash_sees_ids_labels_and_whole_texts() -> None:
    long = "a" * 400
    posts = [Post("1", long + " b", label="x"), Post("2", long + " b", label="x")]
    posts += [Post("1", long + " b", label="y"), Post("1", long + " c", label="x")]
    assert len({read([post]).hash for post in posts}) == 4
    assert split_corpus(read(posts_of(range(9))), RandomSplit(), seed=0)[1]["hash"] == read(posts_of(range(9))).hash


def test_too_little_to_split_is_a_reason() -> None:
    assert "no post with a text" in refusal(lambda: split_corpus(read([]), RandomSplit(), seed=0))
    one = [Post(str(i), "one text for every single post") for i in range(9)]
    assert "No post is left to test on (train 9" in refusal(lambda: split_corpus(read(one), RandomSplit(), seed=0))
    tested = {"test": [Post("1", "tested")], "unlabelled": [Post("2", "Tested!")]}
    assert "No post is left to learn from" in refusal(lambda: split_corpus(read(tested), GivenSplit(), seed=0))
    assert "have no time" in refusal(lambda: split_corpus(read(one), TimeSplit(), seed=0))


def test_posts_are_read_as_a_stream() -> None:
    seen = []

    def stream() -> Iterable[Post]:
        for i in range(5):
            seen.append(i)
            yield Post(f"{i}", f"text {spoken(i)}")

    assert len(read({"posts": stream()})) == 5  # type: ignore[dict-item]  # A stream has no length.
    assert seen == [0, 1, 2, 3, 4]


def test_rows_of_the_test_have_no_say_in_what_is_known() -> None:
    own = posts_of(range(40))
    held_out = [Post(f"t{i}", f"zebra giraffe {spoken(i)}") for i in range(20)]
    spec = Topics.model_validate({"words": {"min_posts": 2, "stop_words": ()}}).words
    found = []
    for test in (held_out, held_out[:1]):
        corpus = read({"train": own, "test": test})
        rows, _ = split_corpus(corpus, GivenSplit(), seed=0)
        found.append(learn_vocabulary(corpus.spelt, rows["train"], spec))
    assert found[0] == found[1]
    assert "zebra" not in found[0][0].words


def test_words_of_real_news_are_words() -> None:
    path = SHARED / "data" / "reuters21578" / "articles.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there; SIAGA_SHARED names the folder of real data")
    with gzip.open(path) as stream:
        rows = [json.loads(line) for _, line in zip(range(3000), stream, strict=False)]
    posts = [Post(row["id"], row["body"], fields={"title": row["title"]}) for row in rows]
    spec = Topics(fields=("title", "text"))
    corpus = read_corpus({"posts": posts}, spec, quarantine=Quarantine())
    vocabulary, facts = learn_vocabulary(corpus.spelt, range(len(corpus)), spec.words)
    found = recode(corpus.spelt, vocabulary)
    reader = WordReader(spec.words)
    for row in range(0, len(corpus), 100):
        post = next(post for post in posts if post.id == corpus.posts[row].id)
        text = "\n".join(part for part in (post.fields["title"], post.text) if part)
        tokens = found.tokens[found.offsets[row] : found.offsets[row + 1]]
        assert tokens.tolist() == vocabulary.encode(reader.words(text))
    assert {"new_york", "white_house", "central_bank", "u.s."} <= set(vocabulary.words)
    assert not set(vocabulary.words) & {"the", "of", "reuter", "don", "st"}
    assert all(any(map(str.isalpha, word)) for word in vocabulary.words)
    assert facts["tokens"] == len(found.tokens)
