import base64
import io
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from siaga.errors import DataError
from siaga.evaluation.report import Report, evaluate
from siaga.post import Modality, Post, Prediction
from tests.judged import grouped, judged, prediction, recipe

SMALL = {"resamples": 200}


def report_of(
    posts: list[Post], predictions: list[Prediction], facts: Mapping[str, object] | None = None, **settings: object
) -> Report:
    classes = list(predictions[0].probabilities)
    made = recipe(classes, **{"evaluation": SMALL, **settings})  # type: ignore[arg-type]  # Settings of any kind.
    return evaluate(
        posts, predictions, recipe=made, baselines={"majority": majority(posts, classes)}, facts=facts or {}
    )


def majority(posts: list[Post], classes: list[str]) -> list[Prediction]:
    counts = {name: sum(post.label == name for post in posts) / len(posts) for name in classes}
    return [prediction(post, counts) for post in posts]


def by_hand(answers: list[tuple[str, str, dict[str, str]]]) -> tuple[list[Post], list[Prediction]]:
    """Return posts and predictions from (label, predicted, members' labels)."""

    def sure(label: str) -> dict[str, float]:
        return {name: 0.9 if name == label else 0.1 for name in ("NO_INFO", "INFO")}

    posts = [Post(str(i), text="x", label=label) for i, (label, _, _) in enumerate(answers)]
    return posts, [
        replace(prediction(post, sure(said)), members={name: sure(each) for name, each in members.items()})
        for post, (_, said, members) in zip(posts, answers, strict=True)
    ]


def test_the_report_has_the_shape_that_the_design_promises() -> None:
    facts = {"data": {"hash": "9f"}, "environment": {"python": "3.11"}, "seconds": 1.5}
    whole = report_of(*judged(40, members=("text", "image")), facts).to_dict()
    assert {"recipe", "seed", "n", "classes", "metrics", "per_class", "confusion", "baselines"} <= set(whole)
    assert {"members", "agreement", "by_modality", "data", "environment", "seconds"} <= set(whole)
    assert (whole["recipe"], whole["seed"], whole["n"], whole["seconds"]) == ("made", 3, 40, 1.5)
    assert set(whole["metrics"]["accuracy"]) == {"value", "low", "high"}
    assert set(whole["per_class"]["INFO"]) == {"precision", "recall", "f1", "support"}
    assert set(whole["members"]) == {"text", "image"}
    assert set(whole["members"]["text"]) == set(whole["baselines"]["majority"]) == set(whole["metrics"])
    assert whole["data"] == {"hash": "9f"}


def test_confusion_and_classes_count_what_was_decided() -> None:
    answers = [("INFO", "INFO")] * 3 + [("INFO", "NO_INFO")] + [("NO_INFO", "INFO")] * 2
    report = report_of(*by_hand([(label, said, {}) for label, said in answers]))
    assert report.confusion == [[0, 2], [1, 3]]
    assert report.per_class["INFO"] == {"precision": 0.6, "recall": 0.75, "f1": pytest.approx(2 / 3), "support": 4}
    assert report.metrics["accuracy"]["value"] == 0.5


def test_the_order_of_the_posts_does_not_matter() -> None:
    posts, predictions = judged(50, members=("text",))
    turned = random.Random(1).sample(range(50), 50)
    again = report_of([posts[i] for i in turned], [predictions[i] for i in turned])
    assert again == report_of(posts, predictions)


def test_agreement_of_two_members_gives_shares_and_counts() -> None:
    right, wrong = "INFO", "NO_INFO"
    pairs = [(right, right)] * 4 + [(right, wrong)] * 3 + [(wrong, right)] * 2 + [(wrong, wrong)]
    report = report_of(*by_hand([("INFO", "INFO", {"text": text, "image": image}) for text, image in pairs]))
    assert report.agreement == {
        "members": ["text", "image"],
        "both_right": 0.4,
        "only_text": 0.3,
        "only_image": 0.2,
        "both_wrong": 0.1,
        "counts": {"both_right": 4, "only_text": 3, "only_image": 2, "both_wrong": 1},
    }


