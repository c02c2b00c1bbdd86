"""The thread next to the web server that expires sessions and delivers webhooks."""

import logging
import os
import signal
import threading
import time

from sandbox.knobs.deliveries import bell
from sandbox.lms import webhooks as lms_webhooks
from sandbox.stripe import checkout, webhooks

LONGEST_WAIT_SECONDS = 1.0
logger = logging.getLogger(__name__)


def start() -> None:
    threading.Thread(target=_run, name="sandbox-background", daemon=True, args=[os.getppid()]).start()


def _run(parent: int) -> None:
    while True:
        bell.clear()
        try:
            checkout.expire_due_sessions()
            webhooks.send_due()
            lms_webhooks.send_due()
            wait = _seconds_until_due()
        except Exception:
            # If one delivery fails, the others must still be sent.
            logger.exception("The sandbox's background thread failed and goes on")
            wait = LONGEST_WAIT_SECONDS
        bell.wait(wait)
        if os.getppid() != parent:
            # The parent was killed, and nobody else would end this process.
            os.kill(os.getpid(), signal.SIGTERM)


def _seconds_until_due() -> float:
    times = [due_at for due_at in (webhooks.next_due_at(), lms_webhooks.next_due_at()) if due_at is not None]
    return min([LONGEST_WAIT_SECONDS, *(max(due_at - time.time(), 0) for due_at in times)])
