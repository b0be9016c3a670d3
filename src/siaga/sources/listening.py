"""Listening: an open stream for ever, over one websocket after the other."""

import logging
from collections.abc import Generator, Iterator
from typing import NamedTuple

from siaga.errors import DataError
from siaga.sources.sockets import Connection, Lost, LostError, Pace, Target, World

log = logging.getLogger(__name__)


class Mended(NamedTuple):
    """The stream is open again; so many seconds ago came the last of what the lost connection brought."""

    seconds: float


Event = bytes | Lost | Mended | None


def listen(target: Target, *, pace: Pace | None = None, world: World | None = None) -> Generator[Event]:
    """Yield the messages of a stream for ever, as bytes whatever they hold, and None whenever there are none.

    A connection that is lost is yielded as Lost, and made anew; Mended follows when it is open. Closing the iterator
    closes the connection. Raises DataError for a refusal that waiting does not mend (a status of 4xx, a certificate
    that does not hold), and for a stream that cannot be reached at first.
    """
    pace, world = pace or Pace(), world or World()
    tries, was_ever_open, last_sign = 0, False, None
    while True:
        connection = Connection(target, pace, world)
        try:
            yield from connection.opened()
            if last_sign is not None:
                yield Mended(world.clock() - last_sign)
            was_ever_open = True
            yield from connection.messages()
        except LostError as error:
            lost = error.lost
        finally:
            connection.close()
        last_sign = last_sign if connection.last_sign is None else connection.last_sign
        tries = 1 if connection.was_steady else tries + 1
        if not was_ever_open and tries >= pace.first_tries:
            raise DataError(f"{target.name} cannot be reached: {lost.reason}. Check the address and the network.")
        wait_s = max(_wait_s(tries, pace, world), lost.asked_to_wait_s)
        log.warning("%s: %s. Trying again in %.1f s.", target.name, lost.reason, wait_s)
        yield lost
        yield from _wait(wait_s, pace, world)


def _wait_s(tries: int, pace: Pace, world: World) -> float:
    """Return how long to wait: longer each time, and not all clients of a server for equally long."""
    longest = min(pace.longest_wait_s, pace.wait_s * 2.0 ** min(tries - 1, 30))
    return longest * (1 - world.chance() / 2)


def _wait(seconds: float, pace: Pace, world: World) -> Iterator[None]:
    until = world.clock() + seconds
    while (left := until - world.clock()) > 0:
        world.sleep(min(left, pace.tick_s))
        yield None
