"""What Stripe paid out to our bank, and what each payout consists of, stored as rows.

Payouts are listed each time starting a while before the newest known one: their state changes for some days. A payout's
lines are read once, page by page: a page and the position of the next one are one commit, so a worker that dies loses
nothing and repeats nothing. Reading anything again changes nothing.
"""

import datetime as dt
import itertools

import structlog
from django.db import transaction
from django.db.models import F, OuterRef, Subquery

from accounts.models import Workspace
from core import retries
from core.errors import NotFound
from core.numbers import parse_whole_number
from core.rows import lock_rows

from .errors import PaymentProviderDown, PaymentRejected
from .gateways.contract import PayoutLineSnapshot, PayoutSnapshot
from .gateways.stripe import get_gateway
from .models import Payment, Payout, PayoutLine
from .states import PayoutLineKind

log = structlog.get_logger(__name__)

FIRST_WINDOW = dt.timedelta(days=90)
STILL_CHANGES = dt.timedelta(days=14)  # the bank can return a payout for some days
PAGE = 100
RETRY = retries.Retry(first_pause_seconds=60, longest_pause_seconds=3600, lease=dt.timedelta(minutes=5), attempts=12)
_KINDS = {
    "charge": PayoutLineKind.PAYMENT,
    "refund": PayoutLineKind.REFUND,
    "refund_failure": PayoutLineKind.REFUND_BACK,
    "dispute": PayoutLineKind.DISPUTE,
    "dispute_reversal": PayoutLineKind.DISPUTE_BACK,
    "fee": PayoutLineKind.FEE,
}


def list_new_payouts(*, now: dt.datetime) -> int:
    """Store the payouts that Stripe made lately; return their number. Raises PaymentProviderDown, PaymentRejected."""
    newest = Payout.objects.order_by("-made_at").values_list("made_at", flat=True).first()
    since = newest - STILL_CHANGES if newest else now - FIRST_WINDOW
    count = 0
    for snapshot in get_gateway().list_payouts(created_since=since):
        _keep_payout(snapshot, now)
        count += 1
    return count


def read_due_payouts(*, limit: int, now: dt.datetime) -> int:
    """Sweep: read the lines of the payouts that are not completely read; return how many were taken up."""
    found = list(retries.due(Payout.objects.all(), now=now).values_list("pk", flat=True)[:limit])
    for payout_id in found:
        if retries.claim(Payout.objects.filter(pk=payout_id), now=now, lease=RETRY.lease):
            _try_to_read(payout_id, now)
    return len(found)


def read_payout(*, payout_id: int, now: dt.datetime) -> Payout:
    """Read a payout's lines again from the first; known lines stay unchanged.

    Raises NotFound, PaymentProviderDown, PaymentRejected.
    """
    if not Payout.objects.filter(pk=payout_id, is_automatic=True).update(read_through=""):
        raise NotFound("There is no such payout, or Stripe lists no lines for it.")
    _read_lines(payout_id, now)
    return Payout.objects.get(pk=payout_id)


def adopt_payout_lines(*, workspace_id: int | None = None) -> int:
    """Assign lines that nobody here knew to payments that have become known since; return how many."""
    known = Payment.objects.filter(payment_intent_id=OuterRef("payment_intent_id"))
    unknown = PayoutLine.objects.filter(payment=None).exclude(payment_intent_id="")
    if workspace_id is not None:
        unknown = unknown.filter(workspace=workspace_id)
    found = unknown.annotate(
        known_id=Subquery(known.values("pk")[:1]), owner_id=Subquery(known.values("workspace")[:1])
    ).exclude(known_id=None)
    keys = list(found.values_list("pk", flat=True))
    if not keys:
        return 0
    with transaction.atomic():
        lock_rows(PayoutLine, *keys)
        return found.filter(pk__in=keys).update(payment_id=F("known_id"), workspace_id=F("owner_id"))


def _keep_payout(snapshot: PayoutSnapshot, now: dt.datetime) -> None:
    """Store the payout. Its lines are due to be read from then on."""
    told = {
        "amount_minor": snapshot.amount_minor,
        "currency": snapshot.currency,
        "status": snapshot.status,
        "is_automatic": snapshot.is_automatic,
        "made_at": snapshot.made_at,
        "arrival_date": snapshot.arrival_date,
    }
    due = {"next_attempt_at": now if snapshot.is_automatic else None}
    Payout.objects.update_or_create(stripe_id=snapshot.id, defaults=told, create_defaults=told | due)


def _try_to_read(payout_id: int, now: dt.datetime) -> None:
    try:
        _read_lines(payout_id, now)
    except (PaymentProviderDown, PaymentRejected) as error:
        attempts = Payout.objects.values_list("attempts", flat=True).get(pk=payout_id) + 1
        log.warning("payout_not_read", payout=payout_id, attempts=attempts)
        retries.record_failure(
            Payout.objects.filter(pk=payout_id),
            retry=RETRY,
            attempts=attempts,
            error=f"{type(error).__name__}: {error}",
            now=now,
        )


def _read_lines(payout_id: int, now: dt.datetime) -> None:
    payout = Payout.objects.get(pk=payout_id)
    lines = get_gateway().list_payout_lines(payout.stripe_id, after=payout.read_through)
    while page := list(itertools.islice(lines, PAGE)):
        _keep_page(payout, page)
    Payout.objects.filter(pk=payout_id).update(lines_read_at=now, next_attempt_at=None, attempts=0, last_error="")


@transaction.atomic
def _keep_page(payout: Payout, page: list[PayoutLineSnapshot]) -> None:
    intents = {line.payment_intent_id for line in page} - {""}
    payments = Payment.objects.filter(payment_intent_id__in=intents).only("payment_intent_id", "workspace_id")
    known = {payment.payment_intent_id: payment for payment in payments}
    named = {named_id for line in page if (named_id := _workspace_named(line)) is not None}
    workspaces = set(Workspace.objects.filter(pk__in=named).values_list("pk", flat=True))
    rows = []
    for line in page:
        payment = known.get(line.payment_intent_id)
        named_id = _workspace_named(line)
        rows.append(
            PayoutLine(
                payout=payout,
                stripe_id=line.id,
                kind=_KINDS.get(line.category, PayoutLineKind.OTHER),
                payment=payment,
                workspace_id=payment.workspace_id if payment else named_id if named_id in workspaces else None,
                source_id=line.source_id,
                payment_intent_id=line.payment_intent_id,
                amount_minor=line.amount_minor,
                fee_minor=line.fee_minor,
                currency=line.currency,
                moved_at=line.moved_at,
            )
        )
    PayoutLine.objects.bulk_create(rows, ignore_conflicts=True)
    Payout.objects.filter(pk=payout.pk).update(read_through=page[-1].id)


def _workspace_named(line: PayoutLineSnapshot) -> int | None:
    """Return the workspace named in our metadata at Stripe (`checkout/session.py`)."""
    return parse_whole_number(line.metadata.get("workspaceId", ""))
