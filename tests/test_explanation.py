"""Explanations: the part that decides has the largest effect, with the right sign, whatever else is asked about."""

from dataclasses import asdict

import numpy as np
import pytest

from siaga.cli.explained import in_words
from siaga.errors import DataError
from siaga.models.calibrated import CalibratedClassifier
from siaga.models.classifier import Answer, Classifier, build_model, without
from siaga.models.combiner import Combiner, Kind
from siaga.models.explanation import Explanation, Patch, Word, explain
from siaga.models.fusion import FusionClassifier
from siaga.models.self_training import SelfTrainingClassifier
from siaga.post import Pixels, Post, Prediction
from siaga.schema import Fusion, Linear, SelfTraining
from tests.made import made_posts

WORDS = Linear(characters=False, min_posts=1)
LETTERS = Linear(words=False, characters=(1, 2), min_posts=1)


class Dark:
    """Answers from the picture: the darker its upper right quarter, the more probable `dark`; text means nothing."""

    classes_ = ["dark", "light"]  # noqa: RUF012 - never changed.

    def answer(self, posts: list[Post]) -> Answer:
        from siaga.features.images import pixels

        rows, used = [], []
        for post in posts:
            share = 0.5 if post.image is None else pixels(post.image, 8)[:4, 4:].mean() / 255
            rows.append([0.9 - 0.8 * share, 0.1 + 0.8 * share] if post.image is not None else [0.5, 0.5])
            used.append(("image",) if post.image is not None else ())
        return Answer(np.array(rows).reshape(-1, 2), used)  # type: ignore[arg-type]  # Modalities as they are.


@pytest.fixture(scope="module")
def linear() -> Classifier:
    return build_model(WORDS).fit(made_posts(200))


def odds(classifier: Classifier, post: Post, label: str) -> float:
    p = classifier.predict_proba([post])[0, classifier.classes_.index(label)]
    return float(np.log(p / (1 - p)))


def test_the_word_that_decides_has_the_largest_effect_and_its_sign_hangs_on_the_class(linear: Classifier) -> None:
    post = Post("1", text="entah #banjir, entah 12")
    found, against = explain(linear, post, label="INFO"), explain(linear, post, label="NO_INFO")
    assert [word.text for word in found.words] == ["entah", "#banjir", "entah", "12"]
    effects = {word.text: word.effect for word in found.words}
    assert max(effects, key=lambda text: effects[text]) == "#banjir"
    erased = Post("1", text="entah , entah 12")
    assert effects["#banjir"] == pytest.approx(odds(linear, post, "INFO") - odds(linear, erased, "INFO"))
    assert [word.effect for word in against.words] == pytest.approx([-word.effect for word in found.words])
    assert explain(linear, post) == found


def test_a_word_against_the_class_has_an_effect_below_zero(linear: Classifier) -> None:
    found = explain(linear, Post("1", text="banjir diskon"), label="INFO")
    assert [word.effect > 0 for word in found.words] == [True, False]


def test_words_are_where_the_original_text_has_them(linear: Classifier) -> None:
    text = "😱 Banjir&amp; http://t.co/x #macet @bpbd 海水\nend"
    found = explain(linear, Post("1", text=text)).words
    assert [text[word.start : word.end] for word in found] == [word.text for word in found]
    assert [word.text for word in found][-5:] == ["#macet", "@bpbd", "海", "水", "end"]


def test_a_long_text_is_erased_in_stretches_so_that_the_cost_stays_bounded(linear: Classifier) -> None:
    asked = []

    class Counted:
        classes_ = linear.classes_

        def answer(self, posts: list[Post]) -> Answer:
            asked.append(len(posts))
            return linear.answer(posts)

    text = " ".join(["entah"] * 40 + ["banjir"] + ["entah"] * 60)
    found = explain(Counted(), Post("1", text=text), label="INFO", words=20)  # type: ignore[arg-type]  # Enough of one.
    assert (len(found.words), found.words_each) == (17, 6)
    best = max(found.words, key=lambda word: word.effect)
    assert best.text.split().count("banjir") == 1
    assert text[best.start : best.end] == best.text
    assert asked == [1, 1 + 1 + 17 + 1]


