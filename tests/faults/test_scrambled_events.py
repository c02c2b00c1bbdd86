"""Hundreds of vendors' events, dropped, doubled, and in any order, end in the same books as those that arrived in
order. `make faults` sends thousands.
"""

import math
import os
from collections import Counter
from random import Random
from typing import Any

import pytest

from billing import inbox
from billing.models import Payment
from core.clock import utc_now
from operations.doctor import examine
from partners.effects import EFFECTS
from sandbox.testing import SandboxProcess
from tests.sweeps import SOON

from . import any_delivery
from .any_delivery import Courses, Parents

pytestmark = [pytest.mark.race, pytest.mark.walk, pytest.mark.django_db]

EVENTS = int(os.environ.get("SCRAMBLED_EVENTS", "80"))
SEED = int(os.environ.get("SCRAMBLED_SEED", "13"))
OF_EACH = math.ceil(EVENTS / 2 / 42)  # families who live through each tale; together the tales produce 42 events
# the partners report eight events about each, fewer if the learner reaches the second one late
LEARNERS = math.ceil(EVENTS / 2 / 7)


class TestStripesEventsInAnyOrder:
    def test_end_in_the_same_books(self, stripe: SandboxProcess) -> None:
        """An event about a state that ended before we heard of it is not published; nothing is published that the
        orderly run does not publish, or more often.
        """
        orderly = Parents(stripe, of_each=1)
        orderly.live()
        orderly.end()
        scrambled = Parents(stripe, of_each=OF_EACH, chance=Random(SEED))

        scrambled.live()
        scrambled.end()

        should = dict(orderly.ends())
        assert [(tale, end, should[tale]) for tale, end in scrambled.ends() if end != should[tale]] == []
        most = dict(orderly.told())
        assert [(tale, told, most[tale]) for tale, told in scrambled.told() if not told <= most[tale]] == []
        assert ours() == theirs(stripe)
        assert examine() == {}
        assert scrambled.post.taken >= EVENTS // 2

    def test_do_not_without_reconciliation(self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: what was dropped is lost."""
        monkeypatch.setattr(any_delivery, "COPIES", {0: 1})
        scrambled = Parents(stripe, of_each=1, tales=["pays"], chance=Random(1))

        scrambled.live()
        scrambled.end(is_reconciled=False)

        assert ours() != theirs(stripe)

    def test_do_not_where_a_refund_is_not_held_against_its_payment(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: a refund that overtakes its payment is nobody's."""
        monkeypatch.setattr(inbox, "_session_to_catch_up", lambda *_: None)
        scrambled = Parents(stripe, of_each=4, tales=["has it all back"], chance=Random(1))

        scrambled.live()
        scrambled.end()

        assert ours() != theirs(stripe)


class TestPartnersEventsInAnyOrder:
    def test_end_in_the_same_steps(self, stripe: SandboxProcess) -> None:
        courses = Courses(stripe, learners=LEARNERS, chance=Random(SEED))

        courses.live()
        courses.end()

        assert unlike_the_first(courses) == []
        courses.world.check_books()
        courses.world.check_end()
        assert examine(now=utc_now() + SOON) == {}
        assert courses.post.taken >= EVENTS // 2

    def test_do_not_where_progress_can_go_back(self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: an older message overwrites what is known."""

        def progress(advance: Any, step: Any, steps: Any, event: Any) -> str:
            advance.journal.note(step, progress=event.payload["progress"])
            return "progress"

        monkeypatch.setitem(EFFECTS, "progress.updated", progress)
        courses = Courses(stripe, learners=2, chance=Random(1))

        courses.live()
        courses.end()

        assert unlike_the_first(courses) != []


def unlike_the_first(courses: Courses) -> list[Any]:
    told_in_order = courses.ends(courses.first.pk)
    ends = {enrollment.pk: courses.ends(enrollment.pk) for enrollment in courses.others}
    return [end for end in ends.items() if end[1] != told_in_order]


def theirs(stripe: SandboxProcess) -> dict[str, tuple[int, int]]:
    """Return what Stripe captured, and what it refunded or lost to the payer's bank, by payment."""
    ledger = stripe.ledger()
    gone = Counter({payment["id"]: payment["refunded"] for payment in ledger["payments"]})
    for dispute in ledger["disputes"]:
        gone[dispute["payment_intent"]] += dispute["amount"] if dispute["status"] == "lost" else 0
    captured = [payment for payment in ledger["payments"] if payment["captured"]]
    return {payment["id"]: (payment["captured"], gone[payment["id"]]) for payment in captured}


def ours() -> dict[str | None, tuple[int, int]]:
    received = Payment.objects.filter(paid_at__isnull=False)
    return {payment.payment_intent_id: (payment.amount_minor, payment.refunded_minor) for payment in received}
