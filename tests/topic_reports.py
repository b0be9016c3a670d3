"""Made-up reports on topics: news of any number of topics, with or without times, labels, choice and update."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from siaga.evaluation.topics.prevalence import prevalence
from siaga.evaluation.topics.projection import projection, relevant_words
from siaga.evaluation.topics.report import TopicReport

THEMES = (
    "oil crude barrel opec prices refinery pipeline output gasoline energy_ministry exporters drilling",
    "bank rates central_bank interest deposits lending reserve liquidity discount money_market bonds currency",
    "wheat grain corn harvest tonnes soybean crop farmers export_bonus drought sowing agriculture",
    "match goal season coach cup_final striker league stadium transfer injury referee defender",
    "flood rain river rescue evacuated landslide villages storm_surge dam victims shelter monsoon",
    "shares stock dividend quarter profit earnings merger takeover shareholders buyout stake analyst",
    "vote election parliament prime_minister coalition ballot candidate poll reform senator campaign minister",
    "hospital patients vaccine doctors virus outbreak clinic treatment infections health_ministry nurses trial",
    "film actor music festival album director award theatre concert singer premiere audience",
    "satellite rocket launch orbit astronauts telescope mission space_station engine spacecraft moon probe",
)
BACKGROUND = (
    *("people", "year", "government", "country", "last", "week", "state"),
    *("company", "new", "million", "report", "official", "group", "plan"),
)
SYLLABLES = tuple(start + end for start in "bklmnrst" for end in "aeio")
START = datetime(2023, 1, 2, tzinfo=UTC)


def made_report(topics: int = 10, *, seed: int = 0, **parts: bool) -> TopicReport:
    """Return a report; `times`, `labels`, `choice` and `update` say what it has, all but update where not said."""
    rng = np.random.default_rng(seed)
    words, phi = _made_topics(topics, rng)
    shares = rng.dirichlet(0.25 + 2.0 * rng.dirichlet(np.full(topics, 1.0)), size=2_400)
    shares, times = _over_time(shares, rng)
    sizes = shares.mean(axis=0)
    main = np.bincount(shares.argmax(axis=1), minlength=topics)
    has = {"times": True, "labels": True, "choice": True, "update": False} | parts
    similarity = rng.uniform(0.7, 1.0, topics)
    return TopicReport(
        recipe="news-topics",
        seed=seed,
        n=len(shares),
        classes=[f"topic {k + 1}" for k in range(topics)],
        metrics=_metrics(1.0) | {"stability": _interval(0.71, 0.05)},
        baselines={"unigram": {"perplexity": _interval(3_412.0, 80.0)}, "nmf": _without(_metrics(0.8), "perplexity")},
        topics=[
            {
                "number": k + 1,
                "name": f"topic {k + 1}",
                "share": float(sizes[k]),
                "posts": int(main[k]),
                "npmi": float(rng.uniform(0.02, 0.25)),
                "c_v": float(rng.uniform(0.4, 0.75)),
                "stability": float(rng.uniform(0.4, 1.0)),
                "similarity": float(similarity[k]) if has["update"] else None,
                "words": rows,
                "typical": [_typical(rows, k, each, rng) for each in range(5)],
            }
            for k, rows in enumerate(relevant_words(phi, sizes, words))
        ],
        map=projection(phi).tolist(),
        prevalence=prevalence(times, shares) if has["times"] else {},
        labels=_labels(shares, rng) if has["labels"] else {},
        choice=_choice() if has["choice"] else [],
        update={"start": "news-topics@1a2b3c", "new_words": 812, "similarity": similarity.tolist(), "moved": []}
        if has["update"]
        else {},
        vocabulary={"words": len(words), "phrases": 310, "tokens": 1_234_567, "posts": 11_800}
        | {"in too few posts": 40_112, "in too many posts": 9},
        training=[{"iteration": i, "log_likelihood": -7.4 - 1.3 * 0.97**i} for i in range(0, 200, 5)],
        data={
            "hash": "5b0c3f",
            "splits": {"train": {"posts": 9_000}, "validation": {"posts": 600}, "test": {"posts": 2_400}},
            "notes": ["The posts are split by chance."],
            "quarantine": {"Neither text nor picture.": 12},
            "columns": {"text": "content"},
        },
        environment={"python": "3.11", "machine": "2 cores"},
        seconds={"read": 2.1, "fit": 14.2, "evaluate": 8.8},
        settings={"top_words": 10, "seeds": 2, "clear": 0.5},
        recipe_toml='name = "news-topics"\n\n[model]\nkind = "topics"\n',
    )


def with_texts(report: TopicReport, texts: list[str]) -> TopicReport:
    """Return a report whose words, names, labels, posts and facts are these texts."""
    topics = []
    for k, topic in enumerate(report.topics):
        rows = [{**row, "word": f"{texts[(i + k) % len(texts)]}{i}"} for i, row in enumerate(topic["words"])]
        typical = [{**post, "id": texts[k % len(texts)], "text": texts[k % len(texts)]} for post in topic["typical"]]
        topics.append({**topic, "name": texts[k % len(texts)], "words": rows, "typical": typical})
    labels = {**report.labels, "names": [f"{i}{texts[i % len(texts)]}" for i in range(len(report.labels["names"]))]}
    return replace(
        report,
        recipe=texts[0],
        topics=topics,
        labels=labels,
        update={**report.update, "start": texts[1]} if report.update else {},
        vocabulary={**report.vocabulary, texts[0]: 3},
        data={"notes": texts, "quarantine": {texts[1]: 2}, "other": texts},
        environment={"machine": texts[-1]},
        recipe_toml="\n".join(texts),
    )


def _made_topics(topics: int, rng: np.random.Generator) -> tuple[list[str], np.ndarray[Any, Any]]:
    """Return words and (topics, words): a theme's words are common in its topic alone, the background everywhere."""
    themes = [theme.split() for theme in THEMES[:topics]]
    themes += [_invented(12, rng) for _ in range(topics - len(themes))]
    rare = _invented(600, rng)
    words = list(dict.fromkeys([*(word for theme in themes for word in theme), *BACKGROUND, *rare]))
    phi = np.full((topics, len(words)), 1e-6)
    for k, theme in enumerate(themes):
        for place, word in enumerate(theme):
            phi[k, words.index(word)] += rng.uniform(0.6, 1.4) * 0.05 / (place + 1.5) ** 0.7
        for place, word in enumerate(BACKGROUND):
            phi[k, words.index(word)] += rng.uniform(0.3, 1.6) * 0.02 / (place + 1)
        chosen = rng.choice(len(rare), 120, replace=False)
        phi[k, [words.index(rare[i]) for i in chosen]] += rng.exponential(0.0008, 120)
        phi[k] += 0.15 * phi[max(0, k - 1)]
    return words, phi / phi.sum(axis=1, keepdims=True)


