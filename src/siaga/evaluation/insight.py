"""Insight: what only the classifier itself can add to a report, explanations of its worst answers and feature maps."""

from collections.abc import Sequence
from dataclasses import asdict, replace

from siaga.evaluation.maps import map_features, posts_to_map
from siaga.evaluation.report import Report
from siaga.models.classifier import Classifier
from siaga.models.explanation import explain
from siaga.post import Post
from siaga.schema import Recipe

WORDS, GRID = 40, 4  # Fewer parts than `siaga predict --explain` takes: a report is about all posts.


def with_insight(report: Report, classifier: Classifier, posts: Sequence[Post], *, recipe: Recipe) -> Report:
    """Return the report of these posts with `explanations` of the first top losses, by id, and the `maps`.

    An explanation is of the label that was predicted. The recipe's `evaluation` says how many of each there are.
    """
    by_id = {post.id: post for post in posts}
    explanations = {
        loss["id"]: asdict(explain(classifier, by_id[loss["id"]], label=loss["predicted"], words=WORDS, grid=GRID))
        for loss in report.top_losses[: recipe.evaluation.explanations]
    }
    drawn = posts_to_map(posts, most=recipe.evaluation.map_posts, seed=recipe.seed)
    features = classifier.features(drawn) if drawn else {}
    maps = map_features(features, ids=[post.id for post in drawn], seed=recipe.seed)
    return replace(report, explanations=explanations, maps=maps)
