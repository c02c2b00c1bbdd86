"""The refusals of billing."""

from django.utils.translation import gettext_noop

from core.errors import DomainError, FieldError, Invalid, NotFound, Unavailable

# Our own code, because Stripe gives none: the idempotency key was used before with another request.
KEY_REUSED = "idempotency_key_reused"


class PaymentProviderDown(Unavailable):
    """Stripe can't be reached, is overloaded, or fails: the outcome is unknown, and the same call may be repeated.

    `is_replay` says that Stripe repeats the failure it first answered to this idempotency key, and will do so for a
    day.
    """

    code = "payment_provider_down"
    title = gettext_noop("The payment provider is not available")
    address_setting = "STRIPE_API_BASE"

    def __init__(self, detail: str = "", *, retry_after: float | None = None, is_replay: bool = False) -> None:
        super().__init__(detail)
        self.is_replay = is_replay
        if retry_after:
            self.retry_after = int(retry_after) + 1


class PaymentRejected(DomainError):
    """Stripe understood and refuses; repeating the request changes nothing.

    The detail is for the caller and mentions nothing of Stripe's. What Stripe said is for staff: `provider_message` in
    its words, with its `provider_code` and the `provider_param` at fault.
    """

    code = "payment_rejected"
    title = gettext_noop("The payment provider refused this")

    def __init__(
        self, detail: str = "", *, provider_message: str = "", provider_code: str = "", provider_param: str = ""
    ) -> None:
        super().__init__(detail)
        self.provider_message = provider_message or type(self).title
        self.provider_code = provider_code
        self.provider_param = provider_param

    @property
    def is_unknown(self) -> bool:
        """Whether Stripe has no such object: it belongs to another account, or to data that is gone."""
        return self.provider_code == "resource_missing"


class BadSignature(DomainError):
    """What arrived at the webhook is not, or not provably, an event that Stripe just sent."""

    status = 400
    code = "bad_signature"
    title = "The event can't be trusted"


class RefundExceedsPayment(DomainError):
    """The refund is larger than what is left of the payment."""

    code = "refund_exceeds_payment"
    title = "The refund is larger than what is left of the payment"


class AlreadyPaid(DomainError):
    """The whole amount has already been paid."""

    code = "already_paid"
    title = "It has been paid already"


class PaymentNotRefundable(DomainError):
    """Nothing of this payment can currently be sent back through Stripe."""

    code = "payment_not_refundable"
    title = "This payment can't be refunded"


class InvoicingDown(Unavailable):
    """The invoicing vendor does not answer, or can't now. The call's outcome is unknown unless it was not sent."""

    code = "invoicing_down"
    title = "The invoicing service is not available"

    def __init__(self, detail: str = "", *, wait_seconds: float = 0.0, was_asked: bool = True) -> None:
        super().__init__(detail)
        self.wait_seconds = wait_seconds
        self.was_asked = was_asked


class InvoiceRefused(DomainError):
    """The vendor understood and issues no such document; a repeated request would get the same answer."""

    code = "invoice_refused"
    title = "The invoicing service refused the document"


class InvoiceNotFound(NotFound):
    title = "There is no such invoice"


class InvoiceNotReplaceable(DomainError):
    """In its current state, another invoice can't replace it."""

    code = "invoice_not_replaceable"
    title = "This invoice can't be replaced"


class InvoiceNotOpen(DomainError):
    """The invoice is not, or no longer, waiting for staff."""

    code = "invoice_not_open"
    title = "This invoice is not waiting to be issued"


class VoucherNotAccepted(Invalid):
    """The code can't be used for this purchase. Every reason gets the same answer, to reveal nothing about codes."""

    code = "voucher_not_accepted"
    title = gettext_noop("This code can't be used")

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.errors = (FieldError("voucher", self.code, self.detail),)


class VoucherTooLate(DomainError):
    """A payment page without this code is already open."""

    code = "voucher_too_late"
    title = gettext_noop("A payment without this code has been started")


class TooManyCodes(DomainError):
    """So many codes were rejected that somebody is probably guessing."""

    status = 429
    code = "too_many_codes"
    title = gettext_noop("Too many codes were tried")


class MismatchOver(DomainError):
    """The records agree again."""

    code = "mismatch_over"
    title = "This mismatch no longer exists"


class MonthNotClosable(DomainError):
    """The month is not over, is already closed, or something before it is still open."""

    code = "month_not_closable"
    title = "This month can't be closed"


class MonthNotClosed(DomainError):
    """The month is open."""

    code = "month_not_closed"
    title = "This month is not closed"
