"""Which topics is a new article of? Ours beside gensim's and tomotopy's inference, with the same topics, on one core.

    python benchmarks/topics_inference.py [--data articles.jsonl.gz | --made 4000] [--topics 10] [--rounds 5]

`--data` is Reuters-21578 as in topics.py; without it the benchmark is skipped, and `--made` takes made news. tomotopy
learns topics from the training articles; all three then tell the topics of the same test articles from the same word
probabilities and prior, each from its own form of the words, which is ready. Turn by turn in one run; ratios are
medians of the turns' ratios, with the least and the greatest. The claims: at least 20 times gensim and 60 times
tomotopy, where hidden words are at least as probable; two processes do 1.8 times as much as one.
"""

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # All three on one core.

import numpy as np
from numpy.typing import NDArray
from topics import REUTERS, Texts, bags, even, read_texts, recipe_of

from siaga.features.documents import Documents
from siaga.models.topics.completion import halves, log_likelihoods, perplexity
from siaga.models.topics.fold_in import FoldIn

ITERATIONS = 100
REPEATS = 10  # Ours is too quick to be timed once.
PROCESS_REPEATS = 100

Shares = NDArray[np.float64]
Infer = dict[str, Callable[[Any], Shares]]  # Any: each library's own form of texts.
Forms = dict[str, Callable[[Documents], Any]]  # Any: as above.


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=REUTERS)
    parser.add_argument("--made", type=int, default=0)
    parser.add_argument("--topics", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    if not given.made and not given.data.exists():
        skipped = "give --data, articles of Reuters-21578, or --made 4000"
        print(json.dumps({"benchmark": "topics_inference", "skipped": skipped}))
        return
    texts = read_texts(recipe_of(given.data, given.made))
    model = _learned(texts, given.topics)
    phi, alpha = _phi(model, texts.n_words), np.array(model.alpha, dtype=np.float64)
    fold_in = FoldIn(phi, alpha)
    infer: Infer = {
        "ours": fold_in,
        "gensim": _gensim(phi, alpha),
        "tomotopy": lambda made: np.array(model.infer(made, workers=1)[0]),
    }
    forms: Forms = {
        "ours": lambda documents: documents,
        "gensim": lambda documents: bags(documents, texts.n_words),
        "tomotopy": lambda documents: [model.make_doc(words) for words in _named(documents)],
    }
    facts = {"texts": len(texts.test), "words_of_a_text": round(len(texts.test.tokens) / len(texts.test))}
    result = {
        "benchmark": "topics_inference",
        "topics": given.topics,
        **facts,
        **_speeds(infer, forms, texts.test, given.rounds),
        "perplexity": _perplexities(infer, forms, texts.test, phi),
        "two_processes_over_one": _two_processes(fold_in, texts.test, given.rounds),
    }
    print(json.dumps(result))


def _learned(texts: Texts, topics: int) -> Any:  # Any: tomotopy's model, here and below.
    import tomotopy

    model = tomotopy.LDAModel(k=topics, seed=0, alpha=0.1, eta=0.01)
    for words in _named(texts.train):
        model.add_doc(words)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The training result may differ", category=RuntimeWarning)
        model.train(ITERATIONS, workers=2, parallel=tomotopy.ParallelScheme.PARTITION)
    return model


def _phi(model: Any, n_words: int) -> NDArray[np.float32]:
    phi = np.full((model.k, n_words), 1e-9)
    phi[:, [int(name) for name in model.used_vocabs]] = [model.get_topic_word_dist(topic) for topic in range(model.k)]
    return even(phi).astype(np.float32)


def _gensim(phi: NDArray[np.float32], alpha: Shares) -> Callable[[Any], Shares]:
    """Return gensim's variational inference with these topics."""
    from gensim.models import LdaModel

    model = LdaModel(num_topics=len(phi), id2word={i: str(i) for i in range(phi.shape[1])}, random_state=0)
    model.expElogbeta, model.alpha = phi, alpha.astype(np.float32)
    return lambda rows: even(model.inference(rows)[0])


def _named(documents: Documents) -> list[list[str]]:
    names, ends = list(map(str, documents.tokens.tolist())), documents.offsets.tolist()
    return [names[start:end] for start, end in itertools.pairwise(ends)]


def _speeds(
    infer: dict[str, Callable[[Any], Shares]],
    forms: dict[str, Callable[[Documents], Any]],
    test: Documents,
    rounds: int,
) -> dict[str, object]:
    seconds: dict[str, list[float]] = {name: [] for name in infer}
    for turn in range(rounds + 1):
        for name, work in infer.items():
            made, repeats = forms[name](test), REPEATS if name == "ours" else 1
            began = time.process_time()
            for _ in range(repeats):
                work(made)
            if turn:  # The first turn warms up.
                seconds[name].append((time.process_time() - began) / repeats)
    rates = {name: round(len(test) / statistics.median(taken)) for name, taken in seconds.items()}
    times = {name: _ratio(seconds[name], seconds["ours"]) for name in ("gensim", "tomotopy")}
    return {"texts_per_s": rates, "times_faster_than": times}


def _ratio(above: list[float], below: list[float]) -> list[float]:
    ratios = [a / b for a, b in zip(above, below, strict=True)]
    return [round(value, 2) for value in (statistics.median(ratios), min(ratios), max(ratios))]


def _perplexities(infer: Infer, forms: Forms, test: Documents, phi: NDArray[np.float32]) -> dict[str, float]:
    enough = test.take(np.flatnonzero(test.lengths() > 1))
    seen, hidden = halves(enough)
    likelihoods = {name: log_likelihoods(hidden, work(forms[name](seen)), phi) for name, work in infer.items()}
    return {name: round(perplexity(each, hidden.lengths()), 1) for name, each in likelihoods.items()}


def _two_processes(fold_in: FoldIn, test: Documents, rounds: int) -> list[float]:
    """Return how much more two processes do in the same time than one: the median of the turns, the least, the most."""
    one, two = [], []
    for _ in range(rounds):
        one.append(_seconds(fold_in, test, processes=1))
        two.append(_seconds(fold_in, test, processes=2))
    return _ratio([2 * seconds for seconds in one], two)


def _seconds(fold_in: FoldIn, test: Documents, *, processes: int) -> float:
    def work() -> None:
        ready.wait()
        for _ in range(PROCESS_REPEATS):
            fold_in(test)

    fork = multiprocessing.get_context("fork")
    ready = fork.Barrier(processes + 1)
    started = [fork.Process(target=work) for _ in range(processes)]
    for process in started:
        process.start()
    ready.wait()
    began = time.perf_counter()
    for process in started:
        process.join()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
