"""Self-training: what joins, who vouched for it, and when a round is rolled back."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from siaga.models.classifier import Progress
from siaga.models.self_training import SelfTrainingClassifier
from siaga.post import Post
from siaga.schema import Linear, SelfTraining

WORDS = Linear(characters=False, words=(1, 1), min_posts=1)
Events = list[Mapping[str, object]]


def posts(label: str | None, *texts: str, prefix: str = "p") -> list[Post]:
    return [Post(f"{prefix}-{label}-{text}-{i}", text=text, label=label) for i, text in enumerate(texts)]


TRAIN = [*posts("INFO", *["banjir tinggi"] * 20), *posts("NO_INFO", *["diskon besar"] * 20)]


def fit(spec: SelfTraining, *, validation: list[Post], unlabelled: list[Post]) -> tuple[SelfTrainingClassifier, Events]:
    events: Events = []
    model = SelfTrainingClassifier(spec).fit(
        TRAIN, validation=validation, unlabelled=unlabelled, progress=Progress(events.append)
    )
    return model, events


def rounds(events: Events) -> Events:
    return [event for event in events if event["step"] == "round"]


def test_a_round_that_teaches_a_wrong_word_is_rolled_back() -> None:
    validation = [*posts("INFO", *["banjir"] * 30), *posts("NO_INFO", *["diskon"] * 15, *["kopi"] * 15)]
    # Each unlabelled post is surely INFO by its first words, and teaches that coffee is.
    unlabelled = posts(None, *["banjir tinggi kopi kopi kopi"] * 30)
    spec = SelfTraining(model=WORDS, threshold=0.8, balance=False)
    guarded, events = fit(spec, validation=validation, unlabelled=unlabelled)
    assert [event["kept"] for event in rounds(events)] == [False]
    assert "macro-F1 -" in str(rounds(events)[0]["reason"])
    plain, _ = fit(spec, validation=validation, unlabelled=[])
    np.testing.assert_array_equal(guarded.predict_proba(validation), plain.predict_proba(validation))
    unguarded, _ = fit(spec.model_copy(update={"guard": "off"}), validation=validation, unlabelled=unlabelled)
    assert unguarded.predict_proba(posts(None, "kopi"))[0, 0] > 0.6 > guarded.predict_proba(posts(None, "kopi"))[0, 0]


@pytest.mark.parametrize("guard", ["no_loss", "gain"])
def test_a_round_that_teaches_a_right_word_is_kept_and_helps(guard: str) -> None:
    validation = [*posts("INFO", *["tergenang"] * 30), *posts("NO_INFO", *["diskon"] * 30)]
    unlabelled = [
        *posts(None, *["banjir tinggi tergenang"] * 20),
        *posts(None, *["diskon besar murah"] * 20, prefix="q"),
    ]
    spec = SelfTraining.model_validate({"model": WORDS, "threshold": 0.8, "guard": guard})
    model, events = fit(spec, validation=validation, unlabelled=unlabelled)
    assert [event["kept"] for event in rounds(events)] == [True]
    assert model.predict_proba(posts(None, "tergenang"))[0, 0] > 0.6


def test_a_round_without_effect_passes_no_loss_and_fails_gain() -> None:
    validation = [*posts("INFO", *["banjir"] * 10), *posts("NO_INFO", *["diskon"] * 10)]
    unlabelled = [*posts(None, "banjir tinggi"), *posts(None, "diskon besar", prefix="q")]
    kept = {}
    for guard in ("no_loss", "gain"):
        spec = SelfTraining.model_validate({"model": WORDS, "threshold": 0.8, "guard": guard})
        kept[guard] = rounds(fit(spec, validation=validation, unlabelled=unlabelled)[1])[0]["kept"]
    assert kept == {"no_loss": True, "gain": False}


def test_without_held_out_labels_no_round_is_taken_and_the_reason_is_said() -> None:
    _, events = fit(SelfTraining(model=WORDS, threshold=0.8), validation=[], unlabelled=posts(None, "banjir tinggi"))
    assert rounds(events)[0]["added"] == 0
    assert "no held-out labels" in str(rounds(events)[0]["reason"])


def test_pseudo_labels_stand_in_the_proportion_of_the_labelled_classes_surest_first() -> None:
    validation = TRAIN[:2] + TRAIN[-2:]
    unlabelled = [*posts(None, *["banjir tinggi"] * 9, "banjir kopi"), *posts(None, *["diskon besar"] * 3, prefix="q")]
    _, events = fit(SelfTraining(model=WORDS, threshold=0.55), validation=validation, unlabelled=unlabelled)
    joined = [event for event in events if event["step"] == "pseudo_label"]
    assert Counter(event["label"] for event in joined) == {"INFO": 3, "NO_INFO": 3}
    assert {event["by"] for event in joined} == {"model"}
    assert not any("kopi" in str(event["id"]) for event in joined)


def test_thresholds_are_by_class() -> None:
    unlabelled = [*posts(None, *["banjir tinggi"] * 3), *posts(None, *["diskon besar"] * 3, prefix="q")]
    spec = SelfTraining(model=WORDS, threshold=0.7, thresholds={"INFO": 1.0}, balance=False)
    _, events = fit(spec, validation=TRAIN[:2] + TRAIN[-2:], unlabelled=unlabelled)
    assert {event["label"] for event in events if event["step"] == "pseudo_label"} == {"NO_INFO"}


def test_a_partner_lends_its_confident_answers_and_its_veto() -> None:
    # The model reads only words; the partner reads character n-grams too, so it alone knows "banjirrr".
    partner = Linear(words=False, characters=(4, 5), min_posts=1)
    unlabelled = posts(None, "banjirrrr tinggiiii", "banjir tinggi")
    spec = SelfTraining(model=WORDS, agree_with=partner, threshold=0.7, balance=False)
    _, events = fit(spec, validation=TRAIN[:2] + TRAIN[-2:], unlabelled=unlabelled)
    by = {str(event["id"]).split("-")[2]: event["by"] for event in events if event["step"] == "pseudo_label"}
    assert by == {"banjirrrr tinggiiii": "agree_with", "banjir tinggi": "both"}


def test_every_pseudo_label_names_its_round_and_whether_it_stayed() -> None:
    unlabelled = [*posts(None, *["banjir tinggi"] * 3), *posts(None, *["diskon besar"] * 3, prefix="q")]
    _, events = fit(SelfTraining(model=WORDS, threshold=0.7, rounds=2), validation=TRAIN, unlabelled=unlabelled)
    labels = [event for event in events if event["step"] == "pseudo_label"]
    assert {event["round"] for event in labels} == {1, 2}
    assert all(event["kept"] is True and 0.7 <= float(str(event["confidence"])) <= 1 for event in labels)
