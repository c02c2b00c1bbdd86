from django.db import models

# The purpose, in billing, of this app's checkouts: their subject is the id of a routing decision.
PURPOSE = "enrollment_decision"
# Money for an enrollment that came outside of Stripe: its subject is the enrollment's id.
OFFLINE_PURPOSE = "enrollment"


class Facet(models.TextChoices):
    """The three independent sides of an enrollment, each a small state machine."""

    ELIGIBILITY = "eligibility", "Eligibility"
    PARTICIPATION = "participation", "Participation"
    PAYMENT = "payment", "Payment"


class EligibilityStatus(models.TextChoices):
    CANDIDATE = "candidate", "Candidate"  # identified, not evaluated yet
    ELIGIBLE = "eligible", "Eligible"  # meets the criteria, may be submitted
    INELIGIBLE = "ineligible", "Ineligible"  # does not, until the criteria change
    SUBMITTED = "submitted", "Submitted"  # awaits review
    APPROVED = "approved", "Approved"  # takes part
    REJECTED = "rejected", "Rejected"  # refused by review, until the criteria change
    UNENROLLED = "unenrolled", "Unenrolled"  # left


class VerdictOutcome(models.TextChoices):
    """What an evaluation says."""

    ELIGIBLE = "eligible", "Eligible"  # every criterion holds, or a person says so
    INELIGIBLE = "ineligible", "Ineligible"  # a criterion does not hold, or a person says so
    UNDECIDED = "undecided", "Could not be evaluated"  # the enrollment keeps its status, and staff look at it


class ParticipationStatus(models.TextChoices):
    NOT_STARTED = "not_started", "Not started"
    ACTIVE = "active", "Active"
    COMPLETED = "completed", "Completed"
    WITHDRAWN = "withdrawn", "Withdrawn"


class EnrollmentPaymentStatus(models.TextChoices):
    NOT_REQUIRED = "not_required", "Not required"  # a district seat (or nobody) pays
    PENDING = "pending", "Pending"
    PAID = "paid", "Paid"
    PARTIALLY_REFUNDED = "partially_refunded", "Partially refunded"
    REFUNDED = "refunded", "Refunded"
    FAILED = "failed", "Failed"  # an asynchronous payment did not go through; a new checkout may follow


# A payment was requested and has not arrived.
UNPAID = (EnrollmentPaymentStatus.PENDING, EnrollmentPaymentStatus.FAILED)
# At least part of the money has been paid.
PAID = (EnrollmentPaymentStatus.PAID, EnrollmentPaymentStatus.PARTIALLY_REFUNDED)
# A payment may still complete the enrollment.
PAYABLE = (EnrollmentPaymentStatus.NOT_REQUIRED, *UNPAID)
# Nothing is left to pay before the learner may take part.
FUNDED = (EnrollmentPaymentStatus.NOT_REQUIRED, *PAID)
# The criteria decide about these: a candidate, and an eligible enrollment again once the criteria have changed.
EVALUATED = (EligibilityStatus.CANDIDATE, EligibilityStatus.ELIGIBLE)
# A reviewer's possible answers.
REVIEWED = (EligibilityStatus.APPROVED, EligibilityStatus.REJECTED)
# Waits for review or has been accepted, so that a seat or a payment has a purpose.
GOING_ON = (EligibilityStatus.SUBMITTED, EligibilityStatus.APPROVED)
# Refused by the criteria or by a person; it may be reconsidered once the criteria change.
REFUSED = (EligibilityStatus.INELIGIBLE, EligibilityStatus.REJECTED)
# Ended; the family is told the reason.
OVER = (*REFUSED, EligibilityStatus.UNENROLLED)
# Refused by a person, or ended: what was held for it is given back.
GIVEN_BACK = (EligibilityStatus.REJECTED, EligibilityStatus.UNENROLLED)

# Accepted at some time: an enrollment that was left was accepted before.
ACCEPTED_ONCE = (EligibilityStatus.APPROVED, EligibilityStatus.UNENROLLED)

# An enrollment in none of the ended states is the learner's current one in its instance; there is at most one.
ENDED_ELIGIBILITY = (EligibilityStatus.UNENROLLED,)
ENDED_PARTICIPATION = (ParticipationStatus.COMPLETED, ParticipationStatus.WITHDRAWN)


class ExitStatus(models.TextChoices):
    """The outcome of an exit that was planned for a later day."""

    PLANNED = "planned", "Planned"  # waits for its day
    CARRIED_OUT = "carried_out", "Carried out"  # the day came, and the enrollment ended
    REPLACED = "replaced", "Replaced"  # a different day or reason was given before it came
    WITHDRAWN = "withdrawn", "Withdrawn"  # by staff
    OVERTAKEN = "overtaken", "Overtaken"  # the enrollment ended in another way


class HeldReviewStatus(models.TextChoices):
    """The outcome of a reviewer's answer at the desk."""

    HELD = "held", "Held"  # waits for its time, and can be undone
    CARRIED_OUT = "carried_out", "Carried out"
    UNDONE = "undone", "Undone"  # by the reviewer who gave it
    REFUSED = "refused", "Refused"  # it was no longer possible when it was due


class InquiryStatus(models.TextChoices):
    """The outcome of a question to a family."""

    OPEN = "open", "Open"  # the family can answer
    ANSWERED = "answered", "Answered"
    OVERTAKEN = "overtaken", "Overtaken"  # decided without an answer, or the family was asked again


