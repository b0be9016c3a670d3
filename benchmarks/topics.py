"""Topics beside those of other libraries on the same words: seconds, held-out perplexity, coherence, stability, codes.

    python benchmarks/topics.py [--data articles.jsonl.gz | --made 4000] [--topics 10 50] [--seeds 2]

`--data` is Reuters-21578, a JSON object a line (title, body, date, topics); without it the benchmark is skipped, and
`--made` takes made news. All learn from the same training articles as numbers of the same known words, turn by turn
in one run: ours, gensim's LdaModel in one pass and LdaMulticore in five, scikit-learn's online LDA, and a
non-negative factorisation of TF-IDF. Seconds are those of learning alone, each library's own form of the words being
ready, one figure a seed. On test articles, with the first seed: the perplexity of every second word, whose topics each
library's own inference tells from the words between (a factorisation has no probabilities), and the coherence of the
ten first words (NPMI), both with 95 % intervals; stability is the mean Jaccard index of the ten first words of matched
topics over the seeds; mutual information and purity against human codes are of test articles with a single code. How
fast inference is, and the whole command, are measured by topics_inference.py and topics_run.py.
"""

import argparse
import gzip
import itertools
import json
import logging
import os
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siaga.evaluation.intervals import Interval
from siaga.evaluation.topics.intervals import (
    GROUPS,
    coherence_interval,
    nmi_and_purity,
    perplexity_interval,
)
from siaga.features.documents import Documents
from siaga.features.learned_words import learn_vocabulary
from siaga.features.spelling import recode
from siaga.models.classifier import silent
from siaga.models.topics.agreement import matched, top_words
from siaga.models.topics.coherence import Cooccurrences, count_together
from siaga.models.topics.completion import halves, log_likelihoods
from siaga.models.topics.fold_in import FoldIn
from siaga.models.topics.gibbs import Sampling, learn
from siaga.quarantine import Quarantine
from siaga.recipe import load_recipe
from siaga.schema import Recipe
from siaga.topic_run import prepare_corpus, topics_of

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
REUTERS = SHARED / "data" / "reuters21578" / "articles.jsonl.gz"
WORKERS = 2
TOP_WORDS, RESAMPLES = 10, 2000

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Texts:
    """Articles as numbers of known words: those to learn from, those to test on, and single codes of the latter."""

    train: Documents
    test: Documents
    codes: list[str | None]
    n_words: int


