"""Requests pending documents from a vendor: each document is a row that is due until the vendor answers.

The steps are intent, commit, call, commit the answer. A row records that the vendor is asked before the call: after a
lost answer, or if a worker died, the vendor is first asked for the result. So there is one document with one number per
reference. A workspace's documents are issued one after the other, in the order in which they were requested, so their
numbers follow that order and a correction never comes before its invoice.
"""

import datetime as dt

import structlog
from celery import signature
from django.db import IntegrityError, transaction
from django.utils.translation import override

from accounts.staff_tasks import raise_staff_task, settle_staff_task
from core import retries
from core.actors import Actor
from core.database_errors import violates
from core.errors import invalid_field
from core.local_time import local_date
from core.logs import after_commit
from core.money import Money
from core.text import fit
from core.work import nudge

from ..errors import InvoiceNotFound, InvoiceNotOpen, InvoiceRefused, InvoicingDown
from ..gateways.fakturownia import get_invoice_gateway
from ..gateways.invoices import (
    E_INVOICE_UNDER_WAY,
    DocumentRequest,
    InvoiceGateway,
    IssuedDocument,
    Party,
    Position,
)
from ..models import Invoice, Seller
from ..states import InvoiceStatus
from ..task_kinds import INVOICE_FAILED
from .lines import InvoiceLine

log = structlog.get_logger(__name__)

# The first waiting document holds up those behind it, so a vendor may be down for days before staff get a task.
RETRY = retries.Retry(first_pause_seconds=15, longest_pause_seconds=1800, lease=dt.timedelta(minutes=3), attempts=200)
# How long the tax office has before it is asked again.
ASK_AFTER = dt.timedelta(minutes=10)


def issue_requested(*, workspace_id: int, limit: int = 100, now: dt.datetime) -> int:
    """Issue a workspace's documents in order; stop at the first one the vendor leaves open. Return how many it did."""
    done = 0
    while done < limit and (invoice := _next(workspace_id)) is not None:
        if not _claim(invoice, now) or not _issue(invoice, now):
            break
        done += 1
    return done + _follow_up(workspace_id, limit=limit - done, now=now)


def ring_for_due_invoices(*, now: dt.datetime) -> int:
    """Ask the worker to continue in each workspace with due documents; return in how many. Each is a task of its own,
    so an account that hangs does not hold up the others."""
    due = retries.due(Invoice.objects.all(), now=now).order_by()
    workspace_ids = sorted(set(due.values_list("workspace_id", flat=True).distinct()))
    for workspace_id in workspace_ids:
        nudge(signature("billing.tasks.issue_invoices"), workspace_id)
    return len(workspace_ids)


@transaction.atomic
def retry_invoice(*, invoice_id: int, actor: Actor, now: dt.datetime) -> Invoice:
    """Ask the vendor again for a document that it refused. Raises InvoiceNotFound, InvoiceNotOpen."""
    invoice = _lock(invoice_id)
    if invoice.status != InvoiceStatus.FAILED:
        raise InvoiceNotOpen(f"It is {invoice.get_status_display().lower()}; only a failed one is tried again.")
    invoice.retry()
    invoice.attempts = 0
    invoice.next_attempt_at = now
    invoice.save()
    _settle_task(invoice, "It is tried again.", now)
    after_commit(log.info, "invoice_retried", invoice=invoice.pk, actor=str(actor))
    nudge(signature("billing.tasks.issue_invoices"), invoice.workspace_id)
    return invoice


@transaction.atomic
def record_issued_by_hand(*, invoice_id: int, number: str, date: dt.date, actor: Actor, now: dt.datetime) -> Invoice:
    """Record that staff issued a document that the vendor's API had refused.

    Raises InvoiceNotFound, InvoiceNotOpen, and Invalid for a number that another document has.
    """
    invoice = _lock(invoice_id)
    if invoice.status != InvoiceStatus.FAILED:
        raise InvoiceNotOpen(f"It is {invoice.get_status_display().lower()}; only a failed one is issued by hand.")
    if not _put_down(invoice, IssuedDocument(id="", number=number, date=date), now):
        raise invalid_field("number", "taken", f"Another document has the number {number}.")
    _settle_task(invoice, f"Issued by hand as {number}.", now)
    after_commit(log.info, "invoice_issued_by_hand", invoice=invoice.pk, actor=str(actor))
    return invoice


