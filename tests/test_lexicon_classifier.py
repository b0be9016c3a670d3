"""A list of words as a classifier: a rule until it is fitted, then frequencies; its list travels with the bundle."""

import doctest
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from siaga.bundle import load_bundle
from siaga.cli.main import app
from siaga.errors import BundleError, DataError
from siaga.models.calibrated import CalibratedClassifier
from siaga.models.classifier import build_model
from siaga.models.explanation import explain
from siaga.models.lexicon import UNREAD, LexiconClassifier, sign
from siaga.post import Post
from siaga.schema import Fusion, Lexicon, Linear
from siaga.serving.batch import read_output

ENGLISH = LexiconClassifier(Lexicon())
ANY = LexiconClassifier(Lexicon(languages=()))


def posts(*texts: str | None, language: str | None = "en") -> list[Post]:
    return [Post(str(i), text=text, language=language) for i, text in enumerate(texts)]


def labelled(pairs: Sequence[tuple[str | None, str]]) -> list[Post]:
    return [Post(str(i), text=text, label=label, language="en") for i, (text, label) in enumerate(pairs)]


FITTED = [("love", "up"), ("love", "up"), ("love", "down"), ("sad", "down"), (None, "down"), ("tea", "up")]


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("I love it", "en", (3, None)),
        ("some kind of tea", "en", (0, None)),
        ("good, bad", "en", (0, None)),
        ("a tea", "en", (0, "no word known")),
        ("love", "ja", (0, "other language")),
        ("love", None, (0, "no language")),
        ("love", "EN", (3, None)),
        ("love", "en-GB", (3, None)),
        ("love", "en_US", (3, None)),
        ("love", "eng", (0, "other language")),
        ("love", "", (0, "no language")),
        (None, "en", (0, "no text")),
        ("", "ja", (0, "no text")),
        (" \n", "en", (0, "no text")),
    ],
)
def test_a_mood_is_a_score_or_a_reason(
    text: str | None, language: str | None, expected: tuple[int, str | None]
) -> None:
    assert ENGLISH.mood(text, language) == expected


def test_a_language_that_is_not_known_is_read_where_that_is_asked_for_or_all_are_read() -> None:
    assert LexiconClassifier(Lexicon(unknown_language=True)).mood("love", None) == (3, None)
    assert LexiconClassifier(Lexicon(unknown_language=True)).mood("love", "ja") == (0, "other language")
    assert [ANY.mood("love", language) for language in (None, "ja")] == [(3, None), (3, None)]


def test_any_number_of_languages_is_met_in_little_memory() -> None:
    model = LexiconClassifier(Lexicon())
    moods = {model.mood("love", f"x{i}") for i in range(2500)}
    assert moods == {(0, "other language")}
    assert model.mood("love", "EN-x") == (3, None)
    assert len(model._refusals) == 1000


def test_the_sign_of_a_score_is_its_class() -> None:
    assert [sign(score) for score in (-7, -1, 0, 1, 12)] == ["negative", "negative", "neutral", "positive", "positive"]


def test_unfitted_it_answers_by_the_sign_with_certainty_and_keeps_score_and_reason() -> None:
    answer = ENGLISH.answer([*posts("so sad", "tea", "love love", None), *posts("love", language="ja")])
    assert ENGLISH.classes_ == ["negative", "neutral", "positive"]
    assert answer.probabilities.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0], [0, 1, 0]]
    assert answer.scores == {0: -2, 1: 0, 2: 6, 3: 0, 4: 0}
    assert answer.faults == {1: "no word known", 3: "no text", 4: "other language"}
    assert answer.used == [("text",), ("text",), ("text",), (), ()]
    assert {"no text", "other language", "no language"} == UNREAD
    empty = ENGLISH.answer([])
    assert (empty.probabilities.shape, empty.used, empty.scores) == ((0, 3), [], {})


def test_fitted_it_answers_with_the_smoothed_frequencies_of_classes_at_that_score() -> None:
    model = LexiconClassifier(Lexicon()).fit(labelled(FITTED))
    answer = model.answer(posts("love", "sad", "outstanding", "love love", "tea", None))
    assert model.classes_ == ["down", "up"]  # Of six posts, three are each: frequencies of a half.
    expected = [[2 / 5, 3 / 5], [2 / 3, 1 / 3], [1 / 2, 1 / 2], [1 / 2, 1 / 2], [1 / 3, 2 / 3], [1 / 2, 1 / 2]]
    np.testing.assert_allclose(answer.probabilities, expected)
    assert answer.scores == {0: 3, 1: -2, 2: 5, 3: 6, 4: 0, 5: 0}
    assert answer.faults == {4: "no word known", 5: "no text"}
    assert answer.used == [*[("text",)] * 5, ()]


