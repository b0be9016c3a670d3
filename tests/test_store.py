"""The store, on SQLite and on PostgreSQL: what comes twice is kept once, and a batch is kept whole or not at all."""

import os
import random
import resource
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Boolean, Float, Inspector, Integer, LargeBinary, Text, inspect
from sqlalchemy.types import TypeEngine

from siaga.errors import DataError, MissingExtra
from siaga.serving.store import open_store
from siaga.serving.store.rows import (
    Batch,
    DeadLetter,
    MinuteRow,
    Offset,
    PlaceRow,
    PostRow,
    PredictionRow,
    StoredDeadLetter,
    Written,
)
from siaga.serving.store.store import Store
from siaga.serving.store.tables import METADATA, POSTS
from tests.stored import MODEL, batch, exit_codes, letter, post, prediction, random_batches, recount, started

EVERY_BYTE = bytes(range(256))
NOW_S = 1_700_000_000.5
opened = partial(open_store, clock=lambda: NOW_S)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    address: str = request.getfixturevalue("postgres_server").emptied()
    return address


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with opened(url) as store:
        yield store


def everything(store: Store) -> dict[str, Sequence[object]]:
    """Return all that a store holds."""
    return {
        "posts": sorted(store.posts()),
        "predictions": sorted(store.predictions()),
        "dead_letters": sorted(store.dead_letters()),
        "minutes": list(store.minutes()),
        "counts": sorted(store.counts().items()),
    }


def test_what_is_written_is_read_back(url: str) -> None:
    text = 'Tab\t, line\n, \\N, "quotes", 🌊 and a \''
    full = PostRow("bluesky", "at://did:plc:x/app.bsky.feed.post/3", text, "id", -1)._replace(
        lon=-0.0,
        lat=1.0,
        place_method="coordinates",
        radius_m=10.0,
        place="Kali, Ciliwung",
        country="ID",
        user="did:plc:x",
        image_url="https://x/1.jpg",
        hashtags="banjir dki",
        is_repost=True,
        fields='{"event":"flood"}',
    )
    bare = PostRow("twitter", "", "", None)
    answers = [
        PredictionRow(
            full.source, full.id, "m", "flood", 0.25, -3, "text image", '{"flood":0.25}', '{"a":{}}', "no image"
        ),
        PredictionRow("twitter", "", "m", "", None, None),
    ]
    dead = DeadLetter("part", "12-0", "Broken: it ends too early.", EVERY_BYTE)
    one = Batch("redis://host/0/posts", "m", [full, bare], answers, [dead], offset=Offset("part", "13", True))
    with opened(url) as store:
        assert store.write(one) == Written(fresh=2, repeated=0, dead=1)
    with opened(url) as store:
        assert sorted(store.posts()) == [full, bare]
        assert sorted(store.predictions(), key=lambda row: row.source) == answers
        assert list(store.dead_letters()) == [
            StoredDeadLetter("redis://host/0/posts", "m", *dead, kept_ms=1_700_000_000_500)
        ]
        assert store.offsets("redis://host/0/posts", "m") == {"part": Offset("part", "13", True)}


def test_what_comes_again_changes_nothing(store: Store) -> None:
    first = batch(range(5), dead=[letter(7, raw=EVERY_BYTE)], deleted=[3])
    assert store.write(first) == Written(fresh=5, repeated=0, dead=1)
    before = everything(store)
    assert store.write(first) == Written(fresh=0, repeated=5, dead=0)
    assert everything(store) == before
    assert store.write(batch(range(3, 7))) == Written(fresh=2, repeated=2, dead=0)
    assert [row.posts for row in store.minutes()] == [7]


def test_of_two_in_a_batch_the_first_is_kept(store: Store) -> None:
    one = Batch("in", MODEL, [post(1, text="first"), post(1, text="second")], [prediction(1), prediction(1, score=-2)])
    assert store.write(one) == Written(fresh=1, repeated=1, dead=0)
    assert [row.text for row in store.posts()] == ["first"]
    assert [row.score for row in store.predictions()] == [3]
    assert [(row.label, row.posts) for row in store.minutes()] == [("positive", 1)]


def test_posts_without_a_model_are_counted_as_what_is_new(store: Store) -> None:
    assert store.write(Batch("in", "", [post(1), post(2)])) == Written(fresh=2, repeated=0, dead=0)
    assert store.write(Batch("in", "", [post(2), post(3)])) == Written(fresh=1, repeated=1, dead=0)


