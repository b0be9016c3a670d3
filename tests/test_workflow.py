"""The steps of an experiment: what a run folder holds, and what no run may ever do."""

import csv
import json
import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from siaga.bundle import load_bundle
from siaga.errors import DataError, RecipeError
from siaga.evaluation.predictions import read_predictions
from siaga.evaluation.report import Report
from siaga.post import Post
from siaga.recipe import check_recipe, load_recipe
from siaga.schema import Recipe
from siaga.workflow import evaluate_bundle, train, train_by_event
from tests.made import made_posts
from tests.tiny_encoders import tiny_image_encoder, tiny_text_encoder

SMALL = ["source.posts=160", "source.unlabelled=60", "evaluation.resamples=100"]
QUICK = [*SMALL, "model.model.folds=2", "model.model.members.image.training.epochs=2"]
LINEAR = {"kind": "linear", "min_posts": 1}


def write(path: Path, posts: list[Post]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "label", "event"])
        writer.writerows([post.id, post.text, post.label, post.event or ""] for post in posts if post.text)
    return path


def recipe(source: Mapping[str, object], **more: object) -> Recipe:
    table = {"kind": "table", **source}
    evaluation = {"resamples": 100}
    return check_recipe(
        {"name": "mine", "source": table, "model": LINEAR, "evaluation": evaluation, **more}, where="test"
    )


