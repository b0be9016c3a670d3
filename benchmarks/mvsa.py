"""flood-triage's classifiers on real posts with text and image, next to a plain stacked script, on the same splits.

    python benchmarks/mvsa.py [--seeds 5] [--text FOLDER]

Ours is `benchmarks/recipes/mvsa.toml`. The peer is TF-IDF with logistic regression and frozen MobileNet with logistic
regression, stacked by a third one on cross-validated probabilities; it trains on our training and validation posts
together. `--text` names another text encoder (a folder in transformers' form). Skips where the data is absent.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from siaga.dataset import Dataset
from siaga.features.embeddings import Embeddings
from siaga.features.weights import find_weights
from siaga.models.classifier import silent
from siaga.quarantine import Quarantine
from siaga.recipe import load_recipe
from siaga.schema import Encoder, Recipe
from siaga.training_run import prepare
from siaga.workflow import train

RECIPE = Path(__file__).parent / "recipes" / "mvsa.toml"


def main() -> None:
    """Print one JSON line: both, the mean over seeds, and the paired differences with their standard errors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--text")
    arguments = parser.parse_args()
    weights = [f"model.model.members.text.weights={arguments.text}"] if arguments.text else []
    scores = []
    for seed in range(arguments.seeds):
        recipe = load_recipe(RECIPE, overrides=[*weights, f"seed={seed}", "evaluation.resamples=100"])
        if not recipe.source.path.exists():  # type: ignore[union-attr]  # the recipe reads a table.
            print("skipped: the data is not beside the project", file=sys.stderr)
            return
        scores.append([_ours(recipe), _peer(recipe)])
    table = np.array(scores)
    gains = table[:, 0] - table[:, 1]
    errors = gains.std(axis=0, ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else np.full(2, np.nan)
    named = {
        who: dict(zip(("accuracy", "macro_f1"), table[:, i].mean(axis=0).round(4), strict=True))
        for i, who in enumerate(("ours", "peer"))
    }
    difference = {"difference": gains.mean(axis=0).round(4).tolist(), "standard_error": errors.round(4).tolist()}
    print(json.dumps({"benchmark": "mvsa", "seeds": arguments.seeds, **named, **difference}))


def _ours(recipe: Recipe) -> tuple[float, float]:
    with tempfile.TemporaryDirectory() as folder:
        metrics = train(recipe, Path(folder) / "run").metrics
    return float(metrics["accuracy"]["value"] or 0.0), float(metrics["macro_f1"]["value"] or 0.0)


def _peer(recipe: Recipe) -> tuple[float, float]:
    dataset = prepare(recipe, quarantine=Quarantine())
    learned = [*dataset.train, *dataset.validation]
    labels = np.array([str(post.label) for post in learned])
    text = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True), LogisticRegression(max_iter=3000)
    )
    image = make_pipeline(StandardScaler(), LogisticRegression(C=0.001, max_iter=3000))
    inside, outside = [], []
    rows = _pictures(dataset)
    texts = {part: [str(post.text or "") for post in posts] for part, posts in (("in", learned), ("out", dataset.test))}
    for model, known, asked in ((text, texts["in"], texts["out"]), (image, rows[: len(learned)], rows[len(learned) :])):
        inside.append(cross_val_predict(model, known, labels, cv=5, method="predict_proba"))
        outside.append(model.fit(known, labels).predict_proba(asked))
    said = LogisticRegression(max_iter=3000).fit(np.hstack(inside), labels).predict(np.hstack(outside))
    truth = [str(post.label) for post in dataset.test]
    return float(accuracy_score(truth, said)), float(f1_score(truth, said, average="macro"))


def _pictures(dataset: Dataset) -> NDArray[np.float32]:
    spec = Encoder(modality="image", weights=str(RECIPE.parent / "../../../shared/weights/mobilenet_v1_0.75_224"))
    posts = [*dataset.train, *dataset.validation, *dataset.test]
    found = Embeddings(spec, find_weights(spec.weights)).embed(posts, progress=silent)
    rows = np.zeros((len(posts), found.rows.shape[1]), dtype=np.float32)
    rows[found.seen] = found.rows
    return rows


if __name__ == "__main__":
    main()
