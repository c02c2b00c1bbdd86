"""Senders in the background: each endpoint has a thread of its own while something is due, so one that is slow holds
up no other, nor the worker that everything else waits for."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

import structlog
from django.db import close_old_connections, connections

from core.clock import utc_now

from .delivering import deliver_next, endpoints_with_due_deliveries

log = structlog.get_logger(__name__)

SENDERS: Final = 16
# Then the others that wait for a sender have their turn.
AT_ONCE = 100
TURN_SECONDS = 5.0

_pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="webhooks")
_lock = threading.Lock()
_busy: set[int] = set()
_turns: set[Future[None]] = set()


def start_sending() -> int:
    """Give every endpoint where something is due to a sender, unless one of this process is at it; returns how many.
    Does not wait for them."""
    started = 0
    for endpoint_id in endpoints_with_due_deliveries(now=utc_now()):
        with _lock:
            if endpoint_id in _busy:
                continue
            _busy.add(endpoint_id)
        turn = _pool.submit(_run, endpoint_id)
        with _lock:
            _turns.add(turn)
        turn.add_done_callback(_end)
        started += 1
    return started


def deliver_to(*, endpoint_id: int) -> int:
    """Send what is due at one endpoint, for one turn; returns how many deliveries were tried."""
    ends = time.monotonic() + TURN_SECONDS
    tried = 0
    while tried < AT_ONCE and time.monotonic() < ends and deliver_next(endpoint_id=endpoint_id, now=utc_now()):
        tried += 1
    return tried


def _run(endpoint_id: int) -> None:
    close_old_connections()
    try:
        deliver_to(endpoint_id=endpoint_id)
    except Exception:  # the trouble of one endpoint is its own; its lease brings it back
        log.exception("webhooks_not_sent", endpoint=endpoint_id)
    finally:
        connections.close_all()
        with _lock:
            _busy.discard(endpoint_id)


def _end(turn: Future[None]) -> None:
    with _lock:
        _turns.discard(turn)


def wait_until_idle() -> None:
    """Until the senders of this process have nothing left: for whoever ends it, or looks at what they did."""
    while True:
        with _lock:
            turns = list(_turns)
        if not turns:
            return
        wait(turns)
