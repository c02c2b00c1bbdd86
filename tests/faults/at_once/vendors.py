"""Stripe and an invoicing service that answer without a network, for several processes at once: what they say about a
row depends on its number and on what we already know about it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any
from zlib import crc32

from billing.errors import InvoiceRefused, InvoicingDown, PaymentProviderDown, PaymentRejected
from billing.gateways.contract import (
    DisputeSnapshot,
    EventSnapshot,
    RefundRequest,
    RefundSnapshot,
    SessionRequest,
    SessionSnapshot,
)
from billing.gateways.invoices import DocumentRequest, IssuedDocument
from billing.models import Checkout, Payment, Refund
from billing.states import CheckoutStatus, RefundStatus
from billing.tests.factories import session_of
from core.clock import utc_now
from core.network import forbid_open_transaction

from ..any_order import EXPIRED

OPEN = {"status": "open", "payment_status": "unpaid", "payment_intent_id": None, "url": "https://pay.test"}
PROCESSING = {"payment_status": "unpaid", "payment_intent_status": "processing"}
FAILED = {"payment_status": "unpaid", "payment_intent_status": "requires_payment_method"}
PAID: dict[str, Any] = {}
FATES = (OPEN, PAID, PAID, EXPIRED, FAILED, PROCESSING)
KNOWN: dict[str, dict[str, Any]] = {
    CheckoutStatus.PAID: PAID,
    CheckoutStatus.EXPIRED: EXPIRED,
    CheckoutStatus.CANCELLED: EXPIRED,
    CheckoutStatus.FAILED: FAILED,
}
SESSION = "cs_rows_"
INTENT = "pi_rows_"
DISPUTE = "dp_rows_"


class StripeByNumbers:
    """The part of `PaymentGateway` that is asked about sessions, refunds, disputes, and events."""

    def create_session(self, request: SessionRequest) -> SessionSnapshot:
        forbid_open_transaction()
        checkout = Checkout.objects.get(pk=request.metadata["checkoutId"])
        if checkout.pk % 11 == 0:
            raise PaymentRejected("No such amount", provider_message="No such amount", provider_code="amount_too_small")
        return self._session(checkout, OPEN)

    def retrieve_session(self, session_id: str) -> SessionSnapshot:
        forbid_open_transaction()
        checkout = _checkout_of(session_id, SESSION)
        if checkout.pk % 7 == 0 and checkout.is_live and utc_now().second % 3 == 0:
            raise PaymentProviderDown
        return self._session(checkout, KNOWN.get(checkout.status) or FATES[checkout.pk % len(FATES)])

    def expire_session(self, session_id: str) -> SessionSnapshot:
        forbid_open_transaction()
        return self._session(_checkout_of(session_id, SESSION), EXPIRED)

    def list_sessions(self, *, created_since: dt.datetime) -> Iterator[SessionSnapshot]:
        forbid_open_transaction()
        known = Checkout.objects.filter(created_at__gte=created_since).exclude(status=CheckoutStatus.REFUSED)
        for checkout in list(known.order_by("-pk")):
            yield self._session(checkout, KNOWN.get(checkout.status) or FATES[checkout.pk % len(FATES)])

    def find_session_of_payment(self, payment_intent_id: str) -> SessionSnapshot:
        return self.retrieve_session(payment_intent_id.replace(INTENT, SESSION))

    def create_refund(self, request: RefundRequest) -> RefundSnapshot:
        forbid_open_transaction()
        return _refund(Refund.objects.select_related("payment").get(pk=request.metadata["refundId"]))

    def list_refunds(self, payment_intent_id: str) -> Sequence[RefundSnapshot]:
        forbid_open_transaction()
        rows = Refund.objects.filter(payment__payment_intent_id=payment_intent_id, stripe_refund_id__isnull=False)
        return [_refund(row) for row in rows.select_related("payment").order_by("-pk")]

    def retrieve_dispute(self, dispute_id: str) -> DisputeSnapshot:
        forbid_open_transaction()
        payment = Payment.objects.get(pk=dispute_id.removeprefix(DISPUTE))
        return DisputeSnapshot(
            id=dispute_id,
            payment_intent_id=str(payment.payment_intent_id),
            amount_minor=payment.amount_minor,
            reason="fraudulent",
            status=("needs_response", "won", "lost")[utc_now().second % 3],
            created_at=payment.created_at,
        )

    def list_events(self, *, created_since: dt.datetime, types: Sequence[str]) -> Iterator[EventSnapshot]:
        forbid_open_transaction()
        for checkout in list(Checkout.objects.filter(created_at__gte=created_since).order_by("-pk")):
            yield event_about(types[0], f"{SESSION}{checkout.pk}", f"{INTENT}{checkout.pk}")

    def _session(self, checkout: Checkout, told: dict[str, Any]) -> SessionSnapshot:
        return session_of(checkout, metadata={"checkoutId": str(checkout.pk)}, **told)


def event_about(type: str, object_id: str, intent: str) -> EventSnapshot:
    """Return an event, which has the same id whoever hears of it."""
    about = {"object": type.split(".")[0], "id": object_id, "payment_intent": intent}
    return EventSnapshot(id=f"evt_{type}_{object_id}", type=type, created_at=utc_now(), about=about)


def _checkout_of(vendors_id: str, prefix: str) -> Checkout:
    return Checkout.objects.get(pk=vendors_id.removeprefix(prefix))


def _refund(row: Refund) -> RefundSnapshot:
    fate = ("succeeded", "pending", "failed")[row.pk % 3]
    return RefundSnapshot(
        id=f"re_rows_{row.pk}",
        reference=row.reference,
        payment_intent_id=str(row.payment.payment_intent_id),
        amount_minor=row.amount_minor,
        status=fate if row.status in (RefundStatus.REQUESTED, RefundStatus.PENDING) else str(row.status),
        failure_reason="",
        created_at=row.created_at,
    )


class InvoicesByReference:
    """An account at an invoicing service: it refuses some documents, and does not answer at some seconds."""

    def issue(self, request: DocumentRequest) -> IssuedDocument:
        forbid_open_transaction()
        return _document(request.reference)

    def find(self, reference: str) -> IssuedDocument | None:
        forbid_open_transaction()
        return None if _is_refused(reference) else _document(reference)

    def retrieve(self, document_id: str) -> IssuedDocument:
        forbid_open_transaction()
        return IssuedDocument(document_id, f"V-{document_id}", utc_now().date(), "ok")

    def cancel(self, document_id: str, *, reason: str) -> None:
        forbid_open_transaction()


def _is_refused(reference: str) -> bool:
    return crc32(reference.encode()) % 3 == 0


def _document(reference: str) -> IssuedDocument:
    if _is_refused(reference):
        raise InvoiceRefused("No such buyer.")
    if utc_now().second % 5 == 0:
        raise InvoicingDown("No answer.")
    is_reported = crc32(reference.encode()) % 3 == 1
    return IssuedDocument(reference, f"V-{reference}", utc_now().date(), "processing" if is_reported else "")
