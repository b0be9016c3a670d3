"""Predicting with a fusion of two TF-IDF members, in posts a second on one core.

    python benchmarks/predict.py [--posts 20000]

Ours is `Bundle.predict` from posts to predictions. The peer is a scikit-learn pipeline of the larger member alone
(TF-IDF and logistic regression, `predict_proba`); the limit is its bare vectoriser. All in one run, interleaved.
"""

import argparse
import json
import os
import time
from collections.abc import Callable

os.environ["OMP_NUM_THREADS"] = "1"

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from siaga.bundle import Bundle, build_classifier
from siaga.recipe import check_recipe
from siaga.schema import SyntheticSource
from siaga.sources.synthetic import make_posts

ROUNDS = 5
MEMBERS = {"words": {"kind": "linear", "characters": False}, "characters": {"kind": "linear", "words": False}}


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=int, default=20_000)
    count = parser.parse_args().posts
    made = [post for post in make_posts(SyntheticSource(posts=count))["posts"] if post.text]
    model = {"kind": "fusion", "members": MEMBERS, "folds": 3}
    recipe = check_recipe({"name": "tfidf", "source": {"kind": "synthetic"}, "model": model}, where="benchmark")
    bundle = Bundle(recipe, build_classifier(recipe).fit(made[:3000]))
    texts = [str(post.text) for post in made]
    vectoriser = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True)
    head = LogisticRegression(C=4.0, max_iter=3000)
    head.fit(vectoriser.fit_transform(texts[:3000]), [post.label for post in made[:3000]])
    timed = {
        "ours": lambda: list(bundle.predict_stream(made)),
        "peer": lambda: head.predict_proba(vectoriser.transform(texts)),
        "limit": lambda: vectoriser.transform(texts),
    }
    best = {name: min(_seconds(work) for _ in range(ROUNDS)) for name, work in timed.items()}
    rates = {f"{name}_posts_per_s": round(len(made) / seconds) for name, seconds in best.items()}
    ratios = {
        "ours_to_peer": round(best["peer"] / best["ours"], 3),
        "ours_to_limit": round(best["limit"] / best["ours"], 3),
    }
    print(json.dumps({"benchmark": "predict", "posts": len(made), **rates, **ratios}))


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    main()
