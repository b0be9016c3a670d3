"""Scores of texts by a list of words: exactly those of a slow and plain reference, and in linear time."""

import string
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.errors import DataError, MissingExtra
from siaga.features.lexicon import Lexicon, load_lexicon, score_texts
from tests.lexicon_reference import reference_score

WORDS = {"good": 3, "not": -1, "fun": 4, "no": -1, "can't": 0, "naïve": -2, "стыд": -3, "हिन्दी": 2, "n00b": -2, "s": 7}
PHRASES = {"not good": -3, "not good fun": -5, "no fun": -3, "can't stand": -3, "some kind": 0, "so naïve": -4}
OTHERS = {"good good": 9, "up good": 1, "cover-up": -3, "once-in-a-lifetime": 3, "fun-s": 2, "fun s": -2}
SMALL = {**WORDS, **PHRASES, **OTHERS}
SMALL_LIST = Lexicon.of(SMALL, name="small")
AFINN = load_lexicon("afinn-111")
AFINN_ENTRIES = {**AFINN.words, **AFINN.phrases}

SIGNS = [*" \t\n\u00a0\u2003-_@'’.,!?#/:\0", "--", " - ", "''", "…", "—", "😂", "❤️", "\u0301", "\u093f", "\u200d", "İ"]
LINKS = ["https://t.co/good", "HTTP://x.y/not", "www.good.fun", "Www.fun", "awww.good", "https://", "http:/", "@good"]


def texts(words: list[str]) -> st.SearchStrategy[str]:
    """Texts of words of a list and of parts of them, in any case, with anything between them or nothing."""
    parts = sorted({part for word in words for part in word.replace("-", " ").split()})
    word = st.sampled_from([*words, *parts]).flatmap(lambda each: st.sampled_from([each, each.upper(), each.title()]))
    between = st.sampled_from([" ", " ", " ", *SIGNS])
    piece = word | between | st.sampled_from(LINKS) | st.text(max_size=3) | st.sampled_from(string.ascii_lowercase)
    return st.lists(st.tuples(piece, between | st.just("")), max_size=12).map(
        lambda pairs: "".join(part for pair in pairs for part in pair)
    )


@given(text=texts(list(SMALL)))
@settings(max_examples=700, deadline=None)
def test_every_text_scores_as_in_the_reference(text: str) -> None:
    assert SMALL_LIST.score_known(text) == reference_score(text, SMALL)


@given(text=texts(list(AFINN_ENTRIES)))
@settings(max_examples=300, deadline=None)
def test_every_text_scores_as_in_the_reference_by_afinn(text: str) -> None:
    assert AFINN.score_known(text) == reference_score(text, AFINN_ENTRIES)


@pytest.mark.parametrize("entry", AFINN.phrases)
def test_a_phrase_of_afinn_counts_once_and_its_words_do_not(entry: str) -> None:
    assert AFINN.score_known(f"xyz {entry.upper()}, xyz") == AFINN.phrases[entry]


def test_all_of_afinn_is_known() -> None:
    assert (len(AFINN.words), len(AFINN.phrases)) == (2454, 23)
    assert [AFINN.score(word) for word in AFINN.words] == list(AFINN.words.values())


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ("I love it", 3),
        ("so sad", -2),
        ("GOOD, good; #good (good)", 12),
        ("It is not good", -2),
        ("It is not.\nGood morning", 3),
        ("not \t\n good", -2),
        ("not-good", 3),
        ("a cover-up", -3),
        ("cover up", None),
        ("once-in-a-lifetime love", 6),
        ("love-hate", 0),
        ("I can't stand it, I can’t stand it", -6),
        ("'love' 'tis ''love''", 6),
        ("love's", None),
        ("I won't", None),
        ("you are naïve, nai\u0308ve, NAÏVE", -6),
        ("some kind of tea", 0),
        ("the tea", None),
        ("@love love@home.example", None),
        ("https://love.example/love?love,love", None),
        ("WWW.LOVE.example love", 3),
        ("look:https://love.example love", 3),
        ("https://t.co/abc😂love", 3),
        ("❤️love❤️", 3),
        ("lovely_love", None),
        ("\ud800love\udfff", 3),
        ("", None),
    ],
)
def test_what_a_text_scores(text: str, score: int | None) -> None:
    assert AFINN.score_known(text) == score
    assert AFINN.score(text) == (score or 0)


