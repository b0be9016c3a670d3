"""The recipes of pictures alone, from made posts to a report: they learn, and nothing from shuffled labels."""

from pathlib import Path

import pytest

from siaga.recipe import load_recipe
from siaga.workflow import train

QUICK = ("evaluation.resamples=100", "model.training.epochs=6", "model.training.batch_size=16", "split.test=0.3")
SMALL = {
    "digits": ("source.posts=240", "source.classes=3"),
    "cifar100": ("source.posts=240", "source.classes=5"),
    "image-sentiment": ("source.posts=400", "selection.per_class=40"),
}
CHANCE = {"digits": 1 / 3, "cifar100": 1 / 5, "image-sentiment": 1 / 5}  # One of so many classes.


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_of_pictures_learns_from_made_posts(name: str, tmp_path: Path) -> None:
    report = train(load_recipe(name, overrides=[*SMALL[name], *QUICK]), tmp_path / "run")
    assert _value(report.metrics, "accuracy") > CHANCE[name] + 0.1
    assert ("mae" in report.metrics) == (name == "image-sentiment")
    assert ("superclass_accuracy" in report.metrics) == (name == "cifar100")


@pytest.mark.parametrize("name", SMALL)
def test_shuffled_labels_give_chance(name: str, tmp_path: Path) -> None:
    """A recipe that beats chance on labels that mean nothing has seen what it must not see."""
    share = CHANCE[name]
    noise = f"source.noise={1 - share}"  # Each label is as likely for each picture.
    overrides = [*SMALL[name], *QUICK, noise, "split.test=0.6"]
    report = train(load_recipe(name, overrides=overrides), tmp_path / "run")
    assert abs(_value(report.metrics, "accuracy") - share) < 3 * (share * (1 - share) / report.n) ** 0.5
    assert abs(_value(report.metrics, "roc_auc") - 0.5) < 3 * (1 / (3 * report.n)) ** 0.5


def _value(metrics: dict[str, dict[str, float | None]], name: str) -> float:
    return metrics[name]["value"] or 0.0