def test_agreement_of_more_members_is_told_pair_by_pair_and_of_fewer_not_at_all() -> None:
    three = report_of(*judged(30, members=("a", "b", "c"))).agreement
    assert [pair["members"] for pair in three["pairs"]] == [["a", "b"], ["a", "c"], ["b", "c"]]
    assert report_of(*judged(30, members=("a",))).agreement == {}


def test_metrics_are_split_by_what_could_be_read() -> None:
    posts, predictions = judged(40)
    used: list[tuple[Modality, ...]] = [("text", "image"), ("text",), ("image",), ()]
    predictions = [replace(each, used=used[i % 4] if i < 39 else ("text",)) for i, each in enumerate(predictions)]
    parts = report_of(posts, predictions).by_modality
    assert {name: part["n"] for name, part in parts.items()} == {
        "text+image": 10,
        "text": 11,
        "image": 10,
        "neither": 9,
    }
    rows = [i for i in range(40) if predictions[i].used == ("image",)]
    alone = report_of([posts[i] for i in rows], [predictions[i] for i in rows])
    assert parts["image"]["metrics"] == alone.metrics


def test_slices_appear_only_where_posts_differ() -> None:
    posts, predictions = judged(30)
    posts = [replace(post, language="id", event=f"flood {i % 3}") for i, post in enumerate(posts)]
    slices = report_of(posts, predictions).slices
    assert list(slices) == ["event"]
    assert {name: part["n"] for name, part in slices["event"].items()} == {f"flood {i}": 10 for i in range(3)}


def test_members_are_decided_at_the_same_costs_as_the_model() -> None:
    posts, predictions = judged(1)
    row = {"NO_INFO": 0.8, "INFO": 0.2}
    predictions = [replace(predictions[0], members={"text": row})]
    posts = [posts[0].with_label("INFO")]
    assert report_of(posts, predictions).members["text"]["accuracy"]["value"] == 0.0
    dear = report_of(posts, predictions, decision={"costs": {"INFO": 10.0}})
    assert dear.members["text"]["accuracy"]["value"] == 1.0


def test_the_threshold_curve_counts_misses_and_false_alarms_per_thousand() -> None:
    posts, _ = judged(4)
    posts = [post.with_label(label) for post, label in zip(posts, ("INFO", "INFO", "NO_INFO", "NO_INFO"), strict=True)]
    scores = (0.9, 0.35, 0.6, 0.1)
    predictions = [prediction(p, {"NO_INFO": 1 - s, "INFO": s}) for p, s in zip(posts, scores, strict=True)]
    curve = report_of(posts, predictions, decision={"costs": {"INFO": 3.0}}).thresholds
    at = {threshold: i for i, threshold in enumerate(curve["thresholds"])}
    assert [(curve["misses"][at[t]], curve["false_alarms"][at[t]]) for t in (0.0, 0.2, 0.5, 0.8, 1.0)] == [
        *((0.0, 500.0), (0.0, 250.0), (250.0, 250.0), (250.0, 0.0), (500.0, 0.0))
    ]
    assert curve["total"][at[0.5]] == 3 * 250 + 250
    assert 0.1 < curve["best"] <= 0.35
    assert curve["now"] == {"misses": 250.0, "false_alarms": 250.0}


def test_top_losses_are_the_least_probable_labels_worst_first() -> None:
    posts, predictions = judged(30)
    report = report_of(posts, predictions, evaluation={**SMALL, "top_losses": 5})
    of_label = {p.id: each.probabilities[str(p.label)] for p, each in zip(posts, predictions, strict=True)}
    assert [loss["id"] for loss in report.top_losses] == sorted(of_label, key=lambda name: of_label[name])[:5]
    assert report.top_losses[0]["loss"] == pytest.approx(-np.log(min(of_label.values())))


def test_versus_tells_a_better_model_from_noise() -> None:
    report = report_of(*judged(300, skill=2.5))
    row = report.versus["majority"]["macro_f1"]
    assert row["low"] > 0.3
    assert row["p"] < 0.01
    same = report_of(*judged(300, members=("twin",)))
    difference = same.versus["twin"]["accuracy"]
    assert difference["low"] < 0 < difference["high"]


