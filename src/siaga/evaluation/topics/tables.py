"""The tables of the page of topics: a report's values as rows that the template only has to print."""

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from siaga.evaluation.tables import interval, number
from siaga.evaluation.topics.clouds import Placed, cloud, shortened
from siaga.evaluation.topics.projection import IN_CLOUD, RELEVANCE, SHOWN, Row, by_relevance
from siaga.evaluation.topics.report import TopicReport

Table = dict[str, Any]  # Any: what the template prints.
COLOURS = 8  # The largest topics have a colour of their own; more could not be told apart.
NAMING, SUMMARY = 3, 6
OWN, PARTLY = 0.5, 0.2  # Shares of a word's uses that are in the topic.
USUAL = 1.1  # A word no more often in a topic than so many times as anywhere says nothing of it.
MOST_LABELS = 12
LOWER = frozenset({"perplexity", "unclear"})
BASELINES = {"unigram": "word frequencies", "nmf": "NMF on TF-IDF"}
NAMES = {
    "perplexity": "perplexity",
    "npmi": "coherence (NPMI)",
    "c_v": "coherence (C_v)",
    "diversity": "diversity",
    "stability": "stability",
    "unclear": "unclear words",
}
MEANINGS = {
    "perplexity": "Every second word of each post is hidden and guessed from the words between: as hard as choosing "
    "among so many words. Lower is better; compare it only where the same words are known.",
    "npmi": "How often the first {top_words} words of a topic stand within ten words of each other in these posts: "
    "0 is chance, 1 is always, below 0 they avoid each other.",
    "c_v": "The same within 110 words, and by the company that words keep; of such figures it goes best with what "
    "people say of topics. From 0 to 1.",
    "diversity": "The share of different words among the first 25 of all topics: 1 where no topic repeats another.",
    "stability": "Learned again with {seeds}: how much of a topic's first {top_words} words come back in its "
    "counterpart. 1 is all of them.",
    "unclear": "The share of words that no topic explains with a probability of {clear} or more. Lower is better.",
}


def shown_word(word: str) -> str:
    """Return a word as people write it: a phrase is one word, and its parts are joined by a space."""
    return word.replace("_", " ")


def topic_rows(report: TopicReport) -> list[Table]:
    """Return the topics as the page shows them, in their order, each with its words, bars, cloud and colour."""
    largest = sorted(report.topics, key=lambda topic: (-topic["share"], topic["number"]))
    colours = {topic["number"]: place + 1 for place, topic in enumerate(largest[:COLOURS])}
    return [_topic(topic, colours.get(topic["number"], 0)) for topic in report.topics]


def word_data(report: TopicReport) -> dict[str, list[list[Any]]]:  # Any: a word and two numbers.
    """Return the words of each topic by its number, [word, probability, overall] each, for the page's script."""
    return {
        str(topic["number"]): [[shown_word(row["word"]), row["probability"], row["overall"]] for row in topic["words"]]
        for topic in report.topics
    }


def bar_rows(words: Sequence[Row], weight: float = RELEVANCE) -> list[Table]:
    """Return the most relevant words of a topic as bars, in % of the longest, as the page's script does for any λ."""
    first = by_relevance(words, weight)[:SHOWN]
    longest = max((max(row["probability"], row["overall"]) for row in first), default=1.0)
    return [
        {
            "word": shown_word(row["word"]),
            "inside": f"{_fixed(100 * row['probability'] / longest, 1)}%",
            "overall": f"{_fixed(100 * row['overall'] / longest, 1)}%",
            "per_thousand": _figure(1_000 * row["probability"]),
            "lift": f"×\N{NO-BREAK SPACE}{_figure(_lift(row))}",
        }
        for row in first
    ]


def metric_rows(report: TopicReport) -> list[Table]:
    """Return a row for each metric: the topics' value, those of the baselines, the best marked, and what it says."""
    others = list(report.baselines.values())
    rows = []
    for metric, name in NAMES.items():
        cells = [each.get(metric) for each in (report.metrics, *others)]
        values = [cell["value"] for cell in cells if cell and cell["value"] is not None]
        if values:
            best = (min if metric in LOWER else max)(values) if len(values) > 1 else None
            shown = [_cell(metric, cell, best) for cell in cells]
            rows.append({"name": name, "cells": shown, "meaning": _meaning(metric, report.settings)})
    return rows


