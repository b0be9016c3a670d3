"""What the classifier adds to its report: explanations of the worst answers, and maps of its features."""

import json
from dataclasses import asdict

import pytest

from siaga.evaluation.insight import GRID, with_insight
from siaga.evaluation.report import Report, evaluate
from siaga.models.classifier import Classifier, build_model
from siaga.models.explanation import explain
from siaga.post import Post, Prediction
from siaga.recipe import check_recipe
from siaga.schema import Linear, Recipe
from tests.made import made_posts

POSTS = made_posts(40, seed=5)


@pytest.fixture(scope="module")
def linear() -> Classifier:
    return build_model(Linear(characters=False, min_posts=1)).fit(made_posts(120))


def recipe(**evaluation: object) -> Recipe:
    settings = {"resamples": 100, "top_losses": 4, **evaluation}
    return check_recipe(
        {"name": "x", "source": {"kind": "synthetic"}, "model": {"kind": "linear"}, "evaluation": settings},
        where="test",
    )


def measured(linear: Classifier, posts: list[Post], asked: Recipe) -> Report:
    rows = linear.predict_proba(posts)
    predictions = [
        Prediction(post.id, linear.classes_[row.argmax()], row.max(), dict(zip(linear.classes_, row, strict=True)), ())
        for post, row in zip(posts, rows, strict=True)
    ]
    return evaluate(posts, predictions, recipe=asked, baselines={}, facts={})


def test_the_first_top_losses_are_explained_as_they_were_answered(linear: Classifier) -> None:
    asked = recipe(explanations=2)
    report = with_insight(measured(linear, POSTS, asked), linear, POSTS, recipe=asked)
    assert list(report.explanations) == [loss["id"] for loss in report.top_losses[:2]]
    for loss in report.top_losses[:2]:
        post = next(post for post in POSTS if post.id == loss["id"])
        assert report.explanations[post.id] == asdict(explain(linear, post, label=loss["predicted"], grid=GRID))
        assert report.explanations[post.id]["label"] != post.label
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()


def test_each_model_with_features_has_a_map_of_the_posts_that_it_saw(linear: Classifier) -> None:
    asked = recipe(map_posts=30)
    first, second = (
        with_insight(measured(linear, posts, asked), linear, posts, recipe=asked) for posts in (POSTS, POSTS[::-1])
    )
    [found] = first.maps
    with_text = {post.id for post in POSTS if post.text}
    assert found["name"] == ""
    assert 20 < found["n"] == len(found["points"]) == len(found["ids"]) <= 30
    assert set(found["ids"]) < with_text
    assert first == second


def test_with_none_asked_for_nothing_is_added(linear: Classifier) -> None:
    asked = recipe(explanations=0, map_posts=0)
    report = measured(linear, POSTS, asked)
    assert with_insight(report, linear, POSTS, recipe=asked) == report
