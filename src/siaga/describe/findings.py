"""What is wrong with the data, and what to do: one sentence each."""

from collections.abc import Iterator, Mapping
from typing import Any

Facts = Mapping[str, Any]  # Any: JSON, as `measure` and `duplicate_facts` make it.

_FEW_POSTS = 20
_MANY_REPEATS = 0.01  # The share from which repeated posts are worth a sentence.
_MANY_CLASSES = 10  # So many names are listed; the rest is counted.
_OPTIONAL = frozenset({"hashtags", "image_url"})  # Fields of posts of streams; a post without one lacks nothing.


def findings(splits: Mapping[str, Facts], duplicates: Facts, read: Facts) -> list[str]:
    """Return the sentences, those about labels and leaks first; an empty list means that nothing was found."""
    return [
        *_classes(splits),
        *_contradictions(duplicates),
        *_leaks(duplicates),
        *(sentence for name, facts in splits.items() for sentence in _of_split(_named(name, facts), facts)),
        *_of_reading(read, sum(facts["posts"] for facts in splits.values())),
    ]


def _classes(splits: Mapping[str, Facts]) -> Iterator[str]:
    labelled = {name: facts["classes"] for name, facts in splits.items() if facts["classes"]}
    if not labelled:
        yield "No post has a label. Label some before training; source.columns.label names a table's column of labels."
    known = sorted({label for counts in labelled.values() for label in counts})
    for name, counts in labelled.items():
        where = _named(name, splits[name])
        if missing := [label for label in known if label not in counts]:
            yield f"No post {where} is of the class {_list(missing)}: nothing can be learned, or measured, there."
        few = [f"{label} ({count:,})" for label, count in counts.items() if count < _FEW_POSTS]
        if few:
            yield f"Few posts {where} are of the class {_list(few)}. Label more, or merge it by source.labels."
        low, high = min(counts, key=counts.get), max(counts, key=counts.get)
        if counts[high] >= 10 * counts[low]:
            ratio = f"{counts[high]:,} posts of {high} against {counts[low]:,} of {low}"
            yield f"The classes {where} are uneven: {ratio}. Judge by macro-F1, not by accuracy."
    if len(known) == 1:
        yield f"Every labelled post is of the class {known[0]}. Two classes are needed to train."


def _contradictions(duplicates: Facts) -> Iterator[str]:
    same, near = duplicates["contradictory"], duplicates["contradictory_near"]
    if same["groups"]:
        groups = _count(same["groups"], "group")
        yield f"{groups} of equal posts carry different labels ({same['posts']:,} posts). Correct them; see Duplicates."
    if near["groups"] > same["groups"]:
        groups = _count(near["groups"], "group")
        yield f"{groups} of posts that nearly repeat a text or a picture carry different labels. Look at them."


def _leaks(duplicates: Facts) -> Iterator[str]:
    for pair in duplicates["across"]:
        a, b = pair["splits"]
        stay = f" {_count(pair['near'], 'group')} of near-equal posts stand in both as well and stay." * bool(
            pair["near"]
        )
        if pair["exact"]:
            what = (
                f"{_count(pair['exact'], 'group')} of posts that repeat a text or a picture stand in both {a} and {b}"
            )
            leave = "unlabelled copies of held-out posts are left out" if b == "unlabelled" else f"the copies leave {a}"
            letter = f", {_count(pair['verbatim'], 'text')} of {b} to the letter" * bool(pair["verbatim"])
            yield f"{what}{letter}. In training {leave}.{stay}"
        elif pair["near"]:
            yield f"{_count(pair['near'], 'group')} of near-equal posts stand in both {a} and {b}. They stay there."


def _of_split(where: str, facts: Facts) -> Iterator[str]:
    n, text, images = facts["posts"], facts["text"], facts["images"]
    if not n:
        yield f"There are no posts {where}."
        return
    if facts["repeated_ids"]:
        yield f"Ids repeat {where}, such as {facts['repeated_ids'][0]}. Only the first post of an id is used."
    if facts["classes"] and facts["without_label"]:
        yield f"{_share(facts['without_label'], n)} {where} have no label. They count as unlabelled."
    if text["posts"] and text["missing"]:
        said = f"{_share(text['missing'], n)} {where} have no text."
        yield f"{said} They are judged by their image alone." if images["posts"] else said
    if images["posts"] and images["missing"]:
        said = f"{_share(images['missing'], n)} {where} have no image."
        yield f"{said} They are judged by their text alone." if text["posts"] else said
    if images["broken"]:
        reason = images["broken_listed"][0]["reason"]
        yield f"{_share(images['broken'], n)} {where} have an image that cannot be read. The first: {reason}"
    if facts["repeats"] >= _MANY_REPEATS * n:
        letter = f", {_count(text['repeated'], 'text')} to the letter" * bool(text["repeated"])
        yield f"{_share(facts['repeats'], n)} {where} repeat a text or a picture of another one there{letter}."
    yield from _of_texts(where, n, facts)
    yield from _of_fields(where, n, facts)


def _of_texts(where: str, n: int, facts: Facts) -> Iterator[str]:
    text = facts["text"]
    if text["garbled"]:
        yield f"{_share(text['garbled'], n)} {where} have garbled letters. The file was once read in a wrong encoding."
    if text["posts"] and text["longest"]["length"] > max(5000, 20 * text["typical"]["length"]):
        longest = f"{text['longest']['length']:,} characters (post {text['longest']['id']})"
        yield f"The longest text {where} has {longest}. Check the file's quotation marks."
    if facts["time"]["posts"] and facts["time"]["posts"] < n:
        yield f"{_share(n - facts['time']['posts'], n)} {where} have no time. A split by time needs it of all."


def _of_fields(where: str, n: int, facts: Facts) -> Iterator[str]:
    for name, field in facts["fields"].items():
        if field["missing"] and name not in _OPTIONAL:
            yield f"{_share(field['missing'], n)} {where} have no {name}."
        if field["with_codes"]:
            codes = f"percent codes ({field['coded'][:80]}). Where a classifier reads it, set cleaning.percent_codes"
            yield f"{_share(field['with_codes'], n)} {where} have a {name} with {codes}."


def _of_reading(read: Facts, posts: int) -> Iterator[str]:
    for reason, count in read.get("set aside", {}).items():
        rows = f"{_count(count, 'row')} set aside or kept in part"
        why = reason if reason[:2].isupper() else reason[0].lower() + reason[1:]
        yield f"{rows}: {why}. The quarantine lists them."
    if reposts := read.get("noted", {}).get("repost"):
        yield f"{_share(reposts, posts)} pass on another post, whose text they have."


def _named(split: str, facts: Facts) -> str:
    match split:
        case "posts":
            return "of the labelled file" if facts["classes"] else "of the file"
        case "unlabelled":
            return "among the unlabelled"
        case _:
            return f"in {split}"


def _share(count: int, n: int) -> str:
    percent = 100 * count / n
    return f"{count:,} of {n:,} posts" + (f" ({percent:.0f} %)" if percent >= 1 else "")


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count != 1)}"


def _list(names: list[str]) -> str:
    more = len(names) - _MANY_CLASSES
    return ", ".join(names[:_MANY_CLASSES]) + (f" and {more:,} more" if more > 0 else "")
