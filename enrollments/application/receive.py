"""Receiving a filled-in form: its contents are stored, and a link is mailed to the address it gives.

The responses never reveal whether the workspace knows the learner or has an application for them: a person who types an
address learns nothing until they prove that the mailbox is theirs.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.consents import check_given
from accounts.link_mail import DAY_SECONDS, digest_of, find_exceeded, mailbox_key, new_secret, send_link_mail
from core.addresses import canonical_address
from core.errors import DomainError, NotFound, invalid_field
from core.rows import insert_unless_present

from ..errors import ApplicationOver
from ..models import Application, ProgramInstance
from ..states import Applicant
from .answers import ANSWERS_MAX_BYTES, size_of
from .files import Upload, drop_files, keep_files
from .opening import require_open

log = structlog.get_logger(__name__)

LIFETIME = dt.timedelta(days=7)
MAILS_TO_ADDRESS = 5  # per day, across all forms: enough for a large family, but no flood
MAILS_FROM_WORKSPACE = 2_000  # per day


class TooManyApplications(DomainError):
    status = 429
    code = "too_many_applications"
    title = "Too many applications were sent today"

    def __init__(self, detail: str = "", *, retry_after: int = DAY_SECONDS) -> None:
        self.retry_after = retry_after
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class FilledForm:
    """What the person typed, validated by the form. `answers` are keyed by question, as an enrollment stores them."""

    applicant: Applicant
    email: str
    first_name: str
    last_name: str
    grade_level: str = ""
    school: str = ""
    answers: Mapping[str, Any] = field(default_factory=dict)
    uploads: Sequence[Upload] = ()
    consents: Sequence[int] = ()  # the ids of the texts that were agreed to


@transaction.atomic
def receive_application(
    *, instance_id: int, submission: str, filled: FilledForm, now: dt.datetime
) -> tuple[Application, str]:
    """Store a filled-in form; return the application with its link's secret, which can't be retrieved again.

    The same `submission` again is the same application: its secret is empty once a link has been mailed, and until then
    its contents are replaced. Raises ApplicationsClosed, InstanceFull, ConsentMissing, and Invalid for answers that are
    too long to store.
    """
    instance = ProgramInstance.objects.select_related("program", "workspace", "price").get(pk=instance_id)
    require_open(instance, now=now)
    check_given(workspace_id=instance.workspace_id, given=filled.consents, now=now)
    if size_of(dict(filled.answers)) > ANSWERS_MAX_BYTES:
        raise invalid_field("answers", "too_long", _("The answers are too long together. Shorten the longest ones."))
    application = Application(
        workspace_id=instance.workspace_id, instance=instance, submission=submission, created_at=now
    )
    _fill_in(application, filled)
    token = give_link(application, now=now)
    while not insert_unless_present(application, unless_same=("submission",)):
        known = Application.objects.select_for_update().filter(submission=submission).first()
        if known is None:  # it was deleted in the meantime
            continue
        application = known
        if application.sent_at is not None or application.instance_id != instance_id:
            return application, ""
        _fill_in(application, filled)
        token = give_link(application, now=now)
        application.save()
        break
    keep_files(application, filled.uploads, now=now)
    return application, token


def mail_link(*, application: Application, token: str, now: dt.datetime) -> None:
    """Mail the link. The mail names nobody, because the address may be mistyped.

    Raises TooManyApplications, and Unavailable if the mail server does not accept it; the application stays.
    """
    exceeded = find_exceeded(
        {
            f"applications:to:{mailbox_key(application.email)}": MAILS_TO_ADDRESS,
            f"applications:of:{application.workspace_id}": MAILS_FROM_WORKSPACE,
        }
    )
    if exceeded is not None:
        raise TooManyApplications(
            _("Too many applications were sent to this address today. Try again tomorrow."), retry_after=exceeded[1]
        )
    instance = application.instance
    context = {
        "program": instance.program.title,
        "workspace": application.workspace.name,
        "url": settings.PUBLIC_URL + reverse("application", args=[token]),
        "days": LIFETIME.days,
    }
    send_link_mail(template="enrollments/email/application", to=application.email, context=context)
    Application.objects.filter(pk=application.pk).update(sent_at=now)
    log.info("application_link_mailed", application=application.pk)


@transaction.atomic
def renew_link(*, application_id: int, now: dt.datetime) -> tuple[Application, str]:
    """Give an unconfirmed application a new link for a week; the old one ends. Raises NotFound, ApplicationOver."""
    application = _lock(pk=application_id)
    token = give_link(application, now=now)
    application.save(update_fields=["token_digest", "expires_at"])
    return application, token


@transaction.atomic
def discard_application(*, token: str = "", application_id: int | None = None) -> None:
    """Delete an unconfirmed application and its files, by its link or its id. Raises NotFound, ApplicationOver."""
    application = _lock(pk=application_id) if application_id is not None else _lock(token_digest=digest_of(token))
    delete_application(application)


def count_content(application: Application) -> tuple[int, int]:
    """Count the answers and the files that deleting an application deletes."""
    files = application.files.count()
    return len(application.answers) - files, files  # the name of each file is an answer too


def find_application(*, token: str) -> Application | None:
    """Return the application whose link has this secret."""
    rows = Application.objects.select_related("instance__program", "instance__workspace", "instance__price")
    return rows.select_related("workspace", "enrollment").filter(token_digest=digest_of(token)).first()


def list_unconfirmed(*, address: str, now: dt.datetime) -> list[Application]:
    """Return the applications that wait to be confirmed from this address."""
    waiting = Application.objects.filter(email=address, confirmed_at=None, expires_at__gt=now)
    return list(waiting.select_related("instance__program", "workspace").order_by("expires_at", "pk"))


def give_link(application: Application, *, now: dt.datetime) -> str:
    """Set a new secret that is valid for a week; the caller saves. Returns the secret."""
    token, application.token_digest = new_secret()
    application.expires_at = now + LIFETIME
    return token


def delete_application(application: Application) -> None:
    """Delete a (locked) application and everything in it, in the caller's transaction."""
    drop_files(application)
    application.delete()


def _lock(**which: Any) -> Application:
    application = Application.objects.select_for_update().filter(**which).first()
    if application is None:
        raise NotFound(_("There is no such application."))
    if application.confirmed_at is not None:
        raise ApplicationOver(_("This application was confirmed."))
    return application


def _fill_in(application: Application, filled: FilledForm) -> None:
    application.applicant = filled.applicant
    application.email = canonical_address(filled.email)
    application.first_name = filled.first_name
    application.last_name = filled.last_name
    application.grade_level = filled.grade_level
    application.school = filled.school
    application.answers = dict(filled.answers)
    application.consents = list(filled.consents)
