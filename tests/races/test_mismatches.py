"""Two people who repair one mismatch at once: a failed refund is sent once more, not twice."""

import datetime as dt
from functools import partial

import pytest

from billing.mismatches import MismatchKind, look_for_mismatches, repair_mismatch, repairing
from billing.models import Mismatch, Refund
from billing.tests.factories import paid
from core.actors import Actor
from core.clock import utc_now
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


class TestTwoWhoRepairOneMismatch:
    def test_send_the_money_once(self) -> None:
        assert self.repair_twice() == ["MismatchOver", "repaired"]
        assert self.amounts_sent() == [900]

    def test_without_the_lock_send_it_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: each sees that the money has not been sent."""
        monkeypatch.setattr(repairing, "lock_mismatch", lambda pk: Mismatch.objects.get(pk=pk))
        still_stands = repairing._still_stands
        looked = Meeting(lambda: None)

        def look_and_meet(kind: MismatchKind, mismatch: Mismatch, now: dt.datetime) -> bool:
            stands = still_stands(kind, mismatch, now)
            if stands:
                looked()
            return stands

        monkeypatch.setattr(repairing, "_still_stands", look_and_meet)

        assert self.repair_twice() == ["repaired", "repaired"]
        assert self.amounts_sent() == [900, 900]

    def repair_twice(self) -> list[str]:
        payment = paid()
        Refund.objects.create(payment=payment, amount_minor=900, reason="requested", status="failed", actor="user:7")
        look_for_mismatches(workspace_id=payment.workspace_id, now=utc_now())
        mismatch_id = Mismatch.objects.get(kind="failed_refund").pk
        answers = at_once(partial(repair, mismatch_id), partial(repair, mismatch_id))
        return sorted(each.kind if isinstance(each, Failure) else str(each) for each in answers)

    def amounts_sent(self) -> list[int]:
        return list(Refund.objects.exclude(status="failed").values_list("amount_minor", flat=True))


def repair(mismatch_id: int) -> str:
    repair_mismatch(mismatch_id=mismatch_id, actor=Actor("user", 7), user=None, note="Once more", now=utc_now())
    return "repaired"
