from django.db import models


class Role(models.TextChoices):
    """What a member of a workspace may do in the back office: `roles.py` says which powers each one holds.

    Reviewer and finance stand side by side: neither includes the other. Admins hold what both hold.
    """

    OWNER = "owner", "Owner"  # everything, members and API keys included
    ADMIN = "admin", "Admin"  # programs, districts, and all that reviewers and finance do
    FINANCE = "finance", "Finance"  # prices, refunds, payments, invoices; decides no enrollment
    REVIEWER = "reviewer", "Reviewer"  # decide enrollments
    VIEWER = "viewer", "Viewer"  # look, change nothing


class TaskStatus(models.TextChoices):
    OPEN = "open", "Open"  # waits for a person
    DONE = "done", "Done"  # somebody dealt with it and said how


# The kind of the tasks that ask whether two learners are one person; their subject names both.
POSSIBLE_TWINS = "possible_twins"


class Scope(models.TextChoices):
    """What an API key may touch, each half separately granted. Each opens something."""

    DECISIONS_READ = "decisions:read"
    DECISIONS_WRITE = "decisions:write"
    DISTRICTS_READ = "districts:read"
    DISTRICTS_WRITE = "districts:write"
    ENROLLMENTS_READ = "enrollments:read"
    ENROLLMENTS_WRITE = "enrollments:write"
    EVENTS_READ = "events:read"
    LEARNERS_READ = "learners:read"
    LEARNERS_WRITE = "learners:write"
    PARTNERS_READ = "partners:read"
    PARTNERS_WRITE = "partners:write"
    PAYMENTS_READ = "payments:read"
    PAYMENTS_WRITE = "payments:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"


class ConsentWay(models.TextChoices):
    """How somebody agreed."""

    FORM = "form", "On a page"
    PAPER = "paper", "On paper"  # staff have it, and wrote it down here


class ConsentEnd(models.TextChoices):
    """Why a consent holds no longer; empty while it does."""

    WITHDRAWN = "withdrawn", "Withdrawn"
    REPLACED = "replaced", "Replaced by a newer version"
