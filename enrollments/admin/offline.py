"""Recording, on the enrollment page, that an enrollment was paid outside of Stripe."""

from django import forms
from django.http import HttpRequest
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import NoteForm, StaffForm, staff_action
from backoffice.money import MoneyField
from backoffice.previews import Preview
from backoffice.scoping import actor_of
from billing.consequences import tell_end_of_checkout
from billing.offline import Proof
from billing.states import OfflineMeans
from core.clock import utc_now
from core.money import Money

from ..emails import waits_to_hear
from ..letters import APPROVED, PAYMENT_RECORDED
from ..models import Enrollment
from ..offline import list_live_checkouts, pay_offline, was_given_up
from ..states import UNPAID, EligibilityStatus, ReviewMode
from .previews import readers_of


def is_payable_offline(enrollment: Enrollment) -> bool:
    is_wanted = enrollment.payment_status in UNPAID and enrollment.deleted_at is None
    return is_wanted and not was_given_up(enrollment) and enrollment.instance.price_id is not None


class PaymentForm(NoteForm):
    amount = MoneyField()
    means = forms.ChoiceField(label="How it was paid", choices=OfflineMeans.choices)
    reference = forms.CharField(
        max_length=200, required=False, help_text="How your books refer to it: the number of a transfer or a receipt."
    )
    field_order = ("amount", "means", "reference", "note")

    def prepare(self) -> None:
        amount = self.fields["amount"]
        assert isinstance(amount, MoneyField)
        price = self._price
        amount.ask_in(price.currency)
        amount.initial = price.minor
        amount.help_text = f"The price is {price}. It is recorded in full or not at all."

    @property
    def _price(self) -> Money:
        money: Money = self.row.instance.price.money
        return money

    def clean_amount(self) -> int:
        amount: int = self.cleaned_data["amount"]
        if amount != self._price.minor:
            raise forms.ValidationError(f"The price is {self._price}: record it once all of it is here.")
        return amount


def foresee_payment(enrollment: Enrollment, form: StaffForm) -> Preview:
    """Preview what the payment brings about, what it ends, and who gets which mail."""
    money = Money(form.cleaned_data["amount"], enrollment.instance.price.money.currency)  # type: ignore[union-attr]
    means = OfflineMeans(form.cleaned_data["means"]).label.lower()
    sentences = [f"{money} for {enrollment.person}, {enrollment.instance} counts as paid ({means}), with an invoice."]
    for checkout in list_live_checkouts(enrollment.pk, utc_now()):
        sentences += tell_end_of_checkout(checkout)
    told = {"about the payment, with the address of the invoice,": readers_of(enrollment, PAYMENT_RECORDED)}
    status = enrollment.eligibility_status
    is_accepted_by_it = (
        status == EligibilityStatus.SUBMITTED and enrollment.instance.review_mode == ReviewMode.AUTOMATIC
    )
    if is_accepted_by_it:
        sentences.append(f"{enrollment.person} takes part in {enrollment.instance} from now on.")
    if is_accepted_by_it or (status == EligibilityStatus.APPROVED and waits_to_hear(enrollment)):
        told["about the acceptance"] = readers_of(enrollment, APPROVED)
    mails = [f"A mail {subject} goes to {', '.join(readers)}." for subject, readers in told.items() if readers]
    return Preview(tuple(sentences), mails=" ".join(mails) or "No mail is sent.")


class OfflinePayments:
    """A mixin for the enrollment admin."""

    @staff_action(
        description="Record payment",
        power=Power.MONEY,
        possible=is_payable_offline,
        form=PaymentForm,
        preview=foresee_payment,
        icon="payments",
        reaches_out=True,  # Stripe ends an open payment page first
        variant=ActionVariant.PRIMARY,
        explanation=(
            "For money that was paid outside Stripe: by transfer, in cash, or at a terminal. "
            "It can be reversed on the payment's page."
        ),
    )
    def record_payment(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> str:
        payment = pay_offline(
            enrollment_id=enrollment.pk,
            proof=Proof(
                means=OfflineMeans(form.cleaned_data["means"]),
                actor=actor_of(request),
                reference=form.cleaned_data["reference"],
                note=form.cleaned_data["note"],
                amount_minor=form.cleaned_data["amount"],
            ),
            now=utc_now(),
        )
        return f"{enrollment.person}, {enrollment.instance}: {payment.money} is recorded."
