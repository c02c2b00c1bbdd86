"""The texts of the mails about enrollments, for the code that sends or previews them. A workspace may write its own."""

import datetime as dt

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from billing.states import PaymentMethod
from core.clock import utc_now
from core.errors import require
from core.local_time import local_date
from core.money import Money
from core.time_words import full_day, plain_day
from notifications.letters import Email
from notifications.wording import Placeholder, Wording, register_wording, write_letter

from .models import Enrollment
from .reasons import tell_reason
from .receipts import find_payments
from .states import PAID, UNPAID, EnrollmentPaymentStatus

ELIGIBLE = "enrollment_eligible"
INELIGIBLE = "enrollment_ineligible"
SUBMITTED = "enrollment_submitted"
APPROVED = "enrollment_approved"
REJECTED = "enrollment_rejected"
ENDED = "enrollment_ended"
EXIT_PLANNED = "enrollment_exit_planned"
EXIT_WITHDRAWN = "enrollment_exit_withdrawn"
ON_ACCOUNT = "enrollment_on_account"
ENDS_SOON = "enrollment_ends_soon"
PAYMENT_RECORDED = "enrollment_payment_recorded"
PAYMENT_MISSING = "enrollment_payment_missing"
SEAT_IDLE = "enrollment_seat_idle"
QUESTION = "enrollment_question"
QUESTION_AGAIN = "enrollment_question_again"

# What becomes of money that came outside of Stripe: staff return it by hand.
ASK_US = gettext_noop("The payment was not made online, so please ask us what is returned of it.")

_EVERYWHERE = (
    Placeholder("learner", "the learner's first name", "Mia"),
    Placeholder("program", "the program", "Robotics"),
    Placeholder("instance", "the program instance", "Spring term"),
    Placeholder("workspace", "your organization", "Riverside Academy"),
    Placeholder(
        "link", "the address of the family's page; a lead has none", "https://enroll.example.org/my/enrollments"
    ),
)
_START = Placeholder("start", "when it starts, if it has not", "It starts on Tuesday, January 14, 2031.")
_REASON = Placeholder("reason", "the reason given for the family", "The course needs grade 7.")
_OWED = Placeholder("owed", "what is to be paid, where there is a price", "49.00 USD is to be paid for it.")
_AMOUNT = Placeholder("amount", "what was paid", "49.00 USD")
_MISSING = Placeholder("amount", "what was recorded", "49.00 USD")
_INVOICE = Placeholder("invoice", "the address of the invoice", "https://enroll.example.org/invoices/1-1.x")
_MONEY = Placeholder("money", "what becomes of the payment, where there is one", "There is nothing to pay.")
_WHY = Placeholder("why", "the reason given, or that the payment went back", "The reason given: You moved away.")
_QUESTION = Placeholder("question", "what the reviewer asks", "Which school does Mia go to?")
_UNTIL = Placeholder("until", "the last day for an answer", "Wednesday, September 9, 2026")
_DAYS = Placeholder("days", "for how long nobody of the family was seen", "30 days")
_DATE = Placeholder("date", "the first day without the learner", "September 10, 2026")
_LAST_DAY = Placeholder("last_day", "the last day", "Wednesday, September 9, 2026")
_REPLACES = Placeholder(
    "replaces",
    "that this replaces an earlier mail, where there was one",
    gettext_noop("This replaces what we wrote before about the end of this enrollment."),
)