def test_a_second_model_is_counted_with_the_posts_as_they_are_stored(store: Store) -> None:
    store.write(Batch("in", MODEL, [post(1, time_ms=0)], [prediction(1)]))
    store.write(Batch("in", "b", [post(1, time_ms=999_999)], [prediction(1, model="b")]))
    store.write(Batch("in", "c", [], [prediction(1, model="c")]))
    assert [(row.model, row.minute_ms, row.posts) for row in store.minutes()] == [
        ("b", 0, 1),
        ("c", 0, 1),
        (MODEL, 0, 1),
    ]
    assert store.models() == ["b", "c", MODEL]
    assert [row.minute_ms for row in store.minutes(model="b")] == [0]
    assert [row.post_id for row in store.predictions(model="c")] == ["1"]


@pytest.mark.parametrize("seed", range(4))
def test_minutes_equal_a_slow_recount(store: Store, seed: int) -> None:
    batches = random_batches(seed)
    for one in batches:
        store.write(one)
    expected = recount(batches)
    assert len(expected) > 100
    assert list(store.minutes()) == expected
    since, until = 0, 120_000
    assert list(store.minutes(since_ms=since, until_ms=until)) == [row for row in expected if since <= row[1] < until]
    times = [time for row in expected if row.model == MODEL for time in (row.first_ms, row.last_ms)]
    assert store.span(MODEL) == (min(times), max(times))


def test_a_post_without_a_time_is_in_no_minute(store: Store) -> None:
    store.write(Batch("in", MODEL, [post(1, time_ms=None, country="ID"), post(2)], [prediction(1), prediction(2)]))
    assert [row.posts for row in store.minutes()] == [1]
    assert list(store.timeless(MODEL)) == [MinuteRow(MODEL, 0, "id", "ID", "", "positive", 1, 0, 3, 9, 0, 0)]
    assert store.counts()["posts_without_time"] == 1
    assert store.span("other") is None


def test_a_deletion_takes_what_a_post_says_and_leaves_what_was_said_of_it(store: Store) -> None:
    said = post(1, country="ID", place="Jakarta", place_method="box", lon=1.0, lat=2.0, radius_m=3.0, hashtags="a")
    said = said._replace(user="budi", image_url="https://x/1.jpg", fields='{"a":"b"}')
    store.write(Batch("in", MODEL, [said, post(2)], [prediction(1), prediction(2)]))
    minutes = list(store.minutes())
    deletion = batch(deleted=[1, 404])
    assert store.write(deletion) == Written(0, 0, 0)
    assert [row.id for row in store.posts()] == ["2"]
    assert store.counts() | {"posts": 2, "predictions": 2, "posts_deleted": 1} == store.counts()
    assert list(store.minutes()) == minutes
    assert list(store.places(MODEL)) == []
    store.write(Batch("in", MODEL, [said], [prediction(1)], deleted=deletion.deleted))
    assert [row.id for row in store.posts()] == ["2"]


def test_a_deleted_post_has_nothing_left(store: Store) -> None:
    said = PostRow(
        "twitter", "1", "text", "id", 7, 1.0, 2.0, "box", 3.0, "place", "ID", "budi", "image", "tag", True, "{}"
    )
    store.write(Batch("in", MODEL, [said], deleted=[("twitter", "1")]))
    (row,) = store._database.stream(POSTS.select())
    left = {name: value for name, value in row._mapping.items() if value is not None}
    assert left == {
        "source": "twitter",
        "id": "1",
        "language": "id",
        "time_ms": 7,
        "is_repost": True,
        "deleted_ms": 1_700_000_000_500,
    }


def test_dead_letters_keep_their_bytes_and_come_once(store: Store) -> None:
    for _ in range(2):
        store.write(batch(dead=[letter(1, raw=EVERY_BYTE), letter(2, raw=b"")]))
    assert [(row.position, row.raw) for row in sorted(store.dead_letters())] == [("1", EVERY_BYTE), ("2", b"")]
    assert list(store.dead_letters(input="other")) == []


