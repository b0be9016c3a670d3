"""From files into a store: whoever dies, and wherever, nothing is lost, doubled or miscounted."""

from pathlib import Path

import pytest

from tests.streaming_kills import (
    FileSource,
    Stream,
    kept_after_deaths,
    kept_after_kills,
    poisons_are_set_aside,
    stops_when_asked,
)
from tests.zygote import Zygote

WIDTH = 2_400  # Bytes beside the text of each post, so that a block of a file has few.


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    return FileSource(tmp_path)


def test_random_kills_lose_and_double_nothing(stream_zygote: Zygote, source: FileSource, sqlite_store: str) -> None:
    kept_after_kills(Stream(stream_zygote, source, sqlite_store), posts=20_000, kills=60, width=WIDTH)


def test_random_kills_lose_nothing_of_postgresql_either(
    stream_zygote: Zygote, source: FileSource, postgres_store: str
) -> None:
    kept_after_kills(Stream(stream_zygote, source, postgres_store), posts=4_000, kills=15, width=WIDTH)


def test_deaths_at_every_place_lose_and_double_nothing(
    stream_zygote: Zygote, source: FileSource, sqlite_store: str, tmp_path: Path
) -> None:
    kept_after_deaths(Stream(stream_zygote, source, sqlite_store), tmp_path, each=12, posts=8_000, width=WIDTH)


def test_deaths_at_every_place_lose_nothing_of_postgresql_either(
    stream_zygote: Zygote, source: FileSource, postgres_store: str, tmp_path: Path
) -> None:
    kept_after_deaths(Stream(stream_zygote, source, postgres_store), tmp_path, each=5, posts=4_000, width=WIDTH)


def test_a_poison_is_set_aside_after_five_deaths(stream_zygote: Zygote, source: FileSource, either_store: str) -> None:
    assert poisons_are_set_aside(Stream(stream_zygote, source, either_store, workers=1)) in (5, 6)


def test_three_poisons_of_one_batch_are_set_aside_and_nothing_else(
    stream_zygote: Zygote, source: FileSource, sqlite_store: str
) -> None:
    deaths = poisons_are_set_aside(Stream(stream_zygote, source, sqlite_store, workers=1), count=3)
    assert deaths <= 1 + 3 * 5  # The first death counts for the first message of its batch only.


def test_a_message_whose_reading_kills_is_set_aside_too(
    stream_zygote: Zygote, source: FileSource, sqlite_store: str
) -> None:
    assert poisons_are_set_aside(Stream(stream_zygote, source, sqlite_store, workers=1), by="reading") in (6, 7)


def test_a_stop_under_load_loses_nothing(stream_zygote: Zygote, source: FileSource, sqlite_store: str) -> None:
    stops_when_asked(Stream(stream_zygote, source, sqlite_store), posts=8_000, width=WIDTH)
