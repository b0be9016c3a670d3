"""Folding texts in is told what a slow and obvious EM finds, whatever the order of words and whoever is beside."""

import gzip
import json
import os
import re
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from siaga.features.compiled import compiled
from siaga.features.documents import Documents
from siaga.models.topics.completion import halves, log_likelihoods, perplexity
from siaga.models.topics.fold_in import FoldIn, fold_in

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
REUTERS = SHARED / "data/reuters21578/articles.jsonl.gz"

Floats = NDArray[np.float32]
Values = NDArray[np.float64]


def made(topics: int, *, words: int = 300, concentration: float = 0.1) -> tuple[Floats, Values]:
    rng = np.random.default_rng(topics)
    phi = rng.dirichlet(np.full(words, concentration), topics) + 1e-6
    return (phi / phi.sum(axis=1, keepdims=True)).astype(np.float32), rng.uniform(0.02, 0.5, topics)


def made_texts(phi: Floats, lengths: list[int]) -> Documents:
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.full(len(phi), 0.2), len(lengths)) @ phi.astype(np.float64)
    shares /= shares.sum(axis=1, keepdims=True)
    texts = [rng.choice(phi.shape[1], n, p=row) for n, row in zip(lengths, shares, strict=True)]
    return Documents.of([text.astype(np.int32) for text in texts])


def swept(text: NDArray[np.int32], phi: Floats, alpha: Values) -> Values:
    """Return the shares by the same sweeps, word by word and in double precision."""
    weights, new = alpha.copy(), alpha
    for sweep in range(200):
        new = alpha.copy()
        for word in text:
            part = weights * phi[:, word]
            new = new + part / part.sum()
        if np.abs(new - weights).max() <= 1e-3 * (len(text) + alpha.sum()):
            break
        pace = (1.0, 1.5, 3.0)[sweep % 3]
        weights = np.maximum(weights + pace * (new - weights), alpha)
    shares: Values = new / new.sum()
    return shares


def settled(text: NDArray[np.int32], phi: Floats, alpha: Values) -> Values:
    """Return the shares that plain EM ends at."""
    columns, weights = phi[:, text].astype(np.float64), alpha.copy()
    for _ in range(20_000):
        new = alpha + (weights[:, None] * columns / (weights @ columns)).sum(axis=1)
        if np.abs(new - weights).max() < 1e-7:
            break
        weights = new
    shares: Values = weights / weights.sum()
    return shares


def log_posterior(shares: Values, text: NDArray[np.int32], phi: Floats, alpha: Values) -> float:
    return float(np.log(shares @ phi[:, text]).sum() + alpha @ np.log(shares))


@pytest.mark.parametrize("topics", [2, 3, 4, 7, 8, 10, 33, 64])
def test_shares_are_those_of_the_same_sweeps_done_by_hand(topics: int) -> None:
    phi, alpha = made(topics)
    texts = made_texts(phi, [1, 2, 3, 7, 8, 9, 40, 150, 400])
    expected = [swept(texts.take([i]).tokens, phi, alpha) for i in range(len(texts))]
    np.testing.assert_allclose(FoldIn(phi, alpha)(texts), expected, atol=1e-5)


@pytest.mark.parametrize(("topics", "concentration"), [(2, 5.0), (10, 0.1), (30, 1.0)])
def test_shares_are_nearly_as_probable_as_where_plain_em_ends(topics: int, concentration: float) -> None:
    phi, alpha = made(topics, concentration=concentration)
    texts = made_texts(phi, [1, 5, 30, 200])
    for i, shares in enumerate(FoldIn(phi, alpha)(texts)):
        text = texts.take([i]).tokens
        end = settled(text, phi, alpha)
        lost = log_posterior(end, text, phi, alpha) - log_posterior(shares, text, phi, alpha)
        assert lost / len(text) < 2e-3
        assert np.abs(end - shares).max() < 0.05


def test_a_text_gets_the_same_bits_alone_and_among_others() -> None:
    phi, alpha = made(10)
    texts = made_texts(phi, [5, 300, 0, 17, 64, 1])
    together = fold_in(texts, phi=phi, alpha=alpha)
    for i in range(len(texts)):
        assert fold_in(texts.take([i]), phi=phi, alpha=alpha)[0].tobytes() == together[i].tobytes()
    backwards = fold_in(texts.take(np.arange(len(texts))[::-1]), phi=phi, alpha=alpha)
    assert backwards[::-1].tobytes() == together.tobytes()


