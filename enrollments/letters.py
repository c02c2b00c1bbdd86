"""What the mails about enrollments say, for those who send or preview them."""

import datetime as dt

from notifications.letters import Email, compose

from .models import Enrollment
from .states import PAID, EnrollmentPaymentStatus


def write_approval(enrollment: Enrollment) -> Email:
    return _write("enrollments/approved", enrollment, start_date=enrollment.instance.start_date)


def write_rejection(enrollment: Enrollment, *, reason: str, was_paid: bool) -> Email:
    """`was_paid` when it was refused: then the money goes back by itself."""
    return _write("enrollments/rejected", enrollment, reason=reason, was_paid=was_paid)


def write_end(enrollment: Enrollment, *, reason: str) -> Email:
    """That an enrollment, or the request for one, has ended; and what is known about the money."""
    status = enrollment.payment_status
    is_refunded = status == EnrollmentPaymentStatus.REFUNDED
    return _write("enrollments/ended", enrollment, reason=reason, is_paid=status in PAID, is_refunded=is_refunded)


def write_planned_exit(enrollment: Enrollment, *, effective_date: dt.date, reason: str, is_another_plan: bool) -> Email:
    """That it will end; `is_another_plan` if the family was told of another day or reason before."""
    return _write(
        "enrollments/exit_planned",
        enrollment,
        date=effective_date,
        last_day=effective_date - dt.timedelta(days=1),
        reason=reason,
        replaces=is_another_plan,
    )


def write_withdrawn_exit(enrollment: Enrollment, *, effective_date: dt.date) -> Email:
    """That it goes on after all."""
    return _write("enrollments/exit_withdrawn", enrollment, date=effective_date)


def _write(template: str, enrollment: Enrollment, **more: object) -> Email:
    person = enrollment.learner or enrollment.lead
    context = {
        "learner": person.first_name if person else "",
        "program": enrollment.instance.program.title,
        "instance": enrollment.instance.name,
        "workspace": enrollment.workspace.name,
        **more,
    }
    return compose(template, context)
