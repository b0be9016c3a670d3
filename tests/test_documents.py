"""Texts as numbers of words: whole whatever is taken of them, in memory or on disk."""

import resource
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siaga.errors import DataError
from siaga.features import documents, spelling
from siaga.features.documents import Documents
from siaga.features.spelling import Speller, recode
from siaga.features.vocabulary import Vocabulary

TEXTS = st.lists(st.lists(st.integers(0, 6), max_size=5), max_size=8)


def texts_of(found: Documents) -> list[list[int]]:
    return [found.tokens[a:b].tolist() for a, b in zip(found.offsets, found.offsets[1:], strict=False)]


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything goes to disk."""
    monkeypatch.setattr(documents, "IN_MEMORY", 4)
    monkeypatch.setattr(spelling, "IN_MEMORY", 4)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may grow beyond 4 KB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@given(TEXTS)
def test_texts_come_back_as_they_went_in(texts: Sequence[Sequence[int]]) -> None:
    found = Documents.of(texts)
    assert texts_of(found) == texts
    assert len(found) == len(texts)
    assert found.lengths().tolist() == [len(text) for text in texts]
    assert [array.dtype.name for array in (found.tokens, found.offsets, found.lengths())] == ["int32", "int64", "int64"]


@given(TEXTS, st.data())
def test_texts_can_be_taken_in_any_order_and_twice(texts: list[list[int]], data: st.DataObject) -> None:
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=12)) if texts else []
    assert texts_of(Documents.of(texts).take(rows)) == [texts[row] for row in rows]


def test_more_texts_than_are_copied_at_once_are_taken_whole() -> None:
    texts = [[i % 7] * (i % 4) for i in range(10_000)]
    rows = np.random.default_rng(0).permutation(10_000)
    assert texts_of(Documents.of(texts).take(rows)) == [texts[row] for row in rows]


def test_words_of_a_text_are_counted_and_the_texts_stay_in_order() -> None:
    found = Documents.of([[2, 0, 2], [], [1]])
    counts = found.counts(4)
    assert counts.toarray().tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert (counts.dtype, counts.nnz) == (np.int32, 3)
    assert texts_of(found) == [[2, 0, 2], [], [1]]


@pytest.mark.usefixtures("no_memory")
@given(TEXTS)
@settings(max_examples=25, deadline=None)
def test_what_lies_on_disk_is_the_same(texts: list[list[int]]) -> None:
    speller = Speller()
    for text in texts:
        speller.add([f"w{number}" for number in text])
    spelt = speller.spelt()
    order = list(range(len(texts)))[::-1]
    found = recode(spelt, Vocabulary(tuple(f"w{number}" for number in range(6)), (("w0", "w1"),))).take(order)
    assert [[spelt.words[number] for number in text] for text in texts_of(spelt.documents)] == [
        [f"w{number}" for number in text] for text in texts
    ]
    known = Vocabulary(tuple(f"w{number}" for number in range(6)), (("w0", "w1"),))
    assert texts_of(found) == [known.encode([f"w{number}" for number in texts[row]]) for row in order]


@pytest.mark.usefixtures("no_memory")
def test_an_array_on_disk_is_a_plain_array_and_leaves_no_file(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile
    from pathlib import Path

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken = Documents.of([[1, 2, 3], [4]]).take([1, 0])
    assert type(taken.tokens) is np.ndarray
    assert isinstance(taken.tokens.base, np.memmap)
    assert list(Path(str(tmp_path)).iterdir()) == []
    assert texts_of(taken) == [[4], [1, 2, 3]]


@pytest.mark.usefixtures("no_memory", "small_disk")
def test_a_full_disk_is_a_reason() -> None:
    words = ["word"] * 5000
    with pytest.raises(DataError, match="TMPDIR"):
        documents.room_for(5000)
    with pytest.raises(DataError, match="cannot be put into"):
        Speller().add(words)
