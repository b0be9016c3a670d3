"""The daily sample is fair: every post of a day has the same chance, and neither order nor repetition changes it."""

import random
from datetime import date

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from siaga.errors import DataError
from siaga.serving.stream.sample import DailySample, Held
from siaga.sources.items.whole import WholeItem
from siaga.sources.wanted import NO_IMAGE, NO_WORD, OTHER_LANGUAGE, Wanted

DAY, NEXT = date(2024, 5, 1), date(2024, 5, 2)


def held(number: int, *, source: str = "bluesky") -> Held:
    return Held(source, f"p{number}", 1_714_521_600_000 + number, f'{{"id":"p{number}"}}')


def sample_of(numbers: list[int], per_day: int, *, seed: int = 0) -> DailySample:
    sample = DailySample(per_day, seed=seed)
    for number in numbers:
        sample.add(DAY, held(number))
    return sample


def kept(sample: DailySample, day: date = DAY) -> list[int]:
    return [int(post.id[1:]) for post in sample.posts(day)]


def test_every_position_of_arrival_has_the_same_chance() -> None:
    bins = [0] * 20
    for seed in range(300):
        for number in kept(sample_of(list(range(400)), 40, seed=seed)):
            bins[number // 20] += 1
    assert sum(bins) == 300 * 40
    # Within a draw no post is taken twice, so that the counts vary a little less than chi-square says.
    assert 0.001 < chisquare(bins).pvalue < 0.999


def test_every_post_has_the_same_chance_over_seeds() -> None:
    counts = [0] * 50
    for seed in range(2_000):
        for number in kept(sample_of(list(range(50)), 10, seed=seed)):
            counts[number] += 1
    assert 0.001 < chisquare(counts).pvalue < 0.999


def test_pairs_are_as_likely_as_single_posts_say() -> None:
    both = sum({0, 1} <= set(kept(sample_of(list(range(20)), 5, seed=seed))) for seed in range(4_000))
    assert abs(both / 4_000 - 5 / 20 * 4 / 19) < 0.012  # Three standard errors.


@given(st.lists(st.integers(0, 60)), st.integers(1, 12), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_neither_order_nor_repetition_has_a_say(numbers: list[int], per_day: int, dice: random.Random) -> None:
    once = sample_of(sorted(set(numbers)), per_day)
    again = numbers + numbers[: len(numbers) // 2]
    dice.shuffle(again)
    other = sample_of(again, per_day)
    if numbers:
        assert other.posts(DAY) == once.posts(DAY)
        assert len(once) == min(per_day, len(set(numbers)))


@given(st.lists(st.integers(0, 60), min_size=1), st.integers(1, 12), st.integers(0, 70), st.integers(0, 3))
@settings(max_examples=150, deadline=None)
def test_going_on_from_a_state_is_as_if_nothing_had_happened(
    numbers: list[int], per_day: int, cut: int, seed: int
) -> None:
    whole, first, second = (DailySample(per_day, seed=seed) for _ in range(3))
    for number in numbers:
        whole.add((DAY, NEXT)[number % 2], held(number))
    for number in numbers[:cut]:
        first.add((DAY, NEXT)[number % 2], held(number))
    state = msgspec.json.encode(first.state())
    second.restore(msgspec.json.decode(state, type=dict[str, tuple[int, list[Held]]]))
    for number in numbers[cut:]:
        second.add((DAY, NEXT)[number % 2], held(number))
    assert second.state() == whole.state()


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    numbers = list(range(300))
    assert set(kept(sample_of(numbers, 10))) < set(kept(sample_of(numbers, 40)))


def test_what_became_of_each_post_is_said() -> None:
    sample = DailySample(2)
    said = [sample.add(DAY, held(number)) for number in (1, 1, 2, 3, 4, 5, 6, 7, 8)]
    assert said[:3] == ["kept", "repeated", "kept"]
    assert set(said[3:]) == {"kept", "passed over"}
    assert len(sample) == 2
    assert sample.seen(DAY) == 8


def test_another_seed_draws_another_sample_and_another_source_is_another_post() -> None:
    numbers = list(range(100))
    assert kept(sample_of(numbers, 10, seed=1)) != kept(sample_of(numbers, 10, seed=2))
    sample = DailySample(9)
    assert [sample.add(DAY, held(1)), sample.add(DAY, held(1, source="mastodon"))] == ["kept", "kept"]
    other = DailySample(10, seed=1)
    for number in numbers:
        other.add(DAY, held(number, source="mastodon"))
    assert kept(other) != kept(sample_of(numbers, 10, seed=1))


def test_days_are_apart_and_posts_stand_in_order_of_time() -> None:
    sample = DailySample(3)
    for number in (5, 3, 4, 1):
        sample.add(NEXT if number == 3 else DAY, held(number))
    assert sample.days == [DAY, NEXT]
    assert (kept(sample), kept(sample, NEXT)) == ([1, 4, 5], [3])
    sample.close(DAY)
    assert sample.days == [NEXT]


def test_a_deleted_post_leaves_the_sample_and_no_other_one() -> None:
    sample = sample_of(list(range(10)), 4)
    before = kept(sample)
    absent = next(number for number in range(10) if number not in before)
    sample.remove("bluesky", f"p{before[1]}")
    sample.remove("bluesky", f"p{absent}")
    sample.remove("mastodon", f"p{before[0]}")
    assert kept(sample) == [before[0], *before[2:]]
    assert sample.add(DAY, held(before[1])) == "kept"
    assert kept(sample) == before
    sample.remove("bluesky", f"p{before[1]}")
    for number in range(20, 40):
        sample.add(DAY, held(number))
    assert kept(sample) == kept(sample_of([before[0], *before[2:], *range(20, 40)], 4))


def test_a_day_whose_only_post_was_deleted_survives_a_restart() -> None:
    sample = sample_of([1], 4)
    sample.remove("bluesky", "p1")
    other = DailySample(4)
    other.restore(sample.state())
    assert other.state() == sample.state() == {"2024-05-01": (1, [])}


def test_a_sample_of_nothing_is_refused() -> None:
    with pytest.raises(DataError, match=r"^--per-day is 0\. Give the largest number of posts of a day, 1 at least\.$"):
        DailySample(0)


def item(text: str | None, *hashtags: str, language: str | None = "id", image: str | None = None) -> WholeItem:
    return WholeItem("bluesky", "1", text=text, language=language, hashtags=hashtags, image_url=image)


@pytest.mark.parametrize(
    ("keyword", "text", "found"),
    [
        ("banjir", "Banjir!", True),
        ("BANJIR", "ada banjir di sini", True),
        ("banjir", "kebanjiran", False),
        ("banjir", "banjirnya surut", False),
        ("banjir", "kebanjiran, lalu banjir", True),
        ("banjir", "banjir_2020", False),
        ("banjir", "pra-banjir", True),
        ("banjir", "#banjirjakarta", True),
        ("banjir", "(#BanjirJakarta)", True),
        ("banjir", "#prabanjir", False),
        ("banjir", "https://a.example/x#banjirjakarta", False),
        ("banjir", "𝗯𝗮𝗻𝗷𝗶𝗿 dan ｂａｎｊｉｒ", True),
        ("banjir", "", False),
        ("banjir", None, False),
        ("banjir", "ban jir", False),
        ("#banjir", "banjir", False),
        ("#banjir", "#banjir", True),
        ("#banjir", "#banjirjakarta", True),
        ("air bah", "Air\n  bah datang", True),
        ("air bah", "air bahasa", False),
        ("air bah", "#airbah2020", True),
        ("air bah", "air dan bah", False),
        ("überflutung", "U\u0308BERFLUTUNG", True),
        ("strasse", "Straße", True),
        ("洪水", "今日は洪水です", True),
        ("น้ำท่วม", "กรุงเทพน้ำท่วมหนัก", True),
        ("बाढ़", "बाढ़ आई", True),
        ("बाढ", "बाढ़ आई", False),
        ("c++", "in c++11", True),
        ("🌊", "oh🌊no", True),
    ],
)
def test_a_keyword_is_a_whole_word_or_begins_a_hashtag(keyword: str, text: str | None, found: bool) -> None:
    assert Wanted([keyword])(item(text)) is found


def test_hashtags_that_stand_in_no_text_count_too() -> None:
    wanted = Wanted(["banjir"])
    assert wanted(item("lihat ini", "BanjirJakarta"))
    assert not wanted(item("lihat ini", "prabanjir"))
    assert Wanted(["#banjir"])(item(None, "banjir"))


def test_any_of_the_keywords_will_do_and_none_means_all() -> None:
    assert Wanted(["gempa", "banjir"])(item("banjir"))
    assert not Wanted(["gempa", "banjir"])(item("longsor"))
    assert Wanted()(item(None, language=None))


def test_a_refusal_says_why() -> None:
    wanted = Wanted(["banjir"], only_with_image=True, languages=["in", "JV"])
    url = "https://a.example/1"
    assert wanted.refusal(item("banjir")) == NO_IMAGE
    assert wanted.refusal(item("banjir", image=url, language="en")) == OTHER_LANGUAGE
    assert wanted.refusal(item("banjir", image=url, language=None)) == OTHER_LANGUAGE
    assert wanted.refusal(item("longsor", image=url)) == NO_WORD
    assert wanted.refusal(item("banjir", image=url)) is None
    assert wanted.refusal(item("banjir", image=url, language="jv")) is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"keywords": ["banjir", " "]}, "--keyword is blank. Name a word, or leave it away to get every post."),
        ({"keywords": ["#"]}, "--keyword is blank. Name a word, or leave it away to get every post."),
        ({"languages": ["Indonesian"]}, "--language 'Indonesian' is not a language's code. Give one such as id or en."),
    ],
)
def test_what_selects_nothing_is_refused(options: dict[str, list[str]], said: str) -> None:
    with pytest.raises(DataError) as error:
        Wanted(**options)  # type: ignore[arg-type]  # Only lists are given.
    assert str(error.value) == said