def test_scores_beyond_five_count_as_five() -> None:
    far = [("outstanding love love", "up"), ("bastard bastard", "down"), ("tea", "up"), ("tea", "down")]
    model = LexiconClassifier(Lexicon()).fit(labelled(far))
    high, low = model.predict_proba(posts("outstanding", "bastard")).tolist()
    assert (high, low) == ([1 / 3, 2 / 3], [2 / 3, 1 / 3])


def test_posts_that_cannot_be_read_teach_only_the_frequencies() -> None:
    foreign = [Post(f"f{i}", text="love", label="down", language="ja") for i in range(4)]
    model = LexiconClassifier(Lexicon()).fit([*labelled(FITTED), *foreign])
    [love, unread] = model.predict_proba([*posts("love"), *posts("love", language="ja")])
    np.testing.assert_allclose(unread, [8 / 12, 4 / 12])
    np.testing.assert_allclose(love, [(1 + 2 * 8 / 12) / 5, (2 + 2 * 4 / 12) / 5])


def test_a_fit_forgets_the_one_before() -> None:
    twice = LexiconClassifier(Lexicon()).fit(labelled([("sad", "a"), ("love", "b"), ("tea", "c")]))
    twice.fit(labelled(FITTED))
    once = LexiconClassifier(Lexicon()).fit(labelled(FITTED))
    np.testing.assert_array_equal(twice.predict_proba(posts("love", "sad")), once.predict_proba(posts("love", "sad")))


def test_calibration_keeps_scores_and_reasons() -> None:
    model = CalibratedClassifier(LexiconClassifier(Lexicon())).fit(labelled(FITTED), validation=labelled(FITTED))
    answer = model.answer(posts("love", None))
    assert (answer.scores, answer.faults) == ({0: 3, 1: 0}, {1: "no text"})


def test_its_feature_is_the_score_cut_to_five() -> None:
    found = ENGLISH.features([*posts("sad", None, "love love"), *posts("love", language="ja")])[""]
    assert found.seen.tolist() == [True, False, True, False]
    np.testing.assert_allclose(np.asarray(found.rows), [[-0.4], [1.0]])
    assert ENGLISH.features(posts(None)) == {}


def test_it_serves_as_a_member_of_a_fusion() -> None:
    members = {"mood": Lexicon(), "text": Linear(min_posts=1)}
    train = labelled([("so sad", "down"), ("I love it", "up"), ("sad news", "down"), ("love you", "up")] * 5)
    for level in ("decision", "feature"):
        model = build_model(Fusion.model_validate({"members": members, "level": level, "folds": 2})).fit(train)
        assert model.predict_proba(posts("what a love")).argmax(axis=1).tolist() == [1]


def test_an_explanation_finds_the_words_that_count() -> None:
    model = LexiconClassifier(Lexicon()).fit(labelled(FITTED))
    found = explain(model, posts("tea love")[0], label="up")
    assert [(word.text, word.effect) for word in found.words] == [("tea", 0), ("love", pytest.approx(np.log(0.75)))]
    assert explain(ENGLISH, posts("love", language="ja")[0]).words == []


def saved(folder: Path) -> Path:
    folder.mkdir()
    LexiconClassifier(Lexicon()).fit(labelled(FITTED)).save(folder)
    return folder