def test_texts_that_no_sweep_settles_end_all_the_same() -> None:
    phi = np.full((40, 50), 0.02, dtype=np.float32)  # All topics are alike: whatever alpha prefers, grows slowly.
    alpha = np.linspace(0.001, 0.0011, 40)
    shares = fold_in(Documents.of([[word % 50 for word in range(3000)]]), phi=phi, alpha=alpha)
    np.testing.assert_allclose(shares.sum(), 1.0)
    assert (shares > 0).all()


def test_the_order_of_words_changes_no_bit() -> None:
    phi, alpha = made(10, words=9000)  # More than 64 × 64 words, so that blocks of bits are several.
    tokens = np.random.default_rng(3).integers(0, 9000, 500).astype(np.int32)
    tokens[:4] = [0, 4095, 4096, 8999]
    orders = [tokens, tokens[::-1].copy(), np.sort(tokens), np.random.default_rng(4).permutation(tokens)]
    rows = FoldIn(phi, alpha)(Documents.of(orders))
    assert len({row.tobytes() for row in rows}) == 1


def test_the_first_and_the_last_word_of_many_are_read() -> None:
    phi = np.full((2, 9000), 1e-9, dtype=np.float32)
    phi[0, [0, 4096]] = phi[1, [4095, 8999]] = 0.5
    shares = fold_in(Documents.of([[0], [4096], [4095], [8999]]), phi=phi, alpha=np.array([0.1, 0.1]))
    np.testing.assert_allclose(shares, np.array([[1.1, 0.1], [1.1, 0.1], [0.1, 1.1], [0.1, 1.1]]) / 1.2, atol=2e-3)


def test_a_repeated_word_counts_as_often_as_it_stands_there() -> None:
    phi = np.array([[0.999, 0.001], [0.001, 0.999]], dtype=np.float32)
    once, often = fold_in(Documents.of([[0, 1], [0, 0, 0, 1]]), phi=phi, alpha=np.array([0.5, 0.5]))
    np.testing.assert_allclose(once, [0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(often, [3.5 / 5, 1.5 / 5], atol=5e-3)


def test_an_empty_text_gets_the_shares_of_alpha() -> None:
    alpha = np.array([0.3, 0.1, 0.6])
    shares = fold_in(Documents.of([[], [0, 1], []]), phi=np.full((3, 2), 0.5, np.float32), alpha=alpha)
    np.testing.assert_allclose(shares[[0, 2]], [alpha, alpha], rtol=1e-6)


def test_no_texts_give_no_rows() -> None:
    phi, alpha = made(5)
    found = FoldIn(phi, alpha)
    assert found(Documents.of([])).shape == (0, 5)
    assert found.unclear(Documents.of([]), np.empty((0, 5)), 0.5).shape == (0,)


def test_rows_sum_to_one() -> None:
    phi, alpha = made(13)
    np.testing.assert_allclose(
        fold_in(made_texts(phi, [0, 1, 9, 99]), phi=phi, alpha=alpha).sum(axis=1), 1.0, rtol=1e-12
    )


def test_a_word_that_no_topic_has_says_nothing() -> None:
    phi, alpha = made(4)
    phi[:, 7] = 0.0
    without, alone, with_it = fold_in(Documents.of([[1, 2, 3], [7, 7], [1, 7, 2, 3]]), phi=phi, alpha=alpha)
    np.testing.assert_allclose(with_it, without, atol=3e-3)
    np.testing.assert_allclose(alone, alpha / alpha.sum(), rtol=1e-6)


def test_words_that_are_a_map_of_a_file_are_read(tmp_path: Path) -> None:
    phi, alpha = made(6)
    texts = made_texts(phi, [30, 20])
    texts.tokens.tofile(tmp_path / "tokens")
    mapped = Documents(np.asarray(np.memmap(tmp_path / "tokens", np.int32, "r+")), texts.offsets)
    assert fold_in(mapped, phi=phi, alpha=alpha).tobytes() == fold_in(texts, phi=phi, alpha=alpha).tobytes()


@pytest.mark.parametrize("word", [-1, 300])
def test_a_word_with_a_number_that_there_is_not_is_refused(word: int) -> None:
    phi, alpha = made(3)
    with pytest.raises(ValueError, match="300 are known"):
        FoldIn(phi, alpha)(Documents.of([[0, word]]))
    with pytest.raises(ValueError, match="300 are known"):
        FoldIn(phi, alpha).unclear(Documents.of([[0, word]]), np.ones((1, 3)), 0.5)


@pytest.mark.parametrize("alpha", [np.ones(2), np.array([0.1, 0.0, 0.1]), np.ones((3, 1))])
def test_prior_weights_that_do_not_fit_are_refused(alpha: Values) -> None:
    with pytest.raises(ValueError, match="above 0"):
        FoldIn(np.full((3, 4), 0.25, np.float32), alpha)


def test_unclear_words_are_those_without_a_topic_of_that_probability() -> None:
    phi, alpha = made(5, concentration=2.0)
    texts = made_texts(phi, [0, 1, 20, 80])
    found = FoldIn(phi, alpha)
    shares = found(texts)
    for clear in (0.3, 0.5, 0.9):
        expected = []
        for i in range(len(texts)):
            parts = shares[i][:, None] * phi[:, texts.take([i]).tokens]
            expected.append(int((parts.max(axis=0, initial=0.0) < clear * parts.sum(axis=0)).sum()))
        assert found.unclear(texts, shares, clear).tolist() == expected


def test_a_word_whose_topic_is_just_probable_enough_is_clear() -> None:
    found = FoldIn(np.full((2, 4), 0.25, np.float32), np.ones(2))
    assert found.unclear(Documents.of([[0, 1]]), np.array([[0.5, 0.5]]), 0.5).tolist() == [0]


def test_a_word_that_no_topic_has_is_unclear() -> None:
    phi = np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]], dtype=np.float32)
    unclear = FoldIn(phi, np.ones(2)).unclear(Documents.of([[0, 2, 2]]), np.array([[0.5, 0.5]]), 0.5)
    assert unclear.tolist() == [2]


