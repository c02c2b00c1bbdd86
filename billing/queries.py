"""Reads that more than one caller needs."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Prefetch

from accounts.families import learners_of
from accounts.models import Learner, User
from core.actors import Actor
from core.errors import NotFound
from core.money import Money

from .models import Invoice, Payment
from .purposes import find_learner_id
from .states import PaymentStatus


def get_invoice_for(*, user: User, cuid: str) -> Invoice:
    """Return one invoice, for the person who paid it and for the learner's family, identified by their address.

    Raises NotFound, also for other people's.
    """
    invoice = Invoice.objects.select_related("corrects", "payment").filter(cuid=cuid).first()
    if invoice is None or not (invoice.buyer_email == user.email or _is_family(invoice, user)):
        raise NotFound("There is no such invoice among yours.")
    return invoice


def _is_family(invoice: Invoice, user: User) -> bool:
    learner_id = find_learner_id(invoice.payment.purpose, invoice.payment.subject)
    return learner_id is not None and learners_of(user).filter(pk=learner_id).exists()


def find_standing_invoice(payment: Payment) -> Invoice | None:
    """Return a payment's invoice, as opposed to its corrections and to canceled ones it has replaced."""
    return Invoice.objects.standing().filter(payment=payment, corrects=None).select_related("payment").first()


def find_payers(payment_ids: Iterable[int]) -> dict[int, str]:
    """Return the payers' accounts, as "user:5", by payment: an account has the address that the payer gave."""
    paid = Payment.objects.filter(pk__in=payment_ids).exclude(checkout__payer_email="")
    addresses = {pk: email for pk, email in paid.values_list("pk", "checkout__payer_email") if email}
    accounts = dict(User.objects.filter(email__in=set(addresses.values())).values_list("email", "pk"))
    return {pk: str(Actor("user", accounts[email])) for pk, email in addresses.items() if email in accounts}


PAYMENTS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class PaymentMade:
    """A payment as its payer sees it: the money, its invoices, and for whom, by first name. No more of the learner."""

    payment: Payment
    learner: str

    @property
    def refunded(self) -> Money | None:
        minor = self.payment.refunded_minor
        return Money(minor, self.payment.currency) if minor else None


def list_payments_made(*, user: User, besides: Collection[int]) -> list[PaymentMade]:
    """Return the payments made with the person's address, newest first, except those shown elsewhere (`besides`)."""
    made = Payment.objects.filter(checkout__payer_email=user.email).exclude(checkout__payer_email="")
    made = made.exclude(pk__in=besides).exclude(status=PaymentStatus.FAILED).order_by("-id")
    payments = list(
        made.select_related("checkout", "workspace").prefetch_related(
            Prefetch("invoices", Invoice.objects.standing().order_by("-id"))
        )[:PAYMENTS_SHOWN]
    )
    learner_ids = {each.pk: find_learner_id(each.purpose, each.subject) for each in payments}
    wanted = {learner_id for learner_id in learner_ids.values() if learner_id is not None}
    first_names: dict[int | None, str] = {}
    if wanted:
        first_names.update(Learner.objects.filter(pk__in=wanted).values_list("pk", "first_name"))
    return [PaymentMade(each, first_names.get(learner_ids[each.pk], "")) for each in payments]
