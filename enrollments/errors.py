from django.utils.translation import gettext_noop as _

from core.errors import DomainError, Invalid


class SeatsExhausted(DomainError):
    code = "seats_exhausted"
    title = "This allocation has no seat left"

    def __init__(self, *, allocation_id: int) -> None:
        self.allocation_id = allocation_id
        super().__init__(allocation_id=allocation_id)


class AllocationExists(DomainError):
    code = "allocation_exists"
    title = "This district already has an allocation for these programs"


class AllocationBelowUse(DomainError):
    code = "allocation_below_use"
    title = "The total can't be lower than the seats already reserved and used"


class SeatGone(DomainError):
    code = "seat_gone"
    title = "Nobody holds this seat anymore"


class SeatsUnsuited(DomainError):
    code = "seats_unsuited"
    title = "These seats can't fund this enrollment"


class StatusMoved(DomainError):
    code = "status_moved"
    title = "The enrollment is no longer in the expected status"


class ExitSettled(DomainError):
    code = "exit_settled"
    title = "This planned exit is no longer pending"


class ReviewHeld(DomainError):
    code = "review_held"
    title = "A reviewer has just decided about this enrollment"


class ReviewSettled(DomainError):
    code = "review_settled"
    title = "This decision can't be undone anymore"


class AlreadyAsked(DomainError):
    code = "already_asked"
    title = "The family has been asked a question and has not answered yet"


class NobodyToAsk(DomainError):
    code = "nobody_to_ask"
    title = "The family can't be written to from here"


class InquiryOver(DomainError):
    code = "inquiry_over"
    title = _("This question no longer needs an answer")


class IdleSeatSettled(DomainError):
    code = "idle_seat_settled"
    title = _("The family is no longer asked about this seat")


class CriteriaUnchanged(DomainError):
    code = "criteria_unchanged"
    title = "The criteria have not changed since this enrollment was evaluated"


class Ineligible(Invalid):
    code = "ineligible"
    title = "The learner does not meet the program's criteria"


class NotEvaluated(Invalid):
    code = "not_evaluated"
    title = "The program's criteria could not be evaluated for this learner"


class AlreadyEnrolled(DomainError):
    """The learner or lead has a current enrollment in this instance, which the response may name as `enrollmentId`."""

    code = "already_enrolled"
    title = _("The learner is already enrolled in this program")

    def __init__(self, detail: str = "", *, enrollment_id: str | None = None) -> None:
        self.enrollment_id = enrollment_id
        super().__init__(detail)
        if enrollment_id:
            self.extra["enrollmentId"] = enrollment_id


class UndoTooLate(DomainError):
    code = "undo_too_late"
    title = "Enrollments of this import have changed since"


class ImportNotReady(DomainError):
    code = "import_not_ready"
    title = "This import can't be carried out, or undone, as it is"


class InstanceClosed(DomainError):
    """The program instance, or its program, does not accept enrollments: it is switched off, or it has ended."""

    code = "instance_closed"
    title = _("The program instance takes no enrollments")


class ProgramExists(DomainError):
    code = "program_exists"
    title = "A program with this code already exists"


class NoDefaultInstance(Invalid):
    code = "no_default_instance"
    title = "The workspace has no default program instance"


class NotForSale(DomainError):
    code = "not_for_sale"
    title = "The program has no price, so a parent can't pay for it"


class NothingToPay(DomainError):
    code = "nothing_to_pay"
    title = "This enrollment has nothing to pay"


class PaymentOnItsWay(DomainError):
    code = "payment_on_its_way"
    title = _("A payment for this course is on its way")


class EnrollmentOver(DomainError):
    code = "enrollment_over"
    title = _("This enrollment has ended")


class InstanceFull(DomainError):
    code = "instance_full"
    title = _("The program has no place left")


class ApplicationsClosed(DomainError):
    code = "applications_closed"
    title = _("The program takes no applications now")


class ApplicationOver(DomainError):
    status = 410
    code = "application_over"
    title = _("The link of this application no longer works")


class QuoteOver(DomainError):
    """The quote was already confirmed, or it has expired."""

    code = "quote_over"
    title = _("This quote is no longer open")


class QuoteOutdated(DomainError):
    """Something the quote says has changed since: a refund, a dispute, another group, or the enrollment has ended."""

    code = "quote_outdated"
    title = _("Something has changed since this quote was made")


class NothingToRefund(DomainError):
    """A refund can be requested only if the program holds money for which no quote can be made."""

    status = 409
    code = "nothing_to_refund"
    title = _("There is nothing to refund for this enrollment")


class CantLeave(DomainError):
    """Only an approved enrollment that has not ended can be left."""

    code = "cant_leave"
    title = _("This enrollment can't be left as it stands")