def test_the_patch_that_decides_has_the_largest_effect() -> None:
    light = np.full((40, 60, 3), 255, dtype=np.uint8)
    light[5:10, 45:50] = 0
    post = Post("1", text="ignored", image=Pixels(60, 40, 3, light.tobytes()))
    found = explain(Dark(), post, label="dark", grid=4)  # type: ignore[arg-type]  # Enough of a classifier.
    assert len(found.patches) == 16
    best = max(found.patches, key=lambda patch: patch.effect)
    assert (best.left, best.top, best.right, best.bottom) == (0.75, 0.0, 1.0, 0.25)
    assert best.effect > 0.01
    assert {patch.effect for patch in found.patches if patch.right <= 0.5 or patch.top >= 0.5} == {0.0}
    assert (found.words, list(found.modalities)) == ([], ["image"])
    again = explain(Dark(), post, label="light", grid=4)  # type: ignore[arg-type]  # As above.
    assert min(again.patches, key=lambda patch: patch.effect).left == 0.75


def test_patches_tile_the_picture_and_one_of_few_pixels_has_no_empty_patch() -> None:
    post = Post("1", image=Pixels(3, 10, 1, bytes(range(30))))
    found = explain(Dark(), post, grid=7).patches  # type: ignore[arg-type]  # As above.
    assert len(found) == 3 * 7
    assert sum((each.right - each.left) * (each.bottom - each.top) for each in found) == pytest.approx(1.0)
    assert explain(Dark(), post, grid=0).patches == []  # type: ignore[arg-type]  # As above.


@pytest.mark.parametrize("kind", ["mean", "logistic", "random_forest"])
def test_the_contribution_of_a_member_is_what_its_evidence_is_worth(kind: Kind) -> None:
    members = {"words": WORDS, "letters": LETTERS}
    fusion = FusionClassifier(Fusion(members=members, combiner=kind, folds=2)).fit(made_posts(80))
    post = Post("1", text="banjir kopi air")
    found = explain(fusion, post, label="INFO")
    prior = fusion._prior.frequencies
    evidence = np.stack(
        [np.log(each.predict_proba([post])) - np.log(prior) for each in fusion.members.values()], axis=1
    )
    both, alone = np.array([[True, True]]), np.array([[False, True]])
    combiner: Combiner = fusion._combiner
    whole = combiner.combine(evidence, both, fusion._prior)[0]
    less = combiner.combine(evidence * alone[:, :, None], alone, fusion._prior)[0]
    expected = np.log(whole[0] / whole[1]) - np.log(less[0] / less[1])
    assert fusion.classes_[0] == "INFO"
    assert found.members["words"] == pytest.approx(expected)
    assert list(found.members) == ["words", "letters"]


def test_a_member_without_evidence_contributes_nothing_and_a_lone_one_as_much_as_its_modality() -> None:
    spec = Fusion(members={"words": WORDS, "deaf": WORDS}, combiner="mean")
    fusion = FusionClassifier(spec).fit(made_posts(80))
    fusion.members["deaf"] = build_model(WORDS).fit([Post("1", text=None, label=each) for each in ("INFO", "NO_INFO")])
    found = explain(fusion, Post("1", text="banjir"))
    assert found.members["deaf"] == 0.0
    assert found.members["words"] == pytest.approx(found.modalities["text"])


def test_a_modality_left_out_is_a_modality_missing() -> None:
    model = build_model(Fusion(members={"words": WORDS, "letters": LETTERS}, folds=2)).fit(made_posts(80))
    post = next(post for post in made_posts(40, seed=1) if post.modalities == ("text", "image"))
    found = explain(model, post, label="INFO")
    assert found.modalities == {"text": pytest.approx(odds(model, post, "INFO") - odds(model, Post("1"), "INFO"))}
    assert found.patches == []


