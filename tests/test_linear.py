"""The linear classifier and its TF-IDF: fields side by side, vocabulary kept in the open, honest probabilities."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from siaga.bundle import Bundle
from siaga.cli.posts import reading
from siaga.errors import BundleError, RecipeError
from siaga.features.fields import SharedTfIdf, field_of
from siaga.features.tfidf import TfIdf
from siaga.models.calibrated import CalibratedClassifier
from siaga.models.linear import LinearClassifier
from siaga.post import Post
from siaga.recipe import check_recipe
from siaga.schema import Cleaning, Linear
from siaga.schema.texts import LinearHead
from tests.made import made_posts

WORDS = Linear(characters=False, words=(1, 1), min_posts=1)
KEYWORDS = Linear(
    characters=False,
    words=(1, 1),
    min_posts=1,
    fields=("text", "keyword", "hashtags"),
    fill={"keyword": "hashtags"},
    cleaning=Cleaning(percent_codes=True, split_hashtags=True),
)
TWEET = Post("1", text="banjir lagi #AirNaik #macet", fields={"keyword": "body%20bag"})


def dense(model: LinearClassifier, posts: Sequence[Post]) -> np.ndarray:
    rows = model.features(posts)[""].rows
    return np.asarray(rows.toarray())  # type: ignore[union-attr]  # TF-IDF is sparse.


def test_it_is_tfidf_and_logistic_regression_and_nothing_else() -> None:
    posts = [post for post in made_posts(80) if post.text]
    spec = Linear(words=(1, 2), characters=False, min_posts=1, C=2.0)
    ours = LinearClassifier(spec).fit(posts).predict_proba(posts)
    texts = [str(post.text) for post in posts]
    letters = {"token_pattern": r"(?u)\b\w+\b"}
    vectoriser = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, **letters)
    head = LogisticRegression(C=2.0, max_iter=3000).fit(vectoriser.fit_transform(texts), [p.label for p in posts])
    np.testing.assert_allclose(ours, head.predict_proba(vectoriser.transform(texts)), atol=1e-6)


def test_the_vocabulary_is_plain_json_in_column_order(tmp_path: Path) -> None:
    TfIdf(words=(1, 1), characters=False, min_posts=1).fit(["air naik", "air surut"]).save(tmp_path)
    assert json.loads((tmp_path / "words.json").read_text()) == ["air", "naik", "surut"]


def test_texts_without_any_word_or_common_ngram_are_survived() -> None:
    tfidf = TfIdf(words=(1, 1), characters=(2, 3), min_posts=2).fit(["!!!", "???"])
    assert tfidf.transform(["air", ""]).shape[0] == 2


def test_fewer_texts_than_an_ngram_must_stand_in_are_survived() -> None:
    tfidf = TfIdf(words=(1, 1), characters=(2, 3), min_posts=100).fit(["air naik", "air surut"])
    assert tfidf.transform(["air"]).nnz > 0


def test_a_text_that_cleaning_empties_is_not_used() -> None:
    model = LinearClassifier(Linear(min_posts=1)).fit(made_posts(40))
    assert model.answer([Post("1", text="https://t.co/abc @you"), Post("2", text="banjir")]).used == [(), ("text",)]


def test_a_temperature_repairs_overconfidence() -> None:
    train = [post for post in made_posts(60, seed=1) if post.text]
    held, asked = made_posts(400, seed=2), [post for post in made_posts(400, seed=3) if post.text]
    raw = LinearClassifier(Linear(C=1e4, min_posts=1))
    labels = np.array([["INFO", "NO_INFO"].index(str(post.label)) for post in asked])
    calibrated = CalibratedClassifier(raw).fit(train, validation=held)
    losses = [-np.log(model.predict_proba(asked)[np.arange(len(asked)), labels]).mean() for model in (raw, calibrated)]
    assert calibrated.temperature_ > 1.5
    assert losses[1] < losses[0]
    np.testing.assert_array_equal(calibrated.predict_proba(asked).argmax(1), raw.predict_proba(asked).argmax(1))


def test_without_held_out_posts_the_temperature_is_one() -> None:
    assert CalibratedClassifier(LinearClassifier(Linear())).fit(made_posts(40)).temperature_ == pytest.approx(1.0)


def test_a_field_is_cleaned_hashtags_are_those_of_the_text_and_a_missing_one_is_filled() -> None:
    assert [field_of(TWEET, name, KEYWORDS) for name in KEYWORDS.fields] == [
        "banjir lagi air naik macet",
        "body bag",
        "air naik macet",
    ]
    assert field_of(replace(TWEET, fields={}), "keyword", KEYWORDS) == "air naik"
    assert field_of(replace(TWEET, fields={"keyword": " "}), "keyword", KEYWORDS) == "air naik"
    assert field_of(Post("2", text="banjir"), "keyword", KEYWORDS) == ""
    other = KEYWORDS.model_copy(update={"fill": {"keyword": "place"}})
    assert field_of(Post("3", text="#x", fields={"place": "Jakarta Utara"}), "keyword", other) == "jakarta utara"


def test_each_field_has_spaces_of_its_own_side_by_side() -> None:
    posts = [
        replace(post, fields={"keyword": f"{i % 3}"}, text=f"{post.text} #tag{i % 2}")
        for i, post in enumerate(made_posts(30))
    ]
    together = dense(LinearClassifier(KEYWORDS).fit(posts), posts)
    alone = [
        dense(LinearClassifier(KEYWORDS.model_copy(update={"fields": (name,), "fill": {}})).fit(posts), posts)
        for name in KEYWORDS.fields
    ]
    assert [rows.shape[1] for rows in alone[1:]] == [3, 2]
    np.testing.assert_allclose(together, np.hstack(alone))


def test_a_post_is_seen_if_any_of_its_fields_has_something_to_read() -> None:
    posts = [Post(str(i), fields={"keyword": "ab"[i % 2]}, label="xy"[i % 2]) for i in range(20)]
    model = LinearClassifier(KEYWORDS).fit(posts)
    answer = model.answer([Post("1", fields={"keyword": "a"}), Post("2", fields={"other": "a"}), Post("3", text="z")])
    assert answer.used == [("text",), (), ("text",)]
    assert answer.probabilities[0, 0] > 0.6


def test_no_name_of_a_field_leads_out_of_the_folder(tmp_path: Path) -> None:
    spec = KEYWORDS.model_copy(update={"fields": ("../../outside", "text"), "fill": {}})
    posts = [replace(post, fields={"../../outside": "air"}) for post in made_posts(30)]
    model = LinearClassifier(spec).fit(posts)
    (tmp_path / "a" / "b").mkdir(parents=True)
    model.save(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert sorted(path.name for path in (tmp_path / "a" / "b" / "fields").iterdir()) == ["0", "1"]
    loaded = LinearClassifier(spec).load(tmp_path / "a" / "b")
    np.testing.assert_array_equal(loaded.predict_proba(posts), model.predict_proba(posts))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fields": ["text", "text"]}, "names 'text' twice"),
        ({"fill": {"keyword": "hashtags"}}, "fill.keyword is not among the fields"),
        ({"fields": ["hashtags"], "fill": {"hashtags": "hashtags"}}, "cannot stand in for itself"),
        ({"fields": []}, "at least 1"),
    ],
)
def test_fields_that_make_no_sense_are_faults_of_the_recipe(settings: dict[str, object], said: str) -> None:
    table = {"name": "x", "source": {"kind": "synthetic"}, "model": {"kind": "linear", **settings}}
    with pytest.raises(RecipeError, match=said):
        check_recipe(table, where="here")


def test_stop_words_are_left_out_before_ngrams_are_formed_and_stay_those_of_the_fit(tmp_path: Path) -> None:
    tfidf = TfIdf(words=(1, 2), characters=False, min_posts=1, stop_words="english").fit(["the end of the road"])
    tfidf.save(tmp_path)
    assert json.loads((tmp_path / "words.json").read_text()) == ["end", "end road", "road"]
    kept = json.loads((tmp_path / "stop_words.json").read_text())
    assert {"the", "of"} < set(kept)
    (tmp_path / "stop_words.json").write_text(json.dumps([*kept, "road"]))
    loaded = TfIdf(words=(1, 2), characters=False, min_posts=1, stop_words="english").load(tmp_path)
    assert loaded.transform(["the road"]).nnz == 0


def test_heads_that_read_alike_share_what_was_read() -> None:
    train, asked, shared_tfidf = made_posts(60), made_posts(20, seed=1), SharedTfIdf()
    heads: tuple[LinearHead, ...] = ("logistic", "bernoulli", "complement")
    for head in heads:
        spec = WORDS.model_copy(update={"head": head, "C": 2.0})
        shared = LinearClassifier(spec, shared=shared_tfidf).fit(train).predict_proba(asked)
        np.testing.assert_array_equal(shared, LinearClassifier(spec).fit(train).predict_proba(asked))
    first = shared_tfidf.fit(WORDS, train)
    assert shared_tfidf.fit(WORDS.model_copy(update={"head": "ridge"}), list(train)) is first
    assert shared_tfidf.read(first[0], asked) is shared_tfidf.read(first[0], asked)
    assert shared_tfidf.fit(WORDS, train[:-1]) is not first
    assert shared_tfidf.fit(WORDS.model_copy(update={"words": (1, 2)}), train) is not first
    assert shared_tfidf.fit(WORDS, made_posts(60)) is not first


def test_gaussian_naive_bayes_of_sparse_sums_is_that_of_dense_rows() -> None:
    posts = [post.with_label(f"{post.label}{i % 4 // 2}") for i, post in enumerate(made_posts(80)) if post.text]
    for balanced in (False, True):
        model = LinearClassifier(WORDS.model_copy(update={"head": "gaussian", "balanced": balanced})).fit(posts)
        labels = [str(post.label) for post in posts]
        peer = GaussianNB(priors=[0.25] * 4 if balanced else None).fit(dense(model, posts), labels)
        asked = [post for post in made_posts(40, seed=1) if post.text]
        np.testing.assert_allclose(
            model.predict_proba(asked), peer.predict_proba(dense(model, asked)), rtol=1e-3, atol=1e-6
        )


@pytest.mark.parametrize("head", ["ridge", "svm"])
def test_margins_become_probabilities_on_posts_that_were_left_out_with_their_copies(head: LinearHead) -> None:
    # Texts are unique noise, each three times: whoever asks about a copy of what was learned sees perfect margins.
    random = np.random.default_rng(3)
    texts = [(" ".join(map(str, random.integers(0, 10**9, 4))), "ab"[random.integers(2)]) for _ in range(60)]
    posts = [
        Post(f"{i}-{copy}", text=f"{text} http://t.co/{copy}", label=label)
        for i, (text, label) in enumerate(texts)
        for copy in range(3)
    ]
    probabilities = LinearClassifier(WORDS.model_copy(update={"head": head})).fit(posts).predict_proba(posts)
    assert np.abs(probabilities - 0.5).max() < 0.3


@pytest.mark.parametrize("head", ["ridge", "svm"])
def test_two_posts_are_enough_for_margins(head: LinearHead) -> None:
    posts = [Post("1", text="banjir", label="a"), Post("2", text="promo", label="b")]
    probabilities = LinearClassifier(WORDS.model_copy(update={"head": head})).fit(posts).predict_proba(posts)
    assert probabilities.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("head", ["ridge", "svm", "gaussian", "xgboost", "catboost", "tree"])
def test_a_head_tells_three_classes_apart(head: LinearHead, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = {"a": "air banjir", "b": "promo diskon", "c": "kopi lucu"}
    posts = [Post(str(i), text=f"{words['abc'[i % 3]]} {random.integers(10)}", label="abc"[i % 3]) for i in range(90)]
    model = LinearClassifier(WORDS.model_copy(update={"head": head})).fit(posts)
    asked = [Post(label, text=text) for label, text in words.items()]
    assert model.predict_proba(asked).argmax(axis=1).tolist() == [0, 1, 2]
    model.save(tmp_path)
    loaded = LinearClassifier(model.spec).load(tmp_path)
    np.testing.assert_array_equal(loaded.predict_proba(asked), model.predict_proba(asked))


@pytest.mark.parametrize("head", ["logistic", "ridge", "svm", "sgd"])
def test_the_penalty_rules_every_head_that_has_one(head: LinearHead) -> None:
    posts = made_posts(80)
    weak, strong = (
        LinearClassifier(WORDS.model_copy(update={"head": head, "C": C})).fit(posts).predict_proba(posts)
        for C in (0.01, 10.0)
    )
    assert not np.allclose(weak, strong, atol=1e-3)


@pytest.mark.parametrize("head", ["ridge", "gaussian"])
def test_arrays_that_do_not_fit_are_refused(head: LinearHead, tmp_path: Path) -> None:
    spec = WORDS.model_copy(update={"head": head})
    LinearClassifier(spec).fit(made_posts(40)).save(tmp_path)
    path = tmp_path / "head.npz"
    with np.load(path) as found:
        arrays = dict(found)
    whole = path.read_bytes()
    changes = [
        {**arrays, "classes": arrays["classes"].astype(float)},
        {**arrays, "classes": arrays["classes"][:1]},
        *({**arrays, name: array[..., :-1]} for name, array in arrays.items() if name not in ("weights", "classes")),
        *({**arrays, name: np.array([{}], dtype=object)} for name in arrays),
    ]
    for changed in changes:
        np.savez(path, **changed)
        with pytest.raises(BundleError, match="Train it again"):
            LinearClassifier(spec).load(tmp_path)
    for content in (b"", b"nothing", whole[: len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(BundleError, match="Train it again"):
            LinearClassifier(spec).load(tmp_path)


@pytest.mark.parametrize("content", ["id,keyword,text\n1,air,\n2,,x\n", "id,text\n2,x\n"])
def test_a_file_to_predict_gives_the_fields_that_the_model_reads_where_it_has_them(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "posts.csv").write_text(content)
    table = {"name": "x", "source": {"kind": "synthetic"}, "model": {"kind": "linear", "fields": ["keyword", "text"]}}
    bundle = Bundle(check_recipe(table, where="here"), LinearClassifier(KEYWORDS))
    with reading(bundle, str(tmp_path / "posts.csv"), columns=[], beside=None) as posts:
        found = {post.id: dict(post.fields) for post in posts}
    assert found == ({"1": {"keyword": "air"}, "2": {}} if "keyword" in content else {"2": {}})