def test_what_is_answered_is_no_dead_letter(store: Store) -> None:
    store.write(batch([1]))
    assert store.write(batch(dead=[letter(1, post_id=1), letter(2, post_id=2), letter(3)])).dead == 2
    store.write(batch(model="b", dead=[letter(2, post_id=2)]))
    store.write(batch([2]))
    assert sorted((row.model, row.position) for row in store.dead_letters()) == [("b", "2"), (MODEL, "3")]


def test_a_deletion_empties_the_dead_letter_of_its_post(store: Store) -> None:
    store.write(batch(dead=[letter(1, raw=b"said", post_id=1), letter(2, raw=b"said", post_id=2)]))
    store.write(batch(deleted=[2]))
    assert [(row.position, row.raw) for row in sorted(store.dead_letters())] == [("1", b"said"), ("2", b"")]


def test_offsets_and_attempts_are_kept_by_input_and_model(store: Store) -> None:
    store.write(batch(offset="10"))
    store.write(batch(offset="20"))
    assert store.offsets("stream.jsonl", MODEL) == {"part": Offset("part", "20", False)}
    assert store.offsets("stream.jsonl", "b") == store.offsets("other", MODEL) == {}
    counted = [store.attempt("in", model, "part", "20") for model in (MODEL, MODEL, "b")]
    assert counted == [1, 2, 1]
    store.write(Batch("in", MODEL, settled=("part", "20")))
    assert [store.attempt("in", model, "part", "20") for model in (MODEL, "b")] == [1, 2]


def test_places_are_counted_by_language_and_label(store: Store) -> None:
    spot = ("Jakarta", "ID", 106.8, -6.2, "box", 9e3)
    names: dict[str, Any] = dict(zip(PlaceRow._fields, spot, strict=False))  # Any: of every column.
    times = {1: 7, 2: 7, 3: 0}
    posts = [post(key, time_ms=time_ms, **names) for key, time_ms in times.items()]
    posts.append(post(4, time_ms=7, place="Jakarta", place_method="profile"))
    answers = [prediction(1), prediction(2, error="no word known"), prediction(3, score=-2), prediction(4)]
    store.write(Batch("in", MODEL, posts, answers))
    up = PlaceRow(*spot, "id", MODEL, "positive", 2, 1, 6, 18)
    down = PlaceRow(*spot, "id", MODEL, "negative", 1, 0, -2, 4)
    assert list(store.places(MODEL)) == [down, up]
    assert list(store.places(MODEL, since_ms=1, until_ms=8)) == [up]
    assert list(store.places(MODEL, since_ms=8)) == []


def test_posts_and_predictions_can_be_read_by_time(store: Store) -> None:
    times = {1: 0, 2: 1000, 3: 2000, 4: None}
    posts = [post(key, time_ms=time_ms) for key, time_ms in times.items()]
    store.write(Batch("in", MODEL, posts, [prediction(key) for key in times]))
    assert [row.id for row in store.posts(since_ms=1000, until_ms=2000)] == ["2"]
    assert [row.post_id for row in store.predictions(since_ms=1000)] == ["2", "3"]


@pytest.mark.parametrize("bad_row", [prediction(2, error="a lone \ud83d"), prediction(2)._replace(score=1 << 70)])
def test_a_batch_with_a_bad_row_is_not_kept_at_all(store: Store, bad_row: PredictionRow) -> None:
    bad = batch(range(3), dead=[letter(1)], offset="9")
    bad.predictions[2] = bad_row
    with pytest.raises(DataError, match=r"cannot keep what a post holds: .*Leave it out"):
        store.write(bad)
    assert everything(store)["counts"] == [(name, 0) for name, _ in sorted(store.counts().items())]
    assert store.offsets("stream.jsonl", MODEL) == {}
    assert store.write(batch(range(3))).fresh == 3


def test_a_reader_sees_one_moment(url: str, store: Store) -> None:
    store.write(batch(range(3000)))
    reading = store.posts()
    next(reading)
    with opened(url) as other:
        other.write(batch(range(3000, 6000), deleted=range(3000)))
    assert sum(1 for _ in reading) == 2999
    assert sum(1 for _ in store.posts()) == 3000


def test_reading_takes_no_more_memory_than_a_few_rows(url: str, store: Store) -> None:
    for position in range(40):
        store.write(batch(dead=[letter(position, raw=bytes(1 << 20))]))
    assert exit_codes([started(read_in_little_memory, url)]) == [0]