def test_what_was_not_fitted_has_nothing_to_save(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Train it on labelled posts"):
        ENGLISH.save(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_list_in_a_bundle_is_open_and_whole(tmp_path: Path) -> None:
    held = json.loads((saved(tmp_path / "a") / "lexicon.json").read_text())
    assert (held["name"], len(held["words"]), held["phrases"]["does not work"]) == ("afinn-111", 2454, -3)
    assert json.loads((tmp_path / "a" / "counts.json").read_text())[1][5:9] == [1, 0, 0, 2]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *[("lexicon.json", text) for text in ("", "[]", "{}", '{"name": "x", "words": {}, "phrases": {}}')],
        ("lexicon.json", '{"name": 1, "words": {"a": 1}, "phrases": {}}'),
        ("lexicon.json", '{"name": "x", "words": {"a": 1.5}, "phrases": {}}'),
        ("lexicon.json", '{"name": "x", "words": {"a": true}, "phrases": {}}'),
        ("lexicon.json", '{"name": "x", "words": {"A": 1}, "phrases": {}}'),
        ("lexicon.json", '{"name": "x", "words": {"a b": 1}, "phrases": {}}'),
        ("lexicon.json", '{"name": "x", "words": {":)": 1}, "phrases": {}}'),
        ("lexicon.json", '{"name": "x", "words": {"a": 1000001}, "phrases": {}}'),
        *[("counts.json", text) for text in ("", "{}", "3", "[[1]]", "[[1, 2], [3]]", '[["1"], ["2"]]')],
        ("counts.json", json.dumps([[0] * 11, [0] * 10 + [-1]])),
        ("counts.json", json.dumps([[0] * 11, [0] * 10 + [0.5]])),
        ("counts.json", json.dumps([[0] * 11, [0] * 10 + [2**63]])),
        ("counts.json", json.dumps([[0] * 11] * 3)),
    ],
)
def test_a_changed_bundle_is_refused(tmp_path: Path, name: str, content: str) -> None:
    folder = saved(tmp_path / "a")
    (folder / name).write_text(content)
    with pytest.raises(BundleError, match=f"{name} does not hold"):
        LexiconClassifier(Lexicon()).load(folder)


RECIPE = """
name = "mood"
classes = ["bad", "good"]
[source]
kind = "table"
path = "posts.csv"
[model]
kind = "lexicon"
words = "words.txt"
languages = ["id"]
[evaluation]
resamples = 100
"""


def test_a_list_of_ones_own_is_trained_and_predicts_without_its_file(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("bagus\t2\ntidak bagus\t-3\n")
    (tmp_path / "mood.toml").write_text(RECIPE)
    rows = [f"{i},{('tidak ' * (i % 2)) + 'bagus'} {i},{('good', 'bad')[i % 2]},id" for i in range(40)]
    (tmp_path / "posts.csv").write_text("\n".join(["id,text,label,language", *rows]))
    run, out = tmp_path / "run", tmp_path / "out.csv"
    command = ["train", str(tmp_path / "mood.toml"), "--out", str(run)]
    assert CliRunner().invoke(app, command).exit_code == 0
    (tmp_path / "words.txt").unlink()
    (tmp_path / "new.csv").write_text("id,text,language\na,Tidak bagus,id\nb,bagus,ja\nc,,id\nd,kopi,id\n")
    done = CliRunner().invoke(app, ["predict", str(run / "bundle"), str(tmp_path / "new.csv"), "-o", str(out)])
    assert done.exit_code == 0, done.output
    assert [(each.label, each.score, each.error, each.used) for each in list(read_output(out))[:1]] == [
        ("bad", -3, None, ("text",))
    ]
    assert [(each.score, each.error, each.used) for each in list(read_output(out))[1:]] == [
        (0, "other language", ()),
        (0, "no text", ()),
        (0, "no word known", ("text",)),
    ]
    asked = ["predict", str(run / "bundle"), "--text", "tidak bagus"]
    spoken = [json.loads(CliRunner().invoke(app, [*asked, *more]).stdout) for more in ([], ["--language", "id"])]
    assert [(each["score"], each["error"]) for each in spoken] == [(0, "no language"), (-3, None)]
    refused = CliRunner().invoke(app, [*asked[:2], str(tmp_path / "new.csv"), "--language", "id"])
    assert refused.exit_code == 2
    bundle = load_bundle(run / "bundle")
    assert isinstance(bundle.recipe.model, Lexicon)
    assert bundle.recipe.model.words == "words.txt"
    assert str(tmp_path) not in (run / "bundle" / "model" / "model" / "lexicon.json").read_text()


def test_the_guide_shows_what_is_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parent.parent / "docs" / "guides" / "stream-sentiment.md").read_text()
    part = page.partition("\n## Score texts\n")[2].partition("\n## ")[0]
    monkeypatch.chdir(tmp_path)
    shown = doctest.DocTestParser().get_doctest(part, {}, "guide", None, None)
    assert len(shown.examples) >= 5
    assert doctest.DocTestRunner().run(shown).failed == 0