for _wording in (
    Wording(ELIGIBLE, "Enrollment: eligible", "enrollments/eligible", _EVERYWHERE),
    Wording(INELIGIBLE, "Enrollment: not eligible", "enrollments/ineligible", (*_EVERYWHERE, _REASON)),
    Wording(SUBMITTED, "Enrollment: in review", "enrollments/submitted", _EVERYWHERE),
    Wording(APPROVED, "Enrollment: accepted", "enrollments/approved", (*_EVERYWHERE, _START)),
    Wording(REJECTED, "Enrollment: not accepted", "enrollments/rejected", (*_EVERYWHERE, _REASON, _MONEY)),
    Wording(ENDED, "Enrollment: ended", "enrollments/ended", (*_EVERYWHERE, _WHY, _MONEY)),
    Wording(
        EXIT_PLANNED,
        "Enrollment: will end",
        "enrollments/exit_planned",
        (*_EVERYWHERE, _DATE, _LAST_DAY, _REASON, _REPLACES),
    ),
    Wording(ON_ACCOUNT, "Enrollment: on account", "enrollments/on_account", (*_EVERYWHERE, _START, _OWED)),
    Wording(
        PAYMENT_RECORDED,
        "Enrollment: payment recorded",
        "enrollments/payment_recorded",
        (*_EVERYWHERE, _AMOUNT, _INVOICE),
    ),
    Wording(
        PAYMENT_MISSING,
        "Enrollment: payment did not arrive",
        "enrollments/payment_missing",
        (*_EVERYWHERE, _MISSING, _OWED),
    ),
    Wording(ENDS_SOON, "Enrollment: ends soon", "enrollments/ends_soon", (*_EVERYWHERE, _LAST_DAY, _OWED)),
    Wording(QUESTION, "Enrollment: a question", "enrollments/question", (*_EVERYWHERE, _QUESTION, _UNTIL)),
    Wording(
        QUESTION_AGAIN, "Enrollment: a question, again", "enrollments/question_again", (*_EVERYWHERE, _QUESTION, _UNTIL)
    ),
    Wording(SEAT_IDLE, "Enrollment: seat that lies idle", "enrollments/seat_idle", (*_EVERYWHERE, _DAYS, _UNTIL)),
    Wording(EXIT_WITHDRAWN, "Enrollment: does not end", "enrollments/exit_withdrawn", (*_EVERYWHERE, _DATE)),
):
    register_wording(_wording)


def write_eligible(enrollment: Enrollment) -> Email:
    return _write(ELIGIBLE, enrollment)


def write_ineligible(enrollment: Enrollment, *, reason: str) -> Email:
    return _write(INELIGIBLE, enrollment, reason=reason)


def write_submission(enrollment: Enrollment) -> Email:
    return _write(SUBMITTED, enrollment)


def write_approval(enrollment: Enrollment) -> Email:
    return _write(APPROVED, enrollment, start=_start_of(enrollment))


def write_on_account(enrollment: Enrollment) -> Email:
    """The learner is enrolled, and what is still to be paid."""
    return _write(ON_ACCOUNT, enrollment, start=_start_of(enrollment), owed=_owed_for(enrollment))


def write_ends_soon(enrollment: Enrollment) -> Email:
    """The enrollment ends soon, and what is still to be paid."""
    last_day = require(enrollment.last_day, "who is reminded of an end has one")
    return _write(ENDS_SOON, enrollment, last_day=full_day(last_day), owed=_owed_for(enrollment))


def write_payment_recorded(enrollment: Enrollment, *, amount: Money, invoice: str) -> Email:
    """Money that came outside of Stripe was recorded, and where its invoice is."""
    return _write(PAYMENT_RECORDED, enrollment, amount=str(amount), invoice=invoice)


def write_payment_missing(enrollment: Enrollment, *, amount: Money) -> Email:
    """Money that was recorded never came, and what is to be paid again."""
    return _write(PAYMENT_MISSING, enrollment, amount=str(amount), owed=_owed_for(enrollment))


def write_question(enrollment: Enrollment, *, question: str, until: dt.date, link: str, is_again: bool) -> Email:
    """A reviewer's question, with the URL of the page where the family answers."""
    kind = QUESTION_AGAIN if is_again else QUESTION
    return _write(kind, enrollment, question=question, until=full_day(until), link=link)


def write_seat_idle(enrollment: Enrollment, *, days: int, until: dt.date, link: str) -> Email:
    """The question whether the family is still coming, with the URL of the page where it answers."""
    said = ngettext("%(count)d day", "%(count)d days", days) % {"count": days}
    return _write(SEAT_IDLE, enrollment, days=said, until=full_day(until), link=link)


