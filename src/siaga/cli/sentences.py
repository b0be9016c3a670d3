"""What happens in a training, as sentences for people."""

from siaga.evaluation.fits import duration
from siaga.models.classifier import Event

_SCOPES = {"alternative": "", "round": "round ", "member": "", "fold": "fold "}
_METRICS = {"loss": "loss", "accuracy": "accuracy", "macro_f1": "macro-F1"}
_STEPS = {
    "prepare": "reading and splitting the posts",
    "fit": "training",
    "predict": "answering the test posts",
    "alternatives": "training the alternatives",
    "baselines": "training the baselines",
    "evaluate": "measuring, and writing the report",
}


def sentence(event: Event) -> str:
    """Return an event as one line, with the round, member and fold that it belongs to in front."""
    where = "".join(f"[{name}{event[key]}] " for key, name in _SCOPES.items() if key in event)
    match event["step"]:
        case "start":
            return _STEPS.get(str(event["what"]), str(event["what"]))
        case "split" | "candidate":
            return _of_posts(event)
        case "sweep" | "vocabulary" | "choice":
            return _of_topics(event)
        case "cross-fit":
            inside = "".join(f"[{_SCOPES[key]}{event[key]}] " for key in ("round", "member") if key in event)
            return f"{inside}cross-fitting: fold {event['fold']} of {event['of']}"
        case "round":
            return where.replace(f"[round {event['round']}] ", "") + _of_a_round(event)
        case _:
            return where + _of_a_fit(event)


def _of_posts(event: Event) -> str:
    if event["step"] == "split":
        return ", ".join(f"{count:,} {name}" for name, count in event.items() if name != "step")
    fits = f"{_counted(event)} fits, {duration(_number(event, 'left_s') or 0.0)} left"
    return f"{event['candidate']}: fold {event['of_fold']} of {event['folds']}; {fits}"


def _of_a_round(event: Event) -> str:
    verdict = "kept" if event["kept"] else "rolled back" if event["added"] else "not taken"
    if "method" in event:
        return f"{event['method']}: {event['added']} unlabelled posts, {verdict} ({event['reason']})"
    return f"self-training round {event['round']}: {event['added']} pseudo-labels, {verdict} ({event['reason']})"


def _of_topics(event: Event) -> str:
    match event["step"]:
        case "vocabulary":
            return f"learning from {event['posts']:,} posts with {event['words']:,} different words"
        case "choice":
            figures = f"perplexity {_short(event['perplexity'])}, NPMI {_short(event['npmi'])}"
            return f"{event['topics']} topics: {figures} on validation posts"
        case _:
            sought = f"{event['topics']} topics: " if "topics" in event else ""
            return f"{sought}sweep {_counted(event)}, log-likelihood of a word {_short(event['log_likelihood'])}"


def _of_a_fit(event: Event) -> str:
    match event["step"]:
        case "epoch":
            return f"epoch {event['epoch']} of {event['epochs']}: {_figures(event)}"
        case "batch":
            left = _number(event, "left_s")
            parts = [f"{_counted(event)} posts", _rate(event), f"{duration(left)} left" if left is not None else ""]
            return f"epoch {event['epoch']} of {event['epochs']}: {_joined(parts)}"
        case "find":
            return f"learning-rate finder: {_short(event['learning_rate'])}. {event['reason']}"
        case "precision":
            return f"learning in {event['precision']}: {event['reason']}"
        case "embed" | "predict" as step:
            return f"{'encoded' if step == 'embed' else 'answered'} {_counted(event)} posts"
    shown = {key: value for key, value in event.items() if key not in ("step", *_SCOPES)}
    return f"{event['step']} " + _joined([f"{key} {_short(value)}" for key, value in shown.items()])


def _figures(event: Event) -> str:
    """Return the figures of an epoch that matter while it goes on; those that it does not have are left out."""
    parts = []
    for kind, name in (("train", "training"), ("validation", "validation")):
        told = [(metric, _number(event, f"{kind}_{key}")) for key, metric in _METRICS.items()]
        figures = _joined([f"{metric} {value:.4f}" for metric, value in told if value is not None])
        parts.append(f"{name} {figures}" if figures else "")
    wait, seconds = _number(event, "data_wait"), _number(event, "seconds")
    took = duration(seconds) if seconds is not None else ""
    parts.append(_joined([took, _rate(event), f"{100 * wait:.0f} % waiting for data" if wait is not None else ""]))
    return "; ".join(part for part in parts if part)


def _counted(event: Event) -> str:
    return f"{event['done']:,} of {event['total']:,}"


def _rate(event: Event) -> str:
    rate = _number(event, "posts_per_s")
    return "" if rate is None else f"{rate:,.0f} posts/s" if rate >= 9.95 else f"{rate:.1f} posts/s"


def _number(event: Event, key: str) -> float | None:
    value = event.get(key)
    return float(value) if isinstance(value, int | float) else None


def _joined(parts: list[str]) -> str:
    return ", ".join(part for part in parts if part)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
