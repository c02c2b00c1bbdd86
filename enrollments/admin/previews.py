"""Previews of what a button on an enrollment is about to do, with the mail that the family will receive."""

from collections.abc import Iterable

from backoffice.actions import StaffForm
from backoffice.previews import Letter, Preview
from core.clock import utc_now
from notifications.letters import Email
from notifications.wording import is_switched_off

from ..consequences import NO_MAIL_TO_FAMILY, tell_end
from ..emails import addresses_about, hears_from_us, hears_of_step
from ..letters import (
    APPROVED,
    ELIGIBLE,
    INELIGIBLE,
    REJECTED,
    SUBMITTED,
    write_approval,
    write_eligible,
    write_ineligible,
    write_rejection,
    write_submission,
)
from ..locks import held_seat
from ..models import Enrollment, SeatAssignment
from ..states import PAID, UNPAID, EligibilityStatus, ReviewMode


def foresee_eligible(enrollment: Enrollment, form: StaffForm) -> Preview:
    """Preview who becomes eligible for submission, whatever the criteria say."""
    sentences = (f"{enrollment.person} counts as eligible, whatever the criteria say.",)
    return Preview(sentences, letters_of_step(enrollment, ELIGIBLE, write_eligible(enrollment)))


def foresee_ineligible(enrollment: Enrollment, form: StaffForm) -> Preview:
    """Preview who becomes ineligible, and the mail about it."""
    email = write_ineligible(enrollment, reason=form.cleaned_data["reason"])
    sentences = (f"{enrollment.person} counts as not eligible, until the criteria change.",)
    return Preview(sentences, letters_of_step(enrollment, INELIGIBLE, email))


def foresee_submission(enrollment: Enrollment, form: StaffForm) -> Preview:
    """Preview who goes to review, or is approved without one."""
    if enrollment.instance.review_mode == ReviewMode.AUTOMATIC and enrollment.is_funded:
        return foresee_approval(enrollment, form)
    sentences = (f"{enrollment.person} waits for a reviewer of {enrollment.instance}.",)
    return Preview(sentences, letters_of_step(enrollment, SUBMITTED, write_submission(enrollment)))


def foresee_approval(enrollment: Enrollment, form: StaffForm) -> Preview:
    """Preview who takes part from now on, with which seat, and the mail about it."""
    sentences = consequences_of_approval(enrollment, has_seat=held_seat(enrollment.pk) is not None)
    return Preview(sentences, letters_of_step(enrollment, APPROVED, write_approval(enrollment)))


def consequences_of_approval(enrollment: Enrollment, *, has_seat: bool) -> tuple[str, ...]:
    """Return the consequences of an approval, one sentence each."""
    sentences = [f"{enrollment.person} takes part in {enrollment.instance} from now on."]
    if has_seat:
        sentences.append("The seat that was reserved is used.")
    if enrollment.learner is None:
        sentences.append("The lead becomes a learner.")
    if enrollment.payment_status in UNPAID:
        sentences.append("Nothing has been paid for it yet.")
    return tuple(sentences)


def foresee_rejection(enrollment: Enrollment, form: StaffForm) -> Preview:
    """Preview who is rejected, what is given back, and the mail about it."""
    is_paid = enrollment.payment_status in PAID
    email = write_rejection(enrollment, reason=form.cleaned_data["reason"], was_paid=is_paid)
    sentences = consequences_of_rejection(enrollment)
    return Preview(sentences, letters_to_family(enrollment, REJECTED, email), NO_MAIL_TO_FAMILY)


def consequences_of_rejection(
    enrollment: Enrollment, *, held: Iterable[SeatAssignment] | None = None
) -> tuple[str, ...]:
    """Return the consequences of a rejection, one sentence each. `held` are the enrollment's seats, if known."""
    told = tell_end(enrollment, is_refunded=True, now=utc_now(), held=held)
    return (f"{enrollment.person} is not accepted.", *told)


def foresee_deletion(enrollment: Enrollment, form: StaffForm) -> Preview:
    """Preview what is hidden, what is given back, and what happens to the money."""
    was_enrolled = enrollment.eligibility_status == EligibilityStatus.APPROVED
    sentences = (
        f"{enrollment.person}, {enrollment.instance} is shown nowhere any more; the history stays.",
        *tell_end(enrollment, is_refunded=not was_enrolled, now=utc_now()),
    )
    return Preview(sentences, mails="The family is not told.")


def readers_of_approval(enrollment: Enrollment) -> tuple[str, ...]:
    """Return the addresses that receive mail about an approval."""
    return readers_of(enrollment, APPROVED) if hears_of_step(enrollment, EligibilityStatus.APPROVED) else ()


def readers_of_rejection(enrollment: Enrollment) -> tuple[str, ...]:
    """Return the addresses that receive mail about a rejection."""
    return readers_of(enrollment, REJECTED) if hears_from_us(enrollment) else ()


def letters_to_family(enrollment: Enrollment, kind: str, email: Email) -> tuple[Letter, ...]:
    """Return the mail about the end. The integrator informs families whose learners hold a district seat."""
    return letters_about(enrollment, kind, email) if hears_from_us(enrollment) else ()


def letters_of_step(enrollment: Enrollment, kind: str, email: Email) -> tuple[Letter, ...]:
    """Return the mail about a step before approval; `kind` names the step."""
    return letters_about(enrollment, kind, email) if hears_of_step(enrollment, _STATUS_OF[kind]) else ()


_STATUS_OF = {
    ELIGIBLE: EligibilityStatus.ELIGIBLE,
    INELIGIBLE: EligibilityStatus.INELIGIBLE,
    SUBMITTED: EligibilityStatus.SUBMITTED,
    APPROVED: EligibilityStatus.APPROVED,
}


def letters_about(enrollment: Enrollment, kind: str, email: Email) -> tuple[Letter, ...]:
    """Return a mail that the family gets whoever else informs it, unless the workspace has switched it off."""
    to = readers_of(enrollment, kind)
    return (Letter(to, email.subject, email.text),) if to else ()


def readers_of(enrollment: Enrollment, kind: str) -> tuple[str, ...]:
    """Return the recipients; empty if the workspace has switched off this mail or no address is known."""
    to = tuple(addresses_about(enrollment))
    return to if to and not is_switched_off(kind=kind, workspace_id=enrollment.workspace_id) else ()