def test_a_class_missing_from_the_posts_leaves_no_nan_and_no_warning() -> None:
    posts, predictions = judged(20, ("a", "b", "c"))
    posts = [post.with_label("a") for post in posts]
    report = report_of(posts, predictions)
    assert report.per_class["c"]["support"] == 0
    assert report.metrics["roc_auc"] == {"value": None, "low": None, "high": None}
    assert "NaN" not in json.dumps(report.to_dict())


def test_one_post_makes_a_report() -> None:
    report = report_of(*judged(1, members=("text", "image")))
    assert report.n == 1
    assert report.metrics["accuracy"]["low"] is None


def test_groups_come_from_the_split_and_widen_the_interval() -> None:
    posts, predictions = judged(20, skill=0.3)
    copies = [replace(post, id=f"{post.id}-{i}", fields={"user": post.id}) for post in posts for i in range(6)]
    answers = [replace(each, id=f"{each.id}-{i}") for each in predictions for i in range(6)]
    settings = {"evaluation": {"resamples": 1000}}
    whole = report_of(copies, answers, split=grouped("user"), **settings)
    alone = report_of(copies, answers, **settings)
    assert whole.groups == "user"
    assert width(whole) > 1.8 * width(alone)


def width(report: Report) -> float:
    low, high = report.metrics["accuracy"]["low"], report.metrics["accuracy"]["high"]
    assert low is not None
    assert high is not None
    return high - low


def test_events_become_training_and_rounds_and_folds_are_left_out() -> None:
    events = [
        {"step": "epoch", "epoch": 1, "train_loss": np.float32(0.5), "validation_loss": float("nan")},
        {"step": "epoch", "epoch": 1, "train_loss": 0.4, "fold": 2},
        {"step": "round", "round": 1, "kept": False},
        {"step": "predict", "done": 1},
    ]
    report = report_of(*judged(20), {"events": events})
    assert report.training == [{"step": "epoch", "epoch": 1, "train_loss": 0.5, "validation_loss": None}]
    assert report.self_training == [{"step": "round", "round": 1, "kept": False}]


def test_curves_of_the_finder_and_the_precision_are_kept_but_not_those_of_folds() -> None:
    find = {"step": "find", "rates": [0.1], "losses": [1.0], "learning_rate": 0.1, "reason": "It is so."}
    precision = {"step": "precision", "precision": "float32", "speedup": 1.0, "reason": "no gain"}
    report = report_of(*judged(20), {"events": [find, {**find, "fold": 1}, precision, {**precision, "fold": 1}]})
    assert (report.finder, report.precision) == ([find], [precision])
    assert report.training == []


def noise(side: int) -> str:
    picture = Image.fromarray(np.random.default_rng(side).integers(0, 255, (side, side, 3), dtype=np.uint8))
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


@pytest.mark.parametrize("side", [28, 32, 64, 224])
def test_of_the_augmented_batches_the_first_is_kept_within_forty_kilobytes(side: int) -> None:
    batch = {"step": "augmented", "images": [noise(side)] * 16, "labels": [f"class {i}" for i in range(16)]}
    kept = report_of(*judged(20), {"events": [{**batch, "fold": 1}, batch, {**batch, "labels": ["x"] * 16}]}).augmented
    assert len(json.dumps(kept)) < 40_500
    assert len(kept["images"]) == len(kept["labels"]) >= 8
    assert kept["labels"][1] == "class 1"


def test_a_small_augmented_picture_is_kept_pixel_by_pixel_and_a_broken_one_is_left_out() -> None:
    images, labels = ["no picture", noise(32)], ["a", "b .7 + c .3"]
    kept = report_of(*judged(20), {"events": [{"step": "augmented", "images": images, "labels": labels}]}).augmented
    assert kept["labels"] == ["b .7 + c .3"]
    [first, second] = [Image.open(io.BytesIO(base64.b64decode(each))) for each in (kept["images"][0], images[1])]
    assert np.array_equal(np.asarray(first.convert("RGB")), np.asarray(second))


