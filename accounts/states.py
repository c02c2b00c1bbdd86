from django.db import models


class Role(models.TextChoices):
    """What a workspace's member may do in the back office: `roles.py` says which powers each role has.

    Reviewer and finance are separate: neither includes the other. Admins have the powers of both.
    """

    OWNER = "owner", "Owner"  # everything, including members and API keys
    ADMIN = "admin", "Admin"  # programs, districts, and everything that reviewers and finance do
    FINANCE = "finance", "Finance"  # prices, refunds, payments, invoices; decides no enrollment
    REVIEWER = "reviewer", "Reviewer"  # decide enrollments
    VIEWER = "viewer", "Viewer"  # look, but change nothing


class TaskStatus(models.TextChoices):
    OPEN = "open", "Open"  # waits for a person
    DONE = "done", "Done"  # somebody dealt with it and noted how


# The kind of task that asks whether two learners are one person; its subject names both.
POSSIBLE_TWINS = "possible_twins"


class Scope(models.TextChoices):
    """What an API key may access, reading and writing granted separately. Each scope opens something."""

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
    PAPER = "paper", "On paper"  # staff have the paper, and recorded it here
    REPORTED = "reported", "In another system"  # which keeps the evidence, and reported it through the API


class ConsentEnd(models.TextChoices):
    """Why a consent no longer holds; empty while it does."""

    WITHDRAWN = "withdrawn", "Withdrawn"
    REPLACED = "replaced", "Replaced by a newer version"
