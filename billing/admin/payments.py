from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import StaffTask
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.actors import actor_column
from backoffice.display import NOTHING, Card, money_column, neighbor, neighbors_of, register_subject, status_badge
from backoffice.money import MoneyField
from backoffice.previews import Letter, Preview
from backoffice.scoping import ScopedRelatedFilter, actor_of, staff_of
from backoffice.searching import FOUND_AT_MOST
from core.clock import utc_now
from core.money import Money
from core.numbers import parse_whole_number

from ..balance import refundable_minor
from ..consequences import tell_correction, tell_refund
from ..invoice_links import invoice_url, revoke_invoice_link
from ..letters import write_refund
from ..models import Checkout, Invoice, Payment
from ..offline import reverse_offline_payment
from ..purposes import find_stake
from ..refunds import request_refund
from ..states import NO_MONEY_YET, PaymentMethod, PaymentStatus, RefundReason
from .currencies import CurrencyFilter
from .display import AboutMoney, subjects_of_people
from .stripe import stripe_notices

register_subject("payment", Payment)


# Reasons that nobody chooses: they describe what has already happened.
_NOT_CHOSEN = (RefundReason.OUTSIDE, RefundReason.NOT_RECEIVED)


class RefundForm(StaffForm):
    amount = MoneyField()
    reason = forms.ChoiceField(choices=[choice for choice in RefundReason.choices if choice[0] not in _NOT_CHOSEN])
    note = forms.CharField(
        label="Note for colleagues", max_length=300, required=False, help_text="The payer never reads it."
    )

    def prepare(self) -> None:
        amount = self.fields["amount"]
        assert isinstance(amount, MoneyField)
        left = Money(refundable_minor(self.row), self.row.currency)
        amount.ask_in(left.currency)
        amount.initial = left.minor
        amount.help_text = f"{left} can be refunded, which is all that is left of {self.row.money}."

    def clean_amount(self) -> int:
        amount: int = self.cleaned_data["amount"]
        left = refundable_minor(self.row)
        if amount > left:
            raise forms.ValidationError(f"At most {Money(left, self.row.currency)} can be refunded.")
        return amount


def foresee_refund(payment: Payment, form: StaffForm) -> Preview:
    """Return where the money goes, who loses what, and the mail about it."""
    amount = Money(form.cleaned_data["amount"], payment.currency)
    is_last = amount.minor == refundable_minor(payment)
    payer = payment.checkout.payer_email if payment.checkout else ""
    sentences = tell_refund(payment, amount)
    stake = find_stake(payment.purpose, payment.pk, now=utc_now())
    if stake is None:
        sentences.append("Nobody loses anything: this payment pays for nothing that is still held.")
    elif is_last:
        sentences += [f"This returns all the money, so {stake.learner} loses {stake.what}.", *stake.freed]
    else:
        sentences.append(f"This is a part of the payment: {stake.learner} keeps {stake.what}.")
    reason = RefundReason(form.cleaned_data["reason"])
    email = write_refund(payment=payment, amount=amount, reason=reason, is_last=is_last)
    letters = (Letter((payer,), email.subject, email.text),) if payer else ()
    return Preview(tuple(sentences), letters)


class ReversalForm(StaffForm):
    what_happened = forms.ChoiceField(
        choices=[
            ("unreceived", "It never arrived: a mistake, or a check that bounced"),
            ("returned", "We gave it back"),
        ]
    )
    note = forms.CharField(
        label="Reason, for colleagues", max_length=300, help_text="The family never reads it. It is kept for good."
    )

    @property
    def is_returned(self) -> bool:
        return bool(self.cleaned_data["what_happened"] == "returned")


def foresee_reversal(payment: Payment, form: ReversalForm) -> Preview:
    """Return who loses what, or owes it again."""
    sentences = [f"{payment.money} no longer counts.", *tell_correction(payment, is_at_once=True)]
    stake = find_stake(payment.purpose, payment.pk, now=utc_now())
    if stake is None:
        sentences.append("Nobody loses anything: this payment pays for nothing that is still held.")
    elif form.is_returned:
        sentences += [f"{stake.learner} loses {stake.what}, because all of the money went back.", *stake.freed]
    else:
        sentences += [f"{stake.learner} keeps {stake.what}, and the payment for it is pending again.", *stake.owed]
    return Preview(tuple(sentences), mails="No mail about a refund is sent.")


def is_reversible(payment: Payment) -> bool:
    return payment.method == PaymentMethod.OFFLINE and payment.status == PaymentStatus.PAID


def has_invoice_link(payment: Payment) -> bool:
    return payment.status not in NO_MONEY_YET


def is_refundable(payment: Payment) -> bool:
    return refundable_minor(payment) > 0


