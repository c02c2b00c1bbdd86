from django.db import models

# The purpose, in billing, of this app's checkouts: their subject is the id of a place.
PURPOSE = "cohort_place"


class DayOfWeek(models.IntegerChoices):
    """Numbered as in the course documents: the week starts on Sunday."""

    SUNDAY = 0
    MONDAY = 1
    TUESDAY = 2
    WEDNESDAY = 3
    THURSDAY = 4
    FRIDAY = 5
    SATURDAY = 6


class PlaceStatus(models.TextChoices):
    HELD = "held", "Held"  # while its checkout is open, or while the waiting list offers it
    TAKEN = "taken", "Taken"  # paid for
    RELEASED = "released", "Released"


OCCUPYING = (PlaceStatus.HELD, PlaceStatus.TAKEN)


class StepStatus(models.TextChoices):
    UNBOOKED = "UNBOOKED", "Not booked"
    BOOKED = "BOOKED", "Booked"  # holds a seat in a class session
    COMPLETED = "COMPLETED", "Completed"  # attended
    MISSED = "MISSED", "Missed"  # the session passed without the learner
    EXCUSED = "EXCUSED", "Excused"  # staff let it count as attended, with a reason
    CANCELLED = "CANCELLED", "Canceled"  # the package was revoked


# A step in one of these holds a seat of its class session.
SEATED = (StepStatus.BOOKED, StepStatus.COMPLETED, StepStatus.MISSED)


# A step in one of these is done: with the last required one the course is completed.
DONE = (StepStatus.COMPLETED, StepStatus.EXCUSED)
# A step in one of these is still to be attended.
TO_ATTEND = (StepStatus.UNBOOKED, StepStatus.BOOKED)
# Staff have marked the attendance of a step in one of these.
MARKED = (StepStatus.COMPLETED, StepStatus.MISSED)
# A step in one of these can be marked attended, or missed; a wrong mark is corrected by the other.
CAN_BE_ATTENDED = (StepStatus.BOOKED, StepStatus.MISSED)
CAN_BE_MISSED = (StepStatus.BOOKED, StepStatus.COMPLETED)
# A step in one of these can be excused.
CAN_BE_EXCUSED = (StepStatus.UNBOOKED, StepStatus.MISSED)


class WaitStatus(models.TextChoices):
    WAITING = "waiting", "Waiting"
    OFFERED = "offered", "Offered"  # a place is held for them until the offer expires
    ACCEPTED = "accepted", "Accepted"  # they bought it
    DECLINED = "declined", "Declined"
    EXPIRED = "expired", "Expired"  # the offer expired unanswered, or the cohort ended
    LEFT = "left", "Left"


IN_LINE = (WaitStatus.WAITING, WaitStatus.OFFERED)