def test_shares_of_other_texts_are_refused() -> None:
    phi, alpha = made(3)
    with pytest.raises(ValueError, match=r"Give \(1, 3\)"):
        FoldIn(phi, alpha).unclear(Documents.of([[0]]), np.ones((2, 3)), 0.5)


@pytest.mark.skipif(not REUTERS.exists(), reason=f"{REUTERS} is not there")
def test_hidden_words_of_news_are_guessed_as_well_as_by_the_inference_of_gensim_and_tomotopy() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Of its imports, here and below.
        import tomotopy
    train, test, n_words = reuters(1500, 400)
    model = tomotopy.LDAModel(k=10, seed=1, alpha=0.1, eta=0.01)
    for text in train:
        model.add_doc([str(word) for word in text])
    model.train(60, workers=1)
    numbers = [int(word) for word in model.used_vocabs]
    phi = np.full((10, n_words), 1e-9, dtype=np.float32)
    phi[:, numbers] = [model.get_topic_word_dist(k) for k in range(10)]
    alpha = model.alpha.astype(np.float64)
    seen, hidden = halves(Documents.of(test))

    def guessed(shares: Values) -> float:
        return perplexity(log_likelihoods(hidden, shares, phi), hidden.lengths())

    ours = guessed(fold_in(seen, phi=phi, alpha=alpha))
    known = set(numbers)
    read = [[str(w) for w in seen.take([i]).tokens if w in known] for i in range(len(seen))]
    theirs, _ = model.infer([model.make_doc(words) for words in read], workers=1)
    assert ours < 1.01 * guessed(np.asarray(theirs, dtype=np.float64))
    assert ours < 1.01 * guessed(of_gensim(seen, phi, alpha))


def of_gensim(texts: Documents, phi: Floats, alpha: Values) -> Values:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gensim.models import LdaModel
    model = LdaModel(num_topics=len(phi), id2word={i: str(i) for i in range(phi.shape[1])}, alpha=alpha.tolist())
    model.expElogbeta = phi
    bags = [sorted(Counter(texts.take([i]).tokens.tolist()).items()) for i in range(len(texts))]
    gamma, _ = model.inference(bags)
    return np.asarray(gamma / gamma.sum(axis=1, keepdims=True), dtype=np.float64)


def reuters(n_train: int, n_test: int) -> tuple[list[list[int]], list[list[int]], int]:
    """Return texts of words that stand in 3 % of them at most and in five texts at least."""
    texts = []
    with gzip.open(REUTERS, "rt", encoding="utf-8") as lines:
        for line in lines:
            words = re.findall("[a-z]{3,}", str(json.loads(line)["body"]).lower())
            if len(words) > 60:
                texts.append(words)
            if len(texts) == n_train + n_test:
                break
    count = Counter(word for words in texts for word in set(words))
    known = sorted(word for word, n in count.items() if 5 <= n <= 0.03 * len(texts))
    number = {word: i for i, word in enumerate(known)}
    rows = [[number[word] for word in words if word in number] for words in texts]
    return rows[:n_train], rows[n_train:], len(known)


def test_where_nothing_can_be_kept_on_disk_it_is_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])  # As where all folders are sealed.

    def doubled(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return values * 2

    assert compiled(doubled)(np.array([1.5])).tolist() == [3.0]
