"""Siaga turns posts into decisions: `load_recipe`, `train`, `load_bundle`; heavy libraries load on first use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from siaga.bundle import Bundle, load_bundle
    from siaga.dataset import Dataset
    from siaga.errors import BundleError, DataError, ImageError, MissingExtra, RecipeError, SiagaError
    from siaga.estimator import PostClassifier
    from siaga.evaluation.compare import compare
    from siaga.evaluation.report import Report
    from siaga.features.lexicon import score_texts
    from siaga.models.classifier import Classifier, build_model
    from siaga.post import Place, Post, Prediction
    from siaga.recipe import list_recipes, load_recipe
    from siaga.schema import Recipe
    from siaga.sources import read_posts
    from siaga.topic_estimator import PostTopics
    from siaga.workflow import train

__version__ = "0.1.0"
__all__ = [
    "Bundle",
    "BundleError",
    "Classifier",
    "DataError",
    "Dataset",
    "ImageError",
    "MissingExtra",
    "Place",
    "Post",
    "PostClassifier",
    "PostTopics",
    "Prediction",
    "Recipe",
    "RecipeError",
    "Report",
    "SiagaError",
    "build_model",
    "compare",
    "list_recipes",
    "load_bundle",
    "load_recipe",
    "read_posts",
    "score_texts",
    "train",
]

_HOMES = {
    "siaga.bundle": ("Bundle", "load_bundle"),
    "siaga.dataset": ("Dataset",),
    "siaga.errors": ("BundleError", "DataError", "ImageError", "MissingExtra", "RecipeError", "SiagaError"),
    "siaga.estimator": ("PostClassifier",),
    "siaga.evaluation.compare": ("compare",),
    "siaga.evaluation.report": ("Report",),
    "siaga.features.lexicon": ("score_texts",),
    "siaga.models.classifier": ("Classifier", "build_model"),
    "siaga.post": ("Place", "Post", "Prediction"),
    "siaga.recipe": ("list_recipes", "load_recipe"),
    "siaga.schema": ("Recipe",),
    "siaga.sources": ("read_posts",),
    "siaga.topic_estimator": ("PostTopics",),
    "siaga.workflow": ("train",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'siaga' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
