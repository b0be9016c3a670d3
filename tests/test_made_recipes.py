"""The recipes on made posts, from the source to a report: they learn, and nothing from shuffled labels."""

import csv
import sys
from pathlib import Path

import pytest

from siaga.cli.main import main
from siaga.evaluation.report import Report
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.recipe import load_recipe
from siaga.sources import read_source
from siaga.workflow import train

QUICK = ("evaluation.resamples=100", "evaluation.explanations=0", "evaluation.map_posts=0", "split.test=0.3")
QUICK_NET = ("model.training.epochs=6", "model.training.batch_size=16")
SMALL = {
    "digits": ("source.posts=240", "source.classes=3", *QUICK_NET),
    "cifar100": ("source.posts=240", "source.classes=5", *QUICK_NET),
    "image-sentiment": ("source.posts=400", "selection.per_class=40", *QUICK_NET),
    "disaster-tweets": ("source.posts=400",),
    "stream-sentiment": ("source.posts=600",),
    "hateful-memes": (
        "source.posts=500",
        "model.members.image.image_size=16",
        "model.joint.training.epochs=5",
        "model.joint.training.batch_size=16",
    ),
}
CHANCE = {  # One of so many classes.
    "digits": 1 / 3,
    "cifar100": 1 / 5,
    "image-sentiment": 1 / 5,
    "disaster-tweets": 1 / 2,
    "stream-sentiment": 1 / 3,
    "hateful-memes": 1 / 2,
}
COLUMNS = ("id", "keyword", "location", "text", "target")


@pytest.mark.parametrize("name", [name for name in SMALL if name != "hateful-memes"])
def test_a_recipe_learns_from_made_posts(name: str, tmp_path: Path) -> None:
    report = train(load_recipe(name, overrides=[*SMALL[name], *QUICK]), tmp_path / "run")
    assert _value(report.metrics, "accuracy") > CHANCE[name] + 0.1
    assert ("mae" in report.metrics) == (name in ("image-sentiment", "stream-sentiment"))
    assert ("superclass_accuracy" in report.metrics) == (name == "cifar100")


def test_the_recipe_of_memes_learns_from_made_posts_of_which_some_lack_text_or_picture(tmp_path: Path) -> None:
    report = train(load_recipe("hateful-memes", overrides=[*SMALL["hateful-memes"], *QUICK]), tmp_path / "run")
    assert isinstance(report, Report)
    assert _value(report.metrics, "roc_auc") > 0.6
    assert set(report.by_modality) == {"text", "image", "text+image"}


@pytest.mark.parametrize("name", SMALL)
def test_shuffled_labels_give_chance(name: str, tmp_path: Path) -> None:
    """A recipe that beats chance on labels that mean nothing has seen what it must not see."""
    share = CHANCE[name]
    noise = f"source.noise={1 - share}"  # Each label is as likely for each post.
    overrides = [*SMALL[name], *QUICK, noise, "split.test=0.6"]
    report = train(load_recipe(name, overrides=overrides), tmp_path / "run")
    assert abs(_value(report.metrics, "accuracy") - share) < 3 * (share * (1 - share) / report.n) ** 0.5
    assert abs(_value(report.metrics, "roc_auc") - 0.5) < 3 * (1 / (3 * report.n)) ** 0.5


def test_kaggles_files_of_tweets_are_read_and_answered_as_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_recipe("disaster-tweets", overrides=["source.posts=260"]).source
    posts = list(read_source(spec, quarantine=Quarantine())["posts"])
    _write(tmp_path / "train.csv", posts[:200], COLUMNS)
    _write(tmp_path / "test.csv", posts[200:], COLUMNS[:-1])
    monkeypatch.chdir(tmp_path)
    run = ("train", "disaster-tweets", "--variant", "kaggle", "--set", "evaluation.resamples=100", "--out", "run")
    assert _siaga(*run, monkeypatch=monkeypatch) == 0
    predict = ("predict", "run/bundle", "test.csv", "--format", "kaggle", "-o", "submission.csv")
    assert _siaga(*predict, monkeypatch=monkeypatch) == 0
    header, *answers = list(csv.reader((tmp_path / "submission.csv").read_text().splitlines()))
    assert header == ["id", "target"]
    assert [id_ for id_, _ in answers] == [post.id for post in posts[200:]]
    assert {label for _, label in answers} == {"0", "1"}
    right = [label == post.label for (_, label), post in zip(answers, posts[200:], strict=True)]
    assert sum(right) > 36


def test_the_challenges_files_of_memes_are_read_as_they_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "7.png").write_bytes(b"a picture")
    (tmp_path / "train.jsonl").write_text('{"id": 7, "img": "img/7.png", "label": 1, "text": "so proud"}\n')
    (tmp_path / "dev.jsonl").write_text('{"id": 8, "label": 0, "text": "so sad", "img": null}\n')
    monkeypatch.chdir(tmp_path)
    quarantine = Quarantine()
    found = read_source(load_recipe("hateful-memes", variant="challenge").source, quarantine=quarantine)
    assert {name: list(posts) for name, posts in found.items()} == {
        "train": [Post("7", "so proud", tmp_path / "img" / "7.png", label="harmful")],
        "test": [Post("8", "so sad", label="harmless")],
    }
    assert not quarantine


def _write(path: Path, posts: list[Post], columns: tuple[str, ...]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        for post in posts:
            writer.writerow({"id": post.id, "text": post.text, "target": post.label, **post.fields})


def _siaga(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["siaga", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def _value(metrics: dict[str, dict[str, float | None]], name: str) -> float:
    return metrics[name]["value"] or 0.0
