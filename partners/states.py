from django.db import models


class Adapter(models.TextChoices):
    """How a partner learns whom to teach."""

    REST = "rest", "REST API"  # over HTTP, as docs/partners.md specifies
    MANUAL = "manual", "By hand"  # the partner has no API: staff tell it, and record its answers


class GroupRule(models.TextChoices):
    """When a group of steps is done, and in which order its steps are taken."""

    ALL_IN_ORDER = "all_in_order", "All, one after another"
    ALL_ANY_ORDER = "all_any_order", "All, in any order"
    AT_LEAST = "at_least", "At least some of them"


class OutageReason(models.TextChoices):
    """Why nobody could be taught at a partner for a while."""

    PAUSED = "paused", "Paused by staff"  # nobody was sent to it
    SILENT = "silent", "Did not answer"  # none of our calls was answered


class PartnerStepStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # its turn has not come
    QUEUED = "queued", "Queued"  # its turn has come; the partner has not accepted the learner yet
    IN_PROGRESS = "in_progress", "In progress"  # the partner accepted, the learner can begin
    COMPLETED = "completed", "Completed"  # the partner says so, or staff have evidence
    FAILED = "failed", "Failed"  # the partner refused or never answered; staff have to act
    SKIPPED = "skipped", "Skipped"  # staff let it count as done, with a reason
    WITHDRAWN = "withdrawn", "Withdrawn"  # no longer required: the enrollment ended, or enough others are done


class Revocation(models.TextChoices):
    """Why a certificate is no longer valid."""

    REPLACED = "replaced", "Replaced by another"  # staff issued another one, with the learner's current name
    WITHDRAWN = "withdrawn", "Withdrawn by staff"  # a person's decision, which is never reversed automatically
    NOT_EARNED = "not_earned", "No longer earned"  # the payment was refunded, or the enrollment was reopened or deleted


# Counts toward a group: finished, or excused by staff. Neither a failed step nor a withdrawn one ever does.
DONE = (PartnerStepStatus.COMPLETED, PartnerStepStatus.SKIPPED)
# Has begun and is not over: somebody (the learner, the partner, or staff) has to act.
ACTIVE = (PartnerStepStatus.QUEUED, PartnerStepStatus.IN_PROGRESS, PartnerStepStatus.FAILED)
# Its status can still change.
OPEN = (PartnerStepStatus.PENDING, *ACTIVE)
# Is over, unless staff reopen it.
OVER = (*DONE, PartnerStepStatus.WITHDRAWN)
# Over without being completed: a partner that has the learner is told so.
LEFT = (PartnerStepStatus.SKIPPED, PartnerStepStatus.WITHDRAWN)
# The learner has not begun, as far as we know: nobody loses anything if it is no longer required.
NOT_BEGUN = (PartnerStepStatus.PENDING, PartnerStepStatus.QUEUED, PartnerStepStatus.FAILED)
