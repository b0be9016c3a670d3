"""Model selection: which posts it uses, what competes, what the figures mean, and what a search finds."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siaga.bundle import build_classifier
from siaga.errors import DataError, RecipeError, SiagaError
from siaga.model_selection import Candidate, Options, as_it_is, candidates_of, select
from siaga.model_selection.folds import Folds, fold
from siaga.model_selection.page import render_page
from siaga.model_selection.processes import fitters
from siaga.model_selection.standings import Standings, holm
from siaga.models.folds import fold_of_each
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.recipe import check_recipe, with_settings
from siaga.schema import Recipe
from siaga.training_run import prepare
from tests.made import DRY, WET
from tests.test_cli import SIAGA, siaga
from tests.test_docs import DOCS, blocks, first_column, words

ALONE = Options(folds=3, workers=1)
HEADS = ("logistic", "bernoulli", "complement")
SPACE = {"model.C": {"low": 0.1, "high": 10.0, "log": True}, "model.words": {"choices": [[1, 1], [1, 2]]}}
Rows = Sequence[tuple[str, str, str]]


def rows_of(count: int, *, seed: int = 0) -> list[tuple[str, str, str]]:
    """Return ids, texts and labels: WET words are INFO, but for one post in six."""
    random = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        words = WET if (i % 2 == 0) ^ (random.random() < 1 / 6) else DRY
        text = " ".join(random.choice(words, 4)) + " " + " ".join(map(str, random.integers(10**6, size=4)))
        rows.append((f"{seed}-{i}", text, "NO" if i % 2 else "INFO"))
    return rows


def recipe_of(folder: Path, rows: Rows, *, test: Rows = (), **settings: object) -> Recipe:
    """Return a recipe of posts with given test posts, written into `folder`."""
    folder.mkdir(exist_ok=True)
    for name, part in (("train", rows), ("test", test or rows_of(20, seed=9))):
        with (folder / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([("id", "text", "label"), *part])
    source = {"kind": "table", "train": str(folder / "train.csv"), "test": str(folder / "test.csv")}
    model = {"kind": "linear", "characters": False, "min_posts": 1}
    table = {"name": "made", "source": source, "split": {"kind": "given"}, "model": model}
    return check_recipe({**table, "evaluation": {"resamples": 200}, **settings}, where="made")


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return recipe_of(tmp_path, rows_of(60), search={"space": SPACE})


def folds_of(recipe: Recipe, count: int = 3) -> Folds:
    return fold(prepare(recipe, quarantine=Quarantine()), recipe, count=count)


def told(standings: Standings) -> dict[str, Any]:  # Any: JSON.
    """Return what must come out again: all but the seconds."""
    table = standings.to_dict()
    del table["seconds"]
    for row in table["rows"]:
        del row["fit_s"], row["answer_s"]
    return table


def test_the_best_leads_baselines_come_last_and_the_figures_are_those_of_posts_not_seen(recipe: Recipe) -> None:
    standings = select(recipe, candidates_of(recipe, heads=HEADS), options=ALONE)
    values = [row.metrics["macro_f1"]["value"] or 0.0 for row in standings.rows]
    assert values[:3] == sorted(values[:3], reverse=True)
    assert {row.name for row in standings.rows[:3]} == set(HEADS)
    assert [row.said for row in standings.rows][::3] == ["best", "baseline"]
    assert standings.rows[0].versus_best == {}
    folds, right = folds_of(recipe), 0
    for k in range(3):
        train, validation, _ = folds.learned(k)
        classifier = build_classifier(recipe).fit(train, validation=validation, classes=folds.classes)
        said = classifier.predict_proba(folds.asked(k)).argmax(axis=1)
        right += sum(folds.classes[i] == post.label for i, post in zip(said, folds.asked(k), strict=True))
    [logistic] = [row for row in standings.rows if row.name == "logistic"]
    assert logistic.metrics["accuracy"]["value"] == right / standings.n
    assert standings.n == 60


def test_a_candidate_that_is_worse_is_said_to_be_so(recipe: Recipe) -> None:
    blind = with_settings(recipe, {"model.fields": ["language"]}, where="blind")
    standings = select(recipe, [as_it_is(recipe), Candidate("blind", blind)], options=ALONE)
    assert [(row.name, row.said) for row in standings.rows[:2]] == [
        ("as it is", "best"),
        ("blind", "worse beyond noise"),
    ]
    assert standings.rows[1].versus_best["macro_f1"]["difference"] < 0.0  # type: ignore[operator]  # It is defined.
    assert "no other candidate" in standings.sentences()[1]
    lowest = select(recipe, [as_it_is(recipe), Candidate("blind", blind)], options=Options(3, "log_loss", workers=1))
    assert lowest.best.name == "as it is"


def test_near_equal_posts_share_a_fold_and_are_not_learned_from_unlabelled(tmp_path: Path) -> None:
    twin = "the river has risen above the old bridge tonight, stay at home"
    rows = [*rows_of(40), *((f"t{i}", f"{twin} {'!' * i} {i}", "INFO") for i in range(5)), ("u", f"{twin} u", "")]
    folds = folds_of(recipe_of(tmp_path, rows))
    [where] = {folds.fold[i] for i, post in enumerate(folds.posts) if post.id.startswith("t")}
    assert [[post.id for post in folds.learned(k)[2]] for k in range(3)] == [
        [] if k == where else ["u"] for k in range(3)
    ]
    assert folds.tied == 1


def test_each_post_keeps_its_part_and_no_fit_sees_what_it_is_asked(recipe: Recipe) -> None:
    dataset, folds = prepare(recipe, quarantine=Quarantine()), folds_of(recipe)
    asked = []
    for k in range(3):
        train, validation, _ = folds.learned(k)
        assert {post.id for post in train} < {post.id for post in dataset.train}
        assert {post.id for post in validation} < {post.id for post in dataset.validation}
        known = {post.id for post in [*train, *validation]}
        assert known | {post.id for post in folds.asked(k)} == {post.id for post in folds.posts}
        assert not known & {post.id for post in folds.asked(k)}
        asked += [post.id for post in folds.asked(k)]
    assert sorted(asked) == sorted(post.id for post in [*dataset.train, *dataset.validation])


def test_groups_stay_together_in_folds_that_are_even_for_any_order() -> None:
    groups = np.array([0] * 12 + [1] * 9 + list(range(2, 41)))
    posts = [Post(str(i), text="x", label="ab"[i % 3 == 0]) for i in range(60)]
    number = fold_of_each(posts, folds=3, seed=1, groups=groups)
    assert [len(set(number[groups == group].tolist())) for group in (0, 1)] == [1, 1]
    assert np.bincount(number).tolist() == [20, 20, 20]
    rare = [int((number[::3] == k).sum()) for k in range(3)]
    assert max(rare) - min(rare) <= 1
    order = np.random.default_rng(0).permutation(60)
    shuffled = fold_of_each([posts[i] for i in order], folds=3, seed=1, groups=groups[order])
    np.testing.assert_array_equal(shuffled, number[order])
    assert fold_of_each(posts, folds=3, seed=2, groups=groups).tolist() != number.tolist()


def test_posts_of_one_group_of_the_split_share_a_fold(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    lines = [(*row, f"user{i % 10}") for i, row in enumerate(rows_of(60))]
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("id", "text", "label", "user"), *lines])
    source = {"kind": "table", "path": str(path), "columns": {"fields": ["user"]}}
    split = {"kind": "grouped", "column": "user"}
    recipe = recipe_of(tmp_path, rows_of(20), source=source, split=split)
    folds = folds_of(recipe)
    for user in {post.fields["user"] for post in folds.posts}:
        assert len({folds.fold[i] for i, post in enumerate(folds.posts) if post.fields["user"] == user}) == 1


def test_the_test_posts_change_nothing(tmp_path: Path) -> None:
    rows, test = rows_of(60), rows_of(20, seed=9)
    turned = [(post, text[::-1], "NO" if label == "INFO" else "INFO") for post, text, label in reversed(test)]
    found = [
        told(select(each, candidates_of(each, heads=HEADS[:2]), options=ALONE))
        for each in (recipe_of(tmp_path / "a", rows, test=test), recipe_of(tmp_path / "b", rows, test=turned))
    ]
    assert found[0] == found[1]


def test_any_number_of_workers_gives_the_same(recipe: Recipe) -> None:
    candidates = candidates_of(recipe, heads=(*HEADS, "sgd", "tree"), vary=["model.words=[1,1],[2,2]"])
    heard: list[object] = []
    one, two = (
        select(recipe, candidates, options=Options(3, workers=workers), progress=heard.append) for workers in (1, 2)
    )
    assert told(one) == told(two)
    assert [event["done"] for event in heard if event["step"] == "candidate"] == [*range(1, 22), *range(1, 22)]  # type: ignore[index]  # An event.


def encoder(recipe: Recipe, weights: Path) -> Recipe:
    """Return the recipe with an encoder of such weights."""
    model = {"kind": "encoder", "modality": "text", "weights": str(weights)}
    return with_settings(recipe, {"model": model}, where="deep")


def test_what_a_process_raises_is_raised_here(recipe: Recipe, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_text("[]")
    with pytest.raises(SiagaError, match="cannot be used as an encoder") as raised:
        select(recipe, [Candidate("broken", encoder(recipe, tmp_path))], options=Options(3, workers=2))
    assert any("Traceback" in note for note in raised.value.__notes__)


def test_weights_that_are_not_there_are_found_out_before_the_first_fit(recipe: Recipe, tmp_path: Path) -> None:
    heard: list[object] = []
    deep = Candidate("deep", encoder(recipe, tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"'deep' cannot be fitted\. The folder of weights .*nowhere does not exist"):
        select(recipe, [as_it_is(recipe), deep], options=ALONE, progress=heard.append)
    assert heard == []


def test_a_process_that_is_ended_from_outside_is_said_to_be(recipe: Recipe) -> None:
    with fitters(folds_of(recipe), workers=2) as ready:
        ready[0]._process.kill()  # type: ignore[attr-defined]  # What the system does when memory is short.
        with pytest.raises(SiagaError, match=r"ended from outside.*--workers 1"):
            ready[0].fit(recipe, 0)


def test_all_heads_compete_by_default_and_what_is_not_installed_is_left_out(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xgboost", None)
    default = candidates_of(recipe)
    assert {"ridge", "logistic", "xgboost"} < {each.name for each in default}
    chosen = [each for each in default if each.name in ("logistic", "xgboost")]
    standings = select(recipe, chosen, options=ALONE)
    assert [row.name for row in standings.rows] == ["logistic", "majority"]
    assert "pip install 'siaga[boost]'" in standings.skipped["xgboost"]


def test_candidates_are_named_after_what_makes_them(recipe: Recipe) -> None:
    vary = ["model.C=1,2.5", "model.words=[1, 1],[2, 3]", "model.head=ridge,svm"]
    made = candidates_of(recipe, heads=["sgd"], vary=vary)
    names = [
        "model.C=1",
        "model.C=2.5",
        "model.words=[1, 1]",
        "model.words=[2, 3]",
        "model.head=ridge",
        "model.head=svm",
    ]
    assert [each.name for each in made] == ["sgd", *names]
    assert made[0].arguments == ("--set", "model.head=sgd")
    assert [each.arguments[1] for each in made[1:]] == names
    nested = with_settings(recipe, {"model": {"kind": "self_training", "model": {"kind": "linear"}}}, where="nested")
    assert [each.arguments for each in candidates_of(nested, heads=["sgd"])] == [("--set", "model.model.head=sgd")]


def test_a_recipe_without_heads_competes_as_it_is_and_what_is_the_same_is_left_out(recipe: Recipe) -> None:
    members = {"a": {"kind": "linear"}, "b": {"kind": "linear", "head": "complement"}}
    fusion = with_settings(recipe, {"model": {"kind": "fusion", "members": members, "folds": 2}}, where="fusion")
    made = candidates_of(fusion, vary=["model.combiner=mean,logistic"])
    assert [each.name for each in made] == ["as it is", "model.combiner=mean", "model.combiner=logistic"]
    standings = select(fusion, made, options=ALONE)
    assert standings.skipped == {"model.combiner=logistic": "it is the same as 'as it is'."}
    said = {row.name: row.said for row in standings.rows}
    assert (said["tfidf"], said["majority"], len(said)) == ("baseline", "baseline", 4)


@pytest.mark.parametrize(
    ("heads", "vary", "said"),
    [
        (["rigde"], [], r"no head 'rigde'\. Did you mean 'ridge'\? Known: ridge, sgd"),
        ([], ["model.C"], "is not KEY=V1,V2"),
        ([], ["model.C=0"], r"with model.C=0 has 1 fault:\n.*greater than 0"),
        ([], ["model.hed=ridge"], "unknown key. Did you mean 'head'"),
    ],
)
def test_a_candidate_that_there_is_not_is_refused(recipe: Recipe, heads: list[str], vary: list[str], said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        candidates_of(recipe, heads=heads, vary=vary)


def test_what_cannot_be_compared_is_refused(recipe: Recipe, tmp_path: Path) -> None:
    other = Candidate("other", with_settings(recipe, {"seed": 3}, where="other"))
    with pytest.raises(RecipeError, match="'other' has a 'seed' of its own"):
        select(recipe, [as_it_is(recipe), other], options=ALONE)
    for metric, said in (("macrof1", "Did you mean 'macro_f1'"), ("mae", "There is no metric 'mae' here")):
        with pytest.raises(RecipeError, match=said):
            select(recipe, options=Options(3, metric, workers=1))
    with pytest.raises(DataError, match="61 folds cannot be made of 60 posts"):
        select(recipe, options=Options(61, workers=1))
    few = [(str(i), f"one and the same post about nothing at all, {i}", "INFO") for i in range(30)]
    tied = recipe_of(tmp_path / "tied", [*few, ("a", "hujan", "NO"), ("b", "kopi", "NO")])
    with pytest.raises(DataError, match=r"hang together in 3 groups, which are too few for 4 folds. Set --folds 3"):
        select(tied, options=Options(4, workers=1))
    with pytest.raises(DataError, match=r"are all (INFO|NO), so there is nothing to learn"):
        select(recipe_of(tmp_path / "one", [*rows_of(12)[::2], ("n", "diskon", "NO")]), options=Options(2, workers=1))
    alone = recipe_of(tmp_path / "alone", rows_of(12)[::2], test=rows_of(12, seed=9)[::2])
    with pytest.raises(DataError, match=r"carry the label 'INFO'. Two classes are needed"):
        select(alone, options=ALONE)


def test_p_values_are_raised_for_their_number_and_keep_their_order() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": None, "d": 0.03, "e": 0.9}) == pytest.approx(
        {"a": 0.04, "d": 0.09, "b": 0.09, "e": 0.9}
    )
    assert holm({"a": 0.6, "b": 0.7}) == {"a": 1.0, "b": 1.0}


def test_a_search_comes_out_the_same_again_and_its_best_trial_stands_beside_the_recipe(recipe: Recipe) -> None:
    one, two = (select(recipe, options=Options(3, workers=1, trials=5)) for _ in range(2))
    assert told(one) == told(two)
    assert [trial.number for trial in one.trials] == [1, 2, 3, 4, 5]
    assert all(0.1 <= trial.settings["model.C"] <= 10.0 for trial in one.trials)
    assert len({trial.settings["model.C"] for trial in one.trials}) == 5
    assert {tuple(trial.settings["model.words"]) for trial in one.trials} <= {(1, 1), (1, 2)}
    best = one.best_trials()[0]
    assert best.value == max(trial.value or 0.0 for trial in one.trials)
    [row] = [row for row in one.rows if row.name == f"trial {best.number}"]
    assert row.metrics["macro_f1"]["value"] == best.value
    assert {row.name for row in one.rows} == {"as it is", row.name, "majority"}
    assert row.arguments[:2] == ["--set", f"model.C={best.settings['model.C']}"]
    assert with_settings(recipe, best.settings, where="best").model != recipe.model
    other = recipe.model_copy(update={"seed": 1})
    assert select(other, options=Options(3, workers=1, trials=2)).trials[0] != one.trials[0]


def test_settings_that_do_not_go_together_are_a_trial_without_a_value(recipe: Recipe) -> None:
    space = {"model.words": {"choices": [False]}, "model.characters": {"choices": [False, [2, 3]]}}
    model = {"kind": "linear", "words": [1, 1], "characters": [2, 3]}
    odd = with_settings(recipe, {"model": model, "search.space": space}, where="odd")
    standings = select(odd, options=Options(3, workers=1, trials=8))
    assert {(trial.settings["model.characters"] is False, trial.value is None) for trial in standings.trials} == {
        (True, True),
        (False, False),
    }
    assert "does not go together" in render_page(standings, command="")


def test_a_search_without_a_space_or_optuna_is_refused_before_anything_is_fitted(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RecipeError, match=r"says nothing to search. Write for example: \[search\]"):
        select(with_settings(recipe, {}, where="none"), options=Options(3, workers=1, trials=2))
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SiagaError, match=r"pip install 'siaga\[search\]'"):
        select(recipe, options=Options(3, workers=1, trials=2))


def test_every_fault_of_a_space_is_told_at_once(tmp_path: Path) -> None:
    space = {
        "model.C": {"low": -1.0, "high": 3.0},
        "model.hed": {"choices": ["sgd"]},
        "model.words": {"choices": [[1, 1], [2, 1]]},
        "split.test": {"low": 0.1, "high": 0.2},
    }
    with pytest.raises(RecipeError) as raised:
        recipe_of(tmp_path, rows_of(20), search={"space": space})
    assert str(raised.value).splitlines() == [
        "made has 4 faults:",
        "  - search.space: 'split.test' is no setting of the model. Write for example 'model.C'.",
        "  - search.space: with model.C = -1.0, model.C: input should be greater than 0, found -1.0",
        "  - search.space: with model.hed = 'sgd', model.hed: unknown key. Did you mean 'head'?",
        "  - search.space: with model.words = (2, 1), model: words = [2, 1] runs from more to fewer. Write [1, 2]",
    ]
    wrong = {"model.C": {"low": 2, "high": 1}, "model.min_posts": {"low": 0, "high": 1, "log": True}, "model.head": {}}
    with pytest.raises(RecipeError) as raised:
        recipe_of(tmp_path, rows_of(20), search={"space": wrong})
    assert [line.partition(": ")[2] for line in str(raised.value).splitlines()[1:]] == [
        "low = 2 is not below high = 1. Swap or mend them",
        "there is nothing to choose from. Set low and high, or choices",
        "log needs a range above 0, and low = 0",
    ]


def test_the_page_names_every_candidate_and_escapes_them(recipe: Recipe) -> None:
    candidates = [as_it_is(recipe), Candidate("<b>&", with_settings(recipe, {"model.C": 9.0}, where="it"))]
    standings = select(recipe, candidates, options=Options(3, workers=1, trials=2))
    page = render_page(standings, command="siaga train <made>")
    assert page.count("&lt;b&gt;&amp;") >= 2
    assert "<b>&" not in page
    assert "siaga train &lt;made&gt;" in page
    assert page.count("<svg") == 2
    assert "http://" not in page.replace("http://www.w3.org", "")
    for row in standings.rows[2:]:
        assert f"<td>{row.name}</td>" in page
    assert page == render_page(standings, command="siaga train <made>")


def test_the_command_prints_the_table_writes_both_files_and_says_how_to_train(tmp_path: Path) -> None:
    recipe_of(tmp_path, rows_of(60))
    (tmp_path / "made.toml").write_text(
        f'name = "made"\nsplit.kind = "given"\n[source]\nkind = "table"\ntrain = "{tmp_path}/train.csv"\n'
        f'test = "{tmp_path}/test.csv"\n[model]\nkind = "linear"\n[variants.words.model]\ncharacters = false\n'
        "[variants.smaller.split]\nvalidation = 0.3\n"
    )
    asked = (
        "select",
        "made.toml",
        "--heads",
        "logistic,sgd",
        "--variants",
        "--folds",
        "3",
        "--workers",
        "1",
        "--seed",
        "2",
    )
    done = siaga(*asked, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "made on 60 posts in 3 folds (95 % intervals)"
    assert lines[1].split()[:3] == ["accuracy", "macro_f1", "roc_auc"]
    assert lines[5].startswith("majority ")
    assert sorted(line.split("  ")[0] for line in lines[2:5]) == ["logistic", "sgd", "variant words"]
    assert any(line.startswith("Train it: siaga train made.toml --set seed=2 --") for line in lines)
    assert "9 of 9 fits" in done.stderr
    assert "variant smaller does not compete: it has a split of its own." in done.stderr
    folder = tmp_path / "runs" / "made-select"
    assert {path.name for path in folder.iterdir()} == {"selection.json", "selection.html"}
    based = ("select", "made.toml", "--heads", "logistic,sgd", "--base", "words", "--folds", "3", "--workers", "1")
    printed = siaga(*based, "--json", "--out", "again", cwd=tmp_path)
    found = json.loads(printed.stdout)
    assert sorted(row["name"] for row in found["rows"]) == ["logistic", "majority", "sgd"]
    assert (
        "siaga train made.toml --variant words --set model.head=" in (tmp_path / "again" / "selection.html").read_text()
    )
    assert found == json.loads((tmp_path / "again" / "selection.json").read_text())


def test_variants_are_laid_over_the_one_that_everything_starts_from(tmp_path: Path) -> None:
    recipe_of(tmp_path, rows_of(40))
    (tmp_path / "made.toml").write_text(
        'name = "made"\n[source]\nkind = "synthetic"\nposts = 60\n[model]\nkind = "linear"\ncharacters = false\n'
        f'[variants.mine.source]\nkind = "table"\npath = "{tmp_path}/train.csv"\n[variants.sgd.model]\nhead = "sgd"\n'
    )
    asked = ("select", "made.toml", "--folds", "2", "--workers", "1", "--json")
    for chosen in (("--variants",), ("--variant", "sgd")):
        done = siaga(*asked, "--heads", "ridge, svm", "--base", "mine", *chosen, "--out", chosen[-1][2:], cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = {row["name"]: row["arguments"] for row in json.loads(done.stdout)["rows"]}
        assert sorted(found) == ["majority", "ridge", "svm", "variant sgd"]
        assert found["variant sgd"] == ["--variant", "mine,sgd"]
    done = siaga(*asked, "--variant", "mine", "--out", "refused", cwd=tmp_path)
    assert (done.returncode, "start from it: --base VARIANT" in done.stderr) == (1, True)


def test_a_file_in_the_place_of_the_folder_is_found_out_before_the_first_fit(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    done = siaga("select", "disaster-tweets", "--heads", "ridge", "--out", "taken", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "siaga: taken cannot be written: it is a file, and no folder. Choose another --out.\n"


def test_a_correction_for_many_is_named_where_there_are_many(recipe: Recipe) -> None:
    few, more = (select(recipe, candidates_of(recipe, heads=HEADS[:n]), options=ALONE).sentences()[1] for n in (2, 3))
    assert few.endswith("(paired by post).")
    assert more.endswith("(paired by post, Holm's correction for 2).")


def test_an_interrupted_selection_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [*SIAGA, "select", "disaster-tweets", "--workers", "2", "--out", "out"]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stderr is not None
    with process.stderr as stream:
        while "fits on" not in stream.readline():
            pass
        os.kill(process.pid, signal.SIGINT)
        stream.read()  # Ends when this process and those that it started have ended.
    assert process.wait(timeout=30) == 130
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_what_the_reference_says(recipe: Recipe) -> None:
    found = select(recipe, options=Options(3, workers=1, trials=1)).to_dict()
    assert list(found) == first_column("selection.json")
    assert {*found["rows"][0], *found["trials"][0], *found["folds"]} <= words("selection.json")


def test_the_guide_shows_what_works(capsys: pytest.CaptureFixture[str]) -> None:
    [block] = blocks(DOCS / "guides" / "select.md", "python")
    exec(block, {})  # noqa: S102 - it is our own guide.
    assert "The test posts were not touched." in capsys.readouterr().out
