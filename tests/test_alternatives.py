"""Alternatives: other classifiers that are trained and measured beside the model."""

import json
from pathlib import Path

import pytest

from siaga.cli.sentences import sentence
from siaga.cli.tables import table_of
from siaga.errors import DataError, RecipeError
from siaga.evaluation.fits import fit_name
from siaga.evaluation.report import Report
from siaga.models.classifier import Event
from siaga.quarantine import Quarantine
from siaga.recipe import check_recipe
from siaga.schema import Recipe
from siaga.training_run import check_at_hand, prepare
from siaga.workflow import train

WORDS = {"kind": "linear", "characters": False, "min_posts": 1}
SMALL = {"kind": "convnet", "image_size": 8, "net": {"kind": "plain", "dense": [8]}, "training": {"epochs": 1}}


def recipe(**changes: object) -> Recipe:
    table = {
        "name": "beside",
        "source": {"kind": "synthetic", "posts": 120},
        "model": WORDS,
        "alternatives": {"bernoulli": {**WORDS, "head": "bernoulli"}, "picture": SMALL},
        "evaluation": {"resamples": 100},
    }
    return check_recipe({**table, **changes}, where="the recipe")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    events: list[Event] = []
    out = tmp_path_factory.mktemp("runs") / "run"
    train(recipe(), out, progress=events.append)
    return out, events


def test_alternatives_are_measured_on_the_same_posts_and_compared_with_the_model(run: tuple[Path, list[Event]]) -> None:
    report = Report.read(run[0] / "report.json")
    assert list(report.alternatives) == ["bernoulli", "picture"]
    assert list(report.baselines) == ["majority", "tfidf"]
    assert set(report.versus) == {"majority", "tfidf", "bernoulli", "picture"}
    for name, row in report.alternatives.items():
        difference = report.versus[name]["accuracy"]["difference"]
        own, other = report.metrics["accuracy"]["value"], row["accuracy"]["value"]
        assert own is not None
        assert other is not None
        assert difference == pytest.approx(own - other)
    assert report.alternatives["bernoulli"] != report.alternatives["picture"]


def test_an_alternative_answers_as_a_model_of_its_own_would(run: tuple[Path, list[Event]], tmp_path: Path) -> None:
    alone = train(recipe(model={**WORDS, "head": "bernoulli"}, alternatives={}), tmp_path / "alone")
    assert Report.read(run[0] / "report.json").alternatives["bernoulli"] == alone.metrics


def test_alternatives_change_nothing_of_the_bundle(run: tuple[Path, list[Event]], tmp_path: Path) -> None:
    train(recipe(alternatives={}), tmp_path / "alone")
    for name in ("words.json", "head.skops"):
        found = [next((folder / "bundle").rglob(name)).read_bytes() for folder in (run[0], tmp_path / "alone")]
        assert found[0] == found[1]


def test_page_and_table_show_them_and_their_fits_are_named(run: tuple[Path, list[Event]]) -> None:
    page, report = (run[0] / "report.html").read_text(), Report.read(run[0] / "report.json")
    assert "Model, alternatives and baselines" in page
    assert "<td>picture (alternative)</td>" in page
    assert [line.split()[0] for line in table_of(report).splitlines()[2:]] == [
        *("model", "bernoulli", "picture", "majority", "tfidf")
    ]
    epochs = [event for event in run[1] if event["step"] == "epoch"]
    assert {fit_name(event) for event in epochs} == {"picture"}
    assert sentence(epochs[0]).startswith("[picture] epoch 1 of 1")
    lines = (run[0] / "metrics.jsonl").read_text().splitlines()
    assert {json.loads(line).get("alternative") for line in lines} == {None, "bernoulli", "picture"}


def test_an_alternative_with_features_has_a_map_of_its_own_with_its_own_errors(run: tuple[Path, list[Event]]) -> None:
    report = Report.read(run[0] / "report.json")
    maps = {each["name"]: each for each in report.maps}
    assert list(maps) == ["", "bernoulli", "picture"]
    rows = report.alternatives["bernoulli"]["accuracy"]["value"]
    assert rows is not None
    found = maps["bernoulli"]
    assert "wrong" not in maps[""]
    assert 0 < len(found["wrong"]) <= round((1 - rows) * report.n)
    assert set(found["wrong"]) <= set(found["ids"])
    page = (run[0] / "report.html").read_text()
    assert all(f"<figcaption><b>{name}</b>: " in page for name in ("model", "bernoulli", "picture"))


@pytest.mark.parametrize("name", ["model", "tfidf", "text"])
def test_a_name_that_the_report_has_already_is_refused(name: str) -> None:
    fusion = {"kind": "fusion", "members": {"text": WORDS, "image": SMALL}}
    with pytest.raises(RecipeError, match=f"has a row '{name}' already"):
        recipe(model={"kind": "self_training", "model": fusion}, alternatives={name: WORDS})


@pytest.mark.parametrize("nested", [False, True])
def test_weights_that_are_not_there_are_found_out_before_anything_is_trained(tmp_path: Path, *, nested: bool) -> None:
    deep = {"kind": "encoder", "modality": "text", "weights": "./nowhere"}
    fusion = {"kind": "fusion", "members": {"text": deep, "image": SMALL}}
    events: list[Event] = []
    with pytest.raises(DataError, match=r"The folder of weights \./nowhere does not exist"):
        train(recipe(alternatives={"deep": fusion if nested else deep}), tmp_path / "run", progress=events.append)
    assert events == []


def test_a_check_looks_for_no_weights_that_would_be_downloaded() -> None:
    deep = {"kind": "encoder", "modality": "text", "weights": "nobody/nothing", "download": True}
    check_at_hand(recipe(alternatives={"deep": deep}), fetch=False)
    with pytest.raises(DataError, match="The hub model 'nobody/nothing' is not on this machine"):
        check_at_hand(recipe(alternatives={"deep": {**deep, "download": False}}), fetch=False)


def test_a_field_that_no_post_has_is_told_before_anything_is_trained() -> None:
    source = {"kind": "synthetic", "posts": 60, "looks_like": "disaster-tweets"}
    asked = recipe(source=source, alternatives={"other": {**WORDS, "fields": ["text", "keywrd"]}})
    with pytest.raises(RecipeError, match=r"'keywrd', which no post has\. Did you mean 'keyword'\?"):
        prepare(asked, quarantine=Quarantine())
    filled = {**WORDS, "fields": ["text", "keyword"], "fill": {"keyword": "locashun"}}
    with pytest.raises(RecipeError, match="'locashun', which no post has"):
        prepare(recipe(source=source, model=filled, alternatives={}), quarantine=Quarantine())
    sound = {**WORDS, "fields": ["text", "keyword", "hashtags"], "fill": {"keyword": "hashtags"}}
    assert prepare(recipe(source=source, model=sound, alternatives={}), quarantine=Quarantine()).train
