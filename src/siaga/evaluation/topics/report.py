"""TopicReport: the measured quality of topics on posts they were not learned from, and what the topics are."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from siaga.evaluation.intervals import Interval
from siaga.evaluation.written import read_report, write_report

Table = dict[str, Any]  # Any: the value of a JSON object.


@dataclass(frozen=True)
class TopicReport:
    """What was measured of topics. Every field is plain JSON; an interval is {value, low, high}, None where undefined.

    `n` counts the posts that were measured on, `classes` names the topics; every list by topic is in this order.

    - `metrics`: perplexity, npmi, c_v, diversity, stability (where other seeds were tried) and unclear, which is the
      share of words in no clear topic. `baselines` has those of them that a baseline has.
    - `topics`: {number (from 1), name, share (the mean over posts), posts (whose largest topic it is), npmi, c_v,
      stability, similarity (to the same topic of the start), words, typical}; stability and similarity may be None.
      `words` are {word, probability (in the topic), overall (in all texts)}, `typical`
      {id, text, share, time (ISO 8601, or None)}.
    - `map`: [x, y] of each topic. `prevalence`: {unit, starts (ISO 8601), posts, shares (by topic; None in a gap)}.
    - `labels`: {n, nmi, purity, names, counts (by topic, then by name)}. `update`: {start, new_words,
      similarity, moved (topics that are more like another of the start)}.
    - `choice`: a {topics, perplexity, npmi, score, chosen, seconds} for each number of topics that was tried.
    - `vocabulary`: {words, phrases, tokens, posts, left_out (words by reason)}.
    - `training`: {iteration, log_likelihood (of a word, natural)}. `settings`: the recipe's evaluation, as a table.
    """

    recipe: str
    seed: int
    n: int
    classes: list[str]
    metrics: dict[str, Interval]
    baselines: dict[str, dict[str, Interval]]
    topics: list[Table]
    map: list[list[float]]
    data: Table
    environment: Table
    seconds: float | dict[str, float] | None
    prevalence: Table = field(default_factory=dict)
    labels: Table = field(default_factory=dict)
    choice: list[Table] = field(default_factory=list)
    update: Table = field(default_factory=dict)
    vocabulary: Table = field(default_factory=dict)
    training: list[Table] = field(default_factory=list)
    settings: Table = field(default_factory=dict)
    recipe_toml: str = ""

    def to_dict(self) -> Table:
        """Return the report as it stands in `report.json`."""
        return asdict(self)

    def write(self, path: Path) -> None:
        """Write the report as JSON, whole or not at all."""
        write_report(self, path)

    @classmethod
    def read(cls, path: Path) -> "TopicReport":
        """Read what `write` wrote. Raises DataError when there is no report, or it is another kind of file."""
        return read_report(cls, path, needed=frozenset({"recipe", "metrics", "topics"}))
