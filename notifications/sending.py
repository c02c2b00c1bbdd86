"""Emails as rows: recorded with the news they tell, sent by the worker, and retried until the mail server accepts them.

A mail is claimed by a lease before it goes out. If a worker dies between sending and recording it, the mail is sent
again when the lease is over, under the same Message-ID: we prefer sending twice to not sending at all.
"""

import datetime as dt
import smtplib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr

import structlog
from celery import signature
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F
from django.utils import translation

from accounts.languages import language_of_address
from accounts.staff_tasks import raise_staff_task
from core import retries
from core.addresses import canonical_address
from core.errors import DomainError, NotFound
from core.network import forbid_open_transaction
from core.personal import NOWHERE
from core.rows import insert_many, insert_unless_present
from core.work import nudge_sweep

from .letters import Email, forgets_address, is_registered, render
from .models import Notification
from .states import NotificationStatus
from .task_kinds import EMAIL_NOT_SENT
from .wording import is_switched_off

log = structlog.get_logger(__name__)

RETRY = retries.Retry(  # ten times within 7 to 15 hours
    first_pause_seconds=120.0, longest_pause_seconds=6 * 3600.0, lease=dt.timedelta(minutes=2), attempts=10
)
# The sweep, how many mails it sends each time, and how often it runs.
SWEEP = "notifications.tasks.send_due_notifications"
SWEEP_SENDS = 100
SWEEP_EVERY = dt.timedelta(seconds=30)
# What a mail server says about one mail. Any other error means that the server does not answer at all.
_REFUSALS = (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)


@dataclass(frozen=True, slots=True)
class Letter:
    """One of many emails: the recipient, the subject, and the ids its text is made from."""

    recipient: str
    subject_key: str
    params: Mapping[str, int | str] = field(default_factory=dict)


class NotificationOnItsWay(DomainError):
    code = "notification_on_its_way"
    title = "This email has not been sent yet; it is on its way already"


class AddressForgotten(DomainError):
    code = "address_forgotten"
    title = "The recipient of this email is no longer known, so it can't be sent again"


def notify(
    *,
    workspace_id: int,
    kind: str,
    recipient: str,
    subject_key: str,
    params: Mapping[str, int | str] | None = None,
    now: dt.datetime,
) -> bool:
    """Record an email, as part of the caller's transaction. Return False if this address already has it, or if the
    workspace has switched such emails off.

    `subject_key` names what it is about ("package:12"), `params` are the ids its text is made from. Raises LookupError
    for a kind that no app registered.
    """
    if not is_registered(kind):
        raise LookupError(f"no app registered the email {kind}")
    if is_switched_off(kind=kind, workspace_id=workspace_id):
        return False
    notification = Notification(
        workspace_id=workspace_id,
        kind=kind,
        recipient=canonical_address(recipient),
        subject_key=subject_key,
        params=dict(params or {}),
        created_at=now,
        next_attempt_at=now,
    )
    if not insert_unless_present(notification):
        return False
    nudge_sweep(signature(SWEEP))
    return True


