"""The posts that the page shows: cards with text and thumbnail, within a budget, by confusion cell and by loss."""

from collections.abc import Iterator, Sequence
from typing import Any

from siaga.errors import ImageError
from siaga.evaluation.explained import shown_explanation
from siaga.evaluation.report import Report
from siaga.pages import data_url
from siaga.post import Post, Prediction

CELL_POSTS, ALL_CELL_POSTS, FEWEST_CELL_POSTS = 40, 1200, 3
CELL_THUMBNAILS = 300
OPEN_CLASSES = 20
OPEN_PAIRS = 60
LONG_TEXT, SHORT_TEXT = 600, 280
LOSS_SIDE, CELL_SIDE = 200, 112
Card = dict[str, Any]  # Any: what the template prints.
Cell = dict[str, Any]  # Any: as above.


def loss_cards(report: Report, posts: Sequence[Post], predictions: Sequence[Prediction]) -> list[Card]:
    """Return one card for each of the report's top losses, worst first, with the loss and, if there is one, the why."""
    rows = {post.id: i for i, post in enumerate(posts)}
    return [
        {
            **_card(posts[i], predictions[i], LONG_TEXT, side=LOSS_SIDE),
            "loss": loss["loss"],
            "why": shown_explanation(posts[i], found, longest=LONG_TEXT)
            if (found := report.explanations.get(loss["id"]))
            else None,
        }
        for loss in report.top_losses
        if (i := rows.get(loss["id"])) is not None
    ]


def example_cards(report: Report, posts: Sequence[Post], predictions: Sequence[Prediction]) -> list[Card]:
    """Return one card for each of the report's examples, in their order."""
    rows = {post.id: i for i, post in enumerate(posts)}
    found = [i for example in report.examples if (i := rows.get(example["id"])) is not None]
    return [_card(posts[i], predictions[i], SHORT_TEXT, side=LOSS_SIDE) for i in found]


def confusion_cells(report: Report, posts: Sequence[Post], predictions: Sequence[Prediction]) -> list[Cell]:
    """Return the cells of the confusion matrix that can be opened, errors first and the largest first, with posts.

    Up to 20 classes these are all the cells that are not empty; of more classes, the 60 most confused pairs. Each
    shows up to 40 posts (fewer where there are many cells): the surest of the errors, the least sure of the hits.
    """
    index = {name: i for i, name in enumerate(report.classes)}
    rows: dict[tuple[int, int], list[int]] = {}
    for i, (post, prediction) in enumerate(zip(posts, predictions, strict=True)):
        rows.setdefault((index[str(post.label)], index[prediction.label]), []).append(i)
    places = sorted(rows, key=lambda place: (place[0] == place[1], -len(rows[place]), place))
    if len(report.classes) > OPEN_CLASSES:
        places = [place for place in places if place[0] != place[1]][:OPEN_PAIRS]
    most = max(FEWEST_CELL_POSTS, min(CELL_POSTS, ALL_CELL_POSTS // max(1, len(places))))
    sides = _sides()
    return [_cell(report, place, rows[place], (posts, predictions, most, sides)) for place in places]


def _cell(
    report: Report,
    place: tuple[int, int],
    rows: Sequence[int],
    shown: tuple[Sequence[Post], Sequence[Prediction], int, Iterator[int]],
) -> Cell:
    posts, predictions, most, sides = shown
    sign = 1 if place[0] == place[1] else -1
    first = sorted(rows, key=lambda i: (sign * predictions[i].confidence, posts[i].id))[:most]
    return {
        "row": place[0],
        "column": place[1],
        "label": report.classes[place[0]],
        "predicted": report.classes[place[1]],
        "n": len(rows),
        "cards": [
            _card(posts[i], predictions[i], SHORT_TEXT, side=next(sides) if posts[i].image is not None else 0)
            for i in first
        ],
    }


def _sides() -> Iterator[int]:
    """Yield the size of each thumbnail in turn, and 0 (none) when the budget is spent."""
    for _ in range(CELL_THUMBNAILS):
        yield CELL_SIDE
    while True:
        yield 0


def _card(post: Post, prediction: Prediction, longest: int, *, side: int) -> Card:
    text = post.text or ""
    return {
        "id": post.id,
        "text": text if len(text) <= longest else text[:longest].rstrip() + "…",
        "image": _thumbnail(post, side),
        "has_image": post.image is not None,
        "label": post.label,
        "predicted": prediction.label,
        "confidence": prediction.confidence,
        "right": post.label == prediction.label,
        "of_label": prediction.probabilities.get(str(post.label), 0.0),
        "members": {name: rows.get(str(post.label), 0.0) for name, rows in prediction.members.items()},
        "error": prediction.error,
    }


def _thumbnail(post: Post, side: int) -> str:
    """Return the picture as a data URI, or nothing when there is none, none is wanted, or it cannot be read."""
    from siaga.features.images import thumbnail

    if post.image is None or side == 0:
        return ""
    try:
        content = thumbnail(post.image, side=side)
    except ImageError:
        return ""
    return data_url(content)