def test_examples_are_drawn_by_the_seed_and_spread_over_the_classes() -> None:
    posts, predictions = judged(400, ("a", "b", "c", "d"))
    posts = [post if i < 390 else post.with_label("d") for i, post in enumerate(posts) if i >= 390 or post.label != "d"]
    told = {each.id: each for each in predictions}
    answers = [told[post.id] for post in posts]
    shown = report_of(posts, answers, evaluation={**SMALL, "examples": 12}).examples
    assert [each["label"] for each in shown] == [name for name in "abcd" for _ in range(3)]
    assert all(told[each["id"]].label == each["predicted"] for each in shown)
    assert shown == report_of(posts[::-1], answers[::-1], evaluation={**SMALL, "examples": 12}).examples
    assert shown != report_of(posts, answers, evaluation={**SMALL, "examples": 12}, seed=4).examples
    assert report_of(posts, answers, evaluation={**SMALL, "examples": 0}).examples == []


def test_every_post_is_an_example_where_there_are_few() -> None:
    posts, predictions = judged(5)
    assert {each["id"] for each in report_of(posts, predictions).examples} == {post.id for post in posts}


def test_superclass_accuracy_has_an_interval_and_is_told_of_baselines_too() -> None:
    names = [f"class {i}" for i in range(8)]
    posts, predictions = judged(200, names)
    posts = [replace(post, fields={"group": f"group {int(str(post.label)[-1]) // 2}"}) for post in posts]
    report = report_of(posts, predictions, evaluation={**SMALL, "superclass": "group"})
    near, exact = report.metrics["superclass_accuracy"], report.metrics["accuracy"]
    assert near["low"] < near["value"] < near["high"]  # type: ignore[operator]  # Numbers here.
    assert exact["value"] < near["value"]  # type: ignore[operator]  # As above.
    assert report.superclasses == {name: f"group {i // 2}" for i, name in enumerate(names)}
    assert report.baselines["majority"]["superclass_accuracy"]["value"] > 0.125  # type: ignore[operator]  # As above.
    assert report.versus["majority"]["superclass_accuracy"]["difference"] > 0


def test_superclasses_that_other_posts_showed_serve_posts_that_lack_the_field() -> None:
    posts, predictions = judged(50)
    settings = {"evaluation": {**SMALL, "superclass": "group"}}
    with pytest.raises(DataError, match="No labelled post has the field 'group'"):
        report_of(posts, predictions, **settings)
    known = {"superclasses": {"INFO": "all", "NO_INFO": "all"}}
    assert report_of(posts, predictions, known, **settings).metrics["superclass_accuracy"]["value"] == 1.0


def test_of_many_classes_only_one_that_the_recipe_names_has_a_threshold() -> None:
    posts, predictions = judged(40, ("a", "b", "c"))
    assert report_of(posts, predictions).thresholds == {}
    assert report_of(posts, predictions, positive="b").thresholds["class"] == "b"
    assert report_of(*judged(40)).thresholds["class"] == "INFO"


def test_a_part_that_is_the_whole_has_the_metrics_of_the_whole() -> None:
    report = report_of(*judged(60))
    assert report.by_modality["text"] == {"n": 60, "metrics": report.metrics}


def test_a_written_report_reads_the_same(tmp_path: Path) -> None:
    facts = {"data": {"path": Path("x"), "pair": (1, 2)}, "seconds": {"fit": 1.0}}
    report = report_of(*judged(30, members=("a", "b", "c")), facts)
    report.write(tmp_path / "report.json")
    assert Report.read(tmp_path / "report.json") == report
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no report"),
        ("{", "not a report"),
        ("[]", "not a report"),
        ('{"recipe": 1, "metrics": 2}', "not a whole"),
    ],
)
def test_what_is_no_report_is_said_with_its_path(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DataError, match=said) as fault:
        Report.read(path)
    assert str(path) in str(fault.value)
