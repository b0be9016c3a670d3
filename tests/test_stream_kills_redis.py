"""From Redis into a store: whoever dies, and wherever, nothing is lost, doubled or miscounted."""

from pathlib import Path

import pytest

from tests.servers import RedisServer
from tests.streaming_kills import (
    RedisSource,
    Stream,
    kept_after_deaths,
    kept_after_kills,
    poisons_are_set_aside,
    stops_when_asked,
)
from tests.zygote import Zygote


@pytest.fixture
def source(redis_server: RedisServer, request: pytest.FixtureRequest) -> RedisSource:
    return RedisSource(redis_server.url(), request.node.name)


def test_random_kills_lose_and_double_nothing(stream_zygote: Zygote, source: RedisSource, sqlite_store: str) -> None:
    kept_after_kills(Stream(stream_zygote, source, sqlite_store), posts=20_000, kills=60)


def test_random_kills_lose_nothing_of_postgresql_either(
    stream_zygote: Zygote, source: RedisSource, postgres_store: str
) -> None:
    kept_after_kills(Stream(stream_zygote, source, postgres_store), posts=4_000, kills=15)


def test_deaths_at_every_place_lose_and_double_nothing(
    stream_zygote: Zygote, source: RedisSource, sqlite_store: str, tmp_path: Path
) -> None:
    kept_after_deaths(Stream(stream_zygote, source, sqlite_store), tmp_path, each=25, posts=2_500)


def test_deaths_at_every_place_lose_nothing_of_postgresql_either(
    stream_zygote: Zygote, source: RedisSource, postgres_store: str, tmp_path: Path
) -> None:
    kept_after_deaths(Stream(stream_zygote, source, postgres_store), tmp_path, each=5, posts=1_000)


def test_a_poison_is_set_aside_after_five_deaths(stream_zygote: Zygote, source: RedisSource, either_store: str) -> None:
    assert poisons_are_set_aside(Stream(stream_zygote, source, either_store, workers=1)) == 5


def test_three_poisons_of_one_batch_are_set_aside_and_nothing_else(
    stream_zygote: Zygote, source: RedisSource, sqlite_store: str
) -> None:
    deaths = poisons_are_set_aside(Stream(stream_zygote, source, sqlite_store, workers=1), count=3)
    assert deaths == 1 + 3 * 4  # All three were in the batch of the first death.


def test_a_poison_that_two_workers_meet_is_set_aside(
    stream_zygote: Zygote, source: RedisSource, sqlite_store: str
) -> None:
    source.url = source.url.replace("claim_after_s=0.5", "claim_after_s=0.02")
    assert 5 <= poisons_are_set_aside(Stream(stream_zygote, source, sqlite_store), count=2) <= 10


def test_a_message_whose_reading_kills_is_set_aside_too(
    stream_zygote: Zygote, source: RedisSource, sqlite_store: str
) -> None:
    assert poisons_are_set_aside(Stream(stream_zygote, source, sqlite_store, workers=1), by="reading") == 6


def test_a_stop_under_load_loses_nothing(stream_zygote: Zygote, source: RedisSource, sqlite_store: str) -> None:
    stops_when_asked(Stream(stream_zygote, source, sqlite_store), posts=8_000)