@dataclass(frozen=True)
class Found:
    """Topics, (topics, words), rows that sum to 1; what tells the shares of topics of texts; seconds of learning."""

    phi: NDArray[np.float32]
    shares: Callable[[Documents], Shares]
    seconds: float


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=REUTERS)
    parser.add_argument("--made", type=int, default=0)
    parser.add_argument("--topics", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    if not given.made and not given.data.exists():
        print(json.dumps({"benchmark": "topics", "skipped": "give --data, articles of Reuters-21578, or --made 4000"}))
        return
    logging.disable(logging.WARNING)  # What gensim says of one pass is known here.
    recipe = recipe_of(given.data, given.made)
    texts = read_texts(recipe, None if given.made else _codes(given.data))
    facts = {
        "data": f"{given.made} made articles" if given.made else given.data.parent.name,
        "train": len(texts.train),
        "test": len(texts.test),
        "words": texts.n_words,
        "tokens": len(texts.train.tokens),
    }
    measured = {str(topics): _measure(texts, recipe, topics, given.seeds) for topics in given.topics}
    print(json.dumps({"benchmark": "topics", **facts, "topics": measured}))


def recipe_of(data: Path, made: int) -> Recipe:
    """Return the recipe that reads the articles, or makes so many."""
    if made:
        return load_recipe("news-topics", overrides=[f"source.posts={made}"])
    return load_recipe(Path(__file__).parent / "recipes" / "reuters.toml", overrides=[f"source.path={data}"])


def _codes(path: Path) -> dict[str, str | None]:
    """Return the human code of each article by id; None for an article with several or none."""
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        rows = [json.loads(line) for line in stream]
    return {row["id"]: row["topics"][0] if len(row["topics"]) == 1 else None for row in rows}


def read_texts(recipe: Recipe, codes: Mapping[str, str | None] | None = None) -> Texts:
    """Return the articles that have a known word; without `codes` their labels are the codes."""
    corpus, parts, _ = prepare_corpus(recipe, quarantine=Quarantine())
    vocabulary, _ = learn_vocabulary(corpus.spelt, parts["train"], topics_of(recipe).words)
    documents = recode(corpus.spelt, vocabulary)
    known = documents.lengths() > 0
    train, test = (parts[name][known[parts[name]]] for name in ("train", "test"))
    posts = [corpus.posts[row] for row in test.tolist()]
    said = [post.label if codes is None else codes[post.id] for post in posts]
    return Texts(documents.take(train), documents.take(test), said, len(vocabulary.words))


def _measure(texts: Texts, recipe: Recipe, topics: int, seeds: int) -> dict[str, dict[str, object]]:
    methods: dict[str, Callable[[int], Found]] = {
        "ours": lambda seed: _ours(texts, recipe, topics, seed),
        "gensim_one_pass": lambda seed: _gensim(texts, topics, seed, several=False),
        "gensim_multicore_five_passes": lambda seed: _gensim(texts, topics, seed, several=True),
        "sklearn_online": lambda seed: _sklearn(texts, topics, seed),
        "nmf_of_tfidf": lambda seed: _factorised(texts, topics, seed),
    }
    found: dict[str, list[Found]] = {name: [] for name in methods}
    for seed in range(seeds):
        for name, method in methods.items():
            found[name].append(method(seed))
    return {name: _measured(each, texts, has_odds=name != "nmf_of_tfidf") for name, each in found.items()}


def _measured(found: list[Found], texts: Texts, *, has_odds: bool) -> dict[str, object]:
    first, words = found[0], [top_words(each.phi, TOP_WORDS) for each in found]
    sets = [[set(row) for row in rows.tolist()] for rows in words]
    jaccards = [float(matched(a, b)[1].mean()) for a, b in itertools.combinations(sets, 2)]
    together = count_together(words[0], texts.test, window=10, groups=GROUPS)
    rows = [row for row, code in enumerate(texts.codes) if code is not None]
    main = first.shares(texts.test.take(rows)).argmax(axis=1)
    agreement = nmi_and_purity([str(texts.codes[row]) for row in rows], main, resamples=RESAMPLES, seed=0)
    return {
        "seconds": [round(each.seconds, 2) for each in found],
        "perplexity": _rounded(_perplexity(first, texts.test), 0) if has_odds else None,
        "npmi": _rounded(coherence_interval(together, Cooccurrences.npmi), 3),
        "stability": round(float(np.mean(jaccards)), 3) if jaccards else None,
        **{name: _rounded(interval, 3) for name, interval in agreement.items()},
    }


def _perplexity(found: Found, test: Documents) -> Interval:
    seen, hidden = halves(test)
    likelihoods = log_likelihoods(hidden, found.shares(seen), found.phi)
    return perplexity_interval(likelihoods, hidden.lengths(), resamples=RESAMPLES, seed=0)


def _rounded(interval: Interval, digits: int) -> list[float | None]:
    return [None if end is None else round(end, digits) for end in interval.values()]


def _ours(texts: Texts, recipe: Recipe, topics: int, seed: int) -> Found:
    spec = topics_of(recipe)
    sampling = Sampling(topics, spec.iterations, spec.tolerance, WORKERS, spec.doubt, seed)
    began = time.perf_counter()
    learned = learn(texts.train, texts.n_words, sampling, progress=silent)
    phi = learned.phi()
    return Found(phi, FoldIn(phi, learned.alpha), time.perf_counter() - began)


def _gensim(texts: Texts, topics: int, seed: int, *, several: bool) -> Found:
    from gensim.models import LdaModel, LdaMulticore

    rows = bags(texts.train, texts.n_words)
    settings = {"num_topics": topics, "random_state": seed, "id2word": {i: str(i) for i in range(texts.n_words)}}
    began = time.perf_counter()
    model = LdaMulticore(rows, passes=5, workers=WORKERS, **settings) if several else LdaModel(rows, **settings)
    seconds = time.perf_counter() - began

    def shares(documents: Documents) -> Shares:
        gamma, _ = model.inference(bags(documents, texts.n_words))
        return even(gamma)

    return Found(model.get_topics().astype(np.float32), shares, seconds)


def _sklearn(texts: Texts, topics: int, seed: int) -> Found:
    from sklearn.decomposition import LatentDirichletAllocation

    counts = texts.train.counts(texts.n_words)
    model = LatentDirichletAllocation(topics, learning_method="online", random_state=seed)
    began = time.perf_counter()
    model.fit(counts)
    seconds = time.perf_counter() - began
    phi = even(model.components_).astype(np.float32)
    return Found(phi, lambda documents: model.transform(documents.counts(texts.n_words)), seconds)


def _factorised(texts: Texts, topics: int, seed: int) -> Found:
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import TfidfTransformer

    counts = texts.train.counts(texts.n_words)
    weighting, model = TfidfTransformer(), NMF(topics, random_state=seed)
    began = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # It is run as it comes, for 200 steps at most.
        model.fit(weighting.fit_transform(counts))
    seconds = time.perf_counter() - began
    phi = even(model.components_).astype(np.float32)
    return Found(phi, lambda each: model.transform(weighting.transform(each.counts(texts.n_words))), seconds)


def bags(documents: Documents, n_words: int) -> list[list[tuple[int, int]]]:
    """Return texts as gensim has them."""
    counts = documents.counts(n_words)
    ends = counts.indptr.tolist()
    pairs = list(zip(counts.indices.tolist(), counts.data.tolist(), strict=True))
    return [pairs[start:end] for start, end in itertools.pairwise(ends)]


def even(weights: Any) -> Shares:  # Any: an array of another library.
    """Return the same rows, each with the sum 1 and nothing at 0."""
    rows: Shares = np.asarray(weights, dtype=np.float64) + 1e-12
    rows /= rows.sum(axis=1, keepdims=True)
    return rows


if __name__ == "__main__":
    main()