@pytest.fixture(scope="session")
def flagship(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the flagship on few made posts, with a threshold that lets pseudo-labels through."""
    out = tmp_path_factory.mktemp("runs") / "flood"
    train(load_recipe("flood-triage", overrides=[*QUICK, "model.threshold=0.6", "model.guard=off"]), out)
    return out


def test_the_run_folder_of_the_flagship_holds_every_record(flagship: Path) -> None:
    files = {"recipe.toml", "bundle", "report.json", "report.html", "metrics.jsonl", "predictions.parquet"}
    assert {path.name for path in flagship.iterdir()} == {*files, "pseudo_labels.jsonl"}
    report = json.loads((flagship / "report.json").read_text())
    assert set(report["members"]) == {"text", "image"}
    assert set(report["baselines"]) == {"majority", "tfidf"}
    assert set(report["by_modality"]) >= {"text+image"}
    assert set(report["agreement"]) >= {"both_right", "both_wrong"}
    assert report["data"]["hash"]
    assert load_recipe(flagship / "recipe.toml").name == "flood-triage"
    assert load_bundle(flagship / "bundle").report["metrics"] == report["metrics"]


def test_what_is_written_is_what_the_shipped_bundle_answers(flagship: Path) -> None:
    table = read_predictions(flagship / "predictions.parquet")
    assert {prediction.model for prediction in table.predictions} == {load_bundle(flagship / "bundle").version}


def test_pseudo_labels_are_recorded_and_come_from_unlabelled_posts_alone(flagship: Path) -> None:
    lines = [json.loads(line) for line in (flagship / "pseudo_labels.jsonl").read_text().splitlines()]
    tested = {prediction.id for prediction in read_predictions(flagship / "predictions.parquet").predictions}
    assert lines
    assert {line["label"] for line in lines} <= {"INFO", "NO_INFO"}
    assert all(line["id"].startswith("unlabelled") and line["round"] == 1 and line["kept"] for line in lines)
    assert not {line["id"] for line in lines} & tested


@pytest.mark.parametrize("name", ["flood-triage"])  # Those that read pictures alone: test_made_recipes.
def test_shuffled_labels_give_chance(name: str, tmp_path: Path) -> None:
    """A recipe that beats chance on labels that mean nothing has seen what it must not see."""
    dice = random.Random(0)
    posts = [post.with_label(dice.choice(["INFO", "NO_INFO"])) for post in made_posts(600, seed=4)]
    loaded = load_recipe(name, overrides=["model.model.folds=2", "model.model.members.image.training.epochs=2"])
    source = {"kind": "table", "path": str(write(tmp_path / "posts.csv", posts))}
    shuffled = Recipe.model_validate(
        {**loaded.model_dump(), "source": source, "evaluation": {"kind": "classification", "resamples": 100}}
    )
    report = train(shuffled, tmp_path / "run")
    accuracy, roc_auc = (float(report.metrics[metric]["value"] or 0.0) for metric in ("accuracy", "roc_auc"))
    assert abs(accuracy - 0.5) < 3 * (1 / (4 * report.n)) ** 0.5
    assert abs(roc_auc - 0.5) < 3 * (1 / (3 * report.n)) ** 0.5


def test_nothing_that_is_fitted_sees_the_test_split(tmp_path: Path) -> None:
    given = write(tmp_path / "train.csv", made_posts(120))
    hashes = []
    for number, posts in enumerate(([*made_posts(60, seed=1)], [p.with_label("INFO") for p in made_posts(40, seed=2)])):
        source = {"train": str(given), "test": str(write(tmp_path / f"test{number}.csv", posts))}
        train(recipe(source, split={"kind": "given"}), tmp_path / f"run{number}")
        hashes.append(load_bundle(tmp_path / f"run{number}" / "bundle").model_sha256)
    assert hashes[0] == hashes[1]


def test_each_event_is_left_out_in_turn(tmp_path: Path) -> None:
    posts = [
        Post(post.id, text=post.text, label=post.label, event=f"flood-{i % 3}")
        for i, post in enumerate(made_posts(150))
    ]
    source = {"path": str(write(tmp_path / "posts.csv", posts))}
    reports = train_by_event(recipe(source, split={"kind": "event"}), tmp_path / "runs")
    assert list(reports) == ["flood-0", "flood-1", "flood-2"]
    for event in reports:
        tested = read_predictions(tmp_path / "runs" / event / "predictions.parquet").predictions
        assert {int(prediction.id.split("-")[1]) % 3 for prediction in tested} == {int(event[-1])}


def test_one_event_cannot_be_left_out(tmp_path: Path) -> None:
    posts = [Post(post.id, text=post.text, label=post.label, event="flood") for post in made_posts(40)]
    source = {"path": str(write(tmp_path / "posts.csv", posts))}
    with pytest.raises(DataError, match="1 event"):
        train_by_event(recipe(source, split={"kind": "event"}), tmp_path / "runs")


def test_a_training_that_stops_leaves_no_folder_and_keeps_the_one_before(tmp_path: Path) -> None:
    source = {"path": str(write(tmp_path / "posts.csv", made_posts(80)))}
    before = train(recipe(source), tmp_path / "run")

    def stop(event: Mapping[str, object]) -> None:
        if event["step"] == "predict":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(source), tmp_path / "run", overwrite=True, progress=stop)
    assert json.loads((tmp_path / "run" / "report.json").read_text())["metrics"] == before.metrics
    assert {path.name for path in tmp_path.iterdir()} == {"posts.csv", "run"}


def test_what_a_killed_training_left_is_swept_and_what_a_living_one_makes_stays(tmp_path: Path) -> None:
    source = {"path": str(write(tmp_path / "posts.csv", made_posts(80)))}
    dead, living = tmp_path / ".run.99999999.partial", tmp_path / ".run.1.partial"
    dead.mkdir()
    living.mkdir()
    train(recipe(source), tmp_path / "run")
    assert {path.name for path in tmp_path.iterdir()} == {"posts.csv", "run", living.name}


def test_a_folder_that_is_no_run_is_never_replaced(tmp_path: Path) -> None:
    source = {"path": str(write(tmp_path / "posts.csv", made_posts(80)))}
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.txt").write_text("years of work")
    with pytest.raises(DataError, match="something other than a run"):
        train(recipe(source), tmp_path / "precious", overwrite=True)
    assert (tmp_path / "precious" / "thesis.txt").exists()


@pytest.mark.parametrize(("variant", "inner"), [("pretrained", ".model"), ("tuned", "")])
def test_a_variant_with_encoders_runs_on_local_weights(variant: str, inner: str, tmp_path: Path) -> None:
    weights = {
        "text": tiny_text_encoder(tmp_path / "text"),
        "image": tiny_image_encoder(tmp_path / "image"),
    }
    local = [f"model.members.{name}{inner}.weights={folder}" for name, folder in weights.items()]
    small = [*SMALL, "model.folds=2", f"model.members.image{inner}.image_size=32"]
    small += [f"model.members.{name}{inner}.training.epochs=2" for name in weights]
    report = train(load_recipe("flood-triage", variant=variant, overrides=[*small, *local]), tmp_path / "run")
    assert isinstance(report, Report)
    assert set(report.members) == {"text", "image"}
    for folder in weights.values():
        for file in folder.iterdir():
            file.unlink()
    predictions = load_bundle(tmp_path / "run" / "bundle").predict(made_posts(4))
    assert all(prediction.error is None for prediction in predictions)


def test_costs_find_more_of_the_dear_class_and_raise_more_false_alarms(tmp_path: Path) -> None:
    source = {"path": str(write(tmp_path / "posts.csv", made_posts(400)))}
    both = [
        train(recipe(source), tmp_path / "plain"),
        train(recipe(source, decision={"costs": {"INFO": 20}}), tmp_path / "wary"),
    ]
    plain, wary = (report.per_class["INFO"] for report in both if isinstance(report, Report))
    assert wary["recall"] > plain["recall"]
    assert wary["precision"] < plain["precision"]


def test_an_evaluation_needs_labels_that_the_bundle_knows(flagship: Path) -> None:
    bundle = load_bundle(flagship / "bundle")
    for posts, said in (([Post("1", text="air")], "carries a label"), ([Post("1", "air", label="MAYBE")], "'MAYBE'")):
        with pytest.raises(DataError, match=said):
            evaluate_bundle(bundle, posts)


def test_a_recipe_from_a_run_can_be_trained_again_to_the_same_bundle(flagship: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no variant"):
        load_recipe(flagship / "recipe.toml", variant="pretrained")
    train(load_recipe(flagship / "recipe.toml"), tmp_path / "again")
    first, second = (load_bundle(run / "bundle").model_sha256 for run in (flagship, tmp_path / "again"))
    assert first == second
