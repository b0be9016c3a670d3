"""Insight: what only the classifier itself can add to a report, explanations of its worst answers and feature maps."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

from siaga.evaluation.maps import Map, map_features, posts_to_map
from siaga.evaluation.report import Report
from siaga.models.classifier import Classifier, Features
from siaga.models.explanation import explain
from siaga.post import Post, Prediction
from siaga.schema import Recipe

WORDS, GRID = 40, 4  # Fewer parts than `siaga predict --explain` takes: a report is about all posts.


def with_insight(report: Report, classifier: Classifier, posts: Sequence[Post], *, recipe: Recipe) -> Report:
    """Return the report of these posts with `explanations` of the first top losses, by id, and the `maps`.

    An explanation is of the label that was predicted. The recipe's `evaluation` says how many of each there are.
    """
    by_id = {post.id: post for post in posts}
    explanations = {
        loss["id"]: asdict(explain(classifier, by_id[loss["id"]], label=loss["predicted"], words=WORDS, grid=GRID))
        for loss in report.top_losses[: recipe.classification.explanations]
    }
    return replace(report, explanations=explanations, maps=_maps(classifier.features, posts, recipe))


def map_of_alternative(
    name: str, classifier: Classifier, posts: Sequence[Post], predictions: Sequence[Prediction], *, recipe: Recipe
) -> list[Map]:
    """Return the map of an alternative's own features, if it has any, with the ids of the posts it got `wrong`."""
    pairs = zip(posts, predictions, strict=True)
    wrong = {post.id for post, prediction in pairs if post.label != prediction.label}

    def own(drawn: Sequence[Post]) -> dict[str, Features]:
        features = classifier.features(drawn)
        return {name: features[""]} if "" in features else {}

    found = _maps(own, posts, recipe)
    return [{**each, "wrong": [id_ for id_ in each["ids"] if id_ in wrong]} for each in found]


def _maps(
    features: Callable[[Sequence[Post]], dict[str, Features]], posts: Sequence[Post], recipe: Recipe
) -> list[Map]:
    drawn = posts_to_map(posts, most=recipe.classification.map_posts, seed=recipe.seed)
    return map_features(features(drawn) if drawn else {}, ids=[post.id for post in drawn], seed=recipe.seed)
