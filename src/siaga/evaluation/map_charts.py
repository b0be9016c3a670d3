"""The feature maps of a report as the page shows them: for each model a panel by class and one by right and wrong."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siaga.evaluation import plots
from siaga.evaluation.report import Report
from siaga.post import Post, Prediction

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes

ERRORS = {"right": ("#b4bfcc", "o"), "wrong": (plots.RED, "D")}
Shown = dict[str, Any]  # Any: what the template prints.


def feature_maps(report: Report, *, posts: Sequence[Post], predictions: Sequence[Prediction]) -> list[Shown]:
    """Return `name`, `n`, `reason`, `by` (what the colours of each panel say) and `chart` of each map.

    A post is right where the whole model was, on the maps of its members too, so that these can be compared; on the map
    of an alternative, where that one was.
    """
    classes, errors = _of_classes(report, posts), _of_errors(posts, predictions)
    panels = [*classes, errors]
    return [
        {
            "name": each["name"] or "model",
            "n": each["n"],
            "reason": each["reason"],
            "by": [panel.by for panel in panels],
            "chart": _chart(each, [*classes, _own_errors(each) or errors]) if each["points"] else "",
        }
        for each in report.maps
    ]


@dataclass(frozen=True)
class _Panel:
    """What the colours of a panel say: the kind of each post by id, and the style of each kind."""

    by: str
    kinds: Mapping[str, str]
    styles: Mapping[str, tuple[str, str]]


def _of_classes(report: Report, posts: Sequence[Post]) -> list[_Panel]:
    """Return the panel by class, of many classes the one by superclass, and none where these are too many as well."""
    superclasses = {name: report.superclasses.get(name, name) for name in report.classes}
    for by, kind_of in (("class", {name: name for name in report.classes}), ("superclass", superclasses)):
        names = list(dict.fromkeys(kind_of.values()))
        if len(names) <= len(plots.KINDS):
            styles = dict(zip(names, plots.KINDS, strict=False))
            return [_Panel(by, {post.id: kind_of[str(post.label)] for post in posts}, styles)]
    return []


def _of_errors(posts: Sequence[Post], predictions: Sequence[Prediction]) -> _Panel:
    pairs = zip(posts, predictions, strict=True)
    return _Panel("error", {a.id: "right" if a.label == b.label else "wrong" for a, b in pairs}, ERRORS)


def _own_errors(found: Mapping[str, Any]) -> _Panel | None:  # Any: as below.
    if "wrong" not in found:
        return None
    wrong = set(found["wrong"])
    return _Panel("error", {each: "wrong" if each in wrong else "right" for each in found["ids"]}, ERRORS)


def _chart(found: Mapping[str, Any], panels: Sequence[_Panel]) -> "Markup":  # Any: values of report.json.
    from markupsafe import Markup

    def draw(*axes: "Axes") -> None:
        for panel, ax in zip(panels, axes, strict=True):
            kinds = [panel.kinds[each] for each in found["ids"]]
            plots.map_plot(found["points"], kinds, panel.styles, title=f"by {panel.by}", ax=ax)

    rows = max(-(-len(panel.styles) // 2) for panel in panels)  # Of the legend, which stands below in two columns.
    svg = plots.svg(draw, width=3.6 * len(panels), height=3.3 + 0.2 * rows, panels=len(panels))
    return Markup(svg)  # noqa: S704 - drawn by Matplotlib, which escapes the names in it.
