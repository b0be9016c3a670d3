"""The tables as they are now, for queries; `migrations` is what makes them."""

from sqlalchemy import BigInteger, Boolean, Column, Double, LargeBinary, MetaData, Table, Text

from siaga.serving.store.rows import MinuteRow

METADATA = MetaData()


def _texts(*names: str, is_key: bool = False) -> list[Column[str]]:
    return [Column(name, Text, primary_key=is_key, nullable=not is_key) for name in names]


SCHEMA_VERSION = Table(
    "schema_version",
    METADATA,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("applied_ms", BigInteger, nullable=False),
)
POSTS = Table(
    "posts",
    METADATA,
    *_texts("source", "id", is_key=True),
    *_texts("text", "language"),
    Column("time_ms", BigInteger),
    Column("lon", Double),
    Column("lat", Double),
    *_texts("place_method"),
    Column("radius_m", Double),
    *_texts("place", "country", "user", "image_url", "hashtags"),
    Column("is_repost", Boolean, nullable=False),
    *_texts("fields"),
    Column("deleted_ms", BigInteger),
)
PREDICTIONS = Table(
    "predictions",
    METADATA,
    *_texts("source", "post_id", "model", is_key=True),
    Column("label", Text, nullable=False),
    Column("confidence", Double),
    Column("score", BigInteger),
    Column("used", Text, nullable=False),
    *_texts("probabilities", "members", "error"),
)
DEAD_LETTERS = Table(
    "dead_letters",
    METADATA,
    *_texts("input", "model", "part", "position", is_key=True),
    Column("reason", Text, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    *_texts("source", "post_id"),
    Column("kept_ms", BigInteger, nullable=False),
)
OFFSETS = Table(
    "offsets",
    METADATA,
    *_texts("input", "model", "part", is_key=True),
    Column("position", Text, nullable=False),
    Column("is_done", Boolean, nullable=False),
)
ATTEMPTS = Table(
    "attempts",
    METADATA,
    *_texts("input", "model", "part", "position", is_key=True),
    Column("attempts", BigInteger, nullable=False),
)
MINUTES = Table(
    "minutes",
    METADATA,
    *_texts("model", is_key=True),
    Column("minute_ms", BigInteger, primary_key=True, autoincrement=False),
    *_texts("language", "country", "place", "label", is_key=True),
    *(Column(name, BigInteger, nullable=False) for name in MinuteRow._fields[6:]),
)
REVIEWS = Table(
    "reviews",
    METADATA,
    *_texts("source", "post_id", is_key=True),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    *_texts("who", is_key=True),
    Column("action", Text, nullable=False),
    *_texts("label", "model", "note"),
)
