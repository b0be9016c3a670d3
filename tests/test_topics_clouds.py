from itertools import combinations

import pytest

from siaga.evaluation.topics.clouds import FRAME, Placed, cloud, shortened, width_of

WORDS = ("oil", "crude", "barrel", "prices", "opec", "output", "refinery")
NEWS = {word: 1 / (place + 1) ** 0.8 for place, word in enumerate(WORDS)}
MANY = {f"word{'x' * (i % 11)}{i}": 1 / (i + 1) for i in range(40)}
HOSTILE = {
    "</text><script>": 3.0,
    "banjir" * 60: 2.0,
    "洪水のニュース": 1.0,
    "": 0.5,
    "\x00\ud800": 0.5,
    "a\u0301": 0.1,
    " ": 0.0,
}


def overlap(a: Placed, b: Placed) -> bool:
    (left, top, right, bottom), (left_b, top_b, right_b, bottom_b) = a.box, b.box
    return left < right_b and left_b < right and top < bottom_b and top_b < bottom


@pytest.mark.parametrize("weights", [NEWS, MANY, HOSTILE, dict.fromkeys(MANY, 1.0), {"only": 2.0}], ids=len)
@pytest.mark.parametrize("frame", [FRAME, (200.0, 90.0)])
def test_no_word_stands_on_another_or_outside_the_frame(weights: dict[str, float], frame: tuple[float, float]) -> None:
    placed = cloud(weights, frame=frame)
    assert placed
    assert not [pair for pair in combinations(placed, 2) if overlap(*pair)]
    for each in placed:
        left, top, right, bottom = each.box
        assert left >= 0
        assert top >= 0
        assert right <= frame[0]
        assert bottom <= frame[1]


@pytest.mark.parametrize("weights", [NEWS, MANY, HOSTILE], ids=len)
def test_every_word_finds_its_place_in_the_frame_of_the_page(weights: dict[str, float]) -> None:
    assert {each.word for each in cloud(weights)} == set(weights)


def test_equal_weights_give_equal_clouds_in_whatever_order_they_come() -> None:
    assert cloud(MANY) == cloud(dict(reversed(MANY.items())))
    assert cloud({"b": 1.0, "a": 1.0})[0].word == "a"


def test_the_heaviest_word_is_the_largest_and_in_the_middle() -> None:
    placed = cloud(NEWS)
    sizes = [each.size for each in placed]
    assert [each.word for each in placed] == list(NEWS)
    assert sizes == sorted(sizes, reverse=True)
    left, top, right, bottom = placed[0].box
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((FRAME[0] / 2, FRAME[1] / 2), abs=0.5)


def test_where_there_is_no_room_the_lightest_words_are_left_out() -> None:
    weights = {f"word number {i}": 1 / (i + 1) for i in range(300)}
    placed = cloud(weights)
    assert 20 < len(placed) < 300
    assert {f"word number {i}" for i in range(15)} <= {each.word for each in placed}


def test_a_phrase_is_written_with_a_space_and_a_long_word_is_shortened() -> None:
    assert [each.shown for each in cloud({"new_york": 1.0})] == ["new york"]
    assert shortened("banjir" * 60) == "banjirbanjirbanjirbanji…"
    assert shortened("b" * 24) == "b" * 24
    assert shortened("a\x00b") == "a�b"
    [long] = cloud({"W" * 24: 1.0}, frame=(120.0, 90.0))
    assert long.shown.startswith("WWW")
    assert long.shown.endswith("…")
    assert long.width <= 120


def test_widths_are_those_of_the_letters() -> None:
    assert width_of("") == 0.0
    assert width_of("ii") == pytest.approx(2 * width_of("i"))
    assert 2 * width_of("i") < width_of("m") < 1.1
    assert width_of("洪") == 1.0  # Matplotlib's font lacks it; such signs are as wide as they are high.
    assert width_of("a\u0301") == width_of("a")


def test_no_words_make_no_cloud() -> None:
    assert cloud({}) == []
