"""What a report shows of each topic: its words, how large and how good it is, and its most typical posts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from siaga.evaluation.topics.measured import Measured, Shares
from siaga.evaluation.topics.projection import relevant_words
from siaga.schema import TopicQuality

LONG = 20  # A typical post has so many known words, where there are such posts.

Table = dict[str, Any]  # Any: the value of a JSON object.


def shown_topics(
    measured: Measured, shares: Shares, by_topic: Mapping[str, Sequence[float | None]], spec: TopicQuality
) -> list[Table]:
    """Return a table for each topic; `shares` (test posts, topics) are those of the test posts."""
    classifier = measured.classifier
    sizes = shares.mean(axis=0)
    main = np.bincount(shares.argmax(axis=1), minlength=len(sizes))
    words = relevant_words(classifier.phi_, sizes, classifier.vocabulary_.words)
    typical = _typical(measured, spec.typical)
    return [
        {
            "number": k + 1,
            "name": name,
            "share": float(sizes[k]),
            "posts": int(main[k]),
            **{figure: values[k] for figure, values in by_topic.items()},
            "words": words[k],
            "typical": typical[k],
        }
        for k, name in enumerate(classifier.classes_)
    ]


def _typical(measured: Measured, most: int) -> list[list[Table]]:
    """Return of each topic the posts with the largest share of it, the longer ones first of all; no text twice."""
    lengths = measured.documents.lengths()
    rows = np.flatnonzero(lengths >= LONG) if (lengths >= LONG).any() else np.flatnonzero(lengths)
    shares = measured.classifier.fold_in(measured.documents.take(rows))
    found = []
    for k in range(shares.shape[1]):
        best = [int(i) for i in np.argsort(-shares[:, k], kind="stable")[: 4 * most]]
        distinct = {measured.posts[int(rows[i])].text: i for i in reversed(best)}
        chosen = sorted(distinct.values(), key=best.index)[:most]
        found.append([_shown(measured, int(rows[i]), shares[i, k]) for i in chosen])
    return found


def _shown(measured: Measured, row: int, share: float) -> Table:
    post = measured.posts[row]
    time = post.time.isoformat() if post.time else None
    return {"id": post.id, "text": post.text or "", "share": float(share), "time": time}
