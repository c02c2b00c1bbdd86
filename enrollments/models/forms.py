"""The self-enrollment form of an instance: its questions, and applications that wait for a confirmed address."""

import datetime as dt
from typing import Any

from django.core.files.storage import Storage, storages
from django.db import models

from accounts.models import Workspace
from core.addresses import AddressField
from core.clock import utc_now
from core.ids import new_cuid

from ..states import Applicant, QuestionKind
from .enrollments import Enrollment
from .programs import ProgramInstance


class ApplicationQuestion(models.Model):
    """One question of an instance's form.

    Invariant: `key` names the answer in an enrollment's metadata, and never changes. A question that is no longer asked
    stays, so that its answers can be read.
    """

    instance = models.ForeignKey(ProgramInstance, on_delete=models.PROTECT, related_name="questions")
    key = models.CharField(max_length=32, default=new_cuid, editable=False)
    position = models.PositiveSmallIntegerField("order", default=0)
    label = models.CharField("question", max_length=200)
    help_text = models.CharField("help", max_length=300, blank=True)
    kind = models.CharField(max_length=10, choices=QuestionKind.choices, default=QuestionKind.SHORT_TEXT)
    options = models.TextField(blank=True, max_length=2000, help_text="Of a choice: one in each line.")
    is_required = models.BooleanField("required", default=True)
    is_asked = models.BooleanField("asked", default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "key"], name="question_key_unique"),
            models.CheckConstraint(condition=models.Q(kind__in=QuestionKind.values), name="question_kind_known"),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def choices(self) -> list[str]:
        """Return the options in their order, each once."""
        lines = (line.strip() for line in self.options.splitlines())
        return list(dict.fromkeys(line for line in lines if line))


class Application(models.Model):
    """A form that somebody filled in. It becomes an enrollment only when the link mailed to its address is followed and
    the button there is pressed; then its names and answers move to the enrollment.

    Invariant: it is confirmed exactly if it has its enrollment. Only the SHA-256 of the link's secret is stored.
    `submission` identifies the form as it was handed out: sent twice, it is one application.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="applications")
    instance = models.ForeignKey(ProgramInstance, on_delete=models.PROTECT, related_name="applications")
    submission = models.CharField(max_length=32, unique=True, editable=False)
    applicant = models.CharField(max_length=8, choices=Applicant.choices)
    email = AddressField(max_length=254)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    grade_level = models.CharField(max_length=50, blank=True)
    school = models.CharField(max_length=200, blank=True)
    answers: "models.JSONField[dict[str, Any], dict[str, Any]]" = models.JSONField(default=dict, blank=True)
    # The ids of the consent texts that were agreed to.
    consents = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), editable=False)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    sent_at = models.DateTimeField(null=True, editable=False)  # when the mail server accepted the newest link
    expires_at = models.DateTimeField(editable=False)
    confirmed_at = models.DateTimeField(null=True, editable=False)
    enrollment = models.ForeignKey(
        Enrollment, null=True, editable=False, on_delete=models.PROTECT, related_name="applications"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(applicant__in=Applicant.values), name="applicant_known"),
            models.CheckConstraint(
                condition=models.Q(confirmed_at__isnull=True, enrollment__isnull=True)
                | models.Q(confirmed_at__isnull=False, enrollment__isnull=False),
                name="application_confirmed_iff_enrolled",
            ),
        ]
        indexes = [
            models.Index(
                fields=["expires_at"], condition=models.Q(confirmed_at__isnull=True), name="application_unconfirmed"
            ),
            models.Index(fields=["workspace", "-id"], name="application_newest"),
        ]

    def __str__(self) -> str:
        return f"Application {self.pk}"

    def state(self, now: dt.datetime) -> str:
        if self.confirmed_at:
            return "confirmed"
        return "waiting" if now < self.expires_at else "expired"


def files_of_applications() -> Storage:
    """Return the storage for files: outside of what the web server serves, readable only through the back office."""
    return storages["private"]


def name_in_storage(file: "ApplicationFile", name: str) -> str:
    """Name the file by its id alone: the name that a family gave it may reveal whom it is about."""
    return f"applications/{file.cuid}"


class ApplicationFile(models.Model):
    """A file that was uploaded with an application; it stays with the application when that is confirmed."""

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    application = models.ForeignKey(Application, on_delete=models.PROTECT, related_name="files")
    question = models.ForeignKey(ApplicationQuestion, on_delete=models.PROTECT, related_name="files")
    name = models.CharField(max_length=100)  # the family's name for it
    media_type = models.CharField(max_length=50)  # detected from its first bytes
    size = models.PositiveIntegerField()
    content = models.FileField(storage=files_of_applications, upload_to=name_in_storage, max_length=100)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "question"], name="application_file_once_per_question"),
        ]

    def __str__(self) -> str:
        return f"File {self.pk}"
