"""Look-alikes of tweets with the words of disasters, English: real ones ("1"), and figures of speech ("0")."""

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from siaga.post import Post
from siaga.schema import SyntheticSource
from siaga.sources.templates import fill, letters, pick

REAL, FIGURATIVE = "1", "0"

_REAL_SHARE = 0.43
_VAGUE, _MIXED = 0.22, 0.3  # The shares of texts that fit both classes, and that differ by the order of words.
_NO_KEYWORD, _NO_LOCATION = 0.05, 0.33
_EXACT, _CONTRADICTION = 60, 110  # One post in so many repeats an earlier text, or nearly does, under the other label.
_REMEMBERED = 60  # So many posts back.

# A keyword and how often it is meant: the share of real ones among posts of each class evenly many.
KEYWORDS = {
    "derailment": 0.95,
    "wildfire": 0.85,
    "landslide": 0.85,
    "forest fire": 0.8,
    "evacuation": 0.85,
    "earthquake": 0.75,
    "flash flood": 0.8,
    "bridge collapse": 0.85,
    "car crash": 0.7,
    "hurricane": 0.6,
    "explosion": 0.55,
    "sinkhole": 0.6,
    "emergency": 0.5,
    "storm": 0.5,
    "flood": 0.5,
    "blaze": 0.45,
    "tornado": 0.45,
    "hailstorm": 0.5,
    "siren": 0.35,
    "disaster": 0.3,
    "avalanche": 0.3,
    "deluge": 0.25,
    "mayhem": 0.2,
    "panic": 0.2,
    "meltdown": 0.15,
    "wreck": 0.2,
}

_TEMPLATES = {
    "real": (
        "{keyword} reported near {place}, {response}",
        "{response} after {keyword} in {place}",
        "{number} {hurt} in {keyword} at {place}",
        "BREAKING: {keyword} in {place}, {hurt}: {number}",
        "{keyword} near {place} leaves {number} {hurt}",
        "{officials} confirm {keyword} at {place}. {response}",
        "UPDATE {place}: {response}, {keyword} {status}",
        "we can see the {keyword} from our house in {place}, {response}",
        "{officials}: {keyword} in {place} {status}",
        "pray for {place}, {keyword} and now {response}",
    ),
    "figurative": (
        "my {life} is one big {keyword} {feeling}",
        "this {show} is a total {keyword} {feeling}",
        "{feeling} there is a {keyword} in my {body} after that {food}",
        "{someone} walked in and my {body} went full {keyword}",
        "new single '{keyword}' by {band} is out, {feeling}",
        "{keyword} of {things} on my timeline {feeling}",
        "when {someone} eats the last {food}: instant {keyword}",
        "I am a {keyword} before my first {food}",
        "that {keyword} of a {show} again, {feeling}",
        "{someone}: calm down. me: {keyword}",
    ),
    "vague": (
        "{keyword} again {when}, {remark}",
        "omg {keyword} {when}, {remark}",
        "what a {keyword} {when}, {remark}",
        "{remark}, so much {keyword} {when}",
        "never seen a {keyword} like the one {when}, {remark}",
        "everyone talks about the {keyword} {when}, {remark}",
        "{remark}: that {keyword} {when}",
    ),
    "real by order": (
        "not a {show}, a real {keyword} at the {venue}",
        "{keyword} stops the {show} at the {venue}, {number} fans sent home",
        "{band} cancel the {show}: {keyword} at the {venue}",
        "the {venue} is closed, the {keyword} is no {show}",
        "no {show} tonight, {keyword} hit the {venue} before {band} came",
    ),
    "figurative by order": (
        "a real {show} at the {venue}, not a {keyword}",
        "the {show} at the {venue} never stops, {number} fans and a {keyword} sent home",
        "{keyword}: {band} at the {venue}, do not cancel the {show}",
        "no, the {venue} is not closed, the {show} is the {keyword}",
        "{band} hit the {venue} tonight, no {keyword} came before that {show}",
    ),
}

