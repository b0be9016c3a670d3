"""Kafka as a server: its settings by URL, whether it is there, and what its refusals mean for the user."""

import logging
from typing import Any

from siaga.errors import DataError
from siaga.extras import require
from siaga.serving.stream.urls import BrokerUrl, read_url

log = logging.getLogger(__name__)
PORT = 9092
FIXED = ("bootstrap.servers", "group.id", "enable.auto.commit", "auto.offset.reset")
CONNECT_WITHIN_S = 5.0


def library() -> Any:  # Any: confluent_kafka, which is an extra.
    """Return the library, or raise MissingExtra."""
    return require("confluent_kafka", extra="stream")


def check_kafka(url: str) -> None:
    """Raise DataError when no broker can be reached, or the topic is not there."""
    read = read_kafka_url(url)
    kafka = library()
    from confluent_kafka.admin import AdminClient

    try:
        topics = AdminClient(kafka_settings(read), logger=log).list_topics(timeout=CONNECT_WITHIN_S).topics
    except (kafka.KafkaException, ValueError, TypeError) as error:
        if isinstance(error, kafka.KafkaException) and error.args[0].code() != kafka.KafkaError._INVALID_ARG:
            raise kafka_refusal(read, error.args[0]) from None
        raise misfit(read, error) from None
    if read.stream not in topics:
        known = ", ".join(sorted(topics)[:20]) or "none"
        what = f"Make it, or send it something: siaga feed FILE {read.scheme}://{read.server}/{read.stream}"
        raise DataError(f"{read.server} has no topic {read.stream!r}. It has: {known}. {what}.")


def read_kafka_url(url: str) -> BrokerUrl:
    """Return what a URL of Kafka says; raises DataError for one that sets what must stay as it is."""
    read = read_url(url, port=PORT)
    if fixed := [option for option in FIXED if option in read.options]:
        raise DataError(f"{read.name} sets {fixed[0]!r}, which cannot be chosen here. Leave it out.")
    return read


def kafka_settings(url: BrokerUrl) -> dict[str, Any]:  # Any: text, numbers and functions.
    """Return librdkafka's settings; a user with a password means SASL over TLS, if the options say nothing else."""
    secret = {
        "sasl.username": url.user,
        "sasl.password": url.password,
        "sasl.mechanism": "PLAIN",
        "security.protocol": "SASL_SSL",
    }
    quiet = {"log_level": 2}  # Every failed attempt to connect would be a line; that brokers are away is said once.
    return {**quiet, **(secret if url.user is not None else {}), **url.options, "bootstrap.servers": url.server}


def misfit(url: BrokerUrl, error: Any) -> DataError:  # Any: a KafkaException, or what a wrong type raises.
    """Return what the user is told of options that librdkafka refuses."""
    words = error.args[0].str() if hasattr(error.args[0], "str") else str(error)
    return DataError(f"{url.name}: librdkafka does not take these options: {words}. Mend or leave them out.")


def kafka_refusal(url: BrokerUrl, error: Any) -> DataError:  # Any: a KafkaError.
    """Return what a failure means for the user."""
    mend = "Are its address, topic, user and group right?"
    if error.code() in {error.MSG_SIZE_TOO_LARGE, error.RECORD_LIST_TOO_LARGE}:
        mend = "Raise max.message.bytes of the topic."
    return DataError(f"{url.name} cannot be used: {error.str()}. {mend}")
