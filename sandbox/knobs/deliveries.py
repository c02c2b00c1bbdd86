"""What every stand-in's webhooks share: the client that sends them, the bell that announces them, and what the
`webhooks` knob does with them.
"""

import random
import threading
import time
from dataclasses import dataclass

import httpx
from django.conf import settings

from sandbox.knobs import faults

MOST_ATTEMPTS = 10
TIMEOUT_SECONDS = 10.0
LEASE_SECONDS = 3 * TIMEOUT_SECONDS

# No keep-alive: an endpoint that restarts must not cost a failed attempt. No proxies: it is a neighbor.
client = httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
# Rung whenever a copy may have become due; the background thread sleeps on it.
bell = threading.Event()


@dataclass(frozen=True)
class Fate:
    """What happens to an event: the initial state of its copies, when they are due, and how many there are."""

    state: str
    due_at: float
    copies: int


def decide(*, type: str, path: str = "") -> Fate:
    """Return the knob's decision about an event that happens now."""
    fault = faults.strike("webhooks", type=type, path=path) or {"value": "normal"}
    mode = fault["value"]
    delay = fault.get("delay_ms", 0) / 1000
    waits = {"late": delay, "shuffle": random.uniform(0, delay)}  # noqa: S311  (no secret)
    return Fate(
        state={"hold": "held", "drop": "dropped"}.get(mode, "pending"),
        due_at=time.time() + waits.get(mode, 0),
        copies=fault["copies"] if mode == "duplicate" else 1,
    )


def outcome(*, status: int | None, attempts: int) -> dict[str, object]:
    """Return the columns of a copy after `attempts` attempts, given the status of the response, if there was one."""
    is_good = status is not None and 200 <= status < 300
    return {
        "state": "delivered" if is_good else "failed" if attempts >= MOST_ATTEMPTS else "pending",
        "answer_status": status,
        "next_attempt_at": time.time() + settings.WEBHOOK_RETRY_SECONDS * 2 ** (attempts - 1),
    }