def _next(workspace_id: int) -> Invoice | None:
    """Return the first waiting document. The correction of a failed document waits until staff deal with that one."""
    waiting = Invoice.objects.to_issue().filter(workspace=workspace_id).exclude(corrects__status=InvoiceStatus.FAILED)
    return waiting.select_related("workspace", "corrects").order_by("id").first()


def _claim(invoice: Invoice, now: dt.datetime) -> bool:
    due = Invoice.objects.to_issue().filter(pk=invoice.pk)
    return retries.claim(due, now=now, lease=RETRY.lease)


def _issue(invoice: Invoice, now: dt.datetime) -> bool:
    """Issue it; return False if the vendor does not answer: the others would fail the same way now."""
    try:
        issued = _ask_vendor(invoice, now)
    except InvoicingDown as error:
        _postpone(invoice, error, now)
        return False
    except InvoiceRefused as error:
        _give_up(invoice.pk, error.detail, now)
        return True
    if not _record_issued(invoice.pk, issued, now):
        _give_up(invoice.pk, f"It was issued as {issued.number}, which is the number of another document.", now)
    return True


def _ask_vendor(invoice: Invoice, now: dt.datetime) -> IssuedDocument:
    if invoice.corrects is not None and not invoice.corrects.external_id:
        raise InvoiceRefused(f"{invoice.corrects} was issued by hand. Issue its correction by hand too.")
    gateway = _gateway_of(invoice.workspace_id)
    if invoice.asked_at is not None and (known := gateway.find(invoice.cuid)):
        return known
    Invoice.objects.filter(pk=invoice.pk, asked_at=None).update(asked_at=now)
    return gateway.issue(_request(invoice, local_date(now, invoice.workspace.timezone)))


def _gateway_of(workspace_id: int) -> InvoiceGateway:
    seller = Seller.objects.filter(workspace=workspace_id).first()
    if seller is None:
        raise InvoicingDown("The workspace has no seller any longer.", was_asked=False)
    return get_invoice_gateway(seller)


def _request(invoice: Invoice, date: dt.date) -> DocumentRequest:
    """Return the request to the vendor, in the language of our documents."""
    with override("en"):
        return _write_request(invoice, date)


def _write_request(invoice: Invoice, date: dt.date) -> DocumentRequest:
    lines = [InvoiceLine.read(line) for line in invoice.lines]
    before = after = None
    if invoice.corrects is not None:
        before, after = _before_and_after(invoice, lines[0])
    return DocumentRequest(
        reference=invoice.cuid,
        seller=Party(invoice.seller_name, invoice.seller_tax_id, invoice.seller_address),
        buyer=Party(
            invoice.buyer_name or invoice.buyer_email, invoice.buyer_tax_id, invoice.buyer_address, invoice.buyer_email
        ),
        date=date,
        positions=[
            _position(line, invoice.currency, line.amount_minor, line.explain(invoice.currency)) for line in lines
        ],
        currency=invoice.currency,
        corrects=invoice.corrects.external_id if invoice.corrects else "",
        before=before,
        after=after,
        reason=invoice.reason,
    )


def _before_and_after(correction: Invoice, line: InvoiceLine) -> tuple[Position, Position]:
    """Return the line as it stood after the previous documents, and as it stands with this one."""
    earlier = Invoice.objects.filter(payment=correction.payment_id, id__lt=correction.pk).standing()
    minor = sum(earlier.values_list("amount_minor", flat=True))
    return (
        _position(line, correction.currency, minor),
        _position(line, correction.currency, minor + line.amount_minor),
    )


def _position(line: InvoiceLine, currency: str, minor: int, details: str = "") -> Position:
    rate = "" if line.tax_rate is None else f"{line.tax_rate.normalize():f}"
    return Position(line.description, line.quantity, Money(minor, currency), rate, details)


@transaction.atomic
def _record_issued(invoice_id: int, issued: IssuedDocument, now: dt.datetime) -> bool:
    """Record the vendor's answer; return False if another document has the number."""
    invoice = _lock(invoice_id)
    if invoice.status == InvoiceStatus.REQUESTED:
        if not _put_down(invoice, issued, now):
            return False
        after_commit(log.info, "invoice_issued", invoice=invoice.pk, workspace=invoice.workspace_id)
    return True


