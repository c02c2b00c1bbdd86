import json
from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from core.clock import utc_text
from core.network import forbid_open_transaction

from .port import RelayedEvent, StreamUnavailable

CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 5.0


class RedisStream:
    """XADD to one Redis Stream, trimmed to about `max_length` entries. Without retries: the relay makes those."""

    def __init__(self, *, url: str, name: str, max_length: int) -> None:
        self._name = name
        self._max_length = max_length
        self._redis = Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )

    def append(self, events: Sequence[RelayedEvent]) -> list[str]:
        forbid_open_transaction()
        pipeline = self._redis.pipeline(transaction=False)
        for event in events:
            pipeline.xadd(self._name, _fields(event), maxlen=self._max_length, approximate=True)
        try:
            answers = pipeline.execute(raise_on_error=False)
        except (RedisError, OSError) as error:
            raise StreamUnavailable(f"Redis: {type(error).__name__}") from error
        return [_refusal(answer) for answer in answers]


def _fields(event: RelayedEvent) -> dict[Any, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "aggregate": event.aggregate,
        "sequence": event.sequence,
        "workspace": event.workspace,
        "occurredAt": utc_text(event.occurred_at),
        "data": json.dumps(event.payload, separators=(",", ":")),
    }


def _refusal(answer: object) -> str:
    if isinstance(answer, RedisConnectionError | RedisTimeoutError):
        raise StreamUnavailable(f"Redis: {type(answer).__name__}") from answer
    if isinstance(answer, ResponseError):
        return f"Redis: {answer}"
    return ""
