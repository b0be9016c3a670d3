"""What made posts of a stream say: moods in four languages, plain, by negation, by what comes last, or not at all."""

from collections.abc import Mapping
from typing import Literal

import numpy as np

from siaga.sources.templates import Phrases, fill, pick

Mood = Literal["negative", "neutral", "positive"]
MOODS: tuple[Mood, ...] = ("negative", "neutral", "positive")
Language = Literal["en", "id", "es", "ja"]
LANGUAGES: tuple[Language, ...] = ("en", "id", "es", "ja")

_UP_TO = (0.5, 0.7, 0.85, 1.0)  # The shares of the languages, summed up.
_TEMPLATES: Mapping[Language, Mapping[Mood, tuple[str, ...]]] = {
    "en": {
        "positive": (
            *("{good} {thing} {when}", "I {like} this {thing} so much", "so {glad} about the {thing}, thanks {who}"),
            *("the {thing} was {bad} last week but {when} it is {good}", "not {bad} at all, the {thing} {when}"),
            *("cool stuff from {who} {when}", "the {thing} slaps, no notes", "can't stop smiling, {thing} & {thing}"),
            *("{who} at the {thing}: {good}, just {good}", "I <3 the {thing}"),
        ),
        "neutral": (
            *(
                "{thing} starts at {number} {when}",
                "who is at the {thing} {when}?",
                "{who} is on the way to the {thing}",
            ),
            *("is the {thing} {good} or {bad}? asking for {who}", "new photo of the {thing}, {number} of {number}"),
            *("{who} said the {thing} moves to page {number}", "waiting for the {thing} {when}", "the {thing}, again"),
        ),
        "negative": (
            *("{bad} {thing} {when}", "I {hate} this {thing}", "so {sad} about the {thing}, {who}"),
            *("the {thing} was {good} last week, {when} it is {bad}", "not {good} at all, the {thing} {when}"),
            *(
                "the {thing} does not work {when}",
                "fed up with the {thing}, I can't stand it",
                "that {thing} is so mid",
            ),
            *("no fun at the {thing} {when}, ask {who}", "{who} ruined the {thing} <again>"),
        ),
    },
    "id": {
        "positive": (
            *("{thing} {when} {good} banget", "suka banget sama {thing} ini", "makasih {who}, {thing}nya {good}"),
            *(
                "kemarin {thing} {bad}, {when} {good}",
                "{thing} {when} gak {bad} kok",
                "akhirnya {thing}, bahagia itu sederhana",
            ),
        ),
        "neutral": (
            *("{thing} mulai jam {number} {when}", "ada yang ke {thing} {when}?", "{who} lagi di jalan ke {thing}"),
            *("{thing} itu {good} atau {bad} sih?", "nunggu {thing} {when}", "halaman {number} tentang {thing}"),
        ),
        "negative": (
            *("{thing} {when} {bad} banget", "benci sama {thing} ini", "capek sama {thing}, {who}"),
            *(
                "kemarin {thing} {good}, {when} {bad}",
                "{thing} {when} gak {good} sama sekali",
                "{thing} error lagi, nangis",
            ),
        ),
    },
    "es": {
        "positive": (
            *("qué {good} {thing} {when}", "me encanta {thing}", "gracias {who}, {thing} está {good}"),
            *("ayer {thing} {bad}, {when} {good}", "nada {bad}, {thing} {when}"),
        ),
        "neutral": (
            *("{thing} empieza a las {number} {when}", "¿quién va a {thing} {when}?", "{who} va camino a {thing}"),
            *("¿{thing} es {good} o {bad}?", "esperando {thing} {when}"),
        ),
        "negative": (
            *("qué {bad} {thing} {when}", "odio {thing}", "harto de {thing}, {who}"),
            *("ayer {thing} {good}, {when} {bad}", "nada {good}, {thing} {when}"),
        ),
    },
    "ja": {
        "positive": (
            "{when}の{thing}、{good}！",
            "{thing}大好き",
            "{who}ありがとう、{thing}が{good}",
            "{thing}は悪くない",
        ),
        "neutral": (
            "{thing}は{number}時から",
            "{when}{thing}に行く人いる？",
            "{who}が{thing}に向かってる",
            "{thing}って{good}の？",
        ),
        "negative": ("{when}の{thing}、{bad}…", "{thing}きらい", "{who}のせいで{thing}が{bad}", "{thing}は良くない"),
    },
}
_PHRASES: Mapping[Language, Phrases] = {
    "en": {
        "thing": ("concert", "train", "match", "new phone", "exam", "coffee", "wifi", "weather", "show", "update"),
        "when": ("today", "this morning", "tonight", "right now", "on monday", "at work", "once more"),
        "who": ("my sister", "@{name}", "the neighbours", "my boss", "everyone", "the band", "a friend"),
        "name": ("ana_k", "dewi", "sunny7", "mr_bo", "kaito"),
        "good": ("great", "amazing", "lovely", "wonderful", "fun", "brilliant", "gorgeous", "nice", "a vibe"),
        "bad": ("awful", "terrible", "boring", "horrible", "ugly", "broken", "a mess", "sad", "cringe"),
        "like": ("love", "adore", "enjoy", "like"),
        "hate": ("hate", "despise", "regret", "dislike"),
        "glad": ("happy", "glad", "excited", "grateful"),
        "sad": ("angry", "disappointed", "tired", "worried"),
    },
    "id": {
        "thing": ("konser", "kereta", "ujian", "kopi", "cuaca", "drama", "hp baru", "sinyal", "kuliah"),
        "when": ("hari ini", "tadi pagi", "malam ini", "sekarang", "minggu ini", "besok"),
        "who": ("kak {name}", "bos", "tetangga", "teman", "adik"),
        "name": ("dewi", "rani", "budi", "agus"),
        "good": ("keren", "bagus", "seru", "mantap", "asik", "cakep"),
        "bad": ("jelek", "parah", "nyebelin", "lemot", "ngeselin", "zonk"),
    },
    "es": {
        "thing": ("el concierto", "el tren", "el partido", "la película", "el café", "el examen", "la serie"),
        "when": ("hoy", "esta mañana", "esta noche", "ahora", "el lunes"),
        "who": ("mi hermana", "@{name}", "el jefe", "los vecinos"),
        "name": ("lucia_m", "javi", "pau"),
        "good": ("genial", "increíble", "divertido", "precioso", "bueno"),
        "bad": ("horrible", "aburrido", "fatal", "feo", "terrible"),
    },
    "ja": {
        "thing": ("ライブ", "電車", "試合", "新曲", "テスト", "コーヒー", "天気", "アニメ"),
        "when": ("今日", "今朝", "今夜", "今", "月曜"),
        "who": ("友達", "先生", "妹", "推し"),
        "good": ("最高", "楽しい", "すごい", "かわいい", "嬉しい"),
        "bad": ("最悪", "つまらない", "悲しい", "ひどい", "つらい"),
    },
}
_TAGS: Mapping[Language, tuple[str, ...]] = {
    "en": ("nowplaying", "monday", "news", "love"),
    "id": ("semangat", "jakarta", "curhat"),
    "es": ("felizmiercoles", "musica", "hoy"),
    "ja": ("推し活", "音楽", "今日の空"),
}
_EMOJI: Mapping[Mood, tuple[str, ...]] = {
    "positive": ("😂", "❤️", "😍", "🙏", "🎉"),
    "neutral": ("😂", "🤔", "📷", "👀"),
    "negative": ("😭", "😡", "💔", "🙄", "😂"),
}


def pick_language(rng: np.random.Generator) -> Language:
    """Return a language, as often as it is spoken in the made stream."""
    chance = rng.random()
    return next(language for language, most in zip(LANGUAGES, _UP_TO, strict=True) if chance < most)


def write_sentence(mood: Mood, language: Language, rng: np.random.Generator) -> str:
    """Return a sentence of a mood; now and then with an emoji, which may mislead."""
    sentence = fill(pick(_TEMPLATES[language][mood], rng), _PHRASES[language], rng)
    return f"{sentence} {pick(_EMOJI[mood], rng)}" if rng.random() < 0.25 else sentence


def pick_hashtag(language: Language, rng: np.random.Generator) -> str:
    """Return a hashtag without its sign."""
    return pick(_TAGS[language], rng)
