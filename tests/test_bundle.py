"""Bundles: what is loaded answers as what was trained, and nothing changed, foreign or missing is ever loaded."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from siaga.bundle import Bundle, build_classifier, load_bundle, save_bundle, seal_bundle
from siaga.errors import BundleError, SiagaError
from siaga.post import Post
from siaga.recipe import check_recipe
from siaga.schema import Recipe, TableSource
from tests.made import made_posts

MODEL = {
    "kind": "fusion",
    "folds": 2,
    "combiner": "random_forest",
    "members": {"words": {"kind": "linear", "min_posts": 1, "characters": False}, "all": {"kind": "linear"}},
}


def recipe(**changes: object) -> Recipe:
    table = {"name": "mine", "source": {"kind": "synthetic"}, "model": MODEL, "classes": ["NO_INFO", "INFO"], **changes}
    return check_recipe(table, where="test")


def train(spec: Recipe) -> Bundle:
    classifier = build_classifier(spec).fit(made_posts(60), validation=made_posts(30, seed=1), classes=spec.classes)
    return Bundle(spec, classifier)


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "bundle"
    save_bundle(train(recipe()), folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "bundle"))


def test_a_loaded_bundle_predicts_the_same(saved: Path) -> None:
    posts = made_posts(40, seed=5, labelled=False)
    np.testing.assert_allclose(
        load_bundle(saved).predict_proba(posts), train(recipe()).predict_proba(posts), atol=1e-12
    )


def test_a_prediction_says_label_confidence_members_and_what_was_used(saved: Path) -> None:
    bundle = load_bundle(saved)
    seen, blank = bundle.predict([Post("1", text="banjir setinggi lutut di jalan"), Post("2")])
    assert (seen.id, seen.label, seen.used, seen.error) == ("1", "INFO", ("text",), None)
    assert seen.confidence == seen.probabilities["INFO"] == max(seen.probabilities.values())
    assert set(seen.members) == {"words", "all"}
    assert seen.model == bundle.version == f"mine@{bundle.model_sha256[:12]}"
    assert blank.used == ()
    assert blank.error is not None
    assert "class frequencies" in blank.error


def test_costs_move_the_decision_and_not_the_probabilities(saved: Path) -> None:
    bundle = load_bundle(saved)
    wary = Bundle(recipe(decision={"costs": {"INFO": 1000.0}}), bundle.classifier)
    post = Post("1", text="diskon promo kopi murah")
    plain, costly = bundle.predict([post])[0], wary.predict([post])[0]
    assert plain.label == "NO_INFO"
    assert costly.label == "INFO"
    assert plain.probabilities == costly.probabilities


def test_equal_seed_and_data_give_an_equal_hash_and_another_seed_another(saved: Path, tmp_path: Path) -> None:
    again = save_bundle(train(recipe()), tmp_path / "again")
    other = save_bundle(train(recipe(seed=1)), tmp_path / "other")
    assert again.model_sha256 == load_bundle(saved).model_sha256 != other.model_sha256


def test_the_report_joins_the_bundle_without_changing_the_hash_of_what_was_learned(copy: Path) -> None:
    bundle = load_bundle(copy)
    report = {"n": 3, "metrics": {"accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}}}
    sealed = seal_bundle(bundle, copy, report=report)
    assert load_bundle(copy).report == report
    assert sealed.model_sha256 == load_bundle(copy).model_sha256 == bundle.model_sha256
    assert "| accuracy | 0.9000 | 0.8000 to 1.0000 |" in (copy / "card.md").read_text()


def test_a_thousand_random_mutations_are_all_refused(saved: Path, copy: Path) -> None:
    dice = random.Random(0)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    for _ in range(1000):
        path = dice.choice(files)
        content = bytearray(path.read_bytes())
        match dice.randrange(4):
            case 0:
                at = dice.randrange(len(content))
                content[at] ^= 1 << dice.randrange(6)
            case 1:
                content = content[: dice.randrange(len(content))]
            case 2:
                content += dice.randbytes(3)
            case _:
                at = dice.randrange(len(content))
                content[at : at + 1] = b" \n"
        if bytes(content) == (saved / path.relative_to(copy)).read_bytes():
            continue
        path.write_bytes(content)
        with pytest.raises(BundleError):
            load_bundle(copy)
        shutil.copyfile(saved / path.relative_to(copy), path)
    load_bundle(copy)


def test_a_missing_a_foreign_and_a_linked_file_are_refused_by_name(copy: Path) -> None:
    (copy / "model" / "extra.json").write_text("{}")
    with pytest.raises(BundleError, match=r"extra\.json, which is not part of the bundle"):
        load_bundle(copy)
    (copy / "model" / "extra.json").rename(copy / "model" / "extra.pkl")
    with pytest.raises(BundleError, match="not of a kind"):
        load_bundle(copy)
    (copy / "model" / "extra.pkl").unlink()
    (copy / "model" / "extra.json").symlink_to("/etc/hostname")
    with pytest.raises(BundleError, match="is a link"):
        load_bundle(copy)
    (copy / "model" / "extra.json").unlink()
    (copy / "model" / "temperature.json").unlink()
    with pytest.raises(BundleError, match=r"lacks model/temperature\.json"):
        load_bundle(copy)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("prior.json", "3"),
        ("prior.json", '[["INFO", 0.5], ["INFO", 0.5]]'),
        ("prior.json", '[["INFO", NaN], ["NO_INFO", 0.5]]'),
        ("prior.json", '[["INFO", "0.5"], ["NO_INFO", 0.5]]'),
        ("temperature.json", "[]"),
        ("temperature.json", "-1"),
    ],
)
def test_what_a_bundle_says_of_classes_is_checked_though_the_seal_is_whole(copy: Path, name: str, content: str) -> None:
    bundle = load_bundle(copy)
    [path, *_] = sorted((copy / "model").rglob(name))
    path.write_text(content)
    seal_bundle(bundle, copy)
    with pytest.raises(BundleError, match=name):
        load_bundle(copy)


def test_a_folder_that_is_no_bundle_or_of_another_schema_is_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is not a bundle"):
        load_bundle(tmp_path)
    manifest = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(BundleError, match="schema 99"):
        load_bundle(copy)


def test_a_folder_with_something_in_it_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(BundleError, match="not empty"):
        save_bundle(train(recipe()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_bundle_does_not_say_where_the_data_lay(tmp_path: Path) -> None:
    source = {"kind": "table", "path": "/home/someone/posts.csv", "columns": {"text": "tweet"}}
    save_bundle(train(recipe(source=source)), tmp_path / "bundle")
    assert "someone" not in (tmp_path / "bundle" / "bundle.json").read_text()
    kept = load_bundle(tmp_path / "bundle").recipe.source
    assert isinstance(kept, TableSource)
    assert kept.columns.text == "tweet"


SAVE_FOREVER = """
import sys
from pathlib import Path
from siaga.bundle import load_bundle, save_bundle
bundle, folder = load_bundle(sys.argv[1]), Path(sys.argv[2])
for i in range(100_000):
    save_bundle(bundle, folder / str(i))
    print("saved", flush=True)
"""


def test_kills_while_saving_leave_only_bundles_that_load_or_are_refused(saved: Path, tmp_path: Path) -> None:
    dice, whole, refused = random.Random(1), 0, 0
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        with subprocess.Popen([sys.executable, "-c", SAVE_FOREVER, saved, folder], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            try:
                child.wait(timeout=dice.random() * 0.3)
            except subprocess.TimeoutExpired:
                os.kill(child.pid, signal.SIGKILL)
        for bundle in folder.iterdir():
            try:
                load_bundle(bundle)
                whole += 1
            except SiagaError:
                refused += 1
    assert whole > 0
    assert refused <= 6
