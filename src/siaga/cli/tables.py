"""Reports as plain tables for a terminal or a log."""

from collections.abc import Mapping, Sequence
from typing import Any

from siaga.evaluation.reports import AnyReport
from siaga.evaluation.topics.report import TopicReport

_COLUMNS = (
    *("accuracy", "top_5_accuracy", "superclass_accuracy", "macro_f1", "mae"),
    *("roc_auc", "log_loss", "ece", "balanced_accuracy"),
)
_OF_TOPICS = ("perplexity", "npmi", "c_v", "diversity", "stability", "unclear")
_WORDS = 8  # Of a topic, in a line.
_MOST = 6  # Columns that a terminal has room for; the report has them all.


def table_of(report: AnyReport) -> str:
    """Return the model, its members, alternatives and baselines, one a row, each figure with its 95 % interval.

    The six metrics that say most of these classes are shown; of topics also their first words, a line each.
    """
    whole = report.to_dict()
    others = [whole.get(name, {}) for name in ("members", "alternatives", "baselines")]
    rows = {"model": whole["metrics"], **{name: row for each in others for name, row in each.items()}}
    columns = _OF_TOPICS if isinstance(report, TopicReport) else _COLUMNS
    shown = [name for name in columns if whole["metrics"].get(name, {}).get("value") is not None][:_MOST]
    head = f"{whole['recipe']} on {whole['n']:,} held-out posts (95 % intervals)"
    table = aligned([["", *shown], *([name, *_figures(row, shown)] for name, row in rows.items())])
    lines = f"\n\n{_topics(report)}" if isinstance(report, TopicReport) else ""
    return f"{head}\n{table}{lines}"


def _topics(report: TopicReport) -> str:
    return aligned(
        [
            [
                topic["name"],
                f"{100 * topic['share']:.1f} %",
                ", ".join(word["word"] for word in topic["words"][:_WORDS]),
            ]
            for topic in report.topics
        ]
    )


def table_by_event(reports: Mapping[str, AnyReport]) -> str:
    """Return the held-out events, one a row, with the model's figures and the baselines' macro-F1."""
    if any(isinstance(report, TopicReport) for report in reports.values()):
        by_event = ([event, str(each.n), *_figures(each.metrics, _OF_TOPICS)] for event, each in reports.items())
        return aligned([["held out", "posts", *_OF_TOPICS], *by_event])
    rows = [["held out", "posts", "accuracy", "macro_f1", "roc_auc", "majority f1", "tfidf f1"]]
    for event, report in reports.items():
        whole = report.to_dict()
        baselines = [_value(whole["baselines"].get(name, {}).get("macro_f1")) for name in ("majority", "tfidf")]
        figures = _figures(whole["metrics"], ["accuracy", "macro_f1", "roc_auc"])
        rows.append([event, str(whole["n"]), *figures, *baselines])
    return aligned(rows)


def _figures(metrics: Mapping[str, Any], names: Sequence[str]) -> list[str]:  # Any: report.json's values.
    return [figure(metrics.get(name)) for name in names]


def figure(metric: Mapping[str, Any] | None) -> str:  # Any: report.json's values.
    """Return a figure with its interval; a dash where it is undefined."""
    if not metric or metric.get("value") is None:
        return "-"
    if metric.get("low") is None:
        return f"{metric['value']:.3f}"
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"


def _value(metric: Any) -> str:  # Any: a figure, or a figure with its interval.
    value = metric.get("value") if isinstance(metric, Mapping) else metric
    return "-" if value is None else f"{value:.3f}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines in which the columns stand below each other."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines)