def read_in_little_memory(url: str) -> None:
    with opened(url) as store:
        store.counts()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert sum(len(row.raw) for row in store.dead_letters()) == 40 << 20
        grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown_kib < 32 << 10, f"{grown_kib} KiB"


def test_writers_and_readers_are_never_in_each_others_way(url: str, store: Store) -> None:
    writers = [started(write_much, url, number) for number in range(4)]
    readers = [started(read_much, url, 12) for _ in range(4)]
    assert exit_codes([*writers, *readers]) == [0] * 8
    assert [row.posts for row in store.minutes()] == [store.counts()["posts"]]
    assert store.counts()["posts"] > 250


def write_much(url: str, number: int) -> None:
    """Write what the others write, too, in batches and orders of its own."""
    rng = random.Random(number)
    with opened(url, wait_s=60) as store:
        for _ in range(15):
            store.write(batch(rng.sample(range(300), 60)))


def read_much(url: str, times: int) -> None:
    with opened(url) as store:
        for _ in range(times):
            counted = sum(row.posts for row in store.minutes(model=MODEL))
            assert counted <= sum(1 for _ in store.predictions(model=MODEL))


def test_a_killed_writer_leaves_whole_batches(url: str, store: Store) -> None:
    rng = random.Random(3)
    for _ in range(5):
        process = started(write_forever, url)
        before = kept(store)
        while kept(store) < before + 2:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.05)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        whole = kept(store)
        assert (
            store.counts() | {"posts": 50 * whole, "predictions": 50 * whole, "dead_letters": whole} == store.counts()
        )
        assert sum(row.posts for row in store.minutes()) == 50 * whole


def write_forever(url: str) -> None:
    with opened(url) as store:
        while True:
            number = kept(store)
            keys = range(50 * number, 50 * number + 50)
            store.write(batch(keys, dead=[letter(number)], offset=str(number + 1)))


def kept(store: Store) -> int:
    offsets = store.offsets("stream.jsonl", MODEL)
    return int(offsets["part"].position) if offsets else 0


@pytest.mark.parametrize(("place", "is_kept"), [("before_commit", False), ("after_commit", True)])
def test_who_dies_before_the_commit_keeps_nothing_and_after_it_all(
    url: str, place: str, is_kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = tmp_path / "hits"
    hits.mkdir()
    monkeypatch.setenv("SIAGA_FAILPOINTS", f"{place}:{hits}:1")
    number = next(number for number in range(100) if exit_codes([started(write_one, url, number)]) != [0])
    assert [path.name for path in hits.iterdir()] == ["0"]
    with opened(url) as store:
        assert store.counts()["posts"] == number + is_kept


def write_one(url: str, key: int) -> None:
    with opened(url) as store:
        store.write(batch([key]))


@pytest.mark.parametrize(("module", "address"), [("sqlalchemy", "mood.db"), ("psycopg", "postgresql://host/x")])
def test_a_library_that_is_missing_is_named(module: str, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"pip install 'siaga\[stream\]'"):
        open_store(address)


def test_a_store_belongs_to_the_process_that_opened_it(store: Store) -> None:
    assert exit_codes([started(refused, store)]) == [0]
    assert store.write(batch([1])).fresh == 1


def refused(store: Store) -> None:
    with pytest.raises(RuntimeError, match="belongs to the process that opened it"):
        store.write(batch([1]))
    os._exit(0)  # Nothing of the parent's may be closed here.


def test_migrations_make_the_tables_that_queries_expect(store: Store) -> None:
    found = store._database.read(lambda connection: tables_of(inspect(connection)))
    assert found == {
        table.name: (
            {column.name: (kind(column.type), column.nullable) for column in table.columns},
            [column.name for column in table.primary_key.columns],
        )
        for table in METADATA.sorted_tables
    }


def tables_of(inspector: Inspector) -> dict[str, tuple[dict[str, tuple[str, bool]], list[str]]]:
    return {
        name: (
            {column["name"]: (kind(column["type"]), column["nullable"]) for column in inspector.get_columns(name)},
            inspector.get_pk_constraint(name)["constrained_columns"],
        )
        for name in inspector.get_table_names()
    }


def kind(type_: TypeEngine[object]) -> str:
    return next(kind.__name__ for kind in (Text, Integer, Float, Boolean, LargeBinary) if isinstance(type_, kind))
