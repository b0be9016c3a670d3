"""Redis as a server: connecting to it by URL, making a group, and what its refusals mean for the user."""

import logging
import os
from typing import Any

from siaga.errors import DataError
from siaga.extras import require
from siaga.serving.stream.urls import BrokerUrl, read_url

log = logging.getLogger(__name__)
PORT = 6379
OPTIONS = ("db", "claim_after_s", "ssl_ca_certs")
PASSWORD = "REDISCLI_AUTH"  # noqa: S105 - The name of the variable that redis-cli reads, too.
_TIMEOUT_S = 5.0


def check_redis(url: str) -> None:
    """Make the stream and its group where they are not there, and warn when Redis keeps nothing on disk.

    Raises DataError when the server cannot be reached or refuses, or when the key holds something else.
    """
    read, failure = read_redis_url(url), failures()
    with connect(read) as redis:
        try:
            make_group(redis, read)
        except failure as error:
            raise redis_refusal(read, error) from error
        try:
            kept = [redis.config_get(name).get(name) for name in ("save", "appendonly")]
        except failure as error:
            log.debug("Whether %s keeps its data cannot be asked: %s", read.name, error)
            return
    if kept == ["", "no"]:
        what = "Redis keeps nothing on disk, so that its restart loses what was not read yet"
        log.warning("%s: %s. Set appendonly to yes.", read.name, what)


def connect(url: BrokerUrl) -> Any:  # Any: a redis.Redis, whose library is an extra.
    """Return a client for a URL; it connects when it is used, and tells every failure instead of trying again."""
    redis = require("redis", extra="stream")
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    (host, port), *more = url.hosts
    if more:
        raise DataError(f"{url.name} names several hosts. Redis is read from one.")
    ca_certs = url.options.get("ssl_ca_certs")
    return redis.Redis(
        host=host,
        port=port,
        db=int(url.options.get("db", "0")),
        username=url.user,
        password=url.password or os.environ.get(PASSWORD) or None,
        protocol=2,  # Its answers are what we take apart.
        retry=Retry(NoBackoff(), 0),  # A retried XREADGROUP would leave behind what the lost answer held.
        socket_timeout=_TIMEOUT_S,
        socket_connect_timeout=_TIMEOUT_S,
        **({"ssl": True, "ssl_ca_certs": ca_certs} if url.scheme == "rediss" else {}),
    )


def make_group(redis: Any, url: BrokerUrl) -> None:  # Any: see connect.
    """Make the group, and the stream with it, if it is not there; it reads from the stream's first entry."""
    try:
        redis.xgroup_create(url.stream, url.group, id="0", mkstream=True)
    except failures() as error:
        if not str(error).startswith("BUSYGROUP"):
            raise


def failures() -> type[Exception]:
    """Return what a call raises when the server is away or refuses."""
    failure: type[Exception] = require("redis", extra="stream").exceptions.RedisError
    return failure


def is_passing(error: Exception) -> bool:
    """Whether a failure is one that waiting may mend: nobody there, starting up, full, or not the one that writes."""
    known = require("redis", extra="stream").exceptions
    if isinstance(error, known.AuthenticationError | known.AuthorizationError):
        return False
    passing = (
        *(known.ConnectionError, known.TimeoutError, known.OutOfMemoryError),
        *(known.ReadOnlyError, known.TryAgainError, known.ClusterDownError),
    )
    return isinstance(error, passing) or str(error).startswith(("MISCONF ", "UNBLOCKED ", "BUSY "))


def redis_refusal(url: BrokerUrl, error: Exception) -> DataError:
    """Return what a failure means for the user."""
    known, words = require("redis", extra="stream").exceptions, str(error).rstrip(".")
    if isinstance(error, known.AuthenticationError | known.AuthorizationError):
        what = f"Give {url.scheme}://USER:PASSWORD@{url.server}/{url.stream}, or the password in {PASSWORD}"
        return DataError(f"{url.name} does not let us in: {words}. {what}.")
    if isinstance(error, known.NoPermissionError):
        what = "It takes XGROUP, XREADGROUP, XPENDING, XCLAIM, XACK and XINFO on this key"
        return DataError(f"{url.name} refuses: {words}. {what}.")
    if words.startswith("WRONGTYPE"):
        return DataError(f"{url.name}: the key {url.stream!r} is not a stream. Name another one, or remove it.")
    return DataError(f"{url.name} cannot be used: {words} Is Redis (7.0 or newer) running there?")


def read_redis_url(url: str) -> BrokerUrl:
    """Return what a URL of Redis says; raises DataError for one that is wrong."""
    read = read_url(url, port=PORT, options=OPTIONS)
    if not read.options.get("db", "0").isdecimal():
        raise DataError(f"{read.name} is no database. Give its number.")
    return read


def claim_seconds(url: BrokerUrl, default: float) -> float:
    """Return after how many idle seconds the entries of others are claimed; raises DataError for what is no time."""
    given = url.options.get("claim_after_s", str(default))
    try:
        seconds = float(given)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= 1e6:
        raise DataError(f"{url.name} has claim_after_s={given}. Give seconds, such as 30.")
    return seconds
