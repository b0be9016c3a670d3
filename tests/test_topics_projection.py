import numpy as np
import pytest

from siaga.evaluation.topics.projection import by_relevance, divergences, projection, relevant_words

PHI = np.array([[0.5, 0.5, 0.0, 0.0], [0.5, 0.25, 0.25, 0.0], [0.0, 0.0, 0.0, 1.0]], dtype=np.float32)


def made(topics: int, words: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).dirichlet(np.full(words, 0.1), size=topics)


def test_divergences_are_in_bits() -> None:
    found = divergences(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.5, 0.5]]))
    half = 0.8112781244591328 - 0.5  # The entropy of (.75, .25), less half that of (.5, .5).
    wanted = [[0, 1, half, half], [1, 0, half, half], [half, half, 0, 0], [half, half, 0, 0]]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_three_topics_keep_the_distances_they_have() -> None:
    points = projection(PHI)
    between = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.testing.assert_allclose(between, np.sqrt(divergences(PHI)), atol=1e-7)
    assert between[0, 1] < between[0, 2]


def test_the_map_does_not_depend_on_the_order_of_words_or_topics() -> None:
    phi, rng = made(7, 40), np.random.default_rng(1)
    words, topics = rng.permutation(40), rng.permutation(7)
    np.testing.assert_allclose(projection(phi[topics][:, words]), projection(phi)[topics], atol=1e-7)


def test_the_topic_farthest_out_stands_on_the_positive_side() -> None:
    points = projection(made(9, 30))
    for axis in points.T:
        assert axis[np.abs(axis).argmax()] > 0


@pytest.mark.parametrize("topics", [1, 2, 4])
def test_equal_topics_stand_on_one_point(topics: int) -> None:
    assert projection(np.full((topics, 5), 0.2)).tolist() == [[0.0, 0.0]] * topics


def test_of_very_many_topics_rare_words_are_taken_as_one() -> None:
    phi = np.random.default_rng(0).dirichlet(20 / np.arange(1, 1_001) ** 1.5, size=300)
    found, exact = divergences(phi)[:5, :5], divergences(phi[:5])
    assert (found <= exact + 1e-12).all()
    assert 1e-6 < np.abs(found - exact).max() < 0.05


def test_relevance_weighs_how_often_a_word_is_against_how_special() -> None:
    rows = [
        {"word": "often", "probability": 0.5, "overall": 0.5},
        {"word": "special", "probability": 0.1, "overall": 0.01},
        {"word": "rare", "probability": 0.001, "overall": 0.00001},
    ]
    orders = {weight: [row["word"] for row in by_relevance(rows, weight)] for weight in (0.0, 0.5, 1.0)}
    assert orders == {
        0.0: ["rare", "special", "often"],  # Lifts of 100, 10 and 1.
        0.5: ["special", "often", "rare"],  # ln p - ln(overall) / 2: 0, -0.35 and -1.15.
        1.0: ["often", "special", "rare"],
    }


def test_of_equally_relevant_words_the_more_probable_is_first_then_the_alphabet_decides() -> None:
    rows = [{"word": word, "probability": p, "overall": p / 4} for word, p in (("b", 0.1), ("c", 0.2), ("a", 0.1))]
    assert [row["word"] for row in by_relevance(rows, 0.0)] == ["c", "a", "b"]


def test_a_topic_shows_its_first_words_for_every_weight() -> None:
    phi, weights = made(4, 200), [0.4, 0.3, 0.2, 0.1]
    names = [f"w{i}" for i in range(200)]
    overall = np.array(weights) @ phi
    for k, rows in enumerate(relevant_words(phi, [4, 3, 2, 1], names)):
        found = [row["word"] for row in rows]
        assert len(set(found)) == len(found) <= 80
        for order in (phi[k], phi[k] / overall, np.log(phi[k]) - 0.4 * np.log(overall)):
            assert {names[i] for i in np.argsort(-order)[:15]} <= set(found)
        assert found[:40] == [names[i] for i in np.argsort(0.4 * np.log(overall) - np.log(phi[k]))[:40]]
        place = names.index(found[0])
        assert rows[0]["probability"] == pytest.approx(phi[k, place], rel=1e-3)
        assert rows[0]["overall"] == pytest.approx(overall[place], rel=1e-3)
        assert found[0] == names[int(np.argmax(np.log(phi[k]) - 0.4 * np.log(overall)))]


def test_a_topic_never_shows_more_than_eighty_words_and_keeps_the_first_of_each_weight() -> None:
    overall = np.exp(-np.linspace(0, 12, 4_000))  # Each weight has its own favourites along this curve.
    lift = np.exp(np.sqrt(np.linspace(0, 60, 4_000)))
    phi = np.stack([overall * lift / (overall * lift).sum(), overall / overall.sum()])
    weights = (1e-9, 1.0)
    [rows, _] = relevant_words(phi, weights, [str(i) for i in range(4_000)])
    everywhere = np.array(weights) / sum(weights) @ phi
    assert len(rows) == 80
    for weight in np.arange(11) / 10:
        best = np.argmax(np.log(phi[0]) - (1 - weight) * np.log(everywhere))
        assert str(best) in {row["word"] for row in rows}


def test_of_fewer_than_fifteen_words_all_are_shown() -> None:
    [rows, *_] = relevant_words(PHI, [1, 1, 1], ["a", "b", "c", "d"])
    assert [row["word"] for row in rows][:2] == ["b", "a"]
    assert {row["word"] for row in rows} == {"a", "b", "c", "d"}
