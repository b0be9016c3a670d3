"""Redis into both stores: however often workers and the command die, nothing is lost, doubled or miscounted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import RedisServer
from tests.streaming_kills import MODULES, PLACES, RedisSource, Stream, check, kill_at_random, made, sqlite_folder
from tests.zygote import Zygote


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("logs"), modules=MODULES) as zygote:
        yield zygote


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "postgresql":
        yield request.getfixturevalue("postgres_server").emptied()
        return
    with sqlite_folder() as folder:
        yield str(folder / "store.db")


@pytest.fixture
def source(redis_server: RedisServer, request: pytest.FixtureRequest) -> RedisSource:
    return RedisSource(redis_server.url(), request.node.name)


def test_random_kills_lose_and_double_nothing(zygote: Zygote, source: RedisSource, store: str) -> None:
    expected = made(20_000, has_long=True)
    source.feed(expected.lines)
    stream = Stream(zygote, source, store)
    stream.start()
    assert kill_at_random(stream, posts=20_000, kills=60) == 60
    stream.finish(expected)
    check(store, expected)


def test_deaths_at_every_place_lose_and_double_nothing(
    zygote: Zygote, source: RedisSource, store: str, tmp_path: Path
) -> None:
    expected = made(4_000, seed=1)
    source.feed(expected.lines)
    stream = Stream(zygote, source, store, prepared={"batch": 8, "deaths": (str(tmp_path), PLACES, 50)})
    stream.start()
    stream.finish(expected)
    check(store, expected)
    died = [path.name.split(".")[0] for path in tmp_path.iterdir()]
    assert {place: died.count(place) >= 50 for place in PLACES} == dict.fromkeys(PLACES, True)