def write_rejection(enrollment: Enrollment, *, reason: str, was_paid: bool) -> Email:
    """The request was rejected; `was_paid` if it had been paid: then money that came through Stripe is refunded
    automatically.
    """
    money = _("There is nothing to pay. If a payment is already on its way, we will return it in full.")
    if was_paid and _was_paid_offline(enrollment):
        money = _(ASK_US)
    elif was_paid:
        money = _("We are returning the payment in full. We will write to the person who paid when it is on its way.")
    return _write(REJECTED, enrollment, reason=tell_reason(reason), money=money)


def write_end(enrollment: Enrollment, *, reason: str, quoted: Money | None = None) -> Email:
    """An enrollment, or the request for one, has ended, and what is known about the money. `quoted` is what the family
    was told that it gets back under the refund rules.
    """
    status = enrollment.payment_status
    is_refunded = status == EnrollmentPaymentStatus.REFUNDED
    refunded = _("The payment for it was returned to the person who paid.")
    return _write(
        ENDED,
        enrollment,
        why=refunded if is_refunded else _("The reason given: %(reason)s") % {"reason": tell_reason(reason)},
        money=_tell_quoted(quoted) if quoted is not None else _tell_undecided(enrollment) if status in PAID else "",
    )


def _tell_undecided(enrollment: Enrollment) -> str:
    """Say what happens to money about which staff decide. No mail follows if they return it outside of Stripe."""
    if _was_paid_offline(enrollment):
        return _(ASK_US)
    return _(
        "We are deciding whether to return some of the payment. "
        "If so, we will write to the person who paid when it is on its way."
    )


def _was_paid_offline(enrollment: Enrollment) -> bool:
    payment = find_payments([enrollment], now=utc_now()).get(enrollment.pk)
    return payment is not None and payment.method == PaymentMethod.OFFLINE


def _tell_quoted(quoted: Money) -> str:
    if not quoted.minor:
        return _("By the refund rules, nothing comes back.")
    return _("By the refund rules, %(amount)s goes back to the person who paid.") % {"amount": quoted}


def write_planned_exit(enrollment: Enrollment, *, effective_date: dt.date, reason: str, is_another_plan: bool) -> Email:
    """The enrollment will end; `is_another_plan` if the family was told of a different day or reason before."""
    return _write(
        EXIT_PLANNED,
        enrollment,
        date=plain_day(effective_date),
        last_day=full_day(effective_date - dt.timedelta(days=1)),
        reason=tell_reason(reason),
        replaces=_(_REPLACES.sample) if is_another_plan else "",
    )


def write_withdrawn_exit(enrollment: Enrollment, *, effective_date: dt.date) -> Email:
    """The enrollment continues after all."""
    return _write(EXIT_WITHDRAWN, enrollment, date=plain_day(effective_date))


def _owed_for(enrollment: Enrollment) -> str:
    price = enrollment.instance.price
    is_owed = price is not None and enrollment.payment_status in UNPAID
    return _("%(price)s is to be paid for it.") % {"price": price.money} if price is not None and is_owed else ""


def _start_of(enrollment: Enrollment) -> str:
    start = enrollment.instance.start_date
    if start is None or start < local_date(utc_now(), enrollment.instance.zone):
        return ""
    return _("It starts on %(day)s.") % {"day": full_day(start)}


def _write(kind: str, enrollment: Enrollment, **more: str) -> Email:
    values = {
        "learner": enrollment.person.first_name,
        "program": enrollment.instance.program.title,
        "instance": enrollment.instance.name,
        "workspace": enrollment.workspace.name,
        "link": f"{settings.PUBLIC_URL}/my/enrollments" if enrollment.learner_id else "",
        **more,
    }
    return write_letter(kind=kind, workspace_id=enrollment.workspace_id, values=values)
