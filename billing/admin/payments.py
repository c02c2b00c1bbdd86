from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import StaffTask
from accounts.roles import Power
from backoffice.actions import StaffForm, in_bulk, staff_action
from backoffice.display import (
    NOTHING,
    Card,
    badge,
    json_column,
    link_column,
    list_url,
    money_column,
    neighbor,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.money import MoneyField
from backoffice.previews import Letter, Preview
from backoffice.scoping import (
    ScopedRelatedFilter,
    WorkspaceModelForm,
    WorkspaceScopedAdmin,
    access_of,
    actor_of,
    staff_of,
)
from core.errors import Invalid, Unavailable
from core.money import Money

from ..balance import refundable_minor
from ..checkout import settle_checkout
from ..inbox import handle_event
from ..letters import write_refund
from ..models import Checkout, Dispute, Payment, Price, ReconciliationRun, Refund, StripeEvent
from ..prices import check_chargeable
from ..purposes import describe_subject, find_stake
from ..refunds import request_refund
from ..states import CheckoutStatus, RefundReason

register_subject("checkout", Checkout)
register_subject("price", Price)
register_subject("payment", Payment)
register_subject("refund", Refund)
register_subject("dispute", Dispute)


@display(description="for")
def paid_for(_admin: Any, row: Any) -> str:
    """What the money is about, in the words of the app that asked for it."""
    label, url = describe_subject(row.purpose, row.subject)
    return format_html('<a class="text-link" href="{}">{}</a>', url, label) if url else label


class PriceForm(WorkspaceModelForm):
    amount = MoneyField(help_text="In the currency beside it: 49.00 in USD, 4900 in JPY.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        amount = self.fields.get("amount")
        if isinstance(amount, MoneyField):  # not on the form once the price was charged
            amount.currency = str(self.data.get("currency") or self.instance.currency).strip().lower()
            amount.initial = self.instance.amount_minor

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).lower()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        amount = cleaned.get("amount")
        currency = cleaned.get("currency")
        if amount is None or currency is None:
            return cleaned
        self.instance.amount_minor = amount
        try:
            check_chargeable(Money(amount, currency))
        except Invalid as refusal:
            for fault in refusal.errors:
                self.add_error(fault.field, fault.detail)
        return cleaned


@admin.register(Price)
class PriceAdmin(WorkspaceScopedAdmin):
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    form = PriceForm
    list_display = ("name", "amount", "workspace", "active", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter), "active", "currency")
    list_select_related = ("workspace",)
    search_fields = ("name", "=stripe_price_id")
    readonly_fields = ("created_at",)
    fields = ("workspace", "name", ("amount", "currency"), "stripe_price_id", "active", "created_at")
    amount = money_column("amount_minor", "amount")

    def get_readonly_fields(self, request: HttpRequest, obj: Price | None = None) -> list[str]:
        """What was charged once stays: a new price replaces it."""
        fields = super().get_readonly_fields(request, obj)
        charged = obj is not None and obj.checkouts.exists()
        return [*fields, "amount", "currency", "stripe_price_id"] if charged else fields


@admin.register(Checkout)
class CheckoutAdmin(WorkspaceScopedAdmin):
    list_display = ("__str__", "subject_text", "status_badge", "payer_email", "workspace", "created_at", "expires_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        "created_at",
        "expires_at",
    )
    list_select_related = ("workspace",)
    search_fields = ("=id", "=stripe_session_id", "payer_email__istartswith", "=subject")
    search_help_text = "Checkout number, Stripe session, payer's email"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "amount"), ("paid_for", "description"), ("price", "payer_email"))}),
        ("Stripe", {"fields": ("stripe_session_id", "payment_page")}),
        (
            "Times",
            {
                "fields": (
                    ("created_at", "expires_at"),
                    ("settled_at", "next_check_at"),
                    ("cancel_requested_at", "workspace"),
                )
            },
        ),
    )
    actions_detail = ("ask_stripe",)
    status_badge = status_badge("status")
    amount = money_column("amount_minor", "amount")
    paid_for = paid_for

    @display(description="for", ordering="subject")
    def subject_text(self, checkout: Checkout) -> str:
        return f"{checkout.purpose.replace('_', ' ')} {checkout.subject}"

    @display(description="payment page")
    def payment_page(self, checkout: Checkout) -> str:
        if checkout.status != CheckoutStatus.OPEN or not checkout.url:
            return NOTHING
        return format_html('<a class="text-link" href="{0}" rel="noreferrer">{0}</a>', checkout.url)

    @staff_action(
        description="Ask Stripe",
        power=Power.DECIDE,
        possible=lambda checkout: bool(checkout.stripe_session_id),
        icon="sync",
        explanation="Fetches the session from Stripe and updates our rows to match.",
    )
    def ask_stripe(self, request: HttpRequest, checkout: Checkout, form: StaffForm) -> str:
        settled = settle_checkout(checkout_id=checkout.pk)
        return f"Stripe says: {settled.get_status_display().lower()}."