def _put_down(invoice: Invoice, issued: IssuedDocument, now: dt.datetime) -> bool:
    """Store that a locked document is issued; return False, storing nothing, if another has the number."""
    invoice.external_id = issued.id
    invoice.number = issued.number
    invoice.issued_on = issued.date
    invoice.issued_at = now
    invoice.e_invoice_state = issued.e_invoice_state
    invoice.next_attempt_at = now + ASK_AFTER if issued.e_invoice_state == E_INVOICE_UNDER_WAY else None
    invoice.attempts = 0
    invoice.last_error = ""
    invoice.issue()
    try:
        with transaction.atomic():
            invoice.save()
    except IntegrityError as error:
        if not violates(error, "invoice_number_unique"):
            raise
        return False
    return True


def _postpone(invoice: Invoice, error: InvoicingDown, now: dt.datetime) -> None:
    attempts = invoice.attempts + error.was_asked
    log.warning("invoicing_down", invoice=invoice.pk, workspace=invoice.workspace_id, attempts=attempts)
    retries.record_failure(
        Invoice.objects.filter(pk=invoice.pk, next_attempt_at__isnull=False),
        retry=RETRY,
        attempts=attempts,
        error=error.detail,
        now=now,
        retry_after=error.wait_seconds,
    )
    if error.was_asked and RETRY.is_used_up(attempts) and invoice.status == InvoiceStatus.REQUESTED:
        _give_up(invoice.pk, f"Asked {attempts} times. {error.detail}", now)


@transaction.atomic
def _give_up(invoice_id: int, why: str, now: dt.datetime) -> None:
    invoice = _lock(invoice_id)
    if invoice.status != InvoiceStatus.REQUESTED:
        return
    invoice.fail()
    invoice.next_attempt_at = None
    invoice.last_error = fit(Invoice, "last_error", why)
    invoice.save()
    after_commit(log.warning, "invoice_failed", invoice=invoice.pk, workspace=invoice.workspace_id)
    raise_staff_task(
        workspace_id=invoice.workspace_id, kind=INVOICE_FAILED, subject=_subject(invoice), summary=invoice.last_error
    )


def _follow_up(workspace_id: int, *, limit: int, now: dt.datetime) -> int:
    """Tell the vendor about canceled documents, and check the ones that are still at the tax office."""
    open_matters = Invoice.objects.filter(workspace=workspace_id, next_attempt_at__isnull=False).exclude(
        status=InvoiceStatus.REQUESTED
    )
    done = 0
    for invoice in list(retries.due(open_matters, now=now)[: max(limit, 0)]):
        if not retries.claim(open_matters.filter(pk=invoice.pk), now=now, lease=RETRY.lease):
            continue
        try:
            _follow(invoice, now)
        except InvoicingDown as error:
            _postpone(invoice, error, now)
            break
        except InvoiceRefused as error:
            _leave_to_staff(invoice, error, now)
        done += 1
    return done


def _follow(invoice: Invoice, now: dt.datetime) -> None:
    gateway = _gateway_of(invoice.workspace_id)
    row = Invoice.objects.filter(pk=invoice.pk)
    if invoice.cancel_requested_at is not None:
        if not invoice.external_id:
            raise InvoiceRefused(f"{invoice} was issued by hand. Cancel it by hand too.")
        gateway.cancel(invoice.external_id, reason=invoice.reason)
        row.update(cancel_requested_at=None, next_attempt_at=None, attempts=0, last_error="")
        return
    state = gateway.retrieve(invoice.external_id).e_invoice_state
    again = now + ASK_AFTER if state == E_INVOICE_UNDER_WAY else None
    # One that was canceled in the meantime stays due: the vendor has yet to be told.
    row.filter(cancel_requested_at=None).update(e_invoice_state=state, next_attempt_at=again, attempts=0, last_error="")


@transaction.atomic
def _leave_to_staff(invoice: Invoice, error: InvoiceRefused, now: dt.datetime) -> None:
    why = fit(Invoice, "last_error", error.detail)
    same = Invoice.objects.filter(pk=invoice.pk, cancel_requested_at=invoice.cancel_requested_at)
    if not same.update(next_attempt_at=None, last_error=why):
        return
    raise_staff_task(workspace_id=invoice.workspace_id, kind=INVOICE_FAILED, subject=_subject(invoice), summary=why)


def _lock(invoice_id: int) -> Invoice:
    invoice = Invoice.objects.select_for_update(of=("self",)).filter(pk=invoice_id).first()
    if invoice is None:
        raise InvoiceNotFound
    return invoice


def _settle_task(invoice: Invoice, resolution: str, now: dt.datetime) -> None:
    settle_staff_task(kind=INVOICE_FAILED, subject=_subject(invoice), resolution=resolution, now=now)


def _subject(invoice: Invoice) -> str:
    return f"invoice:{invoice.pk}"
