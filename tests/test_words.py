"""What is read of a text: words as people see them, of any script, and nothing that only stands around them."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from siaga.features.text import normalised
from siaga.features.text_prints import text_print
from siaga.features.words import WordReader, stop_words, text_of, without_accents
from siaga.post import Post
from siaga.schema import Cleaning, Words

PLAIN = WordReader(Words(stop_words=(), min_letters=1))
ENGLISH = WordReader(Words())


def read(text: str, *, names: Sequence[str] = (), **choices: object) -> str:
    """Return the words of a text, with the defaults but for the choices."""
    return " ".join(WordReader(Words.model_validate(choices)).words(text, left_out=names))


def test_punctuation_numbers_and_stop_words_are_no_words() -> None:
    text = 'The oil price - at $18.50 -- "rose" 3.5%, and_it fell (again) in 1987/88; 24-hour talks...\tOPEC\n'
    assert read(text) == "oil price rose fell hour talks opec"


def test_no_part_of_a_contraction_is_left() -> None:
    text = "Don't say it's so. I'd, we'll, they've, you're, I'm, won't, can’t, isn`t the minister's 'quoted' o'brien's"
    assert read(text) == "minister quoted o'brien"
    assert read("Don't. It's the minister's.", stop_words=()) == "don't it the minister"


def test_an_ending_after_a_point_or_a_number_is_no_word() -> None:
    assert read("the U.S.'s 1980's 'tis", min_letters=1, stop_words=()) == "the u.s. tis"


def test_letters_with_points_are_one_word() -> None:
    assert read("The U.S.-based firm, J.P. Morgan, at 5 p.m. in U.S.A. (e.g. the u.s).") == (
        "u.s. based firm j.p. morgan u.s.a. u.s."
    )
    assert read("the end.A new.b.com 4.U.S.5") == "end new com u.s."


def test_accents_go_or_stay_and_stop_words_go_either_way() -> None:
    text = "También la inundación está en Łódź, Ångström: Straße ﬁn naïve"
    assert read(text, stop_words=("es",)) == "inundacion lodz angstrom strasse fin naive"
    assert read(text, stop_words=("es",), accents="keep") == "inundación łódź ångström straße fin naïve"
    assert read("tambien mas", stop_words=("es",), accents="keep") == ""


def test_marks_of_other_scripts_are_letters_of_their_own_and_stay() -> None:
    assert without_accents("й ё बाढ़ المُدن Ελλάς héé") == "й ё बाढ़ المُدن Ελλας hee"
    assert read("Наводнение в Москве, й! बाढ़ की खबर المُدن") == "наводнение москве बाढ़ खबर المُدن"


def test_scripts_without_spaces_are_read_by_two_signs() -> None:
    assert read("東京で洪水。水 カタカナ 한국어 물") == "東京 京で で洪 洪水 カタカナ 한국어"
    assert read("น้ำท่วม") == "น้ำท่ ท่ว วม"


def test_capitals_stay_where_they_are_kept_and_stop_words_go_all_the_same() -> None:
    cleaning = {"lower": False, "numbers": "drop"}
    assert read("The Bank of England's THE", cleaning=cleaning) == "Bank England"


def test_numbers_are_words_where_they_are_kept() -> None:
    text = "In 1987, 1,000.5 people had covid19 on 3.4."
    assert read(text, cleaning=Cleaning()) == "1987 1,000.5 people covid19 3.4"
    assert read(text, cleaning=Cleaning(numbers="mask")) == "people covid0"


def test_names_and_hashtags_keep_their_sign_where_they_are_kept_whole() -> None:
    text = "RT @bpbd: #BanjirJakarta me@home.id c# http://x.id/a"
    kept = {"mentions": "keep", "hashtags": "keep", "numbers": "drop"}
    assert read(text, stop_words=()) == "rt banjirjakarta me home id"
    assert read(text, stop_words=(), cleaning=kept) == "rt @bpbd #banjirjakarta me home id"


def test_entities_links_and_emoji_are_cleaned_away() -> None:
    assert read("AT&amp;T &lt;TX&gt; 😱 caf&eacute; HTTP://a.b/c?d www.x.y soft\u00adware zero\u200bwidth") == (
        "tx cafe software zerowidth"
    )
    assert read("fire 🔥 now", cleaning=Cleaning(emoji="name", numbers="drop")) == "fire fire"


def test_what_is_left_out_is_left_out_as_a_whole_and_whatever_its_case() -> None:
    text = "The New York Times says: New York is new, in the times of The Times' NEW YORK TIMES."
    left_out = ("The New York Times", "times", "Continue  reading")
    assert read(text, names=left_out[:1], stop_words=()) == (
        "says new york is new in the times of the times new york times"
    )
    assert read(text, stop_words=(), left_out=left_out) == "says new york is new in the of the new york"


def test_of_several_phrases_the_longest_goes_and_repeated_ones_all_go() -> None:
    text = "fox news fox news channel fox news, fox"
    assert read(text, names=["fox news", "Fox News Channel"]) == "fox"
    assert read("a b a b a", names=["a b"], stop_words=(), min_letters=1) == "a"
    assert read("Le Monde: L’Équipe écrit", names=["l'equipe", "-", ""], stop_words=()) == "le monde ecrit"


def test_what_one_post_leaves_out_stays_in_others() -> None:
    reader = WordReader(Words())
    assert reader.words("reuters cnn", left_out=["CNN"]) == ["reuters"]
    assert reader.words("reuters cnn", left_out=["Reuters"]) == ["cnn"]
    assert reader.words("reuters cnn") == ["reuters", "cnn"]


def test_a_long_value_is_no_name() -> None:
    assert read("flood water", names=["flood " * 40]) == "flood water"
    assert read("flood water", names=["flood"]) == "water"


def test_a_run_without_end_is_no_word() -> None:
    assert read("a" * 50 + " " + "b" * 51 + " " + "c." * 51) == "a" * 50


@pytest.mark.parametrize("language", ["en", "es", "id"])
def test_lists_of_stop_words_hold_words_of_their_language_once(language: str) -> None:
    found = stop_words([language])
    assert 250 <= len(found) <= 450
    assert all(word == word.lower() == without_accents(word) for word in found)
    assert {"en": "which", "es": "tambien", "id": "yang"}[language] in found
    assert not found & {"banjir", "inundacion", "flood", "estado", "u.s.", "baru"}


def test_the_languages_of_stop_words_are_chosen() -> None:
    text = "the flood dan banjir yang y la inundación"
    assert read(text, stop_words=("en", "es", "id")) == "flood banjir inundacion"
    assert read(text, stop_words=()) == "the flood dan banjir yang la inundacion"


def test_fields_are_joined_and_nothing_is_read_of_nothing() -> None:
    post = Post("1", " body ", fields={"title": "Title", "blank": " \n", "empty": ""})
    assert text_of(post, ("title", "blank", "text")) == "Title\n body "
    assert text_of(post, ("blank", "empty", "none")) is None
    assert text_of(Post("2", fields={"title": "Title"}), ("text", "title")) == "Title"


SIGNS = st.sampled_from(
    ["\u00ad", "\u00a0", "\u2028", "\u200d", "\u0301", "e\u0301", *"aZ .,'`_-&@#5éÿßªµ×’“—漢字Ж😱", "น้", "''"]
) | st.sampled_from(["http://", "www.", "n't", "'s", "U.S.", "the", "&amp;", "&#8217;"])
TEXT = st.lists(SIGNS, max_size=12).map("".join)


@given(TEXT | st.text(max_size=20))
@example("a''b 'c' d'")
@example("x.y'z A.B C.D.5 5.E.F")
@settings(max_examples=200, deadline=None)
def test_a_text_reads_the_same_beside_other_letters_and_beside_what_must_be_cleaned(text: str) -> None:
    for reader in (PLAIN, ENGLISH):
        assert reader.words(f"{text} жжж") == [*reader.words(text), "жжж"]
        assert reader.words(f"{text} #xxx") == [*reader.words(text), "xxx"]
        assert reader.words(f"{text} #жжж 漢字") == [*reader.words(text), "жжж", "漢字"]


@given(TEXT | st.text(max_size=20))
@settings(max_examples=200, deadline=None)
def test_a_word_has_letters_and_neither_space_nor_underline(text: str) -> None:
    for word in PLAIN.words(text):
        assert any(map(str.isalpha, word))
        assert not set(word) & set(" \t\n_-")
        assert word == word.lower()


@given(TEXT | st.text(max_size=20), TEXT | st.text(max_size=20))
@example("Straße", "STRASSE")
@example("½", "1/2")
@example("´", "")
@example("a\x00b", "a b")
@settings(max_examples=400, deadline=None)
def test_prints_are_equal_where_normal_forms_are(a: str, b: str) -> None:
    assert (text_print(a) == text_print(b)) == (normalised(a) == normalised(b))
    for other in (f" {a.upper()}!", a.replace("’", "'"), a.title()):
        assert (text_print(a) == text_print(other)) == (normalised(a) == normalised(other))


def test_a_print_tells_texts_apart_and_nothing_else() -> None:
    assert text_print("Oil rose – 3%") == text_print("oil ROSE, 3") != text_print("oil rose 4")


@pytest.mark.parametrize("text", ["", " \n", "\ud800", "\x00", "&#xd800;", "'", "''", "_", "@", "\udc80%80", "\u0301"])
def test_no_text_is_refused(text: str) -> None:
    assert PLAIN.words(text, left_out=[text]) == []
    assert len(text_print(text)) == 32


HOSTILE = {
    "apostrophes": "'",
    "backquotes": "`",
    "points": "a.",
    "sentences": "a. ",
    "underscores": "_",
    "letters": "a",
    "accents": "é",
    "marks": "e\u0301\u0323",
    "signs without spaces": "漢",
    "marks upon them": "น้",
    "commas": "1,",
    "entities": "&amp;",
    "mentions": "@a",
    "contractions": "n't's ",
    "names": "fox news ",
    "hashtags": "#a",
    "Cyrillic": "ж'",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_four_times_the_text_takes_nowhere_near_sixteen_times_the_time(piece: str) -> None:
    def seconds(text: str) -> float:
        times = []
        for _ in range(3):
            reader = WordReader(Words(left_out=("fox news network", "a a a b")))
            started = time.process_time()
            reader.words(text, left_out=[text, text[:190]])
            text_print(text)
            times.append(time.process_time() - started)
        return min(times)

    short, long = ("a" + piece * (count * 20_000 // len(piece)) for count in (1, 4))
    assert any(seconds(long) <= 8.0 * seconds(short) + 0.004 for _ in range(6))
