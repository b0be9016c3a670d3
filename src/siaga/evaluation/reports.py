"""A report of either kind: of a classifier of labels, or of topics."""

import json
from pathlib import Path

from siaga.evaluation.report import Report
from siaga.evaluation.topics.report import TopicReport

AnyReport = Report | TopicReport


def read_any_report(path: Path) -> AnyReport:
    """Read the report.json of a run. Raises DataError when there is no report, or it is another kind of file."""
    return TopicReport.read(path) if is_of_topics(path) else Report.read(path)


def is_of_topics(path: Path) -> bool:
    """Whether a report.json is one of topics; False where it cannot be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and "topics" in content