@neighbors_of(Checkout)
def payments_of_checkout(request: HttpRequest, checkout: Checkout) -> Card:
    rows = [neighbor(p, status="status", at=p.paid_at or p.created_at) for p in checkout.payments.all()[:20]]
    return Card("Payments", rows, empty="Nothing was paid.")


@neighbors_of(Checkout)
def notices_of_checkout(request: HttpRequest, checkout: Checkout) -> Card:
    return _notices(request, checkout.stripe_session_id)


class RefundForm(StaffForm):
    amount = MoneyField()
    reason = forms.ChoiceField(choices=[c for c in RefundReason.choices if c[0] != RefundReason.OUTSIDE])
    note = forms.CharField(
        label="Note for colleagues", max_length=300, required=False, help_text="The payer never reads it."
    )

    def prepare(self) -> None:
        amount = self.fields["amount"]
        assert isinstance(amount, MoneyField)
        left = Money(refundable_minor(self.row), self.row.currency)
        amount.ask_in(left.currency)
        amount.initial = left.minor
        amount.help_text = f"{left} can go back, which is all that is left of {self.row.money}."

    def clean_amount(self) -> int:
        amount: int = self.cleaned_data["amount"]
        left = refundable_minor(self.row)
        if amount > left:
            raise forms.ValidationError(f"At most {Money(left, self.row.currency)} can go back.")
        return amount


def foresee_refund(payment: Payment, form: StaffForm) -> Preview:
    """Where the money goes, who loses what, and the mail about it."""
    amount = Money(form.cleaned_data["amount"], payment.currency)
    is_last = amount.minor == refundable_minor(payment)
    payer = payment.checkout.payer_email if payment.checkout else ""
    sentences = [f"{amount} goes back to {payer or 'the payer'}."]
    stake = find_stake(payment.purpose, payment.pk)
    if stake is None:
        sentences.append("Nobody loses anything: this payment pays for nothing that is still held.")
    elif is_last:
        sentences.append(f"This returns all the money, so {stake.learner} loses {stake.what}.")
    else:
        sentences.append(f"This is a part of the payment: {stake.learner} keeps {stake.what}.")
    reason = RefundReason(form.cleaned_data["reason"])
    email = write_refund(payment=payment, amount=amount, reason=reason, is_last=is_last)
    letters = (Letter((payer,), email.subject, email.text),) if payer else ()
    return Preview(tuple(sentences), letters)


def is_refundable(payment: Payment) -> bool:
    return refundable_minor(payment) > 0


@admin.register(Payment)
class PaymentAdmin(WorkspaceScopedAdmin):
    list_display = ("__str__", "subject_text", "status_badge", "refunded", "method", "workspace", "paid_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("method", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        "currency",
        "paid_at",
    )
    list_select_related = ("workspace",)
    search_fields = ("=id", "=payment_intent_id", "=checkout__stripe_session_id", "=subject")
    search_help_text = "Payment number, payment intent, Stripe session"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "method"), ("amount", "refunded"), ("paid_for", "checkout"))}),
        ("Stripe", {"fields": (("payment_intent_id", "workspace"), ("paid_at", "created_at"))}),
    )
    actions_detail = ("refund",)
    status_badge = status_badge("status")
    amount = money_column("amount_minor", "amount")
    paid_for = paid_for

    @display(description="refunded", ordering="refunded_minor")
    def refunded(self, payment: Payment) -> str:
        return str(Money(payment.refunded_minor, payment.currency)) if payment.refunded_minor else NOTHING

    @display(description="for", ordering="subject")
    def subject_text(self, payment: Payment) -> str:
        return f"{payment.purpose.replace('_', ' ')} {payment.subject}"

    @staff_action(
        description="Refund",
        power=Power.MANAGE,
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
        )
        return f"{Money(refund.amount_minor, payment.currency)} will go back to the payer."


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
        for refund in payment.refunds.all()[:20]
    ]
    return Card("Refunds", rows)


@neighbors_of(Payment)
def disputes_of_payment(request: HttpRequest, payment: Payment) -> Card:
    rows = [
        neighbor(d, title=Money(d.amount_minor, payment.currency), status="status", note=d.reason, at=d.opened_at)
        for d in payment.disputes.all()[:20]
    ]
    return Card("Disputes", rows)


@neighbors_of(Payment)
def tasks_of_payment(request: HttpRequest, payment: Payment) -> Card:
    tasks = StaffTask.objects.filter(subject=f"payment:{payment.pk}", workspace=payment.workspace_id)[:20]
    return Card("Staff tasks", [neighbor(t, status="status", at=t.created_at) for t in tasks])


@neighbors_of(Payment)
def notices_of_payment(request: HttpRequest, payment: Payment) -> Card:
    return _notices(request, payment.payment_intent_id)


