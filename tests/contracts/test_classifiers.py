"""What is true of every classifier there is."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from siaga.errors import DataError
from siaga.models.classifier import Classifier, build_model
from siaga.models.explanation import explain
from siaga.post import Post
from siaga.schema import ModelSpec
from tests.contracts.specs import KINDS, NAMES, specs
from tests.made import made_posts
from tests.tiny_encoders import tiny_image_encoder, tiny_pair_encoder, tiny_text_encoder

TRAIN, VALIDATION, UNLABELLED = made_posts(60), made_posts(30, seed=1), made_posts(20, seed=2, labelled=False)
ASKED = made_posts(24, seed=3, labelled=False)


@pytest.fixture(scope="session")
def all_specs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ModelSpec]:
    folder = tmp_path_factory.mktemp("weights")
    pair = tiny_pair_encoder(folder / "pair")
    return specs(tiny_text_encoder(folder / "text"), tiny_image_encoder(folder / "image"), pair)


@pytest.fixture(scope="session", params=NAMES)
def spec(request: pytest.FixtureRequest, all_specs: dict[str, ModelSpec]) -> ModelSpec:
    return all_specs[request.param]


@pytest.fixture(scope="session")
def fitted(spec: ModelSpec) -> Classifier:
    return fit(spec)


def classes_of(spec: ModelSpec) -> list[str]:
    """Topics are found, not told; every other kind learns the labels."""
    return ["topic 1", "topic 2"] if spec.kind == "topics" else ["INFO", "NO_INFO"]


def fit(spec: ModelSpec, posts: list[Post] = TRAIN) -> Classifier:
    return build_model(spec, seed=1).fit(posts, validation=VALIDATION, unlabelled=UNLABELLED)


def test_every_kind_of_classifier_is_under_contract() -> None:
    union = get_args(get_args(ModelSpec)[0])
    assert {member.model_fields["kind"].default for member in union} == KINDS


def test_rows_are_probabilities_of_the_sorted_classes(fitted: Classifier, spec: ModelSpec) -> None:
    probabilities = fitted.predict_proba(ASKED)
    assert fitted.classes_ == classes_of(spec)
    assert probabilities.shape == (24, 2)
    assert probabilities.dtype == np.float64
    assert np.isfinite(probabilities).all()
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)


def test_neither_order_nor_company_of_posts_changes_an_answer(fitted: Classifier) -> None:
    together = fitted.predict_proba(ASKED)
    np.testing.assert_allclose(fitted.predict_proba(ASKED[::-1])[::-1], together, atol=1e-5)
    alone = np.vstack([fitted.predict_proba([post]) for post in ASKED[:6]])
    np.testing.assert_allclose(alone, together[:6], atol=1e-5)


def test_no_posts_give_no_rows(fitted: Classifier) -> None:
    assert fitted.predict_proba([]).shape == (0, 2)
    assert fitted.answer([]).used == []


def test_a_post_without_anything_gets_the_class_frequencies_and_uses_nothing(
    fitted: Classifier, spec: ModelSpec
) -> None:
    answer = fitted.answer([Post("empty"), Post("blank", text="  \n")])
    assert answer.used == [(), ()]
    even = 0.5 if spec.kind != "topics" else answer.probabilities[:1]  # How frequent topics are is found as well.
    np.testing.assert_allclose(answer.probabilities, np.broadcast_to(even, (2, 2)), atol=1e-9)


def test_an_image_that_is_no_image_is_a_fault_of_that_post_alone(fitted: Classifier) -> None:
    good = ASKED[1]
    answer = fitted.answer([replace(good, image=b"not an image"), good])
    assert "image" not in answer.used[0]
    np.testing.assert_allclose(answer.probabilities[1:], fitted.predict_proba([good]), atol=1e-5)


def test_it_learns_what_is_there(fitted: Classifier, spec: ModelSpec) -> None:
    if spec.kind == "topics":
        pytest.skip("topics are not labels; tests of their own make topics and find them again")
    if spec.kind in ("encoder", "convnet"):
        pytest.skip("random encoders and three epochs promise nothing; their own tests ask for more")
    readable = [post for post in made_posts(200, seed=9) if post.text]
    best = fitted.predict_proba(readable).argmax(axis=1)
    right = [fitted.classes_[k] == post.label for k, post in zip(best, readable, strict=True)]
    assert np.mean(right) > 0.75


def dense(rows: NDArray[np.float32] | csr_matrix) -> NDArray[np.float32]:
    return rows.toarray() if isinstance(rows, csr_matrix) else rows


def test_features_are_a_row_for_each_post_that_was_seen_whatever_its_company(fitted: Classifier) -> None:
    together, alone = fitted.features(ASKED), fitted.features(ASKED[:1])
    assert together
    for name, found in together.items():
        assert found.seen.shape == (len(ASKED),)
        assert found.rows.shape[0] == found.seen.sum() > 10
        if name in alone:
            np.testing.assert_allclose(dense(alone[name].rows), dense(found.rows[:1]), atol=1e-5)
    assert fitted.features([Post("empty")]) == {}


def test_every_answer_can_be_explained_by_what_was_read_and_by_every_member(fitted: Classifier) -> None:
    post = next(post for post in ASKED if post.modalities == ("text", "image"))
    [used] = (answer := fitted.answer([post])).used
    label = fitted.classes_[0]
    found = explain(fitted, post, label=label, grid=2)
    assert (tuple(found.modalities), bool(found.words), len(found.patches)) == (
        used,
        "text" in used,
        4 * ("image" in used),
    )
    assert list(found.members) == list(answer.members)
    effects = [*(word.effect for word in found.words), *(patch.effect for patch in found.patches)]
    assert np.isfinite([*effects, *found.modalities.values(), *found.members.values()]).all()
    assert found == explain(fitted, post, label=label, grid=2)
    np.testing.assert_allclose(fitted.predict_proba([post]), answer.probabilities)


def test_what_is_loaded_answers_as_what_was_saved(fitted: Classifier, spec: ModelSpec, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    loaded = build_model(spec, seed=1).load(tmp_path)
    assert loaded.classes_ == fitted.classes_
    np.testing.assert_allclose(loaded.predict_proba(ASKED), fitted.predict_proba(ASKED), atol=1e-6)
    assert loaded.answer(ASKED).members.keys() == fitted.answer(ASKED).members.keys()


def test_equal_seeds_give_equal_files(spec: ModelSpec, fitted: Classifier, tmp_path: Path) -> None:
    for name, classifier in (("a", fitted), ("b", fit(spec))):
        (tmp_path / name).mkdir()
        classifier.save(tmp_path / name)
    first = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in (tmp_path / "a").rglob("*.*")}
    second = {path.relative_to(tmp_path / "b"): path.read_bytes() for path in (tmp_path / "b").rglob("*.*")}
    assert first.keys() == second.keys()
    assert [name for name, content in first.items() if second[name] != content] == []


def test_a_class_without_a_training_post_keeps_its_column(spec: ModelSpec) -> None:
    if spec.kind == "topics":
        pytest.skip("its classes are the topics it finds, whatever the labels are")
    classes = ["INFO", "MAYBE", "NO_INFO"]
    model = build_model(spec).fit(TRAIN[:30], validation=VALIDATION, classes=classes)
    probabilities = model.predict_proba(ASKED)
    assert model.classes_ == classes
    assert probabilities.shape == (24, 3)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)


def test_posts_that_nothing_can_be_learned_from_are_refused(spec: ModelSpec) -> None:
    one_class = [post.with_label("INFO") for post in TRAIN[:6]]
    unlabelled = [Post("1", text="banjir")]
    refused = [([], "no labelled post"), (one_class, "Two classes are needed"), (unlabelled, "has no label")]
    for posts, said in refused if spec.kind != "topics" else [([], "too few"), (unlabelled, "too few")]:
        with pytest.raises(DataError, match=said):
            build_model(spec).fit(posts)