def test_texts_are_scored_in_one_line_none_among_them() -> None:
    assert score_texts(["I love it", "so sad", None, "", "not good"]) == [3, -2, 0, 0, -2]
    with pytest.raises(DataError, match=r"For one text: score_texts\(\['I love it'\]\)"):
        score_texts("I love it")
    assert score_texts(iter(["dejlig", "love"]), words="afinn-da-32") == [3, 0]


@pytest.mark.parametrize(
    "unit",
    [
        "does not ",
        "a-a-",
        "@",
        "'",
        "a'",
        "can't ",
        "some kind",
        "https://",
        "www.",
        "é",
        "❤️",
        "e\u0301",
        "\u0301\u0316",
        "-",
        "İ ",
    ],
)
def test_a_hostile_text_takes_linear_time(unit: str) -> None:
    def seconds(characters: int) -> float:
        text = unit * (characters // len(unit))
        taken = []
        for _ in range(3):
            start = time.process_time()
            AFINN.score(text)
            taken.append(time.process_time() - start)
        return min(taken)

    assert seconds(160_000) < 3 * seconds(80_000) + 0.01


@pytest.mark.parametrize("unit", ["does not ", "a-a-", "@", "'", "a'"])
def test_a_hostile_megabyte_is_scored_at_once(unit: str) -> None:
    start = time.process_time()
    AFINN.score(unit * (1_000_000 // len(unit)))
    assert time.process_time() - start < 2


def written(folder: Path, content: str | bytes) -> str:
    path = folder / "words.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_a_list_of_ones_own_is_read_from_a_file(tmp_path: Path) -> None:
    found = load_lexicon(
        written(tmp_path, "\ufeff# Mine\nBagus\t+2\r\n\nTidak  bagus\t-3\nna\u0131\u0308f \t1\nbagus\t2\n")
    )
    assert (found.words, found.phrases) == ({"bagus": 2, "nai\u0308f".replace("i", "ı"): 1}, {"tidak bagus": -3})
    assert found.score("Tidak bagus, tapi bagus!") == -1
    assert score_texts(["bagus"], words=str(tmp_path / "words.txt")) == [2]


def test_every_line_that_is_at_fault_is_named(tmp_path: Path) -> None:
    lines = [
        "good\t3",
        "bad",
        "\t1",
        ":)\t2",
        "sad\t-2.5",
        "Good\t2",
        "@me\t1",
        "'tis\t1",
        "a\tb\t1",
        "big\t1000001",
        "a -b\t1",
    ]
    with pytest.raises(DataError) as caught:
        load_lexicon(written(tmp_path, "\n".join(lines)))
    parts = "is not a word or phrase, one tab, and a number"
    form = "is no word and no phrase: letters, digits, _, between them ' - or a space"
    number = "is no whole number from -1,000,000 to 1,000,000"
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'words.txt'} has 10 faults:",
        f"  - line 2: 'bad' {parts}",
        f"  - line 3: '' {form}",
        f"  - line 4: ':)' {form}",
        f"  - line 5: '-2.5' {number}",
        "  - line 6: 'good' counts 3 before, and 2 here. Keep one",
        f"  - line 7: '@me' {form}",
        f'  - line 8: "\'tis" {form}',
        f"  - line 9: 'a\\tb\\t1' {parts}",
        f"  - line 10: '1000001' {number}",
        f"  - line 11: 'a -b' {form}",
    ]


def test_many_faults_are_counted_and_not_all_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has 50 faults:\n(  - line .*\n){20}  - and 30 more$"):
        load_lexicon(written(tmp_path, ":(\t1\n" * 50))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"caf\xe9\t1\n", r"is not UTF-8 \(byte 3\)"), ("\n# none\n", "holds no words"), ("x\ty", "has 1 fault:")],
)
def test_what_is_no_list_is_said(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load_lexicon(written(tmp_path, content))


def test_a_list_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    known = "Known: afinn-111, afinn-en-165, afinn-da-32; or give the path of a file."
    with pytest.raises(DataError, match=f"There is no list of words 'afinn-112'. Did you mean 'afinn-111'. {known}"):
        load_lexicon("afinn-112")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        load_lexicon(str(tmp_path))


def test_without_the_package_the_line_to_install_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "afinn", None)
    with pytest.raises(MissingExtra, match=r"pip install 'siaga\[stream\]'"):
        load_lexicon("afinn-111")
