"""A Kafka for tests: librdkafka's mock cluster in a process of its own, on a free port: topics, groups, commits.

Its defaults are those of a real cluster: groups wait 3 s for their first members, and a dead member is missed after
30 s. `mock.c` has setters for both that only C can call, so they are called through ctypes; a group is then joined in
some 20 ms, also beside members that were killed. That holds of the newer protocol: clients set
`group.protocol=consumer`. The older one elects a leader and waits for the dead, and cannot be used for many deaths.

A partition keeps its newest 5 MB, or 100,000 messages, and no more.
"""

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

SESSION_MS, HEARTBEAT_MS = 1_000, 100
OPTIONS = "group.protocol=consumer"
_PRODUCER = 0


@dataclass(frozen=True)
class KafkaMock:
    """A running mock cluster of one broker; `url(topic)` is what `--from` and `siaga feed` take."""

    server: str
    commands: IO[str]
    answers: IO[str]

    def url(self, topic: str, *, group: str = "siaga", options: str = OPTIONS) -> str:
        return f"kafka://{self.server}/{topic}?group={group}&{options}"

    def topic(self, name: str, *, partitions: int) -> None:
        self._tell(f"topic {name} {partitions}")

    def down(self) -> None:
        """Close all connections and refuse new ones."""
        self._tell("down")

    def up(self) -> None:
        self._tell("up")

    def _tell(self, command: str) -> None:
        self.commands.write(f"{command}\n")
        self.commands.flush()
        assert self.answers.readline() == "done\n", command


@contextmanager
def kafka_mock(*, session_ms: int = SESSION_MS) -> Iterator[KafkaMock]:
    """Start a mock cluster, which misses dead members after `session_ms`; it ends with the block, or this process."""
    command = [sys.executable, __file__, str(session_ms), str(min(HEARTBEAT_MS, session_ms // 5))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        yield KafkaMock(process.stdout.readline().strip(), process.stdin, process.stdout)
        process.stdin.close()


def _serve(session_ms: int, heartbeat_ms: int) -> None:
    from confluent_kafka import cimpl

    library = ctypes.CDLL(cimpl.__file__)  # It finds librdkafka, wherever that is, as one of its own parts.
    for name, result in (
        ("rd_kafka_conf_new", ctypes.c_void_p),
        ("rd_kafka_new", ctypes.c_void_p),
        ("rd_kafka_mock_cluster_new", ctypes.c_void_p),
        ("rd_kafka_mock_cluster_bootstraps", ctypes.c_char_p),
    ):
        getattr(library, name).restype = result
    error = ctypes.create_string_buffer(512)
    configuration = ctypes.c_void_p(library.rd_kafka_conf_new())
    library.rd_kafka_conf_set(configuration, b"log_level", b"2", error, 512)
    client = ctypes.c_void_p(library.rd_kafka_new(_PRODUCER, configuration, error, 512))
    cluster = ctypes.c_void_p(library.rd_kafka_mock_cluster_new(client, 1))
    library.rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0)
    library.rd_kafka_mock_set_group_consumer_session_timeout_ms(cluster, session_ms)
    library.rd_kafka_mock_set_group_consumer_heartbeat_interval_ms(cluster, heartbeat_ms)
    sys.stdout.write(f"{library.rd_kafka_mock_cluster_bootstraps(cluster).decode()}\n")
    sys.stdout.flush()
    for command in sys.stdin:
        match command.split():
            case ["topic", name, partitions]:
                failed = library.rd_kafka_mock_topic_create(cluster, name.encode(), int(partitions), 1)
            case ["down"]:
                failed = library.rd_kafka_mock_broker_set_down(cluster, 1)
            case ["up"]:
                failed = library.rd_kafka_mock_broker_set_up(cluster, 1)
            case _:
                failed = 1
        sys.stdout.write("failed\n" if failed else "done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve(*map(int, sys.argv[1:]))