def _invented(n: int, rng: np.random.Generator) -> list[str]:
    return ["".join(rng.choice(SYLLABLES, rng.integers(2, 5))) for _ in range(n)]


def _over_time(shares: np.ndarray[Any, Any], rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], list[datetime]]:
    """Return shares that rise and fall, and times over 40 weeks of which two have no posts."""
    days = rng.uniform(0, 280, len(shares))
    days[(days > 140) & (days < 154)] += 21
    phases = rng.uniform(0, 6.3, shares.shape[1])
    waves = 1 + 0.8 * np.sin(2 * np.pi * days[:, None] / 280 * 1.5 + phases)
    moved = shares * waves
    return moved / moved.sum(axis=1, keepdims=True), [START + timedelta(days=float(day)) for day in days]


def _typical(rows: list[dict[str, Any]], topic: int, place: int, rng: np.random.Generator) -> dict[str, Any]:
    words = [row["word"].replace("_", " ") for row in rows]
    text = " ".join(rng.choice(words, int(rng.integers(12, 40)))).capitalize() + "."
    return {"id": f"n{topic}-{place}", "text": text, "share": 0.98 - 0.02 * place, "time": "2023-03-04T10:00:00+00:00"}


def _labels(shares: np.ndarray[Any, Any], rng: np.random.Generator) -> dict[str, Any]:
    names = ["energy", "money", "grain", "sport", "weather", "companies", "politics", "health", "culture", "space"]
    names += ["trade", "crime", "travel", "schools"]
    counts = rng.poisson(4, (shares.shape[1], len(names)))
    for k in range(shares.shape[1]):
        counts[k, k % len(names)] += int(2_000 * shares[:, k].mean())
    counts[:, 3] *= np.arange(shares.shape[1]) > 2
    agreed = {"nmi": _interval(0.62, 0.02), "purity": _interval(0.74, 0.02)}
    return {"n": int(counts.sum()), **agreed, "names": names, "counts": counts.tolist()}


def _choice() -> list[dict[str, Any]]:
    tried = ((5, 1_890.0, 0.09, 0.2), (10, 1_720.0, 0.13, 0.81), (20, 1_655.0, 0.11, 0.74), (40, 1_640.0, 0.07, 0.5))
    return [
        {
            "topics": k,
            "perplexity": {"value": perplexity, "low": None, "high": None},
            "npmi": _interval(npmi, 0.012),
            "score": score,
            "chosen": k == 10,
            "seconds": 1.3 * k,
        }
        for k, perplexity, npmi, score in tried
    ]


def _metrics(factor: float) -> dict[str, Any]:
    return {
        "perplexity": _interval(1_702.3, 24.0),
        "npmi": _interval(0.131 * factor, 0.012),
        "c_v": _interval(0.584 * factor, 0.02),
        "diversity": {"value": 0.91 * factor, "low": None, "high": None},
        "unclear": _interval(0.213, 0.004),
    }


def _interval(value: float, half: float) -> dict[str, float | None]:
    return {"value": value, "low": value - half, "high": value + half}


def _without(row: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}
