from django.db import models


class ErasureReason(models.TextChoices):
    """Why somebody was erased: what may be kept of such a decision."""

    ASKED = "asked", "The family asked for it"
    OUTDATED = "outdated", "Nothing is needed any more"
    MISTAKE = "mistake", "They should not have been here"


class RetentionKind(models.TextChoices):
    """What a workspace may decide to keep for some time only."""

    APPLICATIONS = "applications", "Applications that led to no enrollment"  # what the form held; the enrollment stays
    CANDIDATES = "candidates", "Learners who were never accepted"
    PROSPECTS = "prospects", "Leads who never became learners"
    MAILS = "mails", "Emails"  # that they were sent, and to whom
    CONSENTS = "consents", "Consents that ended"  # withdrawn, or replaced by a later version
    TASKS = "tasks", "Text of completed staff tasks"


# The shortest time for which each is kept, in days: what is younger may still be asked about, undone or sent again, or
# stands in something that goes by itself within a month.
LEAST_DAYS = {
    RetentionKind.APPLICATIONS: 60,
    RetentionKind.CANDIDATES: 90,
    RetentionKind.PROSPECTS: 90,
    RetentionKind.MAILS: 90,
    RetentionKind.CONSENTS: 365,
    RetentionKind.TASKS: 90,
}
