"""Which failures of Kafka no restart mends, and what to do about them."""

from collections.abc import Iterator
from typing import Final

from aiokafka import errors

from mailsla.streams.runtime.kafka.refusals import TopicRefusal, TopicRefused

_RIGHTS: Final = "grant it (deploy/kafka/acls.sh lists the rights), then start the worker again"
_REFUSED: Final = {
    errors.TopicAuthorizationFailedError: "a topic",
    errors.GroupAuthorizationFailedError: "its consumer group",
    errors.TransactionalIdAuthorizationFailed: "its transactional ids",
    errors.ClusterAuthorizationFailedError: "what it needs of the cluster",
}


def lasting_reason(error: BaseException) -> str | None:
    """The sentence for a failure that lasts until somebody acts; None for any other."""
    for cause in _causes(error):
        for kind, what in _REFUSED.items():
            if isinstance(cause, kind):
                named = f" ({', '.join(map(_name, cause.args))})" if cause.args else ""
                return f"Kafka refuses this worker's user {what}{named}; {_RIGHTS}"
        if isinstance(cause, errors.AuthenticationFailedError | errors.SaslAuthenticationFailed):
            return (
                "Kafka refuses the login; check MAILSLA_KAFKA_USER and MAILSLA_KAFKA_PASSWORD, "
                "then start the worker again"
            )
    return None


def refusal_of(error: BaseException) -> TopicRefusal | None:
    """Which topic refused what, where that is the failure."""
    return next((one.refusal for one in _causes(error) if isinstance(one, TopicRefused)), None)


def is_of_kafka(error: BaseException) -> bool:
    """Whether the client reported it: a connection, a request, a transaction."""
    return any(isinstance(cause, errors.KafkaError) for cause in _causes(error))


def _name(argument: object) -> str:
    """A topic or group out of an error: the client gives one name, or some."""
    if isinstance(argument, set | frozenset | list | tuple):
        return ", ".join(sorted(map(str, argument)))
    return str(argument)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
