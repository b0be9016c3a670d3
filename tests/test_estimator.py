"""The scikit-learn adapter keeps scikit-learn's manners."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer

from siaga.errors import DataError, RecipeError
from siaga.estimator import PostClassifier, as_posts
from siaga.post import Post
from tests.made import made_posts

POSTS = [post for post in made_posts(80) if post.text]
TEXTS = [str(post.text) for post in POSTS]
LABELS = [str(post.label) for post in POSTS]
WORDS = {"kind": "linear", "characters": False, "min_posts": 1}


def shout(texts: list[str]) -> list[str]:
    return [text.upper() for text in texts]


def test_clone_keeps_the_settings_and_forgets_what_was_learned() -> None:
    fitted = PostClassifier(WORDS, seed=3).fit(TEXTS, LABELS)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "classes_")


def test_it_searches_a_grid_and_stands_at_the_end_of_a_pipeline() -> None:
    grid = {"siaga__model": [{**WORDS, "C": 0.1}, {**WORDS, "C": 4.0}], "siaga__seed": [0]}
    pipeline = Pipeline([("shout", FunctionTransformer(shout)), ("siaga", PostClassifier(WORDS))])
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(TEXTS, LABELS)
    assert search.best_score_ > 0.75
    assert search.predict(TEXTS[:3]).tolist() == search.best_estimator_.predict(TEXTS[:3]).tolist()


@pytest.mark.parametrize("labels", [LABELS, [label == "INFO" for label in LABELS], [len(label) for label in LABELS]])
def test_labels_come_back_as_they_were_given(labels: list[object]) -> None:
    model = PostClassifier(WORDS).fit(TEXTS, labels)
    assert model.classes_.tolist() == np.unique(np.asarray(labels)).tolist()
    assert model.predict(TEXTS).dtype == np.asarray(labels).dtype
    assert model.score(TEXTS, labels) > 0.85


def test_lists_series_frames_and_posts_are_the_same_posts() -> None:
    model = PostClassifier(WORDS).fit(TEXTS, LABELS)
    expected = model.predict_proba(TEXTS)
    for given in (
        POSTS,
        pd.Series(TEXTS),
        pl.Series(TEXTS),
        pd.DataFrame({"text": TEXTS}),
        pl.DataFrame({"text": TEXTS}),
    ):
        np.testing.assert_array_equal(model.predict_proba(given), expected)


def test_missing_cells_of_a_frame_are_missing_parts_of_a_post() -> None:
    frame = pd.DataFrame({"id": [7, 8], "text": ["air", None], "image": [np.nan, "a.png"]})
    first, second = as_posts(frame)
    assert first == Post("7", text="air")
    assert second.modalities == ("image",)


def test_posts_held_out_serve_calibration() -> None:
    plain, calibrated = (PostClassifier(WORDS, held_out=share).fit(TEXTS, LABELS) for share in (0.0, 0.3))
    assert not np.allclose(plain.predict_proba(TEXTS), calibrated.predict_proba(TEXTS))


def test_cross_validation_scores_it() -> None:
    assert cross_val_score(PostClassifier(WORDS), TEXTS, LABELS, cv=3).mean() > 0.7


def test_what_cannot_be_posts_is_refused_with_a_reason() -> None:
    for given, said in (
        ("one text", "cannot be read from str"),
        ([3], "neither a text nor a Post"),
        (pd.DataFrame({"tweet": ["a"]}), "It has: tweet"),
        (pd.DataFrame({"text": [3]}), "The text of row 0 is int"),
    ):
        with pytest.raises(DataError, match=said):
            as_posts(given)
    with pytest.raises(DataError, match="2 posts and 1 labels"):
        PostClassifier().fit(["a", "b"], [1])
    with pytest.raises(RecipeError, match="not one that a recipe could hold"):
        PostClassifier({"kind": "linaer"}).fit(TEXTS, LABELS)