@admin.register(Payment)
class PaymentAdmin(AboutMoney):
    actor_fields = ("recorded_by",)
    list_display = ("who", "what", "amount", "status_badge", "paid_at", "refunded", "method", "workspace")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("method", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        ("currency", CurrencyFilter),
        "paid_at",
    )
    list_select_related = ("workspace", "checkout")
    search_fields = ("payment_intent_id__exact",)
    search_help_text = "Learner or payer, number of the payment or invoice, Stripe's payment intent or session"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "method"), ("amount", "refunded"), ("paid_for", "checkout"))}),
        (
            "Outside Stripe",
            {"fields": (("means", "reference"), ("by", "note")), "classes": ("collapse",)},
        ),
        ("Stripe", {"fields": (("payment_intent_id", "workspace"), ("paid_at", "created_at"))}),
    )
    actions_detail = ("refund", "reverse", "revoke_link")
    status_badge = status_badge("status")
    by = actor_column("recorded_by", "recorded by")
    amount = money_column("amount_minor", "amount")

    def find_by_others(self, request: HttpRequest, term: str) -> list[Q]:
        """Find by learner, by payer, and by the numbers of its checkout at Stripe and of its invoices."""
        found = [Q(pk=number)] if (number := parse_whole_number(term)) is not None else []
        checkouts = Checkout.objects.filter(Q(stripe_session_id=term) | Q(payer_email__istartswith=term))
        invoices = Invoice.objects.filter(number=term)
        for path, rows in (("checkout", checkouts.values_list("pk")), ("pk", invoices.values_list("payment"))):
            if keys := [key for (key,) in rows[:FOUND_AT_MOST]]:
                found.append(Q((f"{path}__in", keys)))
        return [*found, *subjects_of_people(self.admin_site, request, term)]

    @display(description="refunded", ordering="refunded_minor")
    def refunded(self, payment: Payment) -> str:
        return str(Money(payment.refunded_minor, payment.currency)) if payment.refunded_minor else NOTHING

    @staff_action(
        description="Refund",
        power=Power.MONEY,
        possible=is_refundable,
        form=RefundForm,
        preview=foresee_refund,
        icon="undo",
        variant=ActionVariant.DANGER,
        explanation="The money goes back to the card or account it came from. A full refund ends what it paid for; a "
        "partial one does not.",
    )
    def refund(self, request: HttpRequest, payment: Payment, form: StaffForm) -> str:
        refund = request_refund(
            payment_id=payment.pk,
            amount_minor=form.cleaned_data["amount"],
            reason=RefundReason(form.cleaned_data["reason"]),
            actor=actor_of(request),
            note=form.cleaned_data["note"],
            user=staff_of(request),
            now=utc_now(),
        )
        return f"{Money(refund.amount_minor, payment.currency)} will go back to the payer."

    @staff_action(
        description="Reverse",
        power=Power.MONEY,
        possible=is_reversible,
        form=ReversalForm,
        preview=foresee_reversal,
        icon="undo",
        variant=ActionVariant.DANGER,
        explanation=(
            "For money that was paid outside Stripe. We don't move any money: record here what happened to it."
        ),
    )
    def reverse(self, request: HttpRequest, payment: Payment, form: ReversalForm) -> str:
        reverse_offline_payment(
            payment_id=payment.pk,
            is_returned=form.is_returned,
            note=form.cleaned_data["note"],
            actor=actor_of(request),
            user=staff_of(request),
            now=utc_now(),
        )
        return f"{payment.money} no longer counts."

    @staff_action(
        description="New invoice address",
        power=Power.MONEY,
        possible=has_invoice_link,
        icon="link_off",
        explanation=(
            "The current address stops working for everybody who has it. Integrators get the "
            "new one when they next ask."
        ),
    )
    def revoke_link(self, request: HttpRequest, payment: Payment, form: StaffForm) -> str:
        renewed = revoke_invoice_link(payment_id=payment.pk)
        return f"The invoice is at {invoice_url(renewed)} from now on."


@neighbors_of(Payment)
def refunds_of_payment(request: HttpRequest, payment: Payment) -> Card:
    rows = [
        neighbor(
            refund,
            title=Money(refund.amount_minor, payment.currency),
            status="status",
            note=refund.get_reason_display(),
            at=refund.settled_at or refund.created_at,
        )
        for refund in payment.refunds.order_by("-id")[:20]
    ]
    return Card("Refunds", rows)


@neighbors_of(Payment)
def disputes_of_payment(request: HttpRequest, payment: Payment) -> Card:
    rows = [
        neighbor(
            dispute,
            title=Money(dispute.amount_minor, payment.currency),
            status="status",
            note=dispute.reason,
            at=dispute.opened_at,
        )
        for dispute in payment.disputes.order_by("-id")[:20]
    ]
    return Card("Disputes", rows)


@neighbors_of(Payment)
def tasks_of_payment(request: HttpRequest, payment: Payment) -> Card:
    tasks = StaffTask.objects.filter(subject=f"payment:{payment.pk}", workspace=payment.workspace_id)
    return Card(
        "Staff tasks",
        [neighbor(task, status="status", at=task.created_at) for task in tasks.order_by("-status", "-id")[:20]],
    )


@neighbors_of(Payment)
def notices_of_payment(request: HttpRequest, payment: Payment) -> Card:
    return stripe_notices(request, payment.payment_intent_id)
