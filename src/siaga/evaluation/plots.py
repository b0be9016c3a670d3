"""Plots of a report: functions that draw on the `ax` they are given and return it, and `svg`, which makes a chart.

Colours are those of Okabe & Ito (2008), which stay apart for the colour-blind. No pyplot and no global state; the
same values give the same bytes.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, SOFT, GRID = "#1c2430", "#5c6878", "#d9dfe7"
BLUE, ORANGE, GREEN, RED, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
NAMES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "top_5_accuracy": "top-5 accuracy",
    "superclass_accuracy": "superclass accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "log_loss": "log loss",
    "ece": "ECE",
    "mae": "ordinal error (MAE)",
}
LONGEST_NAME = 28
NUMBERED_CLASSES = 20
MOST_DOTS = 40
KINDS = tuple((colour, marker) for marker in "os" for colour in (BLUE, ORANGE, GREEN, RED, SKY, PURPLE, INK))[:10]
Row = Mapping[str, Any]  # Any: a value of report.json.


def svg(draw: Callable[..., object], *, width: float = 5.4, height: float = 3.4, panels: int = 1) -> str:
    """Return `draw(*axes)` as an inline SVG element; sizes in inches, the panels side by side.

    Text stays text, in the reader's fonts, so that no script lacks its letters.
    """
    with _figure(draw, (width, height), panels) as figure:
        return _svg(figure)


def svg_and_png(
    draw: Callable[..., object], *, size: tuple[float, float], panels: int = 1, heights: Sequence[float] = (1.0,)
) -> tuple[str, bytes]:
    """Return what `svg` does, and the same as a PNG on white, 144 dots an inch, in Matplotlib's fonts.

    `heights` are the shares of rows of panels, one below the other, with one horizontal axis.
    """
    stream = BytesIO()
    with _figure(draw, size, panels, heights) as figure:
        element = _svg(figure)
        figure.set_layout_engine("none")  # It stays as it was laid out.
        figure.savefig(stream, format="png", dpi=144, metadata={"Software": None}, facecolor="white")
    return element, stream.getvalue()


@contextmanager
def _figure(
    draw: Callable[..., object], size: tuple[float, float], panels: int, heights: Sequence[float] = (1.0,)
) -> "Iterator[Figure]":
    import matplotlib as mpl
    from matplotlib.figure import Figure

    settings = {"svg.hashsalt": "siaga", "svg.fonttype": "none", "font.size": 10.0, "font.family": ["DejaVu Sans"]}
    with warnings.catch_warnings(), mpl.rc_context(settings):
        figure = Figure(figsize=size, layout="constrained")
        rows = len(heights)
        draw(*figure.subplots(rows, panels, squeeze=False, sharex=rows > 1, height_ratios=heights).flat)
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # The reader's fonts draw it, not Matplotlib's.
        yield figure


def _svg(figure: "Figure") -> str:
    stream, nothing = StringIO(), dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
    text = stream.getvalue()
    return text[text.index("<svg") :].replace("font-family: 'DejaVu Sans'", "font-family: 'DejaVu Sans', system-ui")


def interval_plot(rows: Mapping[str, Mapping[str, Row]], *, metric: str, ax: "Axes") -> "Axes":
    """Draw a metric of each row as a dot on its 95 % interval, the first row on top and emphasised."""
    shown = [(name, row[metric]) for name, row in rows.items() if row.get(metric, {}).get("value") is not None]
    for place, (_, each) in enumerate(shown):
        colour = BLUE if place == 0 else SOFT
        if each["low"] is not None and each["high"] is not None:
            ax.plot([each["low"], each["high"]], [place, place], color=colour, linewidth=2.5, solid_capstyle="round")
        ax.plot([each["value"]], [place], marker="o", color=colour, markersize=7 if place == 0 else 5.5)
    ax.set_yticks(range(len(shown)), [plain(name) for name, _ in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.grid(visible=True, axis="x", color=GRID)
    return dressed(ax, x=NAMES.get(metric, metric))


def confusion_plot(counts: Sequence[Sequence[int]], classes: Sequence[str], *, ax: "Axes") -> "Axes":
    """Draw the share of each true class (row) that was predicted as each class; numbers up to 20 classes.

    Of more classes the square root of the share is drawn, so that small shares can be seen without their numbers.
    """
    import numpy as np

    table = np.asarray(counts, dtype=np.float64)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1.0)
    is_numbered = len(classes) <= NUMBERED_CLASSES
    ax.imshow(shares if is_numbered else np.sqrt(shares), cmap="Blues", vmin=0.0, vmax=1.0)
    step = max(1, -(-len(classes) // 34))  # Every label while they fit, then every third or so.
    ticks = range(0, len(classes), step)
    size = 9 if is_numbered else 6.5
    ax.set_xticks(ticks, [plain(classes[i]) for i in ticks], rotation=90 if len(classes) > 4 else 0, fontsize=size)
    ax.set_yticks(ticks, [plain(classes[i]) for i in ticks], fontsize=size)
    for row, column in np.ndindex(table.shape) if is_numbered else ():
        colour = "white" if shares[row, column] > 0.6 else INK
        ax.text(column, row, f"{int(table[row, column]):,}", ha="center", va="center", color=colour, fontsize=size)
    return dressed(ax, x="predicted", y="true")


def calibration_plot(bins: Sequence[Row], *, ax: "Axes") -> "Axes":
    """Draw the share that was right against the confidence of each bin, with Wilson intervals and the diagonal."""
    ax.plot([0, 1], [0, 1], color=SOFT, linestyle="--", linewidth=1)
    most = max((each["n"] for each in bins), default=1)
    for each in bins:
        ax.plot([each["confidence"]] * 2, [each["low"], each["high"]], color=SKY, linewidth=2, clip_on=False)
        size = 3 + 7 * (each["n"] / most) ** 0.5
        ax.plot([each["confidence"]], [each["accuracy"]], marker="o", color=BLUE, markersize=size, clip_on=False)
    ax.set_xlim(0, 1)
    ax.set_ylim(0, 1)
    ax.set_aspect("equal")
    ax.grid(visible=True, color=GRID)
    return dressed(ax, x="confidence", y="share right")


def threshold_plot(curve: Row, *, ax: "Axes") -> "Axes":
    """Draw misses and false alarms per 1,000 posts against the threshold of the class of interest."""
    ax.plot(curve["thresholds"], curve["misses"], color=RED, linewidth=2, label="missed")
    ax.plot(curve["thresholds"], curve["false_alarms"], color=BLUE, linewidth=2, linestyle="--", label="false alarms")
    ax.axvline(curve["best"], color=SOFT, linewidth=1, linestyle=":")
    ax.legend(frameon=False)
    ax.grid(visible=True, color=GRID)
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    return dressed(ax, x=f"threshold for {plain(curve['class'])}", y="per 1,000 posts")


def cost_plot(curve: Row, *, ax: "Axes") -> "Axes":
    """Draw the cost per 1,000 posts (a miss weighs `cost` false alarms) against the threshold."""
    ax.plot(curve["thresholds"], curve["total"], color=PURPLE, linewidth=2)
    ax.plot([curve["best"]], [min(curve["total"])], marker="o", color=PURPLE)
    ax.axvline(curve["best"], color=SOFT, linewidth=1, linestyle=":")
    ax.grid(visible=True, color=GRID)
    ax.set_xlim(0, 1)
    ax.set_ylim(bottom=0)
    return dressed(ax, x=f"threshold for {plain(curve['class'])}", y="cost per 1,000 posts")


def curve_plot(epochs: Sequence[Row], *, metric: str, ax: "Axes", best: int | None = None) -> "Axes":
    """Draw a metric (loss, accuracy, macro_f1) of training and validation by epoch; a dotted line marks `best`."""
    for kind, colour, line in (("training", BLUE, "-"), ("validation", RED, "--")):
        key = f"{'train' if kind == 'training' else kind}_{metric}"
        points = [(each["epoch"], each[key]) for each in epochs if each.get(key) is not None]
        if points:
            ax.plot(*zip(*points, strict=True), color=colour, linestyle=line, label=kind, **_dots(len(points)))
        if kind == "validation" and best is not None and best in dict(points):
            ax.plot([best], [dict(points)[best]], marker="o", color=colour, markersize=8, fillstyle="none")
    if best is not None:
        ax.axvline(best, color=SOFT, linewidth=1, linestyle=":")
    return _by_epoch(ax, y=NAMES.get(metric, metric))


def runs_plot(
    lines: Sequence[tuple[Sequence[float], Sequence[float], str, str]], *, metric: str, by: str, ax: "Axes"
) -> "Axes":
    """Draw a validation metric of several fits, each as (x, y, colour, line), with a ring on its best; x is `by`."""
    for x, y, colour, line in lines:
        ax.plot(x, y, color=colour, linestyle=line, **_dots(len(x)))
        if y:
            best = y.index(min(y) if metric == "loss" else max(y))
            ax.plot([x[best]], [y[best]], marker="o", color=colour, markersize=8, fillstyle="none")
    _by_epoch(ax, y=f"validation {NAMES.get(metric, metric)}").set_xlabel(by)
    return ax


def rate_plot(epochs: Sequence[Row], *, ax: "Axes") -> "Axes":
    """Draw the learning rate at the end of each epoch."""
    points = [(each["epoch"], each["learning_rate"]) for each in epochs if each.get("learning_rate") is not None]
    ax.plot(*zip(*points, strict=True), color=SOFT, **_dots(len(points)))
    ax.set_ylim(bottom=0)
    ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=False)
    return _by_epoch(ax, y="learning rate")


def finder_plot(finding: Row, *, ax: "Axes") -> "Axes":
    """Draw the losses of the learning-rate finder against the rates on a logarithmic scale, and the rate it chose."""
    pairs = zip(finding.get("rates") or (), finding.get("losses") or (), strict=False)
    points = [(rate, loss) for rate, loss in pairs if loss is not None]
    rate = finding["learning_rate"]
    if points:
        losses = [loss for _, loss in points]
        ax.plot(*zip(*points, strict=True), color=BLUE, linewidth=2)
        ax.set_ylim(top=min(max(losses), losses[0] + (losses[0] - min(losses)) + 1e-3) * 1.02)
    ax.axvline(rate, color=RED, linewidth=1.5, linestyle="--", label=f"chosen: {rate:.2g}")
    ax.set_xscale("log")
    ax.legend(frameon=False)
    ax.grid(visible=True, color=GRID)
    return dressed(ax, x="learning rate", y="smoothed loss")


def trials_plot(trials: Sequence[tuple[int, float | None]], *, metric: str, ax: "Axes") -> "Axes":
    """Draw a metric of each trial of a search as a dot, and the best so far as a line."""
    from siaga.evaluation.metrics import LOWER_IS_BETTER

    points = [(number, value) for number, value in trials if value is not None]
    better = min if metric in LOWER_IS_BETTER else max
    best = [better(value for _, value in points[: end + 1]) for end in range(len(points))]
    ax.plot(*zip(*points, strict=True), color=SOFT, linestyle="", marker="o", markersize=4)
    ax.step([number for number, _ in points], best, where="post", color=BLUE, linewidth=2)
    _by_epoch(ax, y=NAMES.get(metric, metric)).set_xlabel("trial")
    return ax


def agreement_plot(pair: Row, *, ax: "Axes") -> "Axes":
    """Draw how often two members are right together as one bar of four shares, each named with its share."""
    a, b = pair["members"]
    parts = [
        ("both right", "both_right", GREEN),
        (f"only {plain(a)} right", f"only_{a}", SKY),
        (f"only {plain(b)} right", f"only_{b}", ORANGE),
        ("both wrong", "both_wrong", RED),
    ]
    start = 0.0
    for label, key, colour in parts:
        ax.barh([0], [pair[key]], left=[start], color=colour, edgecolor="white", label=f"{label}: {pair[key]:.1%}")
        start += pair[key]
    ax.set_xlim(0, 1)
    ax.set_yticks([])
    ax.legend(frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return dressed(ax, x="share of posts")


def map_plot(
    points: Sequence[tuple[float, float]],
    kinds: Sequence[str],
    styles: Mapping[str, tuple[str, str]],
    *,
    title: str,
    ax: "Axes",
) -> "Axes":
    """Draw points of several kinds, each in its style (colour, marker), in the order of `styles`; later ones on top."""
    size = 4.0 if len(points) > 150 else 5.0
    for name, (colour, marker) in styles.items():
        inside = [point for point, kind in zip(points, kinds, strict=True) if kind == name]
        xs, ys = [x for x, _ in inside], [y for _, y in inside]
        ax.plot(
            xs, ys, linestyle="", marker=marker, color=colour, markersize=size, markeredgewidth=0, label=plain(name)
        )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_title(title, fontsize=10, color=INK)
    if len(styles) > 1:
        ax.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=2, handletextpad=0.1, fontsize=9)
    return dressed(ax)


def plain(name: str) -> str:
    """Return a name fit for a chart: shortened, printable, and never read as mathematics."""
    shown = "".join(sign if sign.isprintable() else "�" for sign in name)
    short = shown if len(shown) <= LONGEST_NAME else shown[: LONGEST_NAME - 1] + "…"
    return short.replace("$", r"\$")


def _dots(points: int) -> Mapping[str, Any]:  # Any: settings of a line.
    """Return how a line of so many points is drawn: with a dot for each where there is room for them."""
    return {"linewidth": 2, "marker": "." if points <= MOST_DOTS else ""}


def _by_epoch(ax: "Axes", *, y: str) -> "Axes":
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    ax.grid(visible=True, color=GRID)
    return dressed(ax, x="epoch", y=y)


def dressed(ax: "Axes", *, x: str = "", y: str = "") -> "Axes":
    """Name the axes, and draw no more lines than are needed."""
    ax.set_xlabel(x, color=SOFT)
    ax.set_ylabel(y, color=SOFT)
    ax.set_axisbelow(True)
    ax.tick_params(colors=INK, length=0)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GRID)
    return ax