_PHRASES = {
    "place": (
        *("{street}", "{town}", "{town}", "Highway {number}", "the {street} bridge", "{town} station"),
        *("{town} county", "the {town} dam"),
    ),
    "street": ("Mill Road", "Harbour Street", "Old Quay", "Station Lane", "Elm Avenue", "River Walk", "Kings Cross"),
    "town": (
        *("Ashford", "Brookhaven", "Calder Bay", "Dunmore", "Eastwick", "Fairview", "Glenrock", "Hartwell"),
        *("Ironvale", "Juniper Falls", "Kirkton", "Larkspur", "Northport", "Redmill"),
    ),
    "response": (
        *("residents told to leave", "crews on the scene", "roads closed", "shelters are open", "schools closed"),
        *("rescue under way", "power is out for {number} homes", "helicopters searching", "stay away from the area"),
        *("{officials} ask for help", "trains halted", "volunteers needed", "water still rising", "homes damaged"),
    ),
    "officials": ("police", "fire service", "the mayor", "coastguard", "rescue teams", "weather service", "the army"),
    "hurt": ("injured", "missing", "dead", "trapped", "rescued", "in hospital", "homeless"),
    "status": ("under control", "still spreading", "confirmed", "getting worse", "now over", "level {number}"),
    "life": (
        *("life", "monday", "kitchen", "room", "hair", "love life", "inbox", "exam week", "bank account", "diet"),
        *("fantasy team", "sleep schedule"),
    ),
    "show": ("season finale", "concert", "match", "episode", "movie", "party", "game", "wedding", "mixtape", "dance"),
    "feeling": (
        *("lol", "haha", "I can't even", "send help", "love it", "so good", "ugh", "no regrets", "help me", "wow"),
        *("I am done", "best day ever", "not okay"),
    ),
    "when": ("right now", "this morning", "last night", "today", "on sunday", "all week", "since noon", "once more"),
    "remark": (
        *("cannot believe it", "no words", "what next", "it is all over the news", "just saw it", "here we go"),
        *("still shaking", "who else heard it", "unreal", "what is going on", "did you see it", "stay strong"),
    ),
    "body": ("stomach", "heart", "head", "brain", "ears", "belly"),
    "food": ("burrito", "coffee", "curry", "pizza", "ice cream", "hot wings", "energy drink", "cake"),
    "someone": ("my ex", "my cat", "the boss", "mum", "my roommate", "the baby", "my crush", "coach", "bae"),
    "things": ("memes", "likes", "selfies", "spoilers", "emails", "wedding photos", "hot takes", "puppies"),
    "band": ("The Velvet Goats", "Neon Harvest", "DJ Puddle", "Paper Lions", "The Late Buses", "Static Choir"),
    "venue": ("arena", "town hall", "stadium", "old theatre", "club", "fairground", "harbour stage"),
    "tag": ("#{town}", "#news", "#breaking", "#weather", "#mood", "#nowplaying", "#prayers", "#lol", "#alert", "#tbt"),
    "home": (
        "{town}",
        "{town}, UK",
        "USA",
        "London",
        "New York",
        "worldwide",
        "your heart",
        "Lagos",
        "Canada",
        "earth",
    ),
}


def make_alerts(spec: SyntheticSource, count: int, name: str, rng: np.random.Generator) -> Iterator[Post]:
    """Yield posts of a text and a label each, in `fields` their `keyword` and `location`, where they have them.

    A keyword of two words is written with `%20`. The share `spec.noise` has the wrong label. Some texts repeat an
    earlier one, and some repeat one but for its link and contradict its label.
    """
    earlier: deque[Post] = deque(maxlen=_REMEMBERED)
    is_real = rng.permutation(count) < round(count * _REAL_SHARE)
    is_wrong = rng.permutation(count) < round(count * spec.noise)
    for number, (real, wrong) in enumerate(zip(is_real.tolist(), is_wrong.tolist(), strict=True), 1):
        keyword = _keyword(real, rng)
        post = Post(
            f"{name}-{number}",
            text=_text(real, keyword, rng),
            label=REAL if real != wrong else FIGURATIVE,
            fields=_fields(keyword, rng),
        )
        post = _repeating(post, number, earlier, rng)
        earlier.append(post)
        yield post


def _keyword(is_real: bool, rng: np.random.Generator) -> str:
    leans = np.array(list(KEYWORDS.values()))
    weights = leans if is_real else 1 - leans
    return list(KEYWORDS)[int(rng.choice(len(weights), p=weights / weights.sum()))]


def _text(is_real: bool, keyword: str, rng: np.random.Generator) -> str:
    kind, chance = "real" if is_real else "figurative", rng.random()
    if chance < _VAGUE + _MIXED:
        kind = "vague" if chance < _VAGUE else f"{kind} by order"
    body = fill(pick(_TEMPLATES[kind], rng), {**_PHRASES, "keyword": (keyword,)}, rng)
    before = [f"@{letters(8, rng)}"] if rng.random() < 0.2 else []
    after = [f"#{keyword.replace(' ', '')}"] if rng.random() < 0.15 else []
    after += [fill("{tag}", _PHRASES, rng).replace(" ", "")] if rng.random() < 0.2 else []
    after += [_link(rng)] if rng.random() < (0.6 if is_real else 0.3) else []
    return " ".join([*before, body, *after])


def _fields(keyword: str, rng: np.random.Generator) -> dict[str, str]:
    fields = {"keyword": keyword.replace(" ", "%20"), "location": fill("{home}", _PHRASES, rng)}
    gone = {"keyword": rng.random() < _NO_KEYWORD, "location": rng.random() < _NO_LOCATION}
    return {name: value for name, value in fields.items() if not gone[name]}


def _repeating(post: Post, number: int, earlier: deque[Post], rng: np.random.Generator) -> Post:
    """Return the post, or in its turn one with an earlier post's text, to the letter or under the other label."""
    is_contradiction = number % _CONTRADICTION == 0
    if not is_contradiction and number % _EXACT:
        return post
    sources = [other for other in earlier if (other.label != post.label) == is_contradiction]
    if not sources:
        return post
    source = sources[int(rng.integers(len(sources)))]
    ending = f" {_link(rng)}" if is_contradiction else ""
    return replace(post, text=f"{source.text}{ending}", fields=source.fields)


def _link(rng: np.random.Generator) -> str:
    return f"http://t.co/{letters(10, rng)}"
