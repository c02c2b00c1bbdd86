from django.utils.translation import gettext_noop as _

from core.errors import DomainError, FieldError, Invalid, NotFound, item_of


class CourseNotActive(DomainError):
    status = 403
    code = "course_not_active"
    title = _("This course is not taking enrollments")


class CourseNotFound(NotFound):
    code = "course_not_found"
    title = "There is no such course"


class CohortNotFound(NotFound):
    code = "cohort_not_found"
    title = "There is no such cohort in this course"


class DatesConflict(DomainError):
    code = "dates_conflict"
    title = "These dates conflict with sessions"


class EnrollmentRefused(DomainError):
    """The course document gives these refusals the status 400."""

    status = 400


class CohortNotActive(EnrollmentRefused):
    code = "cohort_not_active"
    title = _("This cohort is not taking enrollments")


class CohortFull(EnrollmentRefused):
    code = "cohort_full"
    title = _("This cohort is full")


class DeadlinePassed(EnrollmentRefused):
    code = "deadline_passed"
    title = _("The enrollment deadline has passed")


class NotForSale(EnrollmentRefused):
    code = "not_for_sale"
    title = _("This course is not available for purchase")


class AlreadyOwned(DomainError):
    code = "already_owned"
    title = _("The learner already has this course")


class TooManyPlacesHeld(DomainError):
    code = "too_many_places_held"
    title = _("Too many places are held or waited for")


class TooManyLearners(DomainError):
    code = "too_many_learners"
    title = _("This account has added as many learners as it may")


class NotReadyToOpen(DomainError):
    code = "not_ready_to_open"
    title = "Something is missing before this cohort can be opened"


class CapacityBelowUse(DomainError):
    code = "capacity_below_use"
    title = "The capacity can't be lower than the places taken and held"


class SeatsBelowBookings(DomainError):
    code = "seats_below_bookings"
    title = "The seats can't be fewer than those booked"


class StepInUse(DomainError):
    code = "step_in_use"
    title = "This step holds seats and can't be removed"


class LearnerNameMissing(Invalid):
    code = "learner_name_missing"
    title = _("The learner's name is not known yet")


class NotYourPayment(DomainError):
    status = 403
    code = "not_your_payment"
    title = _("This payment belongs to another student")


class NothingBought(DomainError):
    """A payment did not result in a course; `code` says why."""

    title = _("This payment did not lead to a course")

    def __init__(self, code: str, detail: str) -> None:
        self.code = code
        super().__init__(detail)


class PackageNotFound(NotFound):
    code = "package_not_found"
    title = "This learner has no such course"


class SessionFull(DomainError):
    """Names the steps whose class is full, so that the choice can be offered again."""

    code = "session_full"
    title = _("A chosen session is full")

    def __init__(self, *, step_ids: tuple[int, ...], detail: str = "") -> None:
        self.step_ids = step_ids
        super().__init__(detail, stepIds=list(step_ids))


class StepAlreadyBooked(DomainError):
    code = "step_already_booked"
    title = _("A step is already booked")

    def __init__(self, *, step_ids: tuple[int, ...], detail: str = "") -> None:
        self.step_ids = step_ids
        super().__init__(detail, stepIds=list(step_ids))


class TimeConflict(DomainError):
    code = "time_conflict"
    title = _("Two chosen sessions are at the same time")

    def __init__(self, *, step_ids: tuple[int, ...], detail: str = "") -> None:
        self.step_ids = step_ids
        super().__init__(detail, stepIds=list(step_ids))


class TooLateToChange(DomainError):
    code = "too_late_to_change"
    title = _("It is too late to change this session")


class StepNotBooked(DomainError):
    code = "step_not_booked"
    title = _("This step has no booked session")


class StepsStranded(DomainError):
    code = "steps_stranded"
    title = "Required steps could not be booked in that cohort"


class StepNotOpen(DomainError):
    code = "step_not_open"
    title = "This step can't be excused"


class NotInLine(DomainError):
    code = "not_in_line"
    title = _("The learner is not on the waiting list")


class AlreadyInLine(DomainError):
    code = "already_in_line"
    title = _("The learner is already on the waiting list")


class PlaceAwaitsPayment(DomainError):
    code = "place_awaits_payment"
    title = _("A place in this cohort is already held for the learner")


class PlacesFree(DomainError):
    code = "places_free"
    title = _("The cohort has free places: enroll instead of waiting")


class TermTooShort(Invalid):
    code = "term_too_short"
    title = "The cohort ends before all of its steps have met"


def bad_selection(position: int, detail: str) -> Invalid:
    """Return the refusal of one selection that is not an option of its step in this package's cohort."""
    field = item_of("selections", position, "courseStepOptionId")
    return Invalid(f"{field}: {detail}", errors=(FieldError(field, "not_an_option", detail),))