def notify_many(*, workspace_id: int, kind: str, letters: Iterable[Letter], behind: int = 0, now: dt.datetime) -> int:
    """Record many emails of one kind that nobody has recorded before, as part of the caller's transaction; return how
    many. Return None if the workspace has switched such emails off.

    They become due at the pace of the sweep, after `behind` others of the same work: thousands of them delay no other
    mail, and those that have not been sent can still be switched off. Raises IntegrityError for an email that already
    exists.
    """
    if not is_registered(kind):
        raise LookupError(f"no app registered the email {kind}")
    if is_switched_off(kind=kind, workspace_id=workspace_id):
        return 0
    rows = [
        Notification(
            workspace_id=workspace_id,
            kind=kind,
            recipient=letter.recipient,
            subject_key=letter.subject_key,
            params=dict(letter.params),
            created_at=now,
            next_attempt_at=now + SWEEP_EVERY * (number // SWEEP_SENDS),
        )
        for number, letter in enumerate(letters, start=behind)
    ]
    insert_many(rows)
    if rows and behind < SWEEP_SENDS:
        nudge_sweep(signature(SWEEP))
    return len(rows)


def send_notification(*, notification_id: int, now: dt.datetime) -> Notification:
    """Send one due email, outside any transaction. An email that is not due, or held by another worker, is left alone.
    Raises NotFound; errors in sending are recorded, and the mail is retried later."""
    _try_to_send(notification_id, now)
    notification = Notification.objects.filter(pk=notification_id).first()
    if notification is None:
        raise NotFound("There is no such notification.")
    return notification


def send_due_notifications(*, limit: int = 100, now: dt.datetime) -> int:
    """Send the emails whose nudge was lost or whose last try failed; return how many were dealt with.

    Stops when the mail server does not answer; the rest is due again with the next sweep.
    """
    due = retries.due(Notification.objects.filter(status=NotificationStatus.PENDING), now=now)
    done = 0
    for notification_id in list(due.values_list("pk", flat=True)[:limit]):
        if not _try_to_send(notification_id, now):
            break
        done += 1
    return done


@transaction.atomic
def resend_notification(*, notification_id: int, now: dt.datetime) -> Notification:
    """Make an email due again with all its tries. Raises NotFound, NotificationOnItsWay (pending), AddressForgotten."""
    again = Notification.objects.filter(pk=notification_id).exclude(status=NotificationStatus.PENDING)
    again = again.exclude(recipient__endswith=NOWHERE)
    revived = again.update(
        status=NotificationStatus.PENDING,
        attempts=0,
        resends=F("resends") + 1,
        next_attempt_at=now,
        last_error="",
    )
    notification = Notification.objects.filter(pk=notification_id).first()
    if notification is None:
        raise NotFound("There is no such notification.")
    if not revived:
        raise AddressForgotten if notification.recipient.endswith(NOWHERE) else NotificationOnItsWay
    nudge_sweep(signature(SWEEP))
    return notification


def _try_to_send(notification_id: int, now: dt.datetime) -> bool:
    """Return False if the mail server does not answer. Any other error concerns this email alone."""
    pending = Notification.objects.filter(pk=notification_id, status=NotificationStatus.PENDING)
    if not retries.claim(pending, now=now, lease=RETRY.lease):
        return True
    notification = Notification.objects.filter(pk=notification_id).first()
    if notification is None:  # it was erased just now
        return True
    try:
        is_off = is_switched_off(kind=notification.kind, workspace_id=notification.workspace_id)
        language = language_of_address(notification.recipient, workspace_id=notification.workspace_id)
        with translation.override(language):
            email = None if is_off else render(notification)
        if email is not None:
            _deliver(notification, email)
    except Exception as error:
        answers = not isinstance(error, OSError) or isinstance(error, _REFUSALS)
        if not isinstance(error, OSError):
            log.exception("notification_broken", notification=notification.pk, kind=notification.kind)
        _record_failure(notification, error, now)
        return answers
    _record_end(notification, sent=email is not None, now=now)
    told = "notification_sent" if email else "notification_skipped"
    log.info(told, notification=notification.pk, kind=notification.kind)
    return True


def _deliver(notification: Notification, email: Email) -> None:
    forbid_open_transaction()
    _, sender = parseaddr(settings.DEFAULT_FROM_EMAIL)
    message = EmailMultiAlternatives(
        subject=email.subject,
        body=email.text,
        to=[notification.recipient],
        headers={
            "Message-ID": f"<{notification.reference}@{sender.rpartition('@')[2] or 'localhost'}>",
            "Auto-Submitted": "auto-generated",
            **_stop_headers(email),
        },
    )
    message.attach_alternative(email.html, "text/html")
    for attachment in email.attachments:
        message.attach(attachment.name, attachment.content, attachment.media_type)
    message.send()


def _stop_headers(email: Email) -> dict[str, str]:
    """Return the headers that let mail programs offer to stop such mails with one press: RFC 8058, section 3.1."""
    if not email.stop_url:
        return {}
    return {"List-Unsubscribe": f"<{email.stop_url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def _record_end(notification: Notification, *, sent: bool, now: dt.datetime) -> None:
    Notification.objects.filter(pk=notification.pk, status=NotificationStatus.PENDING).update(
        recipient=_recipient_kept(notification),
        status=NotificationStatus.SENT if sent else NotificationStatus.SKIPPED,
        sent_at=now if sent else None,
        attempts=F("attempts") + 1,
        last_error="",
    )


@transaction.atomic
def _record_failure(notification: Notification, error: Exception, now: dt.datetime) -> None:
    attempts = notification.attempts + 1
    dead = RETRY.is_used_up(attempts)
    recorded = retries.record_failure(
        Notification.objects.filter(pk=notification.pk, status=NotificationStatus.PENDING),
        retry=RETRY,
        attempts=attempts,
        error=_describe(error),
        now=now,
        status=NotificationStatus.DEAD if dead else NotificationStatus.PENDING,
        recipient=_recipient_kept(notification) if dead else notification.recipient,
    )
    log.warning("notification_not_sent", notification=notification.pk, attempts=attempts, error=_describe(error))
    if dead and recorded:
        raise_staff_task(
            workspace_id=notification.workspace_id,
            kind=EMAIL_NOT_SENT,
            subject=f"notification:{notification.pk}",
            summary=f"The mail could not be sent {attempts} times.",
        )


def _recipient_kept(notification: Notification) -> str:
    """Return what the row of a finished mail says about its recipient."""
    if forgets_address(notification.kind):
        return f"notification-{notification.pk}{NOWHERE}"
    return str(notification.recipient)


def _describe(error: Exception) -> str:
    """Return the error's kind and the server's code. Its text may name the address, which must not be logged."""
    code = getattr(error, "smtp_code", "")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = next((answer[0] for answer in error.recipients.values()), "")
    return f"{type(error).__name__} {code}".strip()
