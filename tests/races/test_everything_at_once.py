"""Staff, families, Stripe, and partners act in several processes at once, in any order: nobody runs into a deadlock,
and afterward the doctor finds nothing. `make stateful` does it for longer.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import Mock, patch

import pytest
import structlog
from django.db import OperationalError
from pytest_django import Settings

from core.clock import utc_now
from core.errors import NotFound
from enrollments.states import ReviewMode
from operations.doctor import examine
from tests.faults import any_order
from tests.faults.at_once import AREAS
from tests.faults.at_once.acting import Acting, Area, Outcome, Step
from tests.faults.at_once.importing import finish_imports
from tests.faults.at_once.vendors import InvoicesByReference, StripeByNumbers
from tests.processes import at_once

log = structlog.get_logger(__name__)
pytestmark = [pytest.mark.race, pytest.mark.walk, pytest.mark.django_db(transaction=True)]

PROCESSES = 4
STEPS = 60
RUNS = int(os.environ.get("AT_ONCE_RUNS", "4"))
NOT_WAITED_FOR = 'could not obtain lock on row in relation "enrollments_districtseatallocation"'
FIRST_RUN = int(os.environ.get("AT_ONCE_FIRST_RUN", "0"))  # decides the seeds


OFFERS_LAST = 2 / 3600  # hours, so that some expire while others act


@pytest.fixture(autouse=True)
def _vendors(settings: Settings) -> Iterator[None]:
    """Answer for Stripe and for the invoicing service: nothing goes over the network."""
    settings.WAITLIST_OFFER_HOURS = OFFERS_LAST
    with ExitStack() as patches:
        patches.enter_context(patch("billing.gateways.stripe._connect", Mock(return_value=StripeByNumbers())))
        patches.enter_context(patch("billing.invoicing.vendor.get_invoice_gateway", lambda _: InvoicesByReference()))
        patches.enter_context(patch("enrollments.routing.route.submit_checkout", any_order._checkout))
        patches.enter_context(patch("enrollments.offline.cancel_checkout", any_order._expire))
        yield


@pytest.fixture(autouse=True)
def _shared_files(settings: Settings, tmp_path: Path) -> None:
    """Keep files where all processes find them, not in the memory of one."""
    kept = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "private": kept}


def act_at_once(run: int, areas: Sequence[Area] = AREAS) -> list[Outcome]:
    """Let the processes act on a new workspace, and return what each of them did."""
    workspace = Acting()
    workspace.found_all(list(ReviewMode)[run % 2])
    seeds = range(PROCESSES * run, PROCESSES * (run + 1))
    acts = [lambda seed=seed: workspace.act(areas, run=run, seed=seed, steps=STEPS) for seed in seeds]
    outcomes = at_once(*acts, seconds=300)
    assert all(isinstance(outcome, Outcome) for outcome in outcomes), outcomes
    return outcomes


@pytest.mark.parametrize("run", range(FIRST_RUN, FIRST_RUN + RUNS))
def test_nothing_deadlocks_or_is_left_broken(run: int) -> None:
    outcomes = act_at_once(run)

    assert [failure for outcome in outcomes for failure in outcome.failed] == []
    assert sum(outcome.done.total() for outcome in outcomes) >= 50  # steps that are all refused would show nothing
    assert finish_imports() == []
    assert examine(now=utc_now()) == {}


def test_what_fails_is_not_taken_for_a_refusal() -> None:
    """Control: a quarter of these kinds of steps belong to the run."""

    def fail(**_: object) -> None:
        raise ValueError("broken")

    def broken(act: Acting) -> Iterator[Step]:
        for _ in range(4):
            yield lambda: act.attempt(fail)

    failed = [failure for outcome in act_at_once(0, [broken]) for failure in outcome.failed]

    assert set(failed) == {"fail: ValueError: broken"}


def test_what_a_sweep_only_logs_is_not_taken_for_done() -> None:
    """Control, except for what the next sweep does better: a refusal, or a lock that it does not wait for."""

    def sweep(**_: object) -> None:
        for error in (ValueError("broken"), NotFound(), OperationalError(NOT_WAITED_FOR)):
            try:
                raise error
            except Exception:
                log.exception("row_not_handled")

    def sweeping(act: Acting) -> Iterator[Step]:
        for _ in range(4):
            yield lambda: act.attempt(sweep)

    failed = [failure for outcome in act_at_once(0, [sweeping]) for failure in outcome.failed]

    assert set(failed) == {"row_not_handled: ValueError: broken"}


class TestALockThatIsNotWaitedFor:
    """`lock_allocations_out_of_order` raises, and the site answers that it is busy: clients and tasks repeat it."""

    def test_is_asked_for_again(self) -> None:
        workspace = Acting()
        use_case = Mock(__name__="unenroll", side_effect=[OperationalError(NOT_WAITED_FOR), None])

        workspace.attempt(use_case)

        assert workspace.outcome == Outcome(done=Counter(unenroll=1))

    @pytest.mark.parametrize("message", [NOT_WAITED_FOR, "deadlock detected", "lock timeout"])
    def test_is_a_failure_if_it_never_comes_as_is_any_other(self, message: str) -> None:
        workspace = Acting()

        workspace.attempt(Mock(__name__="unenroll", side_effect=OperationalError(message)))

        assert workspace.outcome == Outcome(failed=[f"unenroll: OperationalError: {message}"])
