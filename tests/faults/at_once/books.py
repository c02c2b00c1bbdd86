"""What staff, sweeps, and an invoicing service do at once with the books: prices, vouchers, invoices, and months."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

from accounts.models import StaffTask
from accounts.staff_tasks import complete_staff_task
from accounts.states import TaskStatus
from accounts.tests.factories import proven_user
from billing.closing import close_month, reopen_month
from billing.discounts.batch import Terms, change_voucher, make_vouchers
from billing.invoicing import (
    Buyer,
    issue_requested,
    record_issued_by_hand,
    replace_invoice,
    retry_invoice,
    ring_for_due_invoices,
)
from billing.mismatches import explain_mismatch, look_for_mismatches, repair_mismatch
from billing.models import Invoice, Mismatch, MonthClose, Seller, Voucher
from billing.states import InvoiceProvider, VoucherKind
from core.money import Money
from enrollments.programs import change_instance
from enrollments.tests.factories import STAFF

from ..any_order import pick
from .acting import Acting, Step, timeless

INVOICES = Invoice.objects.all()


def books(act: Acting) -> Iterator[Step]:
    yield lambda: _close_this_month(act)
    yield lambda: act.on(MonthClose.objects.all(), reopen_month, "close_id", note="Wrong", actor=STAFF)
    yield lambda: act.attempt(look_for_mismatches, workspace_id=act.workspace.pk)
    yield lambda: act.on(Mismatch.objects.standing(), repair_mismatch, "mismatch_id", actor=STAFF, user=None, note="")
    yield lambda: act.on(
        StaffTask.objects.filter(status=TaskStatus.OPEN),
        complete_staff_task,
        "task_id",
        user=proven_user("staff@school.test"),
        resolution="Done",
    )
    yield lambda: act.on(Mismatch.objects.all(), explain_mismatch, "mismatch_id", explanation="So", actor=STAFF)


def invoices(act: Acting) -> Iterator[Step]:
    yield lambda: _choose_who_issues(act)
    yield lambda: act.on(
        INVOICES, replace_invoice, "invoice_id", buyer=Buyer("books@firm.test", "Firm"), reason="Wrong", actor=STAFF
    )
    yield lambda: act.on(INVOICES.filter(status="failed"), retry_invoice, "invoice_id", actor=STAFF)
    yield lambda: act.on(
        INVOICES.filter(status="failed"),
        record_issued_by_hand,
        "invoice_id",
        number=f"{act.nth()}/{act.nth()}",
        date=act.now.date(),
        actor=STAFF,
    )
    yield lambda: act.attempt(issue_requested, workspace_id=act.workspace.pk, limit=10)
    yield lambda: act.attempt(ring_for_due_invoices)


def prices(act: Acting) -> Iterator[Step]:
    yield lambda: act.attempt(
        change_instance,
        workspace_id=act.workspace.pk,
        cuid=act.chance.choice([act.instance, act.cohort.instance]).cuid,
        changes={"price_minor": act.chance.choice([4900, 5900]), "currency": "usd"},
        actor=STAFF,
    )
    yield lambda: _make_a_voucher(act)
    yield lambda: _change_a_voucher(act)


def _close_this_month(act: Acting) -> None:
    def close_this_month(*, now: dt.datetime) -> None:
        late = now + dt.timedelta(days=40)
        close_month(workspace_id=act.workspace.pk, month=now.date(), note="As it is", actor=STAFF, now=late)

    act.attempt(close_this_month)


def _choose_who_issues(act: Acting) -> None:
    """As the form of staff."""
    vendor = act.chance.choice([InvoiceProvider.LOCAL, InvoiceProvider.FAKTUROWNIA, InvoiceProvider.FAKTUROWNIA])
    told = {"name": "School", "provider": vendor, "base_url": "https://acme.fakturownia.test", "api_token": "secret"}

    def choose_who_issues(*, now: dt.datetime) -> None:
        Seller.objects.update_or_create(workspace=act.workspace, defaults=told)

    act.attempt(choose_who_issues)


def _make_a_voucher(act: Acting) -> None:
    all_of_it = act.yes()
    terms = Terms(
        VoucherKind.PERCENTAGE if all_of_it else VoucherKind.AMOUNT,
        percent=Decimal(100) if all_of_it else None,
        amount=None if all_of_it else Money(900, "usd"),
        most_uses=2,
        most_uses_per_family=1,
    )
    act.attempt(make_vouchers, workspace_id=act.workspace.pk, count=1, terms=terms, code=f"CODE-{act.nth()}")


def _change_a_voucher(act: Acting) -> None:
    voucher = pick(Voucher.objects.all(), act.nth())
    act.attempt(
        timeless(change_voucher),
        voucher_id=voucher.pk,
        most_uses=act.chance.choice([None, 1, 2, 3]),
        most_uses_per_family=act.chance.choice([None, 1]),
        valid_from=None,
        valid_until=None,
        active=act.nth() > 0,
        note="",
    )
