"""The figures of a mood: what is summed, by what, with which intervals, and what is said where nothing is known."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from siaga.errors import DataError
from siaga.evaluation.intervals import mean_of_sums, wilson
from siaga.post import Place
from siaga.serving.mood import tally as tallies
from siaga.serving.mood.figures import asked_of
from siaga.serving.mood.summary import Summary, summarise
from siaga.serving.mood.tally import Scored, Tally
from siaga.serving.mood.words import clock, length, notes, whose

START = 1_562_135_340_000  # 2019-07-03T06:29:00Z.
MINUTE = 60_000
ROME = Place(12.5, 41.9, "box", 9_000.0, "Roma, Lazio", "IT")
PROFILE = Place(None, None, "profile", None, "somewhere over the rainbow")
SIGNS = ("negative", "neutral", "positive")


def said(
    score: int, *, at: int | None = 0, language: str | None = "en", place: Place | None = None, known: bool = True
) -> Scored:
    """A post `at` so many seconds after the start, with what a word list says of it."""
    time_ms = None if at is None else START + at * 1000
    return Scored(time_ms, language, place, SIGNS[(score > 0) - (score < 0) + 1], score, known)


def counted(*posts: Scored, every_s: int | None = None) -> Tally:
    tally = Tally() if every_s is None else Tally(every_s * 1000, is_fixed=True)
    for post in posts:
        tally.add(post)
    return tally


def mood(*posts: Scored, every_s: int | None = None, languages: tuple[str, ...] = ()) -> Summary:
    tally = counted(*posts, every_s=every_s)
    return summarise(tally, model="afinn", asked=asked_of(tally, languages))


def test_a_minute_has_the_mean_the_shares_and_the_volume_of_its_posts() -> None:
    found = mood(*(said(score, at=i) for i, score in enumerate([3, -2, 0, 1])))
    [period] = found.periods
    assert (period.start, period.views.all.posts) == ("2019-07-03T06:29:00Z", 4)
    assert period.views.all.counts == {"negative": 1, "neutral": 1, "positive": 2}
    assert period.views.all.shares["positive"]["value"] == 0.5
    low, high = stats.ttest_1samp([3, -2, 0, 1], 0).confidence_interval()
    assert period.views.all.mean == pytest.approx({"value": 0.5, "low": low, "high": high})


def test_other_languages_count_zero_in_the_mean_of_all_and_not_in_that_of_the_list() -> None:
    found = mood(said(4), said(2), *(said(0, at=10 * i, language="ja", known=False) for i in range(6)))
    assert found.asked.languages == ("en",)
    assert found.total.all.mean["value"] == 0.75
    assert found.total.languages.mean["value"] == 3.0
    assert (found.total.all.posts, found.total.languages.posts) == (8, 2)
    assert whose(found.asked) == "English posts"
    [note] = notes(found)
    assert note.startswith("English posts are 2 of 8 (25 %). All others count 0")


def test_posts_without_a_known_word_are_neutral_and_left_out_of_the_known() -> None:
    found = mood(said(3), said(0, known=False), said(0))
    assert found.total.languages.counts == {"negative": 0, "neutral": 2, "positive": 1}
    assert found.total.known.counts == {"negative": 0, "neutral": 1, "positive": 1}
    assert (found.total.languages.mean["value"], found.total.known.mean["value"]) == (1.0, 1.5)


def test_asked_languages_are_kept_to_and_others_with_words_are_named() -> None:
    posts = [said(3, at=40), said(-1, language="id"), said(1, language="id"), said(0, language="ja", known=False)]
    assert mood(*posts).asked.languages == ("en", "id")
    found = mood(*posts, languages=("en",))
    assert found.total.languages.posts == 1
    assert notes(found)[-1] == (
        "Posts in other languages have words that the list knows: id (2). Add them with --language."
    )
    assert "There are posts in Indonesian, English, Japanese." in notes(mood(*posts, languages=("fr",)))[0]


def test_minutes_without_posts_are_gaps_with_a_start_and_an_end() -> None:
    found = mood(said(1), said(2, at=60), said(3, at=5 * 60), said(3, at=7 * 60))
    assert [period.views.all.posts for period in found.periods] == [1, 1, 0, 0, 0, 1, 0, 1]
    assert found.periods[2].views.all.mean == {"value": None, "low": None, "high": None}
    assert found.periods[2].views.languages.shares["neutral"]["value"] is None
    assert [(gap.start, gap.end, gap.periods) for gap in found.gaps] == [
        ("2019-07-03T06:31:00Z", "2019-07-03T06:34:00Z", 3),
        ("2019-07-03T06:35:00Z", "2019-07-03T06:36:00Z", 1),
    ]
    assert "There are no posts at 06:31 to 06:34; 06:35 to 06:36 (UTC)." in notes(found)[0]


def test_a_minute_in_which_the_stream_begins_or_ends_is_partly_covered() -> None:
    steady = [said(1, at=second) for second in range(30, 150)]  # From 06:29:30 to 06:31:30, one a second.
    assert [period.is_partial for period in mood(*steady).periods] == [True, False, True]
    whole = [said(1, at=second) for second in range(1, 180)]
    assert [period.is_partial for period in mood(*whole).periods] == [False, False, False]
    sampled = [Scored(START + 1000 * second + 660, "en", None, "neutral", 0) for second in range(10) for _ in range(30)]
    assert [period.is_partial for period in mood(*sampled, every_s=5).periods] == [False, False]


def test_a_quiet_stream_is_not_said_to_begin_within_its_first_minute() -> None:
    assert [period.is_partial for period in mood(said(1, at=31), said(1, at=50), said(1, at=100)).periods] == [
        False
    ] * 2


def test_times_out_of_order_change_nothing() -> None:
    posts = [
        said(i % 7 - 3, at=i * 11, language=("en", "ja", None)[i % 3], place=(ROME, None)[i % 2]) for i in range(90)
    ]
    shuffled = posts.copy()
    random.Random(5).shuffle(shuffled)
    assert mood(*posts).to_dict() == mood(*shuffled).to_dict()


def test_posts_without_a_time_count_in_the_totals_and_in_no_minute() -> None:
    found = mood(said(2), said(-4, at=None), said(-1, at=None, language="ja"))
    assert (found.without_time, found.total.all.posts, found.total.all.mean["value"]) == (2, 3, -1.0)
    assert [period.views.all.posts for period in found.periods] == [1]
    assert notes(found)[0] == "2 of 3 posts have no time. They count in the totals and in no period."


def test_without_any_time_there_are_totals_and_no_periods() -> None:
    found = mood(said(2, at=None), said(1, at=None))
    assert (found.periods, found.gaps, found.total.all.mean["value"]) == ([], [], 1.5)


def test_one_post_has_a_mean_and_no_interval() -> None:
    found = mood(said(3))
    assert found.total.all.mean == {"value": 3.0, "low": None, "high": None}
    assert found.total.all.shares["positive"]["low"] == pytest.approx(0.2065, abs=1e-4)


def test_no_post_is_a_reason_and_not_a_traceback() -> None:
    with pytest.raises(DataError, match="There is no post to measure"):
        summarise(Tally(), model="afinn", asked=asked_of(Tally()))


def test_longer_periods_are_sums_of_the_minutes() -> None:
    posts = [said(i % 5 - 2, at=i * 20) for i in range(60)]
    found = mood(*posts, every_s=300)
    assert [period.start[11:16] for period in found.periods] == ["06:25", "06:30", "06:35", "06:40", "06:45"]
    assert [period.views.all.posts for period in found.periods] == [3, 15, 15, 15, 12]


def test_periods_grow_by_themselves_with_the_span_and_are_never_too_many() -> None:
    assert mood(said(1), said(1, at=1_400 * 60)).every_s == 60
    assert mood(said(1), said(1, at=1_600 * 60)).every_s == 300
    assert mood(said(1), said(1, at=20 * 365 * 86_400)).every_s == 604_800
    assert mood(said(1), said(1, at=1_600 * 60), every_s=60).every_s == 60
    with pytest.raises(DataError, match=r"14 days apart: 20,001 periods of 60 s\. Set a longer --every"):
        mood(said(1), said(1, at=20_001 * 60), every_s=60)


def test_periods_that_grow_lose_no_post() -> None:
    posts = [said(i % 5 - 2, at=i * 7_321, language=("en", "ja")[i % 2]) for i in range(300)]
    random.Random(3).shuffle(posts)
    found, hourly = mood(*posts), mood(*posts, every_s=3_600)
    assert found.every_s == 3_600
    assert found.to_dict() == hourly.to_dict()


def test_made_up_languages_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "MOST_LANGUAGES", 2)
    found = mood(*(said(1, language=code) for code in ("en", "id", "x1", "x2", "en")))
    assert [(group.name, group.views.all.posts) for group in found.languages] == [("en", 2), ("other", 2), ("id", 1)]


def test_times_before_1970_fall_into_their_minute() -> None:
    tally = counted(Scored(-1, "en", None, "neutral", 0))
    assert list(tally.periods) == [(-60_000, "en")]


def test_places_are_counted_by_country_by_name_and_by_point() -> None:
    milan = Place(9.19, 45.46, "coordinates", 10.0, None, "IT")
    found = mood(said(3, place=ROME), said(1, place=ROME), said(-2, place=milan), said(0, place=PROFILE), said(1))
    assert [(group.name, group.views.all.posts) for group in found.countries] == [("IT", 3)]
    assert [(group.name, group.country, group.views.all.mean["value"]) for group in found.places] == [
        ("Roma, Lazio", "IT", 2.0)
    ]
    assert [(point.spot.method, point.views.all.posts) for point in found.points] == [("box", 2), ("coordinates", 1)]


def test_places_beyond_the_most_are_counted_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallies, "MOST_SPOTS", 2)
    found = mood(*(said(1, place=Place(float(i), 0.0, "coordinates", 10.0)) for i in (1, 2, 3, 3, 1)))
    assert (len(found.points), found.beyond) == (2, 2)
    assert notes(found)[-1].startswith("2 posts of places beyond")


def test_languages_come_by_volume_and_those_after_the_tenth_together() -> None:
    codes = [f"l{i:02}" for i in range(13)]
    posts = [said(0, language=code, known=False) for i, code in enumerate(codes) for _ in range(20 - i)]
    found = mood(*posts, said(2, language=None))
    assert [group.name for group in found.languages] == [*codes, ""]
    assert found.rest.all.posts == 10 + 9 + 8 + 1


def test_labels_that_are_no_moods_have_shares_and_no_mean() -> None:
    found = mood(
        *(Scored(START + 15_000 * i, "id", None, label) for i, label in enumerate(["INFO", "NO", "INFO", "INFO"]))
    )
    assert (found.asked.labels, found.asked.has_scores, found.asked.languages) == (("INFO", "NO"), False, None)
    assert found.total.languages.shares["INFO"]["value"] == 0.75
    assert found.total.all.mean["value"] is None
    assert notes(found) == []


def test_moods_without_scores_have_no_mean_either() -> None:
    found = mood(*(Scored(START, "en", None, label) for label in ("positive", "negative")))
    assert (found.asked.labels, found.asked.has_scores) == (SIGNS, False)


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_interval_of_a_mean_is_students(scores: list[int]) -> None:
    found = mean_of_sums(len(scores), sum(scores), sum(score * score for score in scores))
    assert found["value"] == pytest.approx(sum(scores) / len(scores))
    if len(set(scores)) == 1:
        assert (found["low"], found["high"]) == (None, None)
        return
    low, high = stats.ttest_1samp(scores, 0).confidence_interval()
    assert (found["low"], found["high"]) == pytest.approx((low, high))


def test_sums_are_exact_where_floating_point_would_lose_the_spread() -> None:
    n, big = 1_000, 10**9
    found = mean_of_sums(n, n * big + 1, n * big * big + 2 * big + 1)  # All `big`, one of them `big` + 1.
    assert found["value"] == pytest.approx(big)
    assert found["high"] is not None
    assert found["low"] is not None
    assert found["high"] - found["low"] == pytest.approx(2 * 1.9623 * 0.001, rel=1e-3)


@pytest.mark.parametrize(("right", "n"), [(0, 7), (3, 7), (7, 7), (150, 590)])
def test_the_interval_of_a_share_is_wilsons(right: int, n: int) -> None:
    low, high = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n) == pytest.approx((low, high))


def test_a_long_stream_agrees_with_a_slow_reference() -> None:
    rng = random.Random(1)
    posts = [
        said(rng.choice([-3, -1, 0, 0, 2, 4]), at=rng.randrange(900), language=rng.choice(["en", "en", "ja", None]))
        for _ in range(3_000)
    ]
    posts = [
        post if post.language == "en" else post._replace(label="neutral", score=0, is_known=False) for post in posts
    ]
    for period in mood(*posts).periods:
        start = datetime.fromisoformat(period.start).timestamp() * 1000
        inside = [post for post in posts if post.time_ms is not None and start <= post.time_ms < start + MINUTE]
        english = [post.score or 0 for post in inside if post.language == "en"]
        test = stats.ttest_1samp(english, 0).confidence_interval()
        mean = {"value": sum(english) / len(english), "low": test.low, "high": test.high}
        assert period.views.all.posts == len(inside)
        assert period.views.languages.mean == pytest.approx(mean)
        assert period.views.all.mean["value"] == pytest.approx(sum(english) / len(inside))
        assert period.views.languages.counts["negative"] == sum(score < 0 for score in english)


def test_times_are_written_as_short_as_they_are_clear() -> None:
    assert clock("2019-07-03T06:29:00Z", mood(said(1))) == "06:29"
    assert clock("2019-07-03T06:29:00Z", mood(said(1), said(1, at=86_400))) == "07-03 06:29"
    assert clock("2019-07-03T06:00:00Z", mood(said(1), said(1, at=300 * 86_400))) == "2019-07-03 06:00"
    assert [length(seconds) for seconds in (10, 60, 300, 3_600, 86_400)] == [
        "10 s",
        "minute",
        "5 minutes",
        "hour",
        "day",
    ]
    assert datetime.fromtimestamp(START / 1000, UTC).isoformat() == "2019-07-03T06:29:00+00:00"
