"""Background senders: each endpoint with due deliveries has its own thread, so a slow one delays neither the others nor
the worker that everything else needs.

The threads are few, and whoever adds endpoints could fill them all with slow receivers. Most threads are therefore
reserved for endpoints that have proven to be quick. New and slow ones share the few others, and wait for each other.
See docs/decisions/0102-slow-receivers-wait-for-each-other.md.
"""

import math
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

import structlog
from django.db import close_old_connections, connections

from core.clock import utc_now

from .delivering import deliver_next, endpoints_with_due_deliveries

log = structlog.get_logger(__name__)

SENDERS: Final = 12
SENDERS_TO_SLOW: Final = 4
# After that, the other endpoints waiting for a sender get their turn.
AT_ONCE = 100
AT_ONCE_TO_SLOW = 10
TURN_SECONDS = 5.0
# A receiver that takes this long over one message counts as slow for a while.
SLOW_SECONDS = 2.0
SLOW_FOR_SECONDS = 300.0

_pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="webhooks")
_pool_of_slow = ThreadPoolExecutor(SENDERS_TO_SLOW, thread_name_prefix="slow-webhooks")
_lock = threading.Lock()
# Since when an endpoint counts as quick. One to which this process has not sent yet does not.
_quick_from: dict[int, float] = {}
_busy: set[int] = set()
_turns: set[Future[None]] = set()


def start_sending() -> int:
    """Give every endpoint with due deliveries to a sender, unless one of this process already has it; return how many.
    Does not wait for them."""
    started = 0
    for endpoint_id in endpoints_with_due_deliveries(now=utc_now()):
        with _lock:
            if endpoint_id in _busy:
                continue
            _busy.add(endpoint_id)
        if is_quick(endpoint_id):
            turn = _pool.submit(_run, endpoint_id, AT_ONCE)
        else:
            turn = _pool_of_slow.submit(_run, endpoint_id, AT_ONCE_TO_SLOW)
        with _lock:
            _turns.add(turn)
        turn.add_done_callback(_end)
        started += 1
    return started


def is_quick(endpoint_id: int) -> bool:
    """Return whether it has accepted its messages quickly as long as this process remembers."""
    return _quick_from.get(endpoint_id, math.inf) <= time.monotonic()


def deliver_to(*, endpoint_id: int, at_once: int = AT_ONCE) -> int:
    """Send an endpoint's due deliveries, for one turn; return how many were tried."""
    began = time.monotonic()
    sent = began
    tried = 0
    while tried < at_once and sent - began < TURN_SECONDS and deliver_next(endpoint_id=endpoint_id, now=utc_now()):
        tried += 1
        before = sent
        sent = time.monotonic()
        if sent - before >= SLOW_SECONDS:
            _quick_from[endpoint_id] = sent + SLOW_FOR_SECONDS
            break
        _quick_from.setdefault(endpoint_id, sent)
    return tried


def _run(endpoint_id: int, at_once: int) -> None:
    close_old_connections()
    try:
        deliver_to(endpoint_id=endpoint_id, at_once=at_once)
    except Exception:  # one endpoint's failure affects no other; it comes back when its lease ends
        log.exception("webhooks_not_sent", endpoint=endpoint_id)
    finally:
        connections.close_all()
        with _lock:
            _busy.discard(endpoint_id)


def _end(turn: Future[None]) -> None:
    with _lock:
        _turns.discard(turn)


def wait_until_idle() -> None:
    """Wait until this process's senders have nothing left, before the process ends or their results are examined."""
    while True:
        with _lock:
            turns = list(_turns)
        if not turns:
            return
        wait(turns)
