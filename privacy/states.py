from django.db import models


class ErasureReason(models.TextChoices):
    """Why somebody was erased: what may be stored about such a decision."""

    ASKED = "asked", "The family asked for it"
    OUTDATED = "outdated", "Nothing is needed any more"
    MISTAKE = "mistake", "They should not have been here"


class RetentionKind(models.TextChoices):
    """What a workspace may decide to keep for a limited time."""

    APPLICATIONS = "applications", "Applications that led to no enrollment"  # the form's content; the enrollment stays
    CANDIDATES = "candidates", "Learners who were never accepted"
    PROSPECTS = "prospects", "Leads who never became learners"
    MAILS = "mails", "Emails"  # the record that they were sent, and to whom
    CONSENTS = "consents", "Consents that ended"  # withdrawn, or replaced by a later version
    TASKS = "tasks", "Text of completed staff tasks"


# The shortest retention time of each kind, in days: younger rows may still be asked about, undone, or sent again, or
# belong to something that expires by itself within a month.
LEAST_DAYS = {
    RetentionKind.APPLICATIONS: 60,
    RetentionKind.CANDIDATES: 90,
    RetentionKind.PROSPECTS: 90,
    RetentionKind.MAILS: 90,
    RetentionKind.CONSENTS: 365,
    RetentionKind.TASKS: 90,
}
