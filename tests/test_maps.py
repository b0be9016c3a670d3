"""Maps of features: the same every time, apart where the features are apart, and a reason where there is none."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import silhouette_score

from siaga.evaluation.maps import map_features, posts_to_map
from siaga.models.classifier import Features
from siaga.post import Post

N = 60
IDS = [f"p{i:02}" for i in range(N)]
SIDE = np.arange(N) % 2


def blobs(width: int = 80, *, apart: float = 6.0) -> np.ndarray:
    rows = np.random.default_rng(0).normal(size=(N, width)).astype(np.float32)
    rows[:, 0] += apart * SIDE * (width**0.5)
    return rows


def features(rows: object, seen: np.ndarray | None = None) -> Features:
    return Features(rows, np.ones(N, dtype=bool) if seen is None else seen)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
@pytest.mark.parametrize("width", [1, 3, 80])
def test_two_blobs_are_two_blobs_on_the_map(form: type, width: int) -> None:
    [found] = map_features({"text": features(form(blobs(width)))}, ids=IDS, seed=0)
    assert (found["name"], found["n"], found["ids"], found["reason"]) == ("text", N, IDS, "")
    points = np.array(found["points"])
    assert points.shape == (N, 2)
    assert silhouette_score(points, SIDE) > 0.5
    assert silhouette_score(points, np.arange(N) // 30) < 0.2


def test_the_same_features_and_seed_give_the_same_map() -> None:
    first, second = (map_features({"": features(blobs())}, ids=IDS, seed=1) for _ in range(2))
    assert first == second
    [few] = map_features({"": features(csr_matrix(blobs()[:, :60]))}, ids=IDS, seed=1)
    assert few == map_features({"": features(csr_matrix(blobs()[:, :60]))}, ids=IDS, seed=1)[0]


def test_a_map_holds_only_the_posts_that_the_model_saw_and_no_model_touches_another() -> None:
    seen = np.arange(N) >= 40
    text, image = features(blobs()), features(blobs()[seen], seen)
    both = map_features({"text": text, "image": image}, ids=IDS, seed=0)
    assert [each["name"] for each in both] == ["text", "image"]
    assert (both[1]["ids"], both[1]["n"], len(both[1]["points"])) == (IDS[40:], 20, 20)
    assert both[1:] == map_features({"image": image}, ids=IDS, seed=0)


@pytest.mark.parametrize(
    ("rows", "seen", "reason"),
    [
        (blobs()[:9], SIDE.cumsum() <= 4, "it could read 9 of these posts, and a map needs 10"),
        (np.ones((N, 4), dtype=np.float32), None, "its features are the same for every post"),
        (csr_matrix(np.ones((N, 70))), None, "its features are the same for every post"),
        (csr_matrix((N, 70)), None, "its features are the same for every post"),
        (np.full((N, 4), np.nan, dtype=np.float32), None, "its features are not finite numbers"),
    ],
)
def test_where_there_is_no_map_there_is_a_reason(rows: object, seen: np.ndarray | None, reason: str) -> None:
    [found] = map_features({"x": features(rows, seen)}, ids=IDS, seed=0)
    assert found == {"name": "x", "n": 0, "ids": [], "points": [], "reason": reason}


def test_posts_are_drawn_by_seed_and_id_and_not_by_their_order() -> None:
    posts = [Post(name) for name in IDS]
    chosen = posts_to_map(posts, most=20, seed=0)
    assert chosen == posts_to_map(posts[::-1], most=20, seed=0)
    assert chosen != posts_to_map(posts, most=20, seed=1)
    assert [post.id for post in chosen] == sorted({post.id for post in chosen})
    assert (len(chosen), posts_to_map(posts, most=99, seed=0), posts_to_map(posts, most=0, seed=0)) == (20, posts, [])