def _notices(request: HttpRequest, stripe_id: str | None) -> Card:
    """What Stripe told us about one of its objects; the inbox is the platform's, so only superusers are led there."""
    if not access_of(request).everywhere:
        return Card("Stripe's notices", empty="It is kept in the platform's inbox, which a superuser can open.")
    if not stripe_id:
        return Card("Stripe's notices", empty="Stripe does not know it yet.")
    rows = StripeEvent.objects.filter(payload__icontains=stripe_id)[:20]
    return Card(
        "Stripe's notices",
        [neighbor(event, title=event.type, note=event.outcome, at=event.received_at) for event in rows],
        more_url=list_url(StripeEvent, q=stripe_id),
    )


@admin.register(Refund)
class RefundAdmin(WorkspaceScopedAdmin):
    workspace_path = "payment__workspace"
    list_display = ("__str__", "amount", "status_badge", "reason", "actor", "created_at", "settled_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        ("payment__workspace", ScopedRelatedFilter),
        "created_at",
    )
    list_select_related = ("payment__workspace",)
    search_fields = ("=id", "=stripe_refund_id", "=payment__id", "=payment__payment_intent_id")
    search_help_text = "Number of the refund or payment, Stripe's refund or payment intent"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "amount"), ("payment_link", "reason"), "note", ("actor", "requested_by"))}),
        ("Stripe", {"fields": ("stripe_refund_id", "failure_reason", ("created_at", "settled_at"))}),
        ("Tries", {"fields": (("attempts", "next_attempt_at"), "last_error")}),
    )
    status_badge = status_badge("status")
    payment_link = link_column("payment", "payment")

    @display(description="amount", ordering="amount_minor")
    def amount(self, refund: Refund) -> str:
        return str(Money(refund.amount_minor, refund.payment.currency))


@admin.register(Dispute)
class DisputeAdmin(WorkspaceScopedAdmin):
    workspace_path = "payment__workspace"
    list_display = ("__str__", "amount", "status_badge", "reason", "opened_at", "closed_at")
    list_filter = (("status", ChoicesDropdownFilter), ("payment__workspace", ScopedRelatedFilter), "opened_at")
    list_select_related = ("payment__workspace",)
    search_fields = ("=id", "=stripe_dispute_id", "=payment__id", "=payment__payment_intent_id")
    fields = (("status_badge", "amount"), ("payment_link", "reason"), "stripe_dispute_id", ("opened_at", "closed_at"))
    status_badge = status_badge("status")
    payment_link = link_column("payment", "payment")

    @display(description="amount", ordering="amount_minor")
    def amount(self, dispute: Dispute) -> str:
        return str(Money(dispute.amount_minor, dispute.payment.currency))


@admin.register(StripeEvent)
class StripeEventAdmin(WorkspaceScopedAdmin):
    """The inbox of the whole platform: an event can be about any workspace, or about none, so superusers read it."""

    workspace_path = ""
    view_power = Power.OPERATE
    list_display = ("type", "event_id", "state", "outcome", "source", "attempts", "received_at")
    list_filter = (
        ("handled_at", admin.EmptyFieldListFilter),
        ("source", ChoicesDropdownFilter),
        "type",
        "received_at",
    )
    search_fields = ("=event_id", "payload__icontains")
    search_help_text = "Id of the event, or of the Stripe object it is about"
    date_hierarchy = "received_at"
    fieldsets = (
        (None, {"fields": (("type", "event_id"), ("state", "outcome"), ("source", "received_at"), "payload_text")}),
        (
            "Handling",
            {"fields": (("handled_at", "stripe_created_at"), ("attempts", "next_attempt_at"), "last_error")},
        ),
    )
    actions_detail = ("handle",)
    payload_text = json_column("payload")

    @display(description="state")
    def state(self, event: StripeEvent) -> str:
        return badge("handled", "Handled") if event.handled_at else badge("pending", "Waiting")

    @staff_action(
        description="Handle now",
        power=Power.OPERATE,
        possible=lambda event: event.handled_at is None,
        icon="replay",
        variant=ActionVariant.PRIMARY,
        explanation="Asks Stripe what became of the object and records the answer.",
    )
    def handle(self, request: HttpRequest, event: StripeEvent, form: StaffForm) -> str:
        handled = handle_event(event_id=event.event_id)
        if handled is None or handled.handled_at is None:
            raise Unavailable("It could not be handled yet. Its last error says why.")
        return f"Handled: {handled.outcome}."

    handle_selected = in_bulk(handle, description="Handle the selected events now")
    actions = ("handle_selected",)


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(WorkspaceScopedAdmin):
    workspace_path = ""
    view_power = Power.OPERATE
    list_display = ("started_at", "events_seen", "events_missed", "sessions_seen", "checkouts_settled", "finished_at")
    date_hierarchy = "started_at"
    fields = (
        ("started_at", "finished_at"),
        "window_start",
        ("events_seen", "events_missed"),
        ("sessions_seen", "checkouts_settled"),
    )
