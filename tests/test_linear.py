"""The linear classifier and its TF-IDF: vocabulary kept in the open, odd texts survived."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from siaga.features.tfidf import TfIdf
from siaga.models.calibrated import CalibratedClassifier
from siaga.models.linear import LinearClassifier
from siaga.post import Post
from siaga.schema import Linear
from tests.made import made_posts


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
