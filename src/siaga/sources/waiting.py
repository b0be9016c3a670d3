"""URLs that wait for their turn, and the fetching of many: 16 in flight, 2 a host, and a busy host is left in peace.

A redirect and a second try go back into the line like any other URL, so the limits hold for them as well.
"""

import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import assert_never

from siaga.sources.addresses import Url, parse_url
from siaga.sources.fetching import Reply, Web, opened
from siaga.sources.limits import Limits, Timer
from siaga.sources.values import Fault

_BUSY = (429, 503)
_STRIKES = 10  # Answers of a host that it is busy, with no other in between, until what waits for it is given up.


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of one URL: its content, or the reason why there is none."""

    url: str
    content: bytes = b""
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One URL that was asked for: where it is now, and what it has used up of its limits."""

    asked: str
    url: Url
    redirects: int = 0
    tries: int = 0
    spent_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Busy:
    """A server that asks to come later: in so many seconds, if it says so."""

    fault: str
    wait_s: float | None


Outcome = bytes | Url | Busy | Fault  # A Url: it has moved there.


class Line:
    """Jobs that wait, host by host in turn: at most `per_host` of one are out, and a host may be held for a while."""

    def __init__(self, *, per_host: int) -> None:
        self._per_host = per_host
        self._waiting: dict[str, deque[Job]] = {}
        self._out: Counter[str] = Counter()
        self._held_until: dict[str, float] = {}
        self._strikes: Counter[str] = Counter()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, job: Job) -> None:
        """Let a job wait behind those of its host."""
        self._waiting.setdefault(job.url.host, deque()).append(job)

    def take(self, now: float) -> Job | None:
        """Return the next job that may go, or None; hosts take turns."""
        free = (host for host in self._waiting if self._may_go(host) and self._held_until.get(host, now) <= now)
        host = next(free, None)
        if host is None:
            return None
        jobs = self._waiting.pop(host)
        job = jobs.popleft()
        if jobs:
            self._waiting[host] = jobs
        self._out[host] += 1
        return job

    def back(self, job: Job, *, busy_until: float | None) -> list[Job]:
        """Note that a job is back, and hold its host until a moment if it is busy.

        Return the jobs that are given up because the host has been busy too often in a row.
        """
        host = job.url.host
        self._out[host] -= 1
        if busy_until is None:
            del self._strikes[host]
            return []
        self._held_until[host] = max(busy_until, self._held_until.get(host, busy_until))
        self._strikes[host] += 1
        return list(self._waiting.pop(host, ())) if self._strikes[host] >= _STRIKES else []

    def wait_s(self, now: float) -> float | None:
        """Return in how many seconds a host that is held may be asked again; None when nothing waits for that."""
        held = [self._held_until.get(host, now) for host in self._waiting if self._may_go(host)]
        return max(min(held) - now, 0.0) if held else None

    def _may_go(self, host: str) -> bool:
        return self._out[host] < self._per_host


def fetch_all(urls: Iterable[str], web: Web) -> Iterator[Fetched]:
    """Yield what becomes of each URL, as it comes in; no more are begun while the caller does not ask for the next."""
    line = Line(per_host=web.limits.per_host)
    for url in urls:
        try:
            line.add(Job(url, parse_url(url)))
        except Fault as fault:
            yield Fetched(url, fault=str(fault))
    done: SimpleQueue[tuple[Job, Future[Outcome]]] = SimpleQueue()
    out = 0
    while line or out:
        while out < web.limits.in_flight and (job := line.take(time.monotonic())) is not None:
            Thread(target=_work, args=(job, web, done), daemon=True).start()
            out += 1
        wait_s = line.wait_s(time.monotonic()) if out < web.limits.in_flight else None
        try:
            job, future = done.get(timeout=wait_s)
        except Empty:
            continue
        out -= 1
        yield from _settle(job, future.result(), line, web.limits)


def _settle(job: Job, outcome: Outcome, line: Line, limits: Limits) -> Iterator[Fetched]:
    """Yield what is known now, and put back into the line what goes on."""
    busy_until = None
    match outcome:
        case bytes():
            yield Fetched(job.asked, outcome)
        case Fault():
            yield Fetched(job.asked, fault=str(outcome))
        case Url():
            if job.redirects < limits.redirects:
                line.add(replace(job, url=outcome, redirects=job.redirects + 1))
            else:
                yield Fetched(job.asked, fault=f"Moved on: more than {limits.redirects} redirects.")
        case Busy(fault, asked_s):
            wait_s = limits.retry_s * 2**job.tries if asked_s is None else asked_s
            busy_until = time.monotonic() + min(wait_s, limits.patience_s)
            if job.tries < limits.retries and wait_s <= limits.patience_s:
                line.add(replace(job, tries=job.tries + 1))
            else:
                yield Fetched(job.asked, fault=fault)
        case _:
            assert_never(outcome)
    for given_up in line.back(job, busy_until=busy_until):
        yield Fetched(given_up.asked, fault=f"Busy: {job.url.host} asks to come later. Run the command again then.")


def _work(job: Job, web: Web, done: "SimpleQueue[tuple[Job, Future[Outcome]]]") -> None:
    """Ask for a job's URL, and hand over what came of it; a bug of ours travels in the future."""
    timer = Timer(web.limits, spent_s=job.spent_s)
    future: Future[Outcome] = Future()
    try:
        future.set_result(_outcome(job.url, web, timer))
    except BaseException as error:  # noqa: BLE001 - it is raised again where the result is asked for.
        future.set_exception(error)
    done.put((replace(job, spent_s=timer.spent_s), future))


def _outcome(url: Url, web: Web, timer: Timer) -> Outcome:
    try:
        with opened(url, web=web, timer=timer) as reply:
            if (there := reply.destination) is not None:
                return there
            if reply.status in _BUSY:
                return Busy(str(reply.fault()), _asked_s(reply))
            return b"".join(reply.pieces) if reply.status == 200 else reply.fault()
    except Fault as fault:
        return fault


def _asked_s(reply: Reply) -> float | None:
    """Return the seconds of a Retry-After; its other form, a date, is passed over."""
    text = str(reply.headers.get("Retry-After", "")).strip()
    return float(text[:9]) if text.isascii() and text.isdigit() else None