class IdentificationType(models.TextChoices):
    """How the enrollment identified its person."""

    LEAD_ID = "leadId", "Lead"
    CUSTOMER_ID = "customerId", "Learner"
    ENROLLMENT_ID = "enrollmentId", "Earlier enrollment"
    CUSTOMER_INFO = "customerInfo", "Personal details"


class LabelKind(models.TextChoices):
    """The enrollment field that a label comes from."""

    TAG = "tag", "Tag"
    MANUFACTURER = "manufacturer", "Manufacturer"


class ImportStage(models.TextChoices):
    """What the job does with a file of candidates."""

    REHEARSAL = "rehearsal", "Rehearsal"  # finds out what an import would do
    IMPORT = "import", "Import"
    STOPPED = "stopped", "Stopped"  # it would end too many enrollments, and did nothing
    UNDO = "undo", "Undo"


class DuplicatePolicy(models.TextChoices):
    """What an import does with a person who already has a current enrollment."""

    SKIP = "skip", "Leave as it is"
    UPDATE = "update", "Change what the file says"
    FAIL = "fail", "Report as an error"


class ReviewMode(models.TextChoices):
    AUTOMATIC = "automatic", "Automatic"  # approved as soon as it is funded
    MANUAL = "manual", "Manual"  # a reviewer decides


class AllocationStanding(models.TextChoices):
    """Whether an allocation's seats may be taken on a day."""

    OPEN = "open", "Open"
    COMING = "coming", "Coming"  # its first day is in the future
    OVER = "over", "Over"  # its last day has passed
    OFF = "off", "Switched off"


class SeatStatus(models.TextChoices):
    RESERVED = "reserved", "Reserved"  # held for an enrollment that is not approved yet
    USED = "used", "Used"
    RELEASED = "released", "Released"


HELD_SEATS = (SeatStatus.RESERVED, SeatStatus.USED)


class IdleSeatStatus(models.TextChoices):
    """The outcome for a seat whose family shows no activity."""

    ASKED = "asked", "Family was asked"  # waits for an answer
    KEPT = "kept", "Kept"  # the family is still coming, as it or staff say
    ACTIVE = "active", "Active again"  # the family has been active since
    RECLAIMED = "reclaimed", "Taken back"
    STOPPED = "stopped", "Never asked again"  # staff decided so
    OVERTAKEN = "overtaken", "Overtaken"  # the enrollment, or the allocation's rule, ended


class ProvisionSource(models.TextChoices):
    DISTRICT = "district", "District seat"
    PARENT = "parent", "Parent payment"


class DecisionStatus(models.TextChoices):
    COMPLETED = "completed", "Completed"  # funded: by a seat, or paid
    CHECKOUT_REQUIRED = "checkout_required", "Checkout required"  # waits for the parent to pay
    FAILED = "failed", "Failed"  # ineligible, or the payment provider was down (then asking again continues it)
    EXPIRED = "expired", "Expired"  # the checkout ended unpaid
    CANCELLED = "cancelled", "Canceled"  # the checkout was ended on purpose
    RELEASED = "released", "Released"  # the seat or the money was given back


LIVE_DECISIONS = (DecisionStatus.COMPLETED, DecisionStatus.CHECKOUT_REQUIRED)


class DecisionReason(models.TextChoices):
    DISTRICT_SEAT_RESERVED = "district_seat_reserved", "A district seat was free"
    NO_DISTRICT = "no_district", "No district was named, or none of this workspace"
    NO_ALLOCATION = "no_allocation", "The district has no seats for this program"
    ALLOCATION_INACTIVE = "allocation_inactive", "The district's seats are switched off or out of date"
    SEATS_EXHAUSTED = "seats_exhausted", "All of the district's seats are taken"
    INELIGIBLE = "ineligible", "The learner does not meet the program's criteria"
    NOT_EVALUATED = "not_evaluated", "The program's criteria could not be evaluated"
    ALREADY_ENROLLED = "already_enrolled", "The learner is already enrolled"


class QuestionKind(models.TextChoices):
    """The kind of answer that a question of a self-enrollment form expects."""

    SHORT_TEXT = "short_text", "Short text"  # one line
    LONG_TEXT = "long_text", "Long text"
    CHOICE = "choice", "Choice"  # one of the options
    NUMBER = "number", "Number"
    DATE = "date", "Date"
    FILE = "file", "File"
    CONSENT = "consent", "Consent"  # a box to check


class Applicant(models.TextChoices):
    """Who fills in a self-enrollment form: the address in it is theirs."""

    GUARDIAN = "guardian", "A parent or guardian"
    LEARNER = "learner", "The learner"


class FormState(models.TextChoices):
    """Whether an instance's self-enrollment form can be filled in, as a visitor who follows its link sees it."""

    OPEN = "open", "Open"
    FULL = "full", "Full"
    OVER = "over", "Over"  # its last day has passed
    OFF = "off", "Closed"  # staff have switched off the form, the instance or the program


class Settlement(models.TextChoices):
    """How the money of an enrollment that ends by a quote is handled."""

    NO_MONEY = "no_money", "Nothing was paid"
    BY_RULE = "by_rule", "By the refund policy"
    BY_STAFF = "by_staff", "Staff decide"  # no policy, a dispute, or money that came outside of Stripe
