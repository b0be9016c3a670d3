"""From Kafka into a store: whoever dies, and wherever, nothing is lost, doubled or miscounted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka_mock import KafkaMock, kafka_mock
from tests.streaming_kills import (
    KafkaSource,
    Stream,
    kept_after_deaths,
    kept_after_kills,
    poisons_are_set_aside,
    stops_when_asked,
)
from tests.zygote import Zygote


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaMock]:
    with kafka_mock(session_ms=250) as kafka:  # So long does it take until others get what a dead member had.
        yield kafka


@pytest.fixture
def source(kafka: KafkaMock, request: pytest.FixtureRequest) -> Iterator[KafkaSource]:
    source = KafkaSource(kafka, request.node.name)
    yield source
    source.close()


def test_random_kills_lose_and_double_nothing(stream_zygote: Zygote, source: KafkaSource, sqlite_store: str) -> None:
    kept_after_kills(Stream(stream_zygote, source, sqlite_store), posts=20_000, kills=60)


def test_random_kills_lose_nothing_of_postgresql_either(
    stream_zygote: Zygote, source: KafkaSource, postgres_store: str
) -> None:
    kept_after_kills(Stream(stream_zygote, source, postgres_store), posts=4_000, kills=15)


def test_deaths_at_every_place_lose_and_double_nothing(
    stream_zygote: Zygote, source: KafkaSource, sqlite_store: str, tmp_path: Path
) -> None:
    kept_after_deaths(Stream(stream_zygote, source, sqlite_store), tmp_path, each=8, posts=2_000)


def test_deaths_at_every_place_lose_nothing_of_postgresql_either(
    stream_zygote: Zygote, source: KafkaSource, postgres_store: str, tmp_path: Path
) -> None:
    kept_after_deaths(Stream(stream_zygote, source, postgres_store), tmp_path, each=3, posts=700)


def test_a_poison_is_set_aside_after_five_deaths(
    stream_zygote: Zygote, source: KafkaSource, postgres_store: str
) -> None:
    assert 5 <= poisons_are_set_aside(Stream(stream_zygote, source, postgres_store, workers=1)) <= 11


def test_a_poison_that_two_workers_meet_is_set_aside(
    stream_zygote: Zygote, source: KafkaSource, sqlite_store: str
) -> None:
    assert 5 <= poisons_are_set_aside(Stream(stream_zygote, source, sqlite_store)) <= 11


def test_a_stop_under_load_loses_nothing(stream_zygote: Zygote, source: KafkaSource, sqlite_store: str) -> None:
    stops_when_asked(Stream(stream_zygote, source, sqlite_store), posts=8_000)