def test_whatever_holds_a_fusion_can_do_without_its_members() -> None:
    fusion = Fusion(members={"words": WORDS, "letters": LETTERS}, folds=2)
    model = CalibratedClassifier(SelfTrainingClassifier(SelfTraining(model=fusion, rounds=1)))
    model.fit(made_posts(80), validation=made_posts(30, seed=2))
    post = Post("1", text="banjir kopi")
    found = explain(model, post, label="INFO")
    less = odds(without(model, "letters"), post, "INFO")
    assert found.members["letters"] == pytest.approx(odds(model, post, "INFO") - less)
    assert list(found.members) == ["words", "letters"]
    for classifier, name in ((model, "image"), (build_model(WORDS), "words")):
        with pytest.raises(KeyError, match=name):
            without(classifier, name)


def test_a_classifier_is_left_as_it_was() -> None:
    fusion = FusionClassifier(Fusion(members={"words": WORDS, "letters": LETTERS}, folds=2)).fit(made_posts(60))
    posts = made_posts(20, seed=3)
    before = fusion.predict_proba(posts)
    explain(fusion, posts[0])
    np.testing.assert_array_equal(fusion.predict_proba(posts), before)


def test_a_post_that_nothing_can_be_read_of_has_an_empty_explanation(linear: Classifier) -> None:
    for post in (Post("1"), Post("1", image=b"no image"), Post("1", text="http://t.co/x")):
        found = explain(linear, post)
        assert found == Explanation(found.label, float(linear.predict_proba([post]).max()))


def test_a_field_that_is_read_has_an_effect_and_one_that_is_not_is_left_out() -> None:
    spec = Linear(fields=("text", "keyword"), characters=False, min_posts=1)
    keywords = {"INFO": "flood", "NO_INFO": "film"}
    taught = [
        Post(str(i), text="entah", label=label, fields={"keyword": keywords[label], "place": label})
        for i, label in enumerate(["INFO", "NO_INFO"] * 10)
    ]
    model = build_model(spec).fit(taught)
    post = Post("1", text="entah", fields={"keyword": "flood", "place": "INFO", "url": " "})
    found = explain(model, post, label="INFO")
    emptied = Post("1", text="entah", fields={"keyword": ""})
    assert found.fields == {"keyword": pytest.approx(odds(model, post, "INFO") - odds(model, emptied, "INFO"))}
    assert found.fields["keyword"] > 0.1
    alone = explain(model, Post("1", fields={"keyword": "flood"}), label="INFO")
    assert (list(alone.fields), alone.modalities, alone.words) == (["keyword"], {}, [])
    said = in_words(Prediction("1", "INFO", 0.75, {}, ("text",), explanation=asdict(alone)))
    assert "\nfields\n" in said


def test_an_effect_below_a_hundredth_keeps_its_digits_and_a_joined_emoji_stays_one() -> None:
    found = Explanation("x", 0.5, [Word("👨\u200d👩\u202e", 0, 4, 0.1)], 1, [Patch(0, 0, 1, 1, 0.0042)])
    said = in_words(Prediction("1", "x", 0.5, {}, ("image",), explanation=asdict(found)))
    assert "strongest patch 0.0042" in said
    assert "👨\u200d👩�" in said


def test_an_unknown_class_is_refused_with_a_hint(linear: Classifier) -> None:
    with pytest.raises(DataError, match=r"does not know the class 'INFOS'\. Did you mean 'INFO'"):
        explain(linear, Post("1", text="a"), label="INFOS")


def test_in_words_the_strongest_part_stands_first_with_its_sign() -> None:
    words = [Word("biasa", 0, 5, 0.1), Word("banjir\x1b", 6, 13, -2.0), Word("biasa", 14, 19, 1.0)]
    patches = [Patch(x, y, x + 0.5, y + 0.5, each) for x, y, each in ((0, 0, 2.0), (0.5, 0, -0.5), (0, 0.5, -1.5))]
    found = Explanation("dark", 0.75, words, 1, patches, {"text": 1.0})
    said = in_words(Prediction("1", "dark", 0.75, {}, ("text",), explanation=asdict(found)))
    assert said.splitlines()[0] == "dark, probability 0.750"
    rows = [" ".join(line.split()) for line in said.splitlines()[3:]]
    assert rows == [
        *("words", f"-2.00 {'-' * 24} banjir�", f"+1.00 {'+' * 12} biasa", "+0.10 + biasa", ""),
        *("modalities", f"+1.00 {'+' * 24} text", ""),
        *("picture, strongest patch 2", "++ -", "--"),
    ]