def summary_cards(report: TopicReport) -> list[Table]:
    """Return what is most asked first: a value, what it is, and a note."""
    words = report.vocabulary
    cards = [{"value": f"{len(report.topics)}", "label": "topics", "note": f"measured on {report.n:,} posts"}]
    if "posts" in words:
        cards.append({"value": f"{words['posts']:,}", "label": "texts with words", "note": _tokens(words)})
    for metric in ("perplexity", "npmi", "stability"):
        found = report.metrics.get(metric)
        if found and found["value"] is not None:
            cell = _cell(metric, found, None)
            note = f"95\N{NO-BREAK SPACE}% interval {cell['ends']}" if cell["ends"] else ""
            cards.append({"value": cell["value"], "label": NAMES[metric], "note": note})
    return cards


def label_table(labels: Mapping[str, Any]) -> Table:  # Any: a value of report.json.
    """Return how topics and labels go together: the names that most posts have, and each topic's shares of them."""
    names, counts = labels["names"], labels["counts"]
    totals = [sum(row[i] for row in counts) for i in range(len(names))]
    shown = sorted(range(len(names)), key=lambda i: (-totals[i], names[i]))[:MOST_LABELS]
    rows = []
    for topic, row in enumerate(counts):
        cells = [{"n": row[i], "share": row[i] / max(1, sum(row))} for i in shown]
        rest = sum(row) - sum(row[i] for i in shown)
        rows.append({"number": topic + 1, "cells": cells, "rest": rest, "n": sum(row)})
    return {"names": [names[i] for i in shown], "rows": rows, "others": len(names) - len(shown)}


def vocabulary_rows(vocabulary: Mapping[str, Any]) -> list[tuple[str, int]]:  # Any: a value of report.json.
    """Return what was counted of words: name and number."""
    names = {"posts": "texts with known words", "tokens": "words in them", "words": "different words known"}
    names |= {"phrases": "of these, phrases"}
    rows = [(shown, vocabulary[name]) for name, shown in names.items() if name in vocabulary]
    rest = {name: n for name, n in vocabulary.items() if name not in names and not isinstance(n, Mapping)}
    return rows + [(f"left out: {name}", n) for name, n in {**rest, **vocabulary.get("left_out", {})}.items()]


def _topic(topic: Row, colour: int) -> Table:
    words = [shortened(shown_word(row["word"])) for row in by_relevance(topic["words"])]
    return {
        **topic,
        "colour": colour,
        "title": ", ".join(words[:NAMING]) or "no words",
        "first": words[0] if words else "",
        "telling": words[:SUMMARY],
        "bars": bar_rows(topic["words"]),
        "cloud": [{"at": each, "tone": tone} for each, tone in _cloud(topic)],
    }


def _cloud(topic: Row) -> list[tuple[Placed, str]]:
    chosen = {row["word"]: row for row in by_relevance(topic["words"])[:IN_CLOUD]}
    placed = cloud({word: row["probability"] for word, row in chosen.items()})
    return [(each, _tone(topic["share"], _lift(chosen[each.word]))) for each in placed]


def _tone(share: float, lift: float) -> str:
    """Return whether a word is mostly, partly or hardly a topic's own; `share` is that of the topic."""
    own = share * lift if lift >= USUAL else 0.0
    return "own" if own >= OWN else "partly" if own >= PARTLY else "common"


def _lift(row: Row) -> float:
    return float(row["probability"] / max(row["overall"], 1e-12))


def _figure(value: float) -> str:
    return _fixed(value, 0 if value >= 100 else 1 if value >= 1 else 2)


def _fixed(value: float, decimals: int) -> str:
    """Return a number with so many decimals, halves rounded up as in the page's script."""
    return str(Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP))


def _cell(metric: str, found: Mapping[str, float | None] | None, best: float | None) -> Table:
    """Return a value and its interval as they are printed; perplexities have no decimals."""
    if found is None or found["value"] is None:
        return {"value": "–", "ends": "", "best": False}
    if metric == "perplexity":
        value, low, high = (None if found[end] is None else f"{found[end]:,.0f}" for end in ("value", "low", "high"))
        ends = "" if low is None else f"[{low},\N{NO-BREAK SPACE}{high}]"
        return {"value": value, "ends": ends, "best": found["value"] == best}
    return {"value": number(found["value"]), "ends": interval(found), "best": found["value"] == best}


def _meaning(metric: str, settings: Mapping[str, Any]) -> str:  # Any: a value of report.json.
    n = settings.get("seeds", 2)
    seeds = "another seed" if n == 1 else f"{n} other seeds"
    known = {"top_words": settings.get("top_words", 10), "clear": settings.get("clear", 0.5), "seeds": seeds}
    return MEANINGS[metric].format(**known)


def _tokens(vocabulary: Mapping[str, Any]) -> str:  # Any: a value of report.json.
    return f"{vocabulary['tokens']:,} words, {vocabulary['words']:,} different" if "tokens" in vocabulary else ""
