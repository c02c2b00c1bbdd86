"""Workers for kinds of work: a slow vendor holds up nobody who needs another worker."""

from pathlib import Path

import pytest

from billing.tasks import reconcile_stripe
from sandbox.testing import wait_until
from tests.stack import WORK, RunningStack

SECONDS = 60.0
PUBLISH = "tests.operations.test_worker:publish_something"
FOR_EVER_MS = 590_000


def reconcile() -> None:
    reconcile_stripe.delay()


def stack_of(**workers: list[str]) -> RunningStack:
    commands = {name: [*WORK, "--without-gossip", "--without-mingle", *options] for name, options in workers.items()}
    return RunningStack(environment={"LOG_LEVEL": "INFO", "STRIPE_TIMEOUT_SECONDS": "600"}, commands=commands)


def hang_at_stripe(stack: RunningStack) -> None:
    """Let a worker ask Stripe something, and wait for the answer from now on."""
    stack.sandbox.faults(latency_ms={"value": FOR_EVER_MS, "times": 1})
    stack.call(f"{__name__}:reconcile")
    wait_until(lambda: not stack.sandbox.faults(), seconds=SECONDS)


def waiting(stack: RunningStack, queue: str) -> list[Path]:
    return list((stack.folder / "celery" / "queue").glob(f"*.{queue}.msg"))


@pytest.mark.walk
@pytest.mark.slow
class TestAWorkerThatHangs:
    def test_holds_up_nothing_that_another_takes(self) -> None:
        with stack_of(worker=["--exclude-queues", "payments"], payments=["--queues", "payments"]) as stack:
            hang_at_stripe(stack)

            stack.call(PUBLISH)

            wait_until(lambda: "seat.used" in stack.log("worker"), seconds=SECONDS)
            assert "seat.used" not in stack.log("payments")
            stack.kill("payments")

    def test_holds_up_everything_where_it_is_the_only_one(self) -> None:
        """Control."""
        with stack_of(worker=[]) as stack:
            hang_at_stripe(stack)

            stack.call(PUBLISH)

            assert len(waiting(stack, "events")) >= 1
            assert "seat.used" not in stack.log("worker")
            stack.kill("worker")
