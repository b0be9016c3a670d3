"""Model selection over nine heads and five folds, beside a plain loop of scikit-learn over the heads that it has.

    python benchmarks/selection.py [--posts train.csv --text text --label target] [--workers 2]

Without a table, made tweets. Ours is `siaga.model_selection.select`: near-equal posts in one fold, calibrated
probabilities, intervals, paired tests. The peer is `cross_val_predict` on pipelines of the same TF-IDF and head, on as
many processes; its heads answer without what ours adds (ridge and svm give no probabilities there). xgboost is ours
alone, so the ratio is of the heads that both have.
"""

import argparse
import json
import os
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier, SGDClassifier
from sklearn.model_selection import cross_val_predict
from sklearn.naive_bayes import BernoulliNB, ComplementNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from siaga.model_selection import Options, candidates_of, select
from siaga.quarantine import Quarantine
from siaga.recipe import check_recipe
from siaga.schema import Recipe
from siaga.training_run import prepare

FOLDS = 5
NINE = ("ridge", "sgd", "logistic", "svm", "bernoulli", "gaussian", "complement", "tree", "xgboost")
PEERS: dict[str, Any] = {  # Any: scikit-learn is untyped.
    "ridge": RidgeClassifier(),
    "sgd": SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0),
    "logistic": LogisticRegression(C=4.0, max_iter=3000),
    "svm": LinearSVC(C=0.25, random_state=0),
    "bernoulli": BernoulliNB(),
    "complement": ComplementNB(),
    "tree": DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
}


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--posts", type=Path)
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="target")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    recipe = _recipe(options.posts, text=options.text, label=options.label)
    nine, standings = _ours(recipe, NINE, workers=options.workers)
    shared, _ = _ours(recipe, tuple(PEERS), workers=options.workers)
    peer = _peer(recipe, workers=options.workers)
    print(
        json.dumps(
            {
                "benchmark": "select",
                "posts": standings.n,
                "folds": FOLDS,
                "workers": options.workers,
                "nine_heads_s": round(nine, 1),
                "shared_heads_s": round(shared, 1),
                "sklearn_shared_heads_s": round(peer, 1),
                "sklearn_to_ours": round(peer / shared, 2),
                "macro_f1": {row.name: round(row.metrics["macro_f1"]["value"] or 0.0, 4) for row in standings.rows},
            }
        )
    )


def _recipe(posts: Path | None, *, text: str, label: str) -> Recipe:
    made = {"kind": "synthetic", "looks_like": "disaster-tweets", "posts": 4000}
    table = {"kind": "table", "path": str(posts), "columns": {"text": text, "label": label}}
    source = made if posts is None else table
    whole = {"name": "select", "source": source, "model": {"kind": "linear"}}
    return check_recipe(whole, where="benchmark")


def _ours(recipe: Recipe, heads: tuple[str, ...], *, workers: int) -> tuple[float, Any]:  # Any: Standings.
    started = time.perf_counter()
    found = select(recipe, candidates_of(recipe, heads=heads), options=Options(FOLDS, workers=workers))
    return time.perf_counter() - started, found


def _peer(recipe: Recipe, *, workers: int) -> float:
    """Return the seconds of the plain loop on the same posts: reading, and an answer on every post by every head."""
    started = time.perf_counter()
    dataset = prepare(recipe, quarantine=Quarantine())
    posts = [*dataset.train, *dataset.validation]
    texts, labels = [post.text or "" for post in posts], [post.label for post in posts]
    common = {"min_df": 2, "sublinear_tf": True, "strip_accents": "unicode"}
    for head in PEERS.values():
        spaces = [
            ("words", TfidfVectorizer(ngram_range=(1, 2), **common)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **common)),
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            cross_val_predict(
                Pipeline([("tfidf", FeatureUnion(spaces)), ("head", head)]), texts, labels, cv=FOLDS, n_jobs=workers
            )
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
